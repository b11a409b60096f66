//! Turns the text of an ignore file into cleaned patterns with their line numbers. Knows nothing of matching.

use super::BadPattern;

/// One pattern of an ignore file, in the two forms it is needed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The line in the file, from 1.
    pub number: usize,
    /// As the user wrote it, without surrounding white space.
    pub written: String,
    /// It begins with `!`: what it matches is kept.
    pub keeps: bool,
    /// Cleaned as a path, without the `!`.
    pub pattern: String,
}

/// The builder's reader rejects a line of this many bytes, its line break included.
const LONGEST_LINE: usize = 64 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The lines that hold a pattern, without comments and blank lines. An error stands for a line that the builder refuses.
pub(super) fn read(text: &[u8]) -> Vec<Result<Line, BadPattern>> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    text.split(|&byte| byte == b'\n')
        .zip(1..)
        .filter(|(line, _)| !line.starts_with(b"#"))
        .filter_map(|(line, number)| {
            if line.len() >= LONGEST_LINE {
                return Some(Err(BadPattern::new(
                    number,
                    "",
                    "the line is longer than 65,535 bytes, which the builder cannot read\nsplit it into several patterns",
                )));
            }
            pattern(number, &text_of(line))
        })
        .collect()
}

/// One line or list entry; `None` when it is blank.
pub(super) fn pattern(number: usize, written: &str) -> Option<Result<Line, BadPattern>> {
    let written = written.trim();
    if written.is_empty() {
        return None;
    }
    // The builder cleans twice: its reader without the `!`, its matcher with it. This shows for `!../../a`, which loses its `!`,
    // and for `/!a`, which gains one; we do both, so that such lines mean the same here.
    let (mark, rest) = match written.strip_prefix('!') {
        Some(rest) => ("!", rest.trim()),
        None => ("", written),
    };
    let mut read = String::from(mark);
    if !rest.is_empty() {
        let cleaned = clean(rest);
        read.push_str(match cleaned.strip_prefix('/') {
            Some(below) if !below.is_empty() => below,
            _ => &cleaned,
        });
    }
    let cleaned = clean(read.trim());
    let (keeps, pattern) = match cleaned.strip_prefix('!') {
        Some("") => {
            return Some(Err(BadPattern::new(
                number,
                written,
                "a `!` alone keeps nothing\nwrite the pattern to keep after it, as in `!name`, or remove the line",
            )));
        }
        Some(rest) => (true, rest.to_owned()),
        None => (false, cleaned),
    };
    Some(Ok(Line {
        number,
        written: written.to_owned(),
        keeps,
        pattern,
    }))
}

/// The shortest equivalent path: no empty components, no `.`, and each `..` resolved where something precedes it.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(".."),
            },
            name => parts.push(name),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

/// The line as text. Each byte that is not valid UTF-8 becomes one replacement character, as it does in the builder; in a pattern
/// with wildcards that character matches any such byte.
fn text_of(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    for chunk in line.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as(written: &str) -> String {
        match pattern(1, written) {
            None => "blank".to_owned(),
            Some(Err(bad)) => format!("error: {}", bad.why),
            Some(Ok(line)) => format!("{}{}", if line.keeps { "keep " } else { "" }, line.pattern),
        }
    }

    #[test]
    fn a_pattern_is_cleaned_as_a_path() {
        for (written, meant) in [
            ("a", "a"),
            ("./a", "a"),
            ("/a", "a"),
            ("//a", "a"),
            ("a/", "a"),
            ("a//b", "a/b"),
            ("a/../b", "b"),
            ("a/./b", "a/b"),
            ("/../a", "a"),
            ("../a", "../a"),
            ("a/../../b", "../b"),
            ("/", "/"),
            (".", "."),
            ("a/..", "."),
            ("\t a \u{a0}", "a"),
            ("a b", "a b"),
            ("", "blank"),
            (" \t", "blank"),
            ("!a", "keep a"),
            ("! a", "keep a"),
            ("!/a", "keep a"),
            ("!./a/", "keep a"),
            ("!!a", "keep !a"),
            ("/!a", "keep a"),
            ("!../a", "keep ../a"),
            ("!../../a", "a"),
            ("**/", "**"),
        ] {
            assert_eq!(read_as(written), meant, "`{written}`");
        }
    }

    #[test]
    fn a_lone_exclamation_mark_is_refused() {
        for written in ["!", "! ", "!/"] {
            assert!(
                read_as(written).starts_with("error: a `!` alone"),
                "`{written}`"
            );
        }
    }

    #[test]
    fn comments_begin_in_the_first_column_and_lines_keep_their_numbers() {
        let lines = read(b"\xEF\xBB\xBF# first\r\n\r\na\r\n #b\n#c\nd");
        let found: Vec<_> = lines
            .iter()
            .map(|line| {
                line.as_ref()
                    .map(|line| (line.number, line.pattern.as_str()))
            })
            .collect();
        assert_eq!(found, [Ok((3, "a")), Ok((4, "#b")), Ok((6, "d"))]);
    }

    #[test]
    fn a_byte_order_mark_is_dropped_in_the_first_line_only() {
        let lines = read("\u{feff}a\n\u{feff}b".as_bytes());
        let found: Vec<_> = lines
            .iter()
            .flatten()
            .map(|line| line.pattern.as_str())
            .collect();
        assert_eq!(found, ["a", "\u{feff}b"]);
    }

    #[test]
    fn a_line_too_long_for_the_builder_is_refused() {
        let longest = vec![b'a'; LONGEST_LINE - 1];
        assert!(read(&longest).iter().all(Result::is_ok));
        let longer = vec![b'a'; LONGEST_LINE];
        assert!(read(&longer).iter().all(Result::is_err));
    }

    #[test]
    fn each_byte_that_is_no_utf8_becomes_one_replacement_character() {
        assert_eq!(text_of(b"a\xE2\x82z"), "a\u{fffd}\u{fffd}z");
    }
}
