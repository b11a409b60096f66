//! Sets of characters: `[..]`, `\d` and `.` of Go's regular expressions. Knows nothing of patterns or paths.

use crate::harmless;

use super::{expression::escaped_char, syntax::Complaint};

/// A set of characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Class {
    ranges: Vec<(char, char)>,
    negated: bool,
}

impl Class {
    pub fn any_but(char: char) -> Self {
        Self {
            ranges: vec![(char, char)],
            negated: true,
        }
    }

    pub fn contains(&self, char: char) -> bool {
        self.ranges
            .iter()
            .any(|&(low, high)| low <= char && char <= high)
            != self.negated
    }

    /// Its ASCII characters, as bits.
    pub fn ascii(&self) -> u128 {
        ('\0'..='\x7F')
            .filter(|&char| self.contains(char))
            .fold(0, |bits, char| bits | 1 << u32::from(char))
    }

    /// Reads the class whose `[` begins `rest`, and returns what follows it.
    pub fn parse(rest: &str) -> Result<(Self, &str), Complaint> {
        let mut class = Self::default();
        let mut rest = rest.strip_prefix('[').unwrap_or(rest);
        if let Some(after) = rest.strip_prefix('^') {
            class.negated = true;
            rest = after;
        }
        let mut first = true;
        loop {
            if !first && let Some(after) = rest.strip_prefix(']') {
                return Ok((class, after));
            }
            first = false;
            if let Some((named, after)) = named(rest)? {
                class.add(&named);
                rest = after;
            } else if let Some((escaped, after)) = Self::parse_escape(rest) {
                class.add(&escaped);
                rest = after;
            } else {
                rest = class.range(rest)?;
            }
        }
    }

    /// `\d`, `\s`, `\w` and their opposites at the start of `rest`.
    pub fn parse_escape(rest: &str) -> Option<(Self, &str)> {
        let after = rest.strip_prefix('\\')?;
        let letter = after.chars().next()?;
        let ranges: &[(char, char)] = match letter.to_ascii_lowercase() {
            'd' => &[('0', '9')],
            's' => &[('\t', '\n'), ('\x0C', '\r'), (' ', ' ')],
            'w' => WORD,
            _ => return None,
        };
        let class = Self {
            ranges: ranges.to_vec(),
            negated: letter.is_ascii_uppercase(),
        };
        Some((class, &after[1..]))
    }

    /// Reads a character or a range of them into the class.
    fn range<'a>(&mut self, rest: &'a str) -> Result<&'a str, Complaint> {
        let (low, after) = member(rest)?;
        let Some(end) = after
            .strip_prefix('-')
            .filter(|end| !end.is_empty() && !end.starts_with(']'))
        else {
            self.ranges.push((low, low));
            return Ok(after);
        };
        let (high, after) = member(end)?;
        if high < low {
            return Err(format!(
                "the range `{0}-{1}` in its class runs backwards\nwrite `{1}-{0}`, or `\\-` for the dash itself",
                harmless::value(&low.to_string()),
                harmless::value(&high.to_string())
            ));
        }
        self.ranges.push((low, high));
        Ok(after)
    }

    fn add(&mut self, other: &Self) {
        if !other.negated {
            self.ranges.extend_from_slice(&other.ranges);
            return;
        }
        // Only this file's sorted, separate ranges are ever negated here.
        let mut next = '\0';
        for &(low, high) in &other.ranges {
            if let Some(below) = (next..low).next_back() {
                self.ranges.push((next, below));
            }
            next = (high..=char::MAX).nth(1).unwrap_or(char::MAX);
        }
        self.ranges.push((next, char::MAX));
    }
}

const WORD: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

/// Whether `\b` counts the character as part of a word.
pub(super) fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

fn member(rest: &str) -> Result<(char, &str), Complaint> {
    if rest.starts_with('\\') {
        return escaped_char(rest);
    }
    let mut chars = rest.chars();
    match chars.next() {
        Some(char) => Ok((char, chars.as_str())),
        None => Err("its `[` is never closed\nwrite `\\[` for the bracket itself, or close the class with `]`".to_owned()),
    }
}

/// A named class, `[:name:]` or `[:^name:]`, at the start of `rest`.
fn named(rest: &str) -> Result<Option<(Class, &str)>, Complaint> {
    let Some((name, after)) = rest
        .strip_prefix("[:")
        .and_then(|inner| inner.split_once(":]"))
    else {
        return Ok(None);
    };
    let (plain, negated) = match name.strip_prefix('^') {
        Some(plain) => (plain, true),
        None => (name, false),
    };
    let ranges: &[(char, char)] = match plain {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\x7F')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\x1F'), ('\x7F', '\x7F')],
        "digit" => &[('0', '9')],
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "word" => WORD,
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => {
            return Err(format!(
                "the builder knows no class `[:{}:]`\nwrite the characters themselves, as in `[a-z]`",
                harmless::value(name)
            ));
        }
    };
    Ok(Some((
        Class {
            ranges: ranges.to_vec(),
            negated,
        },
        after,
    )))
}

#[cfg(test)]
mod tests {
    use super::Class;

    fn members(text: &str) -> String {
        let (class, rest) = Class::parse(text).unwrap();
        assert_eq!(rest, "");
        (' '..='~').filter(|&char| class.contains(char)).collect()
    }

    #[test]
    fn classes_hold_what_go_says() {
        assert_eq!(members("[!a]"), "!a");
        assert_eq!(members("[a-c\\-]"), "-abc");
        assert_eq!(members("[a-]"), "-a");
        assert_eq!(members("[]a]"), "]a");
        assert_eq!(members("[[:digit:]x]"), "0123456789x");
        assert_eq!(members("[\\dx]"), "0123456789x");
        assert_eq!(members("[^!-/:-~]").trim_start(), "0123456789");
        assert_eq!(members("[^\\W]"), members("[\\w]"));
        assert_eq!(members("[^[:^lower:]]"), "abcdefghijklmnopqrstuvwxyz");
        assert_eq!(members("[[:a]"), ":[a");
    }

    #[test]
    fn unknown_names_and_backward_ranges_are_refused() {
        for text in ["[[:letters:]]", "[z-a]", "[\\y]", "[\\b]", "[a"] {
            assert!(Class::parse(text).is_err(), "`{text}`");
        }
    }
}
