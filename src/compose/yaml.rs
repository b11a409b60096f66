//! Reads YAML values as people write them: "5" for 5, `1m30s`, one text or a list. Knows nothing of steps.

use std::time::Duration;

use serde_yaml::{Mapping, Value};

use super::finding::{Findings, Spot};

/// The value of `key` when `value` is a mapping that has it.
pub fn get<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    untagged(value).as_mapping()?.get(key)
}

/// The value under any tag (`!override`).
pub fn untagged(value: &Value) -> &Value {
    match value {
        Value::Tagged(tagged) => untagged(&tagged.value),
        other => other,
    }
}

/// A key as text; keys that are no scalars have none.
pub fn key_text(key: &Value) -> Option<String> {
    match untagged(key) {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A scalar as text, for options that are names or numbers alike (`user: 1000`).
pub fn scalar_text(value: &Value) -> Option<String> {
    key_text(value)
}

/// What was found, for "is ..; expected ..".
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

/// The known name that `text` most likely stands for.
pub fn nearest<'n>(text: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let lower = text.to_lowercase();
    known
        .into_iter()
        .map(|name| {
            let distance = strsim::damerau_levenshtein(&lower, &name.to_lowercase());
            (distance, name)
        })
        .filter(|&(distance, name)| distance <= 1 + name.len() / 4)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name)
}

/// "did you mean `x`? " when there is something near, else nothing.
pub fn did_you_mean<'n>(text: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    nearest(text, known).map_or_else(String::new, |name| format!("did you mean `{name}`? "))
}

/// Reports `value` as being of a wrong type.
pub fn wrong_type(name: &str, value: &Value, expected: &str, at: &Spot, found: &mut Findings) {
    found.error(
        at,
        format!("`{name}` is {}; expected {expected}", describe(value)),
        None,
    );
}

/// A text that is not empty.
pub fn text(
    name: &str,
    value: &Value,
    expected: &str,
    at: &Spot,
    found: &mut Findings,
) -> Option<String> {
    let text = if let Value::String(text) = untagged(value) {
        text.clone()
    } else {
        wrong_type(name, value, expected, at, found);
        return None;
    };
    if text.trim().is_empty() {
        found.error(
            at,
            format!("`{name}` is an empty text; expected {expected}"),
            left_out(name),
        );
        return None;
    }
    Some(text)
}

/// An empty text is how other tools say nothing; here a key that may be missing is left out.
fn left_out(name: &str) -> Option<String> {
    let meaning = match name {
        "trigger" => "without one it is done with every update",
        "workdir" => "without one a command runs where it always does",
        "user" => "without one a command runs as the container's user",
        "timeout" => "without one there is no limit of its own",
        _ => return None,
    };
    Some(format!("leave `{name}` out: {meaning}"))
}

/// A text that is not empty, or a number (`user: 1000`, `timeout: 5`).
pub fn text_or_number(
    name: &str,
    value: &Value,
    expected: &str,
    at: &Spot,
    found: &mut Findings,
) -> Option<String> {
    match untagged(value) {
        Value::Number(number) => Some(number.to_string()),
        _ => text(name, value, expected, at, found),
    }
}

/// One text or a list of texts, each with its place.
pub fn texts(
    name: &str,
    value: &Value,
    expected: &str,
    at: &Spot,
    found: &mut Findings,
) -> Vec<(String, Spot)> {
    match untagged(value) {
        Value::Sequence(items) => items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| {
                let at = at.index(index);
                text(name, item, expected, &at, found).map(|text| (text, at))
            })
            .collect(),
        _ => text(
            name,
            value,
            &format!("{expected}, or a list of them"),
            at,
            found,
        )
        .map(|text| (text, at.clone()))
        .into_iter()
        .collect(),
    }
}

/// `true` and `false`, also as texts: that is how interpolated values arrive (B8).
pub fn boolean(name: &str, value: &Value, at: &Spot, found: &mut Findings) -> Option<bool> {
    match untagged(value) {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => {
            wrong_type(name, value, "`true` or `false`", at, found);
            None
        }
    }
}

/// A duration: `10s`, `1m30s`, `500ms`, or a number of seconds.
pub fn duration(name: &str, value: &Value, at: &Spot, found: &mut Findings) -> Option<Duration> {
    let expected = "a duration such as `10s` or `1m30s`, or a number of seconds";
    let text = text_or_number(name, value, expected, at, found)?;
    let parsed = parse_duration(&text);
    if parsed.is_none() {
        wrong_type(name, value, expected, at, found);
    }
    parsed
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

/// One of a few words.
pub fn choice<T: Copy>(
    name: &str,
    value: &Value,
    choices: &[(&str, T)],
    at: &Spot,
    found: &mut Findings,
) -> Option<T> {
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    let text = scalar_text(value).unwrap_or_default();
    let choice = choices
        .iter()
        .find(|(word, _)| text.eq_ignore_ascii_case(word))
        .map(|(_, choice)| *choice);
    if choice.is_none() {
        let guess = nearest(&text, words.iter().copied());
        found.error(
            at,
            format!(
                "`{name}` is {}; expected one of {}",
                describe(value),
                quoted(&words)
            ),
            guess.map(|guess| format!("did you mean `{guess}`?")),
        );
    }
    choice
}

/// Reports keys that nobody reads, with the nearest known one.
pub fn only_keys(name: &str, map: &Mapping, known: &[&str], at: &Spot, found: &mut Findings) {
    for key in map.keys() {
        match key_text(key) {
            Some(key) if known.contains(&key.as_str()) => {}
            Some(key) => found.error_on_key(
                &at.key(&key),
                format!("unknown key `{key}` in `{name}`"),
                Some(format!(
                    "{}the keys are {}",
                    did_you_mean(&key, known.iter().copied()),
                    quoted(known)
                )),
            ),
            None => found.error(
                at,
                format!("a key of `{name}` is {}; expected a text", describe(key)),
                Some(format!("the keys are {}", quoted(known))),
            ),
        }
    }
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
