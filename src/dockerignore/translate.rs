//! Sorts a pattern into one of the builder's kinds, and writes the wildcard kind as the builder's regular expression.
//! Knows nothing of that expression's meaning.

/// How the builder compares a pattern with a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The path is the text.
    Exact(String),
    /// The path begins with the text: from `x/**`.
    Prefix(String),
    /// The path ends with the text, or equals the text without its leading `/`: from `**/x`.
    Suffix(String),
    /// The regular expression matches somewhere in the path.
    Expression(String),
}

/// The kind of a cleaned pattern. As in the builder, wildcards are rewritten even inside `[..]`, and `{`, `|`, `}` and `^` are
/// passed through: such patterns have to mean the same here.
pub(super) fn kind(pattern: &str) -> Kind {
    // The builder's scanner drops a byte order mark at the start of its input.
    let mut rest = pattern.strip_prefix('\u{feff}').unwrap_or(pattern);
    let mut expression = String::with_capacity(pattern.len() + 16);
    expression.push('^');
    let mut so_far = SoFar::Exact;
    let mut first = true;
    while let Some(char) = take(&mut rest) {
        match char {
            '*' if rest.starts_with('*') => {
                rest = &rest[1..];
                rest = rest.strip_prefix('/').unwrap_or(rest);
                if !rest.is_empty() {
                    expression.push_str("(.*/)?");
                    so_far = SoFar::Expression;
                } else if so_far == SoFar::Exact {
                    so_far = SoFar::Prefix;
                } else {
                    expression.push_str(".*");
                    so_far = SoFar::Expression;
                }
                if first {
                    so_far = SoFar::Suffix;
                }
            }
            '*' => {
                expression.push_str("[^/]*");
                so_far = SoFar::Expression;
            }
            '?' => {
                expression.push_str("[^/]");
                so_far = SoFar::Expression;
            }
            '.' | '+' | '(' | ')' | '$' => {
                expression.push('\\');
                expression.push(char);
            }
            '\\' => {
                expression.push('\\');
                if let Some(escaped) = take(&mut rest) {
                    expression.push(escaped);
                    so_far = SoFar::Expression;
                }
            }
            '[' | ']' => {
                expression.push(char);
                so_far = SoFar::Expression;
            }
            other => expression.push(other),
        }
        first = false;
    }
    match so_far {
        SoFar::Exact => Kind::Exact(pattern.to_owned()),
        SoFar::Prefix => Kind::Prefix(pattern.strip_suffix("**").unwrap_or(pattern).to_owned()),
        SoFar::Suffix => Kind::Suffix(pattern.strip_prefix("**").unwrap_or(pattern).to_owned()),
        SoFar::Expression => {
            expression.push('$');
            Kind::Expression(expression)
        }
    }
}

#[derive(PartialEq, Eq)]
enum SoFar {
    Exact,
    Prefix,
    Suffix,
    Expression,
}

fn take(rest: &mut &str) -> Option<char> {
    let mut chars = rest.chars();
    let char = chars.next()?;
    *rest = chars.as_str();
    Some(char)
}

#[cfg(test)]
mod tests {
    use super::{Kind, kind};

    #[test]
    fn patterns_without_wildcards_and_with_a_double_star_at_one_end_need_no_expression() {
        for (pattern, expected) in [
            ("a/b.c", Kind::Exact("a/b.c".into())),
            ("{a,b}", Kind::Exact("{a,b}".into())),
            ("a|b", Kind::Exact("a|b".into())),
            ("a/**", Kind::Prefix("a/".into())),
            ("a**", Kind::Prefix("a".into())),
            ("**/a.b", Kind::Suffix("/a.b".into())),
            ("**a", Kind::Suffix("a".into())),
            ("**", Kind::Suffix(String::new())),
        ] {
            assert_eq!(kind(pattern), expected, "`{pattern}`");
        }
    }

    #[test]
    fn the_rest_becomes_the_builders_expression() {
        for (pattern, expected) in [
            ("*.js", r"^[^/]*\.js$"),
            ("a?b", "^a[^/]b$"),
            ("a/**/b", "^a/(.*/)?b$"),
            ("**/a/**", "^(.*/)?a/.*$"),
            ("**/*.o", r"^(.*/)?[^/]*\.o$"),
            ("***", "^(.*/)?[^/]*$"),
            ("**/**", "^(.*/)?.*$"),
            ("[!a]", "^[!a]$"),
            ("\\#a", "^\\#a$"),
            ("*{1,2}|", "^[^/]*{1,2}|$"),
            ("[a*]", "^[a[^/]*]$"),
        ] {
            assert_eq!(
                kind(pattern),
                Kind::Expression(expected.into()),
                "`{pattern}`"
            );
        }
    }
}
