//! `${VAR}` in the few raw texts that are needed before Compose has resolved the model: paths of `include`, `extends` and
//! `env_file`. Pure.

use std::collections::BTreeMap;

/// Fills in the variables of `text` as Compose does; `None` when a required one is missing or a brace is open.
pub fn interpolate(text: &str, variables: &BTreeMap<String, String>) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(tail) = rest.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix('{') {
            let end = closing_brace(tail)?;
            out.push_str(&braced(&tail[..end], variables)?);
            rest = &tail[end + 1..];
        } else {
            let end = name_length(rest);
            if end == 0 {
                out.push('$');
            }
            out.push_str(variables.get(&rest[..end]).map_or("", String::as_str));
            rest = &rest[end..];
        }
    }
    out.push_str(rest);
    Some(out)
}

fn braced(inside: &str, variables: &BTreeMap<String, String>) -> Option<String> {
    let (name, operation) = inside.split_at(name_length(inside));
    let value = variables.get(name);
    let filled = value.filter(|value| !value.is_empty());
    let own = |value: Option<&String>| Some(value.cloned().unwrap_or_default());
    if operation.is_empty() {
        return own(value);
    }
    // Longer operators first: `:-` and `-` differ in how they treat an empty value.
    for (operator, present, asks_default) in [
        (":-", filled, true),
        (":?", filled, false),
        ("-", value, true),
        ("?", value, false),
    ] {
        if let Some(word) = operation.strip_prefix(operator) {
            return match present {
                Some(value) => Some(value.clone()),
                None if asks_default => interpolate(word, variables),
                None => None,
            };
        }
    }
    for (operator, present) in [(":+", filled), ("+", value)] {
        if let Some(word) = operation.strip_prefix(operator) {
            return match present {
                Some(_) => interpolate(word, variables),
                None => Some(String::new()),
            };
        }
    }
    None
}

fn name_length(text: &str) -> usize {
    text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(text.len())
}

fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(index),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The variables of an env file; lines that set none are skipped.
pub fn read_env_file(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|line| {
            let line = line.trim();
            let line = line.strip_prefix("export ").unwrap_or(line);
            let (name, value) = line.split_once('=')?;
            let name = name.trim();
            if name.is_empty() || name.starts_with('#') {
                return None;
            }
            let value = value.trim();
            let value = match value.chars().next() {
                Some(quote @ ('"' | '\'')) if value.len() > 1 => {
                    let inside = &value[1..];
                    &inside[..inside.find(quote).unwrap_or(inside.len())]
                }
                _ => value.split(" #").next().unwrap_or_default().trim_end(),
            };
            Some((name.to_owned(), value.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn put_in(text: &str) -> Option<String> {
        let variables = [("A", "1"), ("EMPTY", "")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        interpolate(text, &BTreeMap::from(variables))
    }

    #[test]
    fn variables_are_put_in_as_compose_does() {
        for (text, expected) in [
            ("$A-${A}", "1-1"),
            ("$$A", "$A"),
            ("${B}", ""),
            ("${B:-x${A}}", "x1"),
            ("${EMPTY:-x}${EMPTY-x}", "x"),
            ("${A:+y}${B:+y}", "y"),
            ("cost: 5$", "cost: 5$"),
        ] {
            assert_eq!(put_in(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(put_in("${B:?needed}"), None);
        assert_eq!(put_in("${A"), None);
    }

    #[test]
    fn an_env_file_gives_its_variables() {
        let pairs = read_env_file("# x\nA=1\nexport B='two # 2'\nC=\"3\" # y\nD=4 # z\nnonsense\n");
        let pairs: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(pairs, ["A=1", "B=two # 2", "C=3", "D=4"]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[$a{}:?+A\\-é\"'=\n# ]{0,24}") {
            let _ = put_in(&text);
            let _ = read_env_file(&text);
        }
    }
}
