//! Reads one step of a list: short and long forms, every option (`spec.md` section 1). Knows nothing of files or of other steps.

mod fall_back_on;
mod kinds;
mod paths;
mod restart;
mod run;
mod sync;

use serde_yaml::{Mapping, Value};

use crate::paths::HostPath;

use crate::compose::block::{Block, FallBackOn, Step, Sync, Work};
use crate::compose::finding::YamlPath;
use crate::compose::rule::PathRule;
use crate::compose::values::Reader;
use crate::compose::yaml::{describe, key_text, quoted, untagged};
use crate::nearest::did_you_mean;

pub use kinds::{KINDS, Kind, LAST, Shape, Suffices, Times, before_the_last, kind, names};
pub use restart::SIGNALS;
pub use run::{command, environment};

/// What a step's value is read with.
pub type StepReader<'r, 's> = Reader<'r, Setting<'s>>;

/// Where a step stands and what its paths are relative to.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// Its number and name.
    pub step: &'a Step,
    /// The directory of the file it was written in (B5).
    pub dir: &'a HostPath,
}

/// One step, read. Places go with it for the checks.
#[derive(Clone, Debug, PartialEq)]
pub enum Read {
    /// `initial_sync`
    InitialSync,
    /// `fall_back_on`, each path with its place.
    FallBackOn(Vec<(FallBackOn, YamlPath)>),
    /// `sync`, with the place of its local path.
    Sync(Sync, YamlPath),
    /// What is done once the files are there, with the places of its triggers.
    Work(Work, Vec<YamlPath>),
    /// `action: restart` of `develop.watch`, with the place of its path.
    WatchOnly(FallBackOn, YamlPath),
}

impl Read {
    /// The step's triggers.
    pub fn triggers(&self) -> &[PathRule] {
        match self {
            Self::Work(work, _) => &work.trigger,
            Self::InitialSync | Self::FallBackOn(_) | Self::Sync(..) | Self::WatchOnly(..) => &[],
        }
    }

    /// Puts it into the field of `block` that holds its kind, behind what is there.
    pub fn put_into(&self, step: &Step, block: &mut Block) {
        match self {
            Self::InitialSync => block.initial_sync = Some(step.clone()),
            Self::FallBackOn(files) => {
                let files = files.iter().map(|(file, _)| file.clone());
                block.fall_back_on.extend(files);
            }
            Self::Sync(sync, _) => block.syncs.push(sync.clone()),
            Self::Work(work, _) => block.add(work.clone()),
            Self::WatchOnly(entry, _) => block.watch_only.push(entry.clone()),
        }
    }
}

/// Reads a step written in place. `None` when it is too wrong to go on with; what is said of it says why.
pub fn read_step(value: &Value, r: &mut StepReader<'_, '_>) -> Option<(&'static Kind, Read)> {
    match untagged(value) {
        Value::String(word) => bare_step(word, r),
        Value::Mapping(map) => keyed_step(map, r),
        _ => {
            r.error(
                format!(
                    "a step is {}; expected a mapping with one key",
                    describe(value)
                ),
                Some(format!("the steps are {}", quoted(&names()))),
            );
            None
        }
    }
}

fn bare_step(word: &str, r: &mut StepReader<'_, '_>) -> Option<(&'static Kind, Read)> {
    let Some(kind) = kind(word) else {
        // `- sync:./a:/b` and `- sync ./a:/b` are texts to YAML.
        let start = KINDS.iter().find(|kind| {
            word.strip_prefix(kind.name)
                .is_some_and(|rest| rest.starts_with([':', ' ']))
        });
        let hint = match start {
            Some(kind) => format!("a space belongs behind the colon: {}", form_of(kind)),
            None => the_steps(word),
        };
        r.error(format!("unknown step `{word}`"), Some(hint));
        return None;
    };
    if let Some(lacks) = kind.lacks {
        r.error(format!("`{word}` {lacks}"), Some(form_of(kind)));
        return None;
    }
    let read = (kind.read)(&Value::Null, &mut r.named(word))?;
    Some((kind, read))
}

fn form_of(kind: &Kind) -> String {
    format!("write `{}`", kind.example)
}

/// The hint for a step that is none.
fn the_steps(name: &str) -> String {
    format!(
        "{}the steps are {}",
        did_you_mean(name, names()),
        quoted(&names())
    )
}

fn keyed_step(map: &Mapping, r: &mut StepReader<'_, '_>) -> Option<(&'static Kind, Read)> {
    let keys: Vec<String> = map.keys().filter_map(key_text).collect();
    let Some(kind) = keys.iter().find_map(|key| kind(key)) else {
        match keys.first() {
            Some(name) if !name.is_empty() => r
                .key(name)
                .error_on_key(format!("unknown step `{name}`"), Some(the_steps(name))),
            Some(name) => r.key(name).error("an empty step", Some(the_steps(""))),
            None => r.error("an empty step", Some(the_steps(""))),
        }
        return None;
    };
    if let Some(other) = keys.iter().find(|key| *key != kind.name) {
        let (message, hint) = beside(kind, other, &keys);
        r.key(other).error_on_key(message, Some(hint));
        return None;
    }
    let read = (kind.read)(map.get(kind.name)?, &mut r.key(kind.name))?;
    Some((kind, read))
}

/// What to say of `other`, one of `keys`, in a step of `kind`.
fn beside(kind: &Kind, other: &str, keys: &[String]) -> (String, String) {
    let name = kind.name;
    if keys.iter().filter(|key| self::kind(key).is_some()).count() > 1 {
        return (
            format!("`{name}` and `{other}` are in one step"),
            "begin each step with a `-` of its own".into(),
        );
    }
    let known = || kind.keys.iter().map(|key| key.name);
    let hint = if known().any(|key| key == other) {
        let needed = kind.keys.iter().filter(|key| key.needed);
        let mut parts: Vec<&str> = needed.map(|key| key.name).collect();
        parts.push(other);
        let parts: Vec<String> = parts.iter().map(|key| format!("{key}: ..")).collect();
        format!(
            "write it in the long form: `{name}: {{{}}}`",
            parts.join(", ")
        )
    } else {
        format!(
            "{}a step is a mapping with one key",
            did_you_mean(other, known())
        )
    };
    (format!("`{other}` stands beside `{name}`"), hint)
}

fn initial_sync(value: &Value, r: &mut StepReader<'_, '_>) -> Option<Read> {
    if matches!(untagged(value), Value::Null | Value::Bool(true)) {
        return Some(Read::InitialSync);
    }
    r.wrong_type(value, "no value");
    None
}

/// Reports that the step's long form lacks `key`.
fn missing(key: &str, r: &mut StepReader<'_, '_>) {
    let hint = kind(&r.name).map(form_of);
    r.error(format!("`{}` has no `{key}`", r.name), hint);
}
