//! Reads `run`: a command and its options. Runs nothing.

use serde_yaml::Value;

use crate::compose::block::{Command, Does, OnFailure, Run, Work};
use crate::compose::values::Reader;
use crate::compose::yaml::{key_text, scalar_text, untagged};
use crate::transfer::Exec;

use super::kinds::{Key, Shape, key_names};
use super::paths::rules;
use super::{Read, StepReader};

/// The long form's keys.
pub(super) const KEYS: [Key; 8] = [
    Key::needed("cmd", Shape::Of("command")),
    Key::trigger(),
    Key::new(
        "workdir",
        Shape::For(
            "`/` when not given; a relative one is relative to the container's own, `.`.",
            "text",
        ),
    ),
    Key::new("user", Shape::Of("text_or_number")),
    Key::new("privileged", Shape::Of("boolean")),
    Key::new("environment", Shape::Of("environment")),
    Key::new("timeout", Shape::Of("duration")),
    Key::new(
        "on_failure",
        Shape::Words("What a failure asks for.", &["keep", "rebuild"]),
    ),
];

/// `run`
pub(super) fn run(value: &Value, r: &mut StepReader<'_, '_>) -> Option<Read> {
    // C7: "all commands are executed from /", says the reference.
    let mut exec = Exec {
        workdir: "/".to_owned(),
        ..Exec::default()
    };
    let (mut trigger, mut trigger_spots, mut on_failure) = Default::default();
    let command = if let Value::Mapping(map) = untagged(value) {
        r.only_keys(map, &key_names(&KEYS));
        for (key, value) in map {
            let key = key_text(key).unwrap_or_default();
            let r = &mut r.key(&key);
            match key.as_str() {
                "trigger" => (trigger, trigger_spots) = rules(value, r).into_iter().unzip(),
                "on_failure" => {
                    let choices = [("keep", OnFailure::Keep), ("rebuild", OnFailure::Rebuild)];
                    on_failure = r.choice(value, &choices).unwrap_or_default();
                }
                key => option(key, value, &mut exec, r),
            }
        }
        let Some(cmd) = map.get("cmd") else {
            r.error(
                "`run` has no `cmd`",
                Some("the long form is `run: {cmd: npm install, trigger: package.json}`".into()),
            );
            return None;
        };
        command(cmd, &mut r.key("cmd"))?
    } else {
        command(value, r)?
    };
    let work = Work {
        step: r.setting.step.clone(),
        trigger,
        does: Does::Run(Run::new(command, exec, on_failure)),
    };
    Some(Read::Work(work, trigger_spots))
}

/// Reads an option of the command itself.
fn option(key: &str, value: &Value, exec: &mut Exec, r: &mut StepReader<'_, '_>) {
    match key {
        "workdir" => {
            if let Some(dir) = r.text(value, "a path in the container") {
                // The container's own needs no word.
                exec.workdir = match dir.trim_end_matches('/') {
                    "." => String::new(),
                    _ => dir,
                };
            }
        }
        "user" => exec.user = r.text_or_number(value, "a user's name or number"),
        "privileged" => exec.privileged = r.boolean(value).unwrap_or(false),
        "environment" => exec.environment = environment(value, r),
        "timeout" => {
            exec.timeout = r.duration(value);
            if exec.timeout.is_some_and(|timeout| timeout.is_zero()) {
                r.error(
                    "a `timeout` of zero ends every command before it begins",
                    Some("give it some seconds, or take `timeout` out".into()),
                );
            }
        }
        _ => {}
    }
}

/// A text for the shell, or a list that is executed as it is (C7).
pub fn command<S: Copy>(value: &Value, r: &mut Reader<'_, S>) -> Option<Command> {
    match untagged(value) {
        Value::Sequence(items) if items.is_empty() => {
            r.error(
                format!("`{}` is an empty list", r.name),
                Some("the list's first item is the program".into()),
            );
            None
        }
        Value::Sequence(items) => {
            let mut argv = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                // An empty argument is a good one; only the program needs a name.
                match scalar_text(item) {
                    Some(word) if index > 0 || !word.is_empty() => argv.push(word),
                    _ => {
                        r.index(index).wrong_type(item, "a text");
                        return None;
                    }
                }
            }
            Some(Command::Argv(argv))
        }
        Value::String(_) => r
            .text(value, "a shell command or a list")
            .map(Command::Shell),
        _ => {
            r.wrong_type(value, "a shell command, or a list of program and arguments");
            None
        }
    }
}

/// `NAME=value` in a list, or a mapping.
pub fn environment<S: Copy>(value: &Value, r: &mut Reader<'_, S>) -> Vec<(String, String)> {
    match untagged(value) {
        Value::Mapping(map) => map
            .iter()
            .filter_map(|(name, value)| {
                let name = key_text(name)?;
                let text = scalar_text(value);
                if text.is_none() {
                    r.key(&name).wrong_type(value, "a text");
                }
                Some((name, text?))
            })
            .collect(),
        Value::Sequence(items) => items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| {
                let text = scalar_text(item).unwrap_or_default();
                match text.split_once('=') {
                    Some((name, value)) if !name.is_empty() => Some((name.into(), value.into())),
                    _ => {
                        r.index(index).wrong_type(item, "`NAME=value`");
                        None
                    }
                }
            })
            .collect(),
        _ => {
            r.wrong_type(value, "a mapping, or a list of `NAME=value`");
            Vec::new()
        }
    }
}
