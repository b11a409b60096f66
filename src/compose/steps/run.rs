//! Reads `run`: a command and its options. Runs nothing.

use serde_yaml::Value;

use crate::compose::block::{Command, OnFailure, Run};
use crate::compose::finding::{Findings, Spot};
use crate::compose::yaml::{
    boolean, choice, duration, key_text, only_keys, scalar_text, text, text_or_number, untagged,
    wrong_type,
};

use super::{Read, Setting, rules};

/// The long form's keys.
pub(super) const KEYS: [&str; 8] = [
    "cmd",
    "trigger",
    "workdir",
    "user",
    "privileged",
    "environment",
    "timeout",
    "on_failure",
];

/// `run`
pub(super) fn run(
    value: &Value,
    at: &Spot,
    setting: Setting<'_>,
    found: &mut Findings,
) -> Option<Read> {
    let mut run = Run {
        step: setting.step.clone(),
        command: Command::Shell(String::new()),
        trigger: Vec::new(),
        workdir: None,
        user: None,
        privileged: false,
        environment: Vec::new(),
        timeout: None,
        on_failure: OnFailure::Keep,
    };
    let mut trigger_spots = Vec::new();
    match untagged(value) {
        Value::Mapping(map) => {
            only_keys("run", map, &KEYS, at, found);
            for (key, value) in map {
                let key = key_text(key).unwrap_or_default();
                let at = at.key(&key);
                match key.as_str() {
                    "trigger" => {
                        let rules = rules("trigger", value, &at, setting, found);
                        (run.trigger, trigger_spots) = rules.into_iter().unzip();
                    }
                    "workdir" => {
                        let dir = text(&key, value, "a path in the container", &at, found);
                        // The container's own needs no word.
                        run.workdir = dir.map(|dir| match dir.trim_end_matches('/') {
                            "." => String::new(),
                            _ => dir,
                        });
                    }
                    "user" => {
                        run.user =
                            text_or_number(&key, value, "a user's name or number", &at, found);
                    }
                    "privileged" => {
                        run.privileged = boolean(&key, value, &at, found).unwrap_or(false);
                    }
                    "environment" => run.environment = environment(value, &at, found),
                    "timeout" => {
                        run.timeout = duration(&key, value, &at, found);
                        if run.timeout.is_some_and(|timeout| timeout.is_zero()) {
                            found.error(
                                &at,
                                "a `timeout` of zero ends every command before it begins",
                                Some("give it some seconds, or take `timeout` out".into()),
                            );
                        }
                    }
                    "on_failure" => {
                        let choices = [("keep", OnFailure::Keep), ("rebuild", OnFailure::Rebuild)];
                        run.on_failure =
                            choice(&key, value, &choices, &at, found).unwrap_or_default();
                    }
                    _ => {}
                }
            }
            let Some(cmd) = map.get("cmd") else {
                found.error(
                    at,
                    "`run` has no `cmd`",
                    Some(
                        "the long form is `run: {cmd: npm install, trigger: package.json}`".into(),
                    ),
                );
                return None;
            };
            run.command = command("cmd", cmd, &at.key("cmd"), found)?;
        }
        _ => run.command = command("run", value, at, found)?,
    }
    Some(Read::Run(run, trigger_spots))
}

/// A text for the shell, or a list that is executed as it is (C7).
pub fn command(name: &str, value: &Value, at: &Spot, found: &mut Findings) -> Option<Command> {
    match untagged(value) {
        Value::Sequence(items) if items.is_empty() => {
            found.error(
                at,
                format!("`{name}` is an empty list"),
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
                        wrong_type(name, item, "a text", &at.index(index), found);
                        return None;
                    }
                }
            }
            Some(Command::Argv(argv))
        }
        Value::String(_) => {
            text(name, value, "a shell command or a list", at, found).map(Command::Shell)
        }
        _ => {
            wrong_type(
                name,
                value,
                "a shell command, or a list of program and arguments",
                at,
                found,
            );
            None
        }
    }
}

/// `NAME=value` in a list, or a mapping.
pub fn environment(value: &Value, at: &Spot, found: &mut Findings) -> Vec<(String, String)> {
    match untagged(value) {
        Value::Mapping(map) => map
            .iter()
            .filter_map(|(name, value)| {
                let name = key_text(name)?;
                let at = at.key(&name);
                let text = scalar_text(value);
                if text.is_none() {
                    wrong_type(&name, value, "a text", &at, found);
                }
                Some((name, text?))
            })
            .collect(),
        Value::Sequence(items) => items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| {
                let at = at.index(index);
                let text = scalar_text(item).unwrap_or_default();
                match text.split_once('=') {
                    Some((name, value)) if !name.is_empty() => Some((name.into(), value.into())),
                    _ => {
                        wrong_type("environment", item, "`NAME=value`", &at, found);
                        None
                    }
                }
            })
            .collect(),
        _ => {
            wrong_type(
                "environment",
                value,
                "a mapping, or a list of `NAME=value`",
                at,
                found,
            );
            Vec::new()
        }
    }
}
