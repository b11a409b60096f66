//! Checks that a pattern is well formed, by the rules of the builder's first look at it. Knows nothing of matching.

/// What is wrong with a pattern, and on a second line what to write instead.
pub(super) type Complaint = String;

/// Refuses an escape without a character and a `[` that is not a complete class.
pub(super) fn check(pattern: &str) -> Result<(), Complaint> {
    let mut rest = pattern.chars();
    while let Some(char) = rest.next() {
        match char {
            '\\' if rest.next().is_none() => return Err(trailing_backslash()),
            '[' => rest = class(rest.as_str())?.chars(),
            _ => {}
        }
    }
    Ok(())
}

/// What follows the class whose `[` has been read.
fn class(after_bracket: &str) -> Result<&str, Complaint> {
    let mut rest = after_bracket.strip_prefix('^').unwrap_or(after_bracket);
    let mut empty = true;
    loop {
        if !empty && let Some(after) = rest.strip_prefix(']') {
            return Ok(after);
        }
        rest = member(rest)?;
        if let Some(end) = rest.strip_prefix('-') {
            rest = member(end)?;
        }
        empty = false;
    }
}

/// What follows one character of a class; there has to be something, at least the `]`.
fn member(rest: &str) -> Result<&str, Complaint> {
    let mut chars = rest.chars();
    match chars.next() {
        None => return Err(open_class()),
        Some(']') => {
            return Err("a class `[..]` needs at least one character, and a `-` in it needs one on both sides\n\
                 write `\\]` for the bracket and `\\-` for the dash themselves"
                .to_owned());
        }
        Some('-') => {
            return Err("a `-` in a class `[..]` needs a character on both sides\n\
                 write `\\-` for the dash itself"
                .to_owned());
        }
        Some('\\') if chars.next().is_none() => return Err(trailing_backslash()),
        Some(_) => {}
    }
    if chars.as_str().is_empty() {
        return Err(open_class());
    }
    Ok(chars.as_str())
}

fn trailing_backslash() -> Complaint {
    "it ends in a `\\` that escapes nothing\n\
     write `/` between directories, and `\\\\` for a backslash in a name"
        .to_owned()
}

fn open_class() -> Complaint {
    "its `[` is never closed\n\
     write `\\[` for the bracket itself, or close the class with `]`"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn well_formed_patterns_pass() {
        for pattern in [
            "",
            "a",
            "*",
            "**/a?",
            "[a]",
            "[!a]",
            "[^a]",
            "[a-z0-9]x",
            "[\\]]",
            "[\\-a]",
            "]",
            "a]",
            "\\[a",
            "{a,b}",
            "[[a]",
            "[a*?]",
        ] {
            assert_eq!(check(pattern), Ok(()), "`{pattern}`");
        }
    }

    #[test]
    fn an_open_class_an_empty_class_and_a_trailing_backslash_are_refused() {
        for pattern in [
            "[", "[a", "a[b", "[^", "[]", "[]a]", "[^]", "[a-", "[a-]", "[-a]", "[a\\]", "a\\",
            "\\",
        ] {
            assert!(check(pattern).is_err(), "`{pattern}`");
        }
    }
}
