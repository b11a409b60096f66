//! YAML values, and the texts in them that Compose has a syntax for: durations, command lines. Knows nothing of steps.

use std::time::Duration;

use serde_yaml::Value;

/// The value of `key`; `None` when `value` is no mapping or lacks it.
pub fn get<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    untagged(value).as_mapping()?.get(key)
}

/// The value inside any tags (`!override`).
pub fn untagged(value: &Value) -> &Value {
    match value {
        Value::Tagged(tagged) => untagged(&tagged.value),
        other => other,
    }
}

/// A key as text; `None` when it is no scalar.
pub fn key_text(key: &Value) -> Option<String> {
    match untagged(key) {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A scalar as text, for options that may be names or numbers (`user: 1000`); `None` for anything else.
pub fn scalar_text(value: &Value) -> Option<String> {
    key_text(value)
}

/// The value's type and text, for messages: "is ..; expected ..".
pub fn describe(value: &Value) -> String {
    match untagged(value) {
        Value::Null => "empty".into(),
        Value::Bool(flag) => format!("the boolean `{flag}`"),
        Value::Number(number) => format!("the number `{number}`"),
        Value::String(text) => format!("the text `{text}`"),
        Value::Sequence(_) => "a list".into(),
        Value::Mapping(_) | Value::Tagged(_) => "a mapping".into(),
    }
}

/// `` `a`, `b`, `c` ``
pub fn quoted<S: AsRef<str>>(names: &[S]) -> String {
    names
        .iter()
        .map(|name| format!("`{}`", name.as_ref()))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A duration as Compose writes it (`1m30s`, `1.5h`), or plain seconds.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && let Ok(seconds) = text.parse::<f64>()
    {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let scale = match unit.trim() {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        let seconds = number.parse::<f64>().ok()? * scale;
        total = total.checked_add(Duration::try_from_secs_f64(seconds).ok()?)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

/// A command line split as a POSIX shell splits words, without expansion; `None` for an open quote.
pub fn split_words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        '\'' => break,
                        inner => word.push(inner),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        '"' => break,
                        '\\' => match characters.next()? {
                            inner @ ('"' | '\\' | '$' | '`') => word.push(inner),
                            inner => word.extend(['\\', inner]),
                        },
                        inner => word.push(inner),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(characters.next()?),
            white if white.is_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

/// Undoes the doubling of `$` that `docker compose config` writes (B8).
pub fn undouble_dollars(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("$$") => *text = text.replace("$$", "$"),
        Value::Sequence(items) => items.iter_mut().for_each(undouble_dollars),
        Value::Mapping(map) => {
            let old = std::mem::take(map);
            *map = old
                .into_iter()
                .map(|(mut key, mut value)| {
                    undouble_dollars(&mut key);
                    undouble_dollars(&mut value);
                    (key, value)
                })
                .collect();
        }
        Value::Tagged(tagged) => undouble_dollars(&mut tagged.value),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_written_as_compose_writes_them() {
        for (text, millis) in [
            ("10s", 10_000),
            ("1m30s", 90_000),
            ("1.5h", 5_400_000),
            ("500ms", 500),
            ("5", 5_000),
            ("0.25", 250),
            ("0", 0),
        ] {
            assert_eq!(
                parse_duration(text),
                Some(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for text in ["", "s", "10 apples", "-5s", "nan", "inf", "1e300", "5s6"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        let split = |text| split_words(text).unwrap();
        assert_eq!(
            split(r#"sh -c "a 'b' \$c" 'd "e"' f\ g"#),
            ["sh", "-c", "a 'b' $c", "d \"e\"", "f g"]
        );
        assert_eq!(split("  "), Vec::<String>::new());
        assert_eq!(split("''"), [""]);
        assert_eq!(split_words("'open"), None);
    }

    proptest! {
        #[test]
        fn no_duration_or_command_line_panics(text in ".{0,40}") {
            let _ = parse_duration(&text);
            let _ = split_words(&text);
        }
    }
}
