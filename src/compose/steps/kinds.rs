//! The one table of the kinds of step. Reader, order, schema and README's table say what it says. Reads nothing.

use serde_json::json;
use serde_yaml::Value;

use super::{Read, StepReader, fall_back_on, initial_sync, restart, run, sync};

/// A kind of step.
#[derive(Debug)]
pub struct Kind {
    /// The step's key.
    pub name: &'static str,
    /// How often it may stand in a list.
    pub times: Times,
    /// Whether a list of this kind alone is worth having (B2).
    pub suffices: Suffices,
    /// What is written to put a wrong one right.
    pub example: &'static str,
    /// What to say of its name alone; `None` when that is the whole step.
    pub lacks: Option<&'static str>,
    /// What it is for, in the schema.
    pub does: &'static str,
    /// The schema of each value that is no long form.
    pub short: fn() -> Vec<serde_json::Value>,
    /// The long form's keys; empty where there is none.
    pub keys: &'static [Key],
    /// Reads its value, which is null for the name alone.
    pub read: fn(&Value, &mut StepReader<'_, '_>) -> Option<Read>,
}

/// How often a kind may stand in a list, and where (B1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Once, behind the kinds above it in the table.
    Once,
    /// As often as one likes, behind the kinds above it in the table.
    Any,
    /// One of those that end a list, at most one of them all.
    Last,
}

/// Whether a list of one kind alone does anything (B2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suffices {
    /// It does.
    Yes,
    /// It does when its triggers name what the block's own `watch` watches.
    WithTriggers,
    /// It only adds to others.
    No,
}

/// A key of a long form.
#[derive(Debug)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What it takes, in the schema.
    pub shape: Shape,
    /// Whether the long form is nothing without it.
    pub needed: bool,
}

/// What a key takes, in the schema.
#[derive(Debug)]
pub enum Shape {
    /// One of the schema's definitions.
    Of(&'static str),
    /// One of them, and what the key is for.
    For(&'static str, &'static str),
    /// What the key is for, and the words it takes.
    Words(&'static str, &'static [&'static str]),
    /// The schema itself.
    Written(fn() -> serde_json::Value),
}

impl Key {
    /// A key that may be left out.
    pub(super) const fn new(name: &'static str, shape: Shape) -> Self {
        Self {
            name,
            shape,
            needed: false,
        }
    }

    /// A key that must be there.
    pub(super) const fn needed(name: &'static str, shape: Shape) -> Self {
        Self {
            name,
            shape,
            needed: true,
        }
    }

    /// `trigger`
    pub(super) const fn trigger() -> Self {
        let what = "Only when a changed synced file is, lies in, or matches one of these.";
        Self::new("trigger", Shape::For(what, "paths"))
    }
}

/// All of them, in the order in which they must stand (B1).
pub static KINDS: [Kind; 7] = [
    Kind {
        name: "initial_sync",
        times: Times::Once,
        suffices: Suffices::No,
        example: "initial_sync",
        lacks: None,
        does: "Compare with the host when a container first appears.",
        short: || vec![json!({ "enum": [null, true] })],
        keys: &[],
        read: initial_sync,
    },
    Kind {
        name: "fall_back_on",
        times: Times::Any,
        suffices: Suffices::Yes,
        example: "fall_back_on: package.json",
        lacks: Some("has no value"),
        does: "Files whose change asks for a full rebuild.",
        short: fall_back_on::short,
        keys: &fall_back_on::KEYS,
        read: fall_back_on::fall_back_on,
    },
    Kind {
        name: "sync",
        times: Times::Any,
        suffices: Suffices::Yes,
        example: "sync: ./src:/app/src",
        lacks: Some("has no value"),
        does: "What is copied where.",
        short: sync::short,
        keys: &sync::KEYS,
        read: sync::sync,
    },
    Kind {
        name: "run",
        times: Times::Any,
        suffices: Suffices::No,
        example: "run: /app/bin/migrate",
        lacks: Some("has no value"),
        does: "A command in the container.",
        short: || vec![json!({ "$ref": "#/$defs/command" })],
        keys: &run::KEYS,
        read: run::run,
    },
    Kind {
        name: "restart_container",
        times: Times::Last,
        suffices: Suffices::WithTriggers,
        example: "restart_container",
        lacks: None,
        does: "Restart the container.",
        short: || vec![json!({ "type": "null" })],
        keys: &restart::CONTAINER,
        read: restart::container,
    },
    Kind {
        name: "restart_process",
        times: Times::Last,
        suffices: Suffices::WithTriggers,
        example: "restart_process",
        lacks: None,
        does: "Restart the process without the container.",
        short: || vec![json!({ "type": "null" })],
        keys: &restart::PROCESS,
        read: restart::process,
    },
    Kind {
        name: "signal",
        times: Times::Last,
        suffices: Suffices::WithTriggers,
        example: "signal: HUP",
        lacks: Some("does not say which signal"),
        does: "Send a signal to the container's process.",
        short: || vec![json!({ "$ref": "#/$defs/signal" })],
        keys: &restart::SIGNAL,
        read: restart::signal,
    },
];

/// What the kinds that end a list are called together.
pub const LAST: &str = "one restart or signal";

/// The kinds' names, in the table's order.
pub fn names() -> Vec<&'static str> {
    KINDS.iter().map(|kind| kind.name).collect()
}

/// The kind of that name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// The names of `keys`.
pub(super) fn key_names(keys: &[Key]) -> Vec<&'static str> {
    keys.iter().map(|key| key.name).collect()
}

/// The names of the kinds that stand before the last one, in their order.
pub fn before_the_last() -> Vec<&'static str> {
    KINDS
        .iter()
        .filter(|kind| kind.times != Times::Last)
        .map(|kind| kind.name)
        .collect()
}

impl Kind {
    /// The order of B1: a step may not stand behind one of a higher rank. All that end a list have the same one.
    pub fn rank(&self) -> usize {
        match self.times {
            Times::Last => KINDS.len(),
            Times::Once | Times::Any => KINDS
                .iter()
                .position(|kind| kind.name == self.name)
                .unwrap_or_default(),
        }
    }
}
