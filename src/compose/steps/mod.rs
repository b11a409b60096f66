//! Reads one step of a list: short and long forms, every option (`spec.md` section 1). Knows nothing of files or of other steps.

mod restart;
mod run;
mod sync;

use serde_yaml::{Mapping, Value};

use crate::paths::HostPath;

use crate::compose::block::{FallBackOn, Restart, RestartKind, Run, Step, Sync};
use crate::compose::finding::{Findings, Spot};
use crate::compose::rule::PathRule;
use crate::compose::yaml::{
    describe, did_you_mean, key_text, only_keys, quoted, text, untagged, wrong_type,
};

pub use restart::SIGNALS;
pub use run::{command, environment};
pub use sync::patterns;

/// The kinds of step, in the order in which they must stand (B1).
pub const KINDS: [&str; 7] = [
    "initial_sync",
    "fall_back_on",
    "sync",
    "run",
    "restart_container",
    "restart_process",
    "signal",
];

/// The keys of a path that is narrowed.
const NARROWED: [&str; 3] = ["path", "ignore", "include"];

/// One step, read.
#[derive(Clone, Debug, PartialEq)]
pub enum Read {
    /// `initial_sync`
    InitialSync,
    /// `fall_back_on`, each path with its place.
    FallBackOn(Vec<(FallBackOn, Spot)>),
    /// `sync`, with the place of its local path.
    Sync(Sync, Spot),
    /// `run`, with the places of its triggers.
    Run(Run, Vec<Spot>),
    /// One of the last steps, with the places of its triggers.
    Restart(Restart, Vec<Spot>),
    /// `action: restart` of `develop.watch`, with the place of its path.
    WatchOnly(FallBackOn, Spot),
}

impl Read {
    /// The rank of B1: a step may not stand before one of a lower rank.
    pub fn rank(&self) -> usize {
        match self {
            Self::InitialSync => 0,
            Self::FallBackOn(_) => 1,
            Self::Sync(..) => 2,
            Self::Run(..) => 3,
            Self::Restart(..) | Self::WatchOnly(..) => 4,
        }
    }

    /// The step's key.
    pub fn name(&self) -> &'static str {
        match self {
            Self::InitialSync => "initial_sync",
            Self::FallBackOn(_) => "fall_back_on",
            Self::Sync(..) => "sync",
            Self::Run(..) => "run",
            Self::Restart(restart, _) => match restart.kind {
                RestartKind::Container { .. } => "restart_container",
                RestartKind::Process { .. } => "restart_process",
                RestartKind::Signal { .. } => "signal",
            },
            Self::WatchOnly(..) => "restart",
        }
    }
}

/// Where a step stands and what its paths are relative to.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// Its number and name.
    pub step: &'a Step,
    /// The directory of the file it was written in (B5).
    pub dir: &'a HostPath,
}

/// Reads a step written in place. `None` when it is too wrong to go on with; `found` says why.
pub fn read_step(
    value: &Value,
    at: &Spot,
    setting: Setting<'_>,
    found: &mut Findings,
) -> Option<Read> {
    match untagged(value) {
        Value::String(word) => bare_step(word, at, setting, found),
        Value::Mapping(map) => keyed_step(map, at, setting, found),
        _ => {
            found.error(
                at,
                format!(
                    "a step is {}; expected a mapping with one key",
                    describe(value)
                ),
                Some(format!("the steps are {}", quoted(&KINDS))),
            );
            None
        }
    }
}

fn bare_step(word: &str, at: &Spot, setting: Setting<'_>, found: &mut Findings) -> Option<Read> {
    match word {
        "initial_sync" | "restart_container" | "restart_process" => {
            keyed_value(word, &Value::Null, at, setting, found)
        }
        "signal" => {
            found.error(
                at,
                "`signal` does not say which signal",
                Some("write `signal: HUP`".into()),
            );
            None
        }
        "sync" | "run" | "fall_back_on" => {
            found.error(at, format!("`{word}` has no value"), Some(form_of(word)));
            None
        }
        _ => {
            // `- sync:./a:/b` and `- sync ./a:/b` are texts to YAML.
            let start = KINDS.iter().find(|kind| {
                word.strip_prefix(**kind)
                    .is_some_and(|rest| rest.starts_with([':', ' ']))
            });
            let hint = match start {
                Some(kind) => format!("a space belongs behind the colon: {}", form_of(kind)),
                None => format!(
                    "{}the steps are {}",
                    did_you_mean(word, KINDS),
                    quoted(&KINDS)
                ),
            };
            found.error(at, format!("unknown step `{word}`"), Some(hint));
            None
        }
    }
}

fn form_of(kind: &str) -> String {
    match kind {
        "sync" => "write `sync: ./src:/app/src`".into(),
        "run" => "write `run: /app/bin/migrate`".into(),
        "fall_back_on" => "write `fall_back_on: package.json`".into(),
        "signal" => "write `signal: HUP`".into(),
        other => format!("write `{other}`"),
    }
}

fn keyed_step(
    map: &Mapping,
    at: &Spot,
    setting: Setting<'_>,
    found: &mut Findings,
) -> Option<Read> {
    let keys: Vec<String> = map.keys().filter_map(key_text).collect();
    let kinds: Vec<&str> = keys
        .iter()
        .map(String::as_str)
        .filter(|key| KINDS.contains(key))
        .collect();
    let Some(&kind) = kinds.first() else {
        let (at, name) = match keys.first() {
            Some(key) => (at.key(key), key.as_str()),
            None => (at.clone(), ""),
        };
        let message = if name.is_empty() {
            "an empty step".to_owned()
        } else {
            format!("unknown step `{name}`")
        };
        let hint = format!(
            "{}the steps are {}",
            did_you_mean(name, KINDS),
            quoted(&KINDS)
        );
        if name.is_empty() {
            found.error(&at, message, Some(hint));
        } else {
            found.error_on_key(&at, message, Some(hint));
        }
        return None;
    };
    let extra: Vec<&String> = keys.iter().filter(|key| *key != kind).collect();
    if let Some(&other) = extra.first() {
        let at = at.key(other);
        if kinds.len() > 1 {
            let hint = "begin each step with a `-` of its own";
            found.error_on_key(
                &at,
                format!("`{kind}` and `{other}` are in one step"),
                Some(hint.into()),
            );
        } else {
            let (keys, first) = match kind {
                "sync" => (sync::KEYS.as_slice(), "local_path: .., remote_path: .."),
                "run" => (run::KEYS.as_slice(), "cmd: .."),
                "restart_container" => (["timeout", "trigger"].as_slice(), ""),
                "restart_process" => (["signal", "timeout", "trigger"].as_slice(), ""),
                "signal" => (["name", "trigger"].as_slice(), "name: .."),
                _ => (["files"].as_slice(), "files: .."),
            };
            let hint = if keys.contains(&other.as_str()) {
                let comma = if first.is_empty() { "" } else { ", " };
                format!("write it in the long form: `{kind}: {{{first}{comma}{other}: ..}}`")
            } else {
                format!(
                    "{}a step is a mapping with one key",
                    did_you_mean(other, keys.iter().copied())
                )
            };
            found.error_on_key(&at, format!("`{other}` stands beside `{kind}`"), Some(hint));
        }
        return None;
    }
    keyed_value(kind, map.get(kind)?, &at.key(kind), setting, found)
}

fn keyed_value(
    kind: &str,
    value: &Value,
    at: &Spot,
    setting: Setting<'_>,
    found: &mut Findings,
) -> Option<Read> {
    match kind {
        "initial_sync" => {
            if !matches!(untagged(value), Value::Null | Value::Bool(true)) {
                wrong_type(kind, value, "no value", at, found);
                return None;
            }
            Some(Read::InitialSync)
        }
        "fall_back_on" => fall_back_on(value, at, setting, found),
        "sync" => sync::sync(value, at, setting, found),
        "run" => run::run(value, at, setting, found),
        _ => restart::restart(kind, value, at, setting, found),
    }
}

fn rules(
    name: &str,
    value: &Value,
    at: &Spot,
    setting: Setting<'_>,
    found: &mut Findings,
) -> Vec<(PathRule, Spot)> {
    let items: Vec<(&Value, Spot)> = match untagged(value) {
        Value::Sequence(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| (item, at.index(index)))
            .collect(),
        _ => vec![(value, at.clone())],
    };
    let is_list = untagged(value).is_sequence();
    items
        .into_iter()
        .filter_map(|(item, at)| {
            let rule = match untagged(item) {
                Value::Mapping(map) if NARROWED.iter().any(|key| map.contains_key(key)) => {
                    narrowed(name, map, &at, setting, found)
                }
                _ if is_list => plain(name, item, "a path or glob", &at, setting, found),
                _ => plain(
                    name,
                    item,
                    "a path or glob, or a list of them",
                    &at,
                    setting,
                    found,
                ),
            };
            rule.map(|rule| (rule, at))
        })
        .collect()
}

/// A path or glob as a text.
fn plain(
    name: &str,
    value: &Value,
    expected: &str,
    at: &Spot,
    setting: Setting<'_>,
    found: &mut Findings,
) -> Option<PathRule> {
    let text = text(name, value, expected, at, found)?;
    match PathRule::new(&text, setting.dir) {
        Ok(rule) => Some(rule),
        Err(reason) => {
            found.error(
                at,
                format!("`{text}` is no glob: {reason}"),
                Some(
                    "put that right; for a name that has the character in it, write `\\` before it"
                        .into(),
                ),
            );
            None
        }
    }
}

/// `{path, ignore, include}`: a path whatever characters it has, less what the lists leave out, as in a `sync`.
fn narrowed(
    name: &str,
    map: &Mapping,
    at: &Spot,
    setting: Setting<'_>,
    found: &mut Findings,
) -> Option<PathRule> {
    only_keys(name, map, &NARROWED, at, found);
    let Some(path) = map.get("path") else {
        found.error(
            at,
            format!("an item of `{name}` has no `path`"),
            Some("write `{path: ./src, ignore: [\"**/*.md\"]}`, or the path alone".into()),
        );
        return None;
    };
    let path = text("path", path, "a path", &at.key("path"), found)?;
    let mut list = |key: &str| {
        map.get(key)
            .map_or_else(Vec::new, |value| patterns(key, value, &at.key(key), found))
    };
    let (ignore, include) = (list("ignore"), list("include"));
    match PathRule::filtered(&setting.dir.join(&path), &include, &ignore) {
        Ok(rule) => Some(rule.written_as(path)),
        Err(bad) => {
            let hint = "put that right; it is in `.dockerignore`'s syntax";
            found.error(
                at,
                format!("a pattern cannot be read: {bad}"),
                Some(hint.into()),
            );
            None
        }
    }
}

fn fall_back_on(
    value: &Value,
    at: &Spot,
    setting: Setting<'_>,
    found: &mut Findings,
) -> Option<Read> {
    let (value, at) = match untagged(value) {
        Value::Mapping(map) if !map.contains_key("path") => {
            only_keys("fall_back_on", map, &["files"], at, found);
            let Some(files) = map.get("files") else {
                missing("fall_back_on", "files", at, found);
                return None;
            };
            (files, at.key("files"))
        }
        _ => (value, at.clone()),
    };
    if untagged(value).as_sequence().is_some_and(Vec::is_empty) {
        found.error(
            &at,
            "`fall_back_on` is an empty list",
            Some("name the files whose change asks for a rebuild, or take the step out".into()),
        );
        return None;
    }
    let files: Vec<_> = rules("fall_back_on", value, &at, setting, found)
        .into_iter()
        .map(|(rule, at)| {
            let step = setting.step.clone();
            (FallBackOn { step, rule }, at)
        })
        .collect();
    (!files.is_empty()).then_some(Read::FallBackOn(files))
}

fn missing(step: &str, key: &str, at: &Spot, found: &mut Findings) {
    found.error(at, format!("`{step}` has no `{key}`"), Some(form_of(step)));
}
