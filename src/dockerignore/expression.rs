//! Parses the part of Go's regular expression syntax that ignore patterns can produce. Knows nothing of patterns or paths.

use super::{class::Class, syntax::Complaint};

/// A regular expression as a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Empty,
    Char(char),
    Class(Class),
    Assert(Assertion),
    Concat(Vec<Node>),
    Either(Vec<Node>),
    Repeat {
        node: Box<Node>,
        min: u32,
        max: Option<u32>,
    },
}

impl Node {
    /// What is between `^` and `$`, when these are the expression's only assertions.
    pub fn anchored(&self) -> Option<&[Self]> {
        let Self::Concat(nodes) = self else {
            return None;
        };
        let [
            Self::Assert(Assertion::Begin),
            inner @ ..,
            Self::Assert(Assertion::End),
        ] = nodes.as_slice()
        else {
            return None;
        };
        (!inner.iter().any(Self::has_assertion)).then_some(inner)
    }

    fn has_assertion(&self) -> bool {
        match self {
            Self::Assert(_) => true,
            Self::Concat(nodes) | Self::Either(nodes) => nodes.iter().any(Self::has_assertion),
            Self::Repeat { node, .. } => node.has_assertion(),
            Self::Empty | Self::Char(_) | Self::Class(_) => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Assertion {
    Begin,
    End,
    /// A border between a word character (ASCII) and another.
    WordBorder,
    NoWordBorder,
}

/// The builder's limit for one `{n,m}`.
const MOST_REPEATS: u32 = 1000;

/// Fails where the builder's own parser fails, and on `\p`, whose tables are too large to be worth including.
pub(super) fn parse(expression: &str) -> Result<Node, Complaint> {
    let mut reader = Reader { rest: expression };
    let node = reader.either()?;
    if reader.rest.is_empty() {
        Ok(node)
    } else {
        Err(unreadable(reader.rest))
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn either(&mut self) -> Result<Node, Complaint> {
        let mut branches = vec![self.concat()?];
        while self.eat('|') {
            branches.push(self.concat()?);
        }
        Ok(if branches.len() == 1 {
            branches.remove(0)
        } else {
            Node::Either(branches)
        })
    }

    fn concat(&mut self) -> Result<Node, Complaint> {
        let mut nodes = Vec::new();
        let mut repeated = false;
        while let Some(char) = self.rest.chars().next() {
            if matches!(char, '|' | ')') {
                break;
            }
            if let Some((min, max)) = self.repetition()? {
                let node = nodes
                    .pop()
                    .filter(|_| !repeated)
                    .ok_or_else(misplaced_repetition)?;
                nodes.push(Node::Repeat {
                    node: Box::new(node),
                    min,
                    max,
                });
                repeated = true;
                continue;
            }
            repeated = false;
            if let Some(quoted) = self.rest.strip_prefix("\\Q") {
                let (literal, rest) = quoted.split_once("\\E").unwrap_or((quoted, ""));
                nodes.extend(literal.chars().map(Node::Char));
                self.rest = rest;
                continue;
            }
            nodes.push(self.atom(char)?);
        }
        Ok(if nodes.is_empty() {
            Node::Empty
        } else {
            Node::Concat(nodes)
        })
    }

    fn atom(&mut self, char: char) -> Result<Node, Complaint> {
        if char == '[' {
            let (class, rest) = Class::parse(self.rest)?;
            self.rest = rest;
            return Ok(Node::Class(class));
        }
        if char == '\\' {
            return self.escape();
        }
        self.rest = &self.rest[char.len_utf8()..];
        Ok(match char {
            '(' => {
                let node = self.either()?;
                if !self.eat(')') {
                    return Err(unreadable(self.rest));
                }
                node
            }
            '.' => Node::Class(Class::any_but('\n')),
            '^' => Node::Assert(Assertion::Begin),
            '$' => Node::Assert(Assertion::End),
            other => Node::Char(other),
        })
    }

    fn escape(&mut self) -> Result<Node, Complaint> {
        if let Some((class, rest)) = Class::parse_escape(self.rest) {
            self.rest = rest;
            return Ok(Node::Class(class));
        }
        let mut after = self.rest.chars();
        after.next();
        let assertion = match after.next() {
            Some('A') => Assertion::Begin,
            Some('z') => Assertion::End,
            Some('b') => Assertion::WordBorder,
            Some('B') => Assertion::NoWordBorder,
            _ => {
                let (char, rest) = escaped_char(self.rest)?;
                self.rest = rest;
                return Ok(Node::Char(char));
            }
        };
        self.rest = after.as_str();
        Ok(Node::Assert(assertion))
    }

    /// `*`, `?` or a well-formed `{n,m}`; any other `{` is a character.
    fn repetition(&mut self) -> Result<Option<(u32, Option<u32>)>, Complaint> {
        if self.eat('*') {
            return Ok(Some((0, None)));
        }
        if self.eat('?') {
            return Ok(Some((0, Some(1))));
        }
        let Some((min, max, rest)) = counts(self.rest) else {
            return Ok(None);
        };
        let min_fits = min.is_some_and(|min| {
            min <= MOST_REPEATS && max.is_none_or(|max| max.is_some_and(|max| min <= max))
        });
        let max_fits = max.is_none_or(|max| max.is_some_and(|max| max <= MOST_REPEATS));
        let Some(min) = min.filter(|_| min_fits && max_fits) else {
            return Err(format!(
                "the builder reads its `{{..}}` as a repetition, of at most {MOST_REPEATS} times and the smaller number first\n\
                 write `[{{]` for the brace itself"
            ));
        };
        self.rest = rest;
        // A `?` after a repetition changes which match is found, but not whether there is one.
        Ok(Some((min, max.flatten())))
    }

    fn eat(&mut self, char: char) -> bool {
        self.rest
            .strip_prefix(char)
            .map(|rest| self.rest = rest)
            .is_some()
    }
}

/// A number in `{..}`; `None` when it is too large to be useful.
type Count = Option<u32>;

/// The numbers of a leading `{n}`, `{n,}` or `{n,m}`, and what follows it. The second is `None` for "no upper end".
fn counts(rest: &str) -> Option<(Count, Option<Count>, &str)> {
    let (inner, rest) = rest.strip_prefix('{')?.split_once('}')?;
    let (min, max) = match inner.split_once(',') {
        None => (number(inner)?, Some(number(inner)?)),
        Some((min, "")) => (number(min)?, None),
        Some((min, max)) => (number(min)?, Some(number(max)?)),
    };
    Some((min, max, rest))
}

fn number(digits: &str) -> Option<Count> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let padded = digits.len() > 1 && digits.starts_with('0');
    (plain && !padded).then(|| digits.parse().ok())
}

/// The character that `\..` at the start of `rest` stands for, and what follows it.
pub(super) fn escaped_char(rest: &str) -> Result<(char, &str), Complaint> {
    let mut chars = rest.chars();
    chars.next();
    let Some(char) = chars.next() else {
        return Err(unreadable(rest));
    };
    let after = chars.as_str();
    Ok(match char {
        'a' => ('\x07', after),
        'f' => ('\x0C', after),
        'n' => ('\n', after),
        'r' => ('\r', after),
        't' => ('\t', after),
        'v' => ('\x0B', after),
        'x' => return hexadecimal(after).ok_or_else(|| unknown_escape(char)),
        '0'..='7' => return octal(char, after).ok_or_else(|| unknown_escape(char)),
        other if other.is_ascii() && !other.is_ascii_alphanumeric() => (other, after),
        other => return Err(unknown_escape(other)),
    })
}

fn hexadecimal(after: &str) -> Option<(char, &str)> {
    let (digits, rest) = match after.strip_prefix('{') {
        Some(braced) => braced.split_once('}')?,
        None => after.split_at_checked(2)?,
    };
    // `from_str_radix` alone would accept a sign.
    let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let code = u32::from_str_radix(digits, 16).ok().filter(|_| valid)?;
    Some((char::from_u32(code)?, rest))
}

/// Up to three octal digits; a single one other than 0 would be a reference to a group, which Go does not have.
fn octal(first: char, after: &str) -> Option<(char, &str)> {
    let more = after
        .bytes()
        .take(2)
        .take_while(|byte| matches!(byte, b'0'..=b'7'))
        .count();
    if first != '0' && more == 0 {
        return None;
    }
    let (digits, rest) = after.split_at(more);
    let code = u32::from_str_radix(&format!("{first}{digits}"), 8).ok()?;
    Some((char::from_u32(code)?, rest))
}

fn unknown_escape(char: char) -> Complaint {
    format!(
        "the builder knows no escape `\\{char}`\n\
         write `/` between directories, and `{char}` without the backslash for the character itself"
    )
}

fn misplaced_repetition() -> Complaint {
    "the builder reads its `{..}` as a repetition, and there is nothing before it to repeat\n\
     write `[{]` for the brace itself"
        .to_owned()
}

fn unreadable(rest: &str) -> Complaint {
    format!(
        "the builder cannot read it from `{rest}` on\nwrite a plain path, or use only `*`, `?`, `**` and `[..]`"
    )
}

/// What every path that matches begins and ends with: most paths are ruled out by this without running the automaton.
#[derive(Clone, Debug, Default)]
pub(super) struct Ends {
    beginning: String,
    ending: String,
    /// The last character is one of these.
    last: Option<Class>,
}

impl Ends {
    /// `false` when the path cannot match.
    pub fn allow(&self, path: &[u8]) -> bool {
        let last = || match (&self.last, path.last()) {
            (None, _) => true,
            (Some(_), None) => false,
            // One byte of a longer character says nothing.
            (Some(class), Some(byte)) => !byte.is_ascii() || class.contains(char::from(*byte)),
        };
        path.ends_with(self.ending.as_bytes())
            && last()
            && path.starts_with(self.beginning.as_bytes())
    }
}

impl Node {
    /// Nothing is required of either end unless the expression is anchored at both.
    pub fn ends(&self) -> Ends {
        let Self::Concat(nodes) = self else {
            return Ends::default();
        };
        let [
            Self::Assert(Assertion::Begin),
            nodes @ ..,
            Self::Assert(Assertion::End),
        ] = nodes.as_slice()
        else {
            return Ends::default();
        };
        // The replacement character also stands for a byte that is no UTF-8.
        let plain = |node: &Self| match node {
            Self::Char(char) if *char != char::REPLACEMENT_CHARACTER => Some(*char),
            _ => None,
        };
        let reversed: Vec<char> = nodes.iter().rev().map_while(plain).collect();
        Ends {
            beginning: nodes.iter().map_while(plain).collect(),
            ending: reversed.into_iter().rev().collect(),
            last: match nodes.last() {
                Some(Self::Class(class)) => Some(class.clone()),
                _ => None,
            },
        }
    }
}
