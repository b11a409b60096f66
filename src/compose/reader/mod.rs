//! Reads the whole `x-live-update` of one service: steps and options, names resolved, order checked (B1 to B4). Knows no disk.

pub mod options;
mod order;

use std::collections::{BTreeMap, BTreeSet};

use serde_yaml::Value;

use crate::paths::HostPath;

use crate::compose::block::{Block, FallBackOn, Step};
use crate::compose::finding::{Findings, Seg, YamlPath};
use crate::compose::problem::Which;
use crate::compose::steps::{self, Kind, Read, Setting, read_step};
use crate::compose::values::Reader;
use crate::compose::yaml::{describe, key_text, quoted, untagged};
use crate::nearest::did_you_mean;

/// Where a value was written: the directory its paths are relative to, and the merged part it belongs to.
pub trait Written {
    /// The directory that relative paths at `path` are relative to (B5).
    fn dir(&self, path: &[Seg]) -> HostPath;
    /// B1: a number per list; steps with the same one were written in one list.
    fn part(&self, path: &[Seg]) -> usize;
}

/// One step of a list, read and located.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Its position and name.
    pub step: Step,
    /// Where it is used, which for a named step is not where it is defined.
    pub at: YamlPath,
    /// Its row in the table of kinds; `None` for a rule of `develop.watch`.
    pub kind: Option<&'static Kind>,
    /// The step's content.
    pub read: Read,
}

/// A block, with the locations that the checks need.
#[derive(Clone, Debug)]
pub struct ReadBlock {
    /// Complete, as far as it could be read.
    pub block: Block,
    /// Its steps, in the list's order.
    pub steps: Vec<Placed>,
    /// The locations of `custom_build.deps`, in their order.
    pub deps: Vec<YamlPath>,
    /// The location of the block.
    pub at: YamlPath,
}

/// A named step (B3).
#[derive(Clone, Debug)]
pub struct Named {
    /// The step, unread: it is read once for each use.
    pub value: Value,
    /// Where it is defined.
    pub at: YamlPath,
    /// The directory of the file that defines it.
    pub dir: HostPath,
}

/// All named steps, and which of them are used.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Name to step.
    pub steps: BTreeMap<String, Named>,
    /// The names that some service uses.
    pub used: BTreeSet<String>,
}

/// Reads the top-level `x-live-update` (B3). Each named step is checked here once, whoever uses it.
pub fn read_names(
    value: &Value,
    at: &YamlPath,
    written: &dyn Written,
    found: &mut Findings,
) -> Names {
    let mut names = Names::default();
    let r = &mut Reader::new("x-live-update", at, written, found);
    let Value::Mapping(map) = untagged(value) else {
        r.error(
            format!(
                "the top-level `x-live-update` is {}; expected a mapping with `steps`",
                describe(value)
            ),
            Some("a service's own steps stand below that service".into()),
        );
        return names;
    };
    r.only_keys(map, &["steps"]);
    let Some(steps) = map.get("steps") else {
        return names;
    };
    let r = &mut r.key("steps");
    let Value::Mapping(steps) = untagged(steps) else {
        r.wrong_type(steps, "a mapping from names to steps");
        return names;
    };
    for (name, value) in steps {
        let Some(name) = key_text(name) else {
            continue;
        };
        let r = &mut r.key(&name);
        r.at.step = Some(Which::Named(name.clone()));
        if let Some(named) = read_named(&name, value, r) {
            names.steps.insert(name, named);
        }
    }
    names
}

fn read_named(name: &str, value: &Value, r: &mut Reader<'_, &dyn Written>) -> Option<Named> {
    if steps::kind(name).is_some() {
        r.error_on_key(
            format!("`{name}` is a kind of step and cannot be a name"),
            Some("give the step another name".into()),
        );
        return None;
    }
    if untagged(value).as_sequence().is_some() {
        r.error(
            "a name stands for one step, not for a list",
            Some("give each step a name of its own".into()),
        );
        return None;
    }
    let dir = r.setting.dir(&r.at.path);
    let setting = Setting {
        step: &Step::new(0),
        dir: &dir,
    };
    read_step(value, &mut Reader::new(name, &r.at, setting, r.found));
    Some(Named {
        value: value.clone(),
        at: r.at.clone(),
        dir,
    })
}

/// Reads the block at `at`. Problems go to `found`; whatever could be read is returned, for the other checks.
pub fn read_block(
    value: &Value,
    at: &YamlPath,
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
    let r = &mut Reader::new("x-live-update", at, written, &mut *found);
    match untagged(value) {
        Value::Sequence(steps) => read.steps = read_list(steps, names, r),
        Value::Mapping(map) => {
            r.only_keys(map, &options::KEYS);
            if let Some(steps) = map.get("steps") {
                let r = &mut r.key("steps");
                match untagged(steps) {
                    Value::Sequence(steps) => read.steps = read_list(steps, names, r),
                    _ => r.wrong_type(steps, "a list of steps"),
                }
            }
            options::read(map, &mut read, r);
        }
        _ => r.error_on_key(
            format!(
                "`x-live-update` is {}; expected a list of steps, or a mapping with `steps`",
                describe(value)
            ),
            Some("an empty list, `x-live-update: []`, rebuilds on every change".into()),
        ),
    }
    order::check(&read.steps, !read.block.watch.is_empty(), written, found);
    for placed in &read.steps {
        placed.read.put_into(&placed.step, &mut read.block);
    }
    watch_for_triggers(&mut read.block);
    read
}

fn read_list(list: &[Value], names: &mut Names, r: &mut Reader<'_, &dyn Written>) -> Vec<Placed> {
    let mut placed = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let r = &mut r.index(index);
        let name = match untagged(value) {
            Value::String(word) => names.steps.get_key_value(word),
            _ => None,
        };
        let step = Step {
            number: index + 1,
            name: name.map(|(name, _)| name.clone()),
            action: None,
        };
        r.at.step = Some(Which::Step(step.clone()));
        let read = if let Some((name, named)) = name {
            names.used.insert(name.clone());
            read_used(named, &step, &r.at)
        } else if let Some(word) = unknown_name(value) {
            r.error(format!("unknown step `{word}`"), Some(known(word, names)));
            None
        } else {
            let dir = r.setting.dir(&r.at.path);
            let setting = Setting {
                step: &step,
                dir: &dir,
            };
            read_step(value, &mut Reader::new(&r.name, &r.at, setting, r.found))
        };
        if let Some((kind, read)) = read {
            placed.push(Placed {
                step,
                at: r.at.clone(),
                kind: Some(kind),
                read,
            });
        }
    }
    placed
}

/// Reads the named step used as `step` at `at`. Its problems were reported where it is defined, and are not repeated.
fn read_used(named: &Named, step: &Step, at: &YamlPath) -> Option<(&'static Kind, Read)> {
    let setting = Setting {
        step,
        dir: &named.dir,
    };
    let mut spot = named.at.clone();
    spot.service.clone_from(&at.service);
    spot.step.clone_from(&at.step);
    let mut said = Findings::default();
    read_step(
        &named.value,
        &mut Reader::new("", &spot, setting, &mut said),
    )
}

/// The hint for `word`, which names no step.
fn known(word: &str, names: &Names) -> String {
    let defined: Vec<&str> = names.steps.keys().map(String::as_str).collect();
    let kinds = steps::names();
    let those = if defined.is_empty() {
        "a name must be defined under the top-level `x-live-update.steps`".to_owned()
    } else {
        format!("named steps are {}", quoted(&defined))
    };
    format!(
        "{}the steps are {}; {those}",
        did_you_mean(word, defined.iter().copied().chain(kinds.iter().copied())),
        quoted(&kinds),
    )
}

/// A single word that is no kind of step: probably meant as a name.
fn unknown_name(value: &Value) -> Option<&str> {
    let word = untagged(value).as_str()?;
    let name = !word.is_empty() && !word.contains([':', ' ', '/']);
    (name && steps::kind(word).is_none()).then_some(word)
}

/// Files of the block's own `watch` that the last step's triggers name are watched for that step, even if nothing copies them.
fn watch_for_triggers(block: &mut Block) {
    let (Some(last), false) = (block.last(), block.watch.is_empty()) else {
        return;
    };
    let files = last.trigger.iter().map(|rule| FallBackOn {
        step: last.step.clone(),
        rule: rule.clone(),
    });
    block.watch_only = files.collect();
}
