//! Reads values as people write them ("5" for 5, `1m30s`, one text or a list), and reports wrong ones. Knows no steps.

use std::time::Duration;

use serde_yaml::{Mapping, Value};

use super::finding::{Findings, YamlPath};
use super::yaml::{describe, key_text, parse_duration, quoted, scalar_text, untagged};
use crate::nearest::{did_you_mean, nearest};

/// Reads one value. `S` is what the reading of its kind needs besides, such as the directory that a step's paths are relative to.
pub struct Reader<'r, S = ()> {
    /// What messages call the value: usually its key.
    pub name: String,
    /// The value's location.
    pub at: YamlPath,
    /// Where problems are reported.
    pub found: &'r mut Findings,
    /// Passed on unchanged to everything below the value.
    pub setting: S,
}

impl<'r, S: Copy> Reader<'r, S> {
    /// A reader for the value at `at`, called `name`.
    pub fn new(name: &str, at: &YamlPath, setting: S, found: &'r mut Findings) -> Self {
        Self {
            name: name.to_owned(),
            at: at.clone(),
            found,
            setting,
        }
    }

    /// A reader for the value of `key` in this one.
    pub fn key(&mut self, key: &str) -> Reader<'_, S> {
        Reader::new(key, &self.at.key(key), self.setting, self.found)
    }

    /// A reader for the item at `index` in this one; called as the list is.
    pub fn index(&mut self, index: usize) -> Reader<'_, S> {
        Reader::new(&self.name, &self.at.index(index), self.setting, self.found)
    }

    /// A reader for the same value under another name.
    pub fn named(&mut self, name: &str) -> Reader<'_, S> {
        Reader::new(name, &self.at, self.setting, self.found)
    }

    /// Reports an error about the value.
    pub fn error(&mut self, message: impl Into<String>, hint: Option<String>) {
        self.found.error(&self.at, message, hint);
    }

    /// Reports an error about the value's key.
    pub fn error_on_key(&mut self, message: impl Into<String>, hint: Option<String>) {
        self.found.error_on_key(&self.at, message, hint);
    }

    /// Reports that `value` has the wrong type.
    pub fn wrong_type(&mut self, value: &Value, expected: &str) {
        let message = format!(
            "`{}` is {}; expected {expected}",
            self.name,
            describe(value)
        );
        self.error(message, None);
    }

    /// A non-empty text.
    pub fn text(&mut self, value: &Value, expected: &str) -> Option<String> {
        let Value::String(text) = untagged(value) else {
            self.wrong_type(value, expected);
            return None;
        };
        if text.trim().is_empty() {
            self.error(
                format!("`{}` is an empty text; expected {expected}", self.name),
                left_out(&self.name),
            );
            return None;
        }
        Some(text.clone())
    }

    /// A non-empty text, or a number (`user: 1000`, `timeout: 5`).
    pub fn text_or_number(&mut self, value: &Value, expected: &str) -> Option<String> {
        match untagged(value) {
            Value::Number(number) => Some(number.to_string()),
            _ => self.text(value, expected),
        }
    }

    /// One text or a list of texts, each with its location.
    pub fn texts(&mut self, value: &Value, expected: &str) -> Vec<(String, YamlPath)> {
        match untagged(value) {
            Value::Sequence(items) => items
                .iter()
                .enumerate()
                .filter_map(|(index, item)| {
                    let mut at = self.index(index);
                    at.text(item, expected).map(|text| (text, at.at))
                })
                .collect(),
            _ => self
                .text(value, &format!("{expected}, or a list of them"))
                .map(|text| (text, self.at.clone()))
                .into_iter()
                .collect(),
        }
    }

    /// Patterns in `.dockerignore`'s syntax.
    pub fn patterns(&mut self, value: &Value) -> Vec<String> {
        self.texts(value, "a pattern")
            .into_iter()
            .map(|(text, _)| text)
            .collect()
    }

    /// `true` and `false`, also as texts: interpolated values arrive like that (B8).
    pub fn boolean(&mut self, value: &Value) -> Option<bool> {
        match untagged(value) {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => {
                self.wrong_type(value, "`true` or `false`");
                None
            }
        }
    }

    /// A duration: `10s`, `1m30s`, `500ms`, or a number of seconds.
    pub fn duration(&mut self, value: &Value) -> Option<Duration> {
        let expected = "a duration such as `10s` or `1m30s`, or a number of seconds";
        let text = self.text_or_number(value, expected)?;
        let parsed = parse_duration(&text);
        if parsed.is_none() {
            self.wrong_type(value, expected);
        }
        parsed
    }

    /// One of a few words; reports any other with the nearest one.
    pub fn choice<T: Copy>(&mut self, value: &Value, choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let text = scalar_text(value).unwrap_or_default();
        let choice = choices
            .iter()
            .find(|(word, _)| text.eq_ignore_ascii_case(word))
            .map(|(_, choice)| *choice);
        if choice.is_none() {
            let guess = nearest(&text, words.iter().copied());
            let message = format!(
                "`{}` is {}; expected one of {}",
                self.name,
                describe(value),
                quoted(&words)
            );
            self.error(
                message,
                guess.map(|guess| format!("did you mean `{guess}`?")),
            );
        }
        choice
    }

    /// Reports unknown keys, each with the nearest known one.
    pub fn only_keys(&mut self, map: &Mapping, known: &[&str]) {
        for key in map.keys() {
            match key_text(key) {
                Some(key) if known.contains(&key.as_str()) => {}
                Some(key) => {
                    let message = format!("unknown key `{key}` in `{}`", self.name);
                    let hint = format!(
                        "{}the keys are {}",
                        did_you_mean(&key, known.iter().copied()),
                        quoted(known)
                    );
                    self.key(&key).error_on_key(message, Some(hint));
                }
                None => self.error(
                    format!(
                        "a key of `{}` is {}; expected a text",
                        self.name,
                        describe(key)
                    ),
                    Some(format!("the keys are {}", quoted(known))),
                ),
            }
        }
    }
}

/// The hint for an empty text, which other tools read as "not given": here the key is left out instead.
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
