//! Reads the whole `x-live-update` of one service: steps and options, names resolved, order checked (B1 to B4). Knows no disk.

mod options;
mod order;

use std::collections::{BTreeMap, BTreeSet};

use serde_yaml::Value;

use crate::paths::HostPath;

use crate::compose::block::{Block, FallBackOn, Step};
use crate::compose::finding::{Findings, Seg, Spot};
use crate::compose::problem::Which;
use crate::compose::steps::{KINDS, Read, Setting, read_step};
use crate::compose::yaml::{
    describe, did_you_mean, key_text, only_keys, quoted, untagged, wrong_type,
};

/// Where something was written: the directory its paths are relative to, and which file's part it is in.
pub trait Written {
    /// B5.
    fn dir(&self, path: &[Seg]) -> HostPath;
    /// B1: steps with the same number were written in one list.
    fn part(&self, path: &[Seg]) -> usize;
}

/// One step of a list, read, and where it stands.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Its number and name.
    pub step: Step,
    /// Where it is used.
    pub at: Spot,
    /// What it is.
    pub read: Read,
}

/// A block, and its steps with their places for the checks.
#[derive(Clone, Debug)]
pub struct ReadBlock {
    /// The block.
    pub block: Block,
    /// Its steps as they are listed.
    pub steps: Vec<Placed>,
    /// The places of `custom_build.deps`, in their order.
    pub deps: Vec<Spot>,
    /// The block's own place.
    pub at: Spot,
}

/// A step with a name (B3).
#[derive(Clone, Debug)]
pub struct Named {
    /// The step itself.
    pub value: Value,
    /// Where it is defined.
    pub at: Spot,
    /// The directory of the file that defines it.
    pub dir: HostPath,
}

/// All named steps, and which of them were used.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// By name.
    pub steps: BTreeMap<String, Named>,
    /// Used by some service.
    pub used: BTreeSet<String>,
}

/// Reads the top-level `x-live-update` (B3). Each named step is checked here once, whoever uses it.
pub fn read_names(value: &Value, at: &Spot, written: &dyn Written, found: &mut Findings) -> Names {
    let mut names = Names::default();
    let Value::Mapping(map) = untagged(value) else {
        found.error(
            at,
            format!(
                "the top-level `x-live-update` is {}; expected a mapping with `steps`",
                describe(value)
            ),
            Some("a service's own steps stand below that service".into()),
        );
        return names;
    };
    only_keys("x-live-update", map, &["steps"], at, found);
    let Some(steps) = map.get("steps") else {
        return names;
    };
    let at = at.key("steps");
    let Value::Mapping(steps) = untagged(steps) else {
        wrong_type("steps", steps, "a mapping from names to steps", &at, found);
        return names;
    };
    for (name, value) in steps {
        let Some(name) = key_text(name) else {
            continue;
        };
        let mut at = at.key(&name);
        at.step = Some(Which::Named(name.clone()));
        if KINDS.contains(&name.as_str()) {
            found.error_on_key(
                &at,
                format!("`{name}` is a kind of step and cannot be a name"),
                Some("give the step another name".into()),
            );
            continue;
        }
        let dir = written.dir(&at.path);
        let step = Step::new(0);
        let setting = Setting {
            step: &step,
            dir: &dir,
        };
        if untagged(value).as_sequence().is_some() {
            found.error(
                &at,
                "a name stands for one step, not for a list",
                Some("give each step a name of its own".into()),
            );
            continue;
        }
        read_step(value, &at, setting, found);
        let value = value.clone();
        names.steps.insert(name, Named { value, at, dir });
    }
    names
}

/// Reads the block at `at`. Problems go to `found`; what could be read comes back all the same, for the other checks.
pub fn read_block(
    value: &Value,
    at: &Spot,
    written: &dyn Written,
    names: &mut Names,
    found: &mut Findings,
) -> ReadBlock {
    let mut read = ReadBlock {
        block: Block {
            dir: Some(written.dir(&at.path)),
            ..Block::default()
        },
        steps: Vec::new(),
        deps: Vec::new(),
        at: at.clone(),
    };
    match untagged(value) {
        Value::Sequence(steps) => {
            read.steps = read_list(steps, at, written, names, found);
        }
        Value::Mapping(map) => {
            only_keys("x-live-update", map, &options::KEYS, at, found);
            if let Some(steps) = map.get("steps") {
                let at = at.key("steps");
                match untagged(steps) {
                    Value::Sequence(steps) => {
                        read.steps = read_list(steps, &at, written, names, found);
                    }
                    _ => wrong_type("steps", steps, "a list of steps", &at, found),
                }
            }
            options::read(map, at, written, &mut read, found);
        }
        _ => found.error_on_key(
            at,
            format!(
                "`x-live-update` is {}; expected a list of steps, or a mapping with `steps`",
                describe(value)
            ),
            Some("an empty list, `x-live-update: []`, rebuilds on every change".into()),
        ),
    }
    order::check(&read.steps, !read.block.watch.is_empty(), written, found);
    distribute(&mut read);
    watch_for_triggers(&mut read.block);
    read
}

fn read_list(
    steps: &[Value],
    at: &Spot,
    written: &dyn Written,
    names: &mut Names,
    found: &mut Findings,
) -> Vec<Placed> {
    let mut list = Vec::new();
    for (index, value) in steps.iter().enumerate() {
        let mut at = at.index(index);
        let name = match untagged(value) {
            Value::String(word) => names.steps.get_key_value(word),
            _ => None,
        };
        let step = Step {
            number: index + 1,
            name: name.map(|(name, _)| name.clone()),
            action: None,
        };
        at.step = Some(Which::Step(step.clone()));
        let read = if let Some((name, named)) = name {
            names.used.insert(name.clone());
            let setting = Setting {
                step: &step,
                dir: &named.dir,
            };
            // What is wrong with it was said where it is defined.
            let mut said = Findings::default();
            let mut spot = named.at.clone();
            spot.service.clone_from(&at.service);
            spot.step.clone_from(&at.step);
            read_step(&named.value, &spot, setting, &mut said)
        } else if let Some(word) = unknown_name(value) {
            let known = names.steps.keys().map(String::as_str).chain(KINDS);
            let known_names: Vec<&str> = names.steps.keys().map(String::as_str).collect();
            let defined = if known_names.is_empty() {
                "a name must be defined under the top-level `x-live-update.steps`".to_owned()
            } else {
                format!("named steps are {}", quoted(&known_names))
            };
            let hint = format!(
                "{}the steps are {}; {defined}",
                did_you_mean(word, known),
                quoted(&KINDS),
            );
            found.error(&at, format!("unknown step `{word}`"), Some(hint));
            None
        } else {
            let dir = written.dir(&at.path);
            let setting = Setting {
                step: &step,
                dir: &dir,
            };
            read_step(value, &at, setting, found)
        };
        if let Some(read) = read {
            list.push(Placed { step, at, read });
        }
    }
    list
}

/// A single word that is no step: probably a name.
fn unknown_name(value: &Value) -> Option<&str> {
    let word = untagged(value).as_str()?;
    let name = !word.is_empty() && !word.contains([':', ' ', '/']);
    (name && !KINDS.contains(&word)).then_some(word)
}

/// What the last step's triggers name of the block's own `watch` triggers it also where nothing is copied.
fn watch_for_triggers(block: &mut Block) {
    let (Some(restart), false) = (&block.restart, block.watch.is_empty()) else {
        return;
    };
    block.watch_only = restart
        .trigger
        .iter()
        .map(|rule| FallBackOn {
            step: restart.step.clone(),
            rule: rule.clone(),
        })
        .collect();
}

/// The listed steps into the block's fields: ordered by kind, stably (B1).
fn distribute(read: &mut ReadBlock) {
    for placed in &read.steps {
        match &placed.read {
            Read::InitialSync => read.block.initial_sync = Some(placed.step.clone()),
            Read::FallBackOn(files) => {
                let files = files.iter().map(|(file, _)| file.clone());
                read.block.fall_back_on.extend(files);
            }
            Read::Sync(sync, _) => read.block.syncs.push(sync.clone()),
            Read::Run(run, _) => read.block.runs.push(run.clone()),
            Read::Restart(restart, _) => {
                read.block.restart.get_or_insert_with(|| restart.clone());
            }
            Read::WatchOnly(entry, _) => read.block.watch_only.push(entry.clone()),
        }
    }
}
