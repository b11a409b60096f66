//! Reads the whole `x-live-update` of one service: steps and options, names resolved, order checked (B1 to B4). Knows no disk.

use std::collections::{BTreeMap, BTreeSet};

use serde_yaml::{Mapping, Value};

use crate::paths::HostPath;

use super::block::{Block, CustomBuild, HelperUse, Step, TriggerMode, Unmatched};
use super::finding::{Findings, Seg, Spot};
use super::steps::{KINDS, Read, Setting, patterns, read_step};
use super::yaml::{
    choice, describe, did_you_mean, duration, key_text, only_keys, quoted, scalar_text,
    split_words, text, texts, untagged, wrong_type,
};

/// The keys of the mapping form.
pub const OPTIONS: [&str; 10] = [
    "steps",
    "ignore",
    "only",
    "unmatched",
    "trigger_mode",
    "debounce",
    "custom_build",
    "entrypoint",
    "command",
    "helper",
];

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
        at.step = Some(format!("named step `{name}`"));
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
            only_keys("x-live-update", map, &OPTIONS, at, found);
            if let Some(steps) = map.get("steps") {
                let at = at.key("steps");
                match untagged(steps) {
                    Value::Sequence(steps) => {
                        read.steps = read_list(steps, &at, written, names, found);
                    }
                    _ => wrong_type("steps", steps, "a list of steps", &at, found),
                }
            }
            options(map, at, written, &mut read, found);
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
    check_order(&read.steps, written, found);
    distribute(&mut read);
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
        };
        at.step = Some(step.to_string());
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
            let named: Vec<&str> = names.steps.keys().map(String::as_str).collect();
            let named = if named.is_empty() {
                "a name must be defined under the top-level `x-live-update.steps`".to_owned()
            } else {
                format!("named steps are {}", quoted(&named))
            };
            let hint = format!(
                "{}the steps are {}; {named}",
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

/// B1: each file's part in order by itself, one last step at most, `initial_sync` once.
fn check_order(steps: &[Placed], written: &dyn Written, found: &mut Findings) {
    let part = |placed: &Placed| written.part(&placed.at.path);
    for (index, placed) in steps.iter().enumerate() {
        let earlier = &steps[..index];
        let number = |other: &Placed| format!("{} (`{}`)", other.step, other.read.name());
        let name = placed.read.name();
        let twin = earlier
            .iter()
            .find(|other| other.read.rank() == placed.read.rank());
        if let (Read::InitialSync, Some(twin)) = (&placed.read, twin) {
            found.error(
                &placed.at,
                format!("`initial_sync` stands here and in {}", number(twin)),
                Some("once is enough: take one out".into()),
            );
            continue;
        }
        if let (Read::Restart(..), Some(twin)) = (&placed.read, twin) {
            found.error(
                &placed.at,
                format!("`{name}` is a second last step beside {}", number(twin)),
                Some("an update ends with one restart or signal at most: take one out".into()),
            );
            continue;
        }
        let blocker = earlier
            .iter()
            .find(|other| part(other) == part(placed) && other.read.rank() > placed.read.rank());
        if let Some(blocker) = blocker {
            let must = if matches!(blocker.read, Read::Restart(..)) {
                format!("{} must be the last step", number(blocker))
            } else {
                format!("move it before {}", number(blocker))
            };
            found.error(
                &placed.at,
                format!("`{name}` stands after {}", number(blocker)),
                Some(format!(
                    "{must}; the order is `initial_sync`, `fall_back_on`, `sync`, `run`, then one restart or signal"
                )),
            );
        }
    }
    let has_sync = steps.iter().any(|step| matches!(step.read, Read::Sync(..)));
    if let (false, Some(first)) = (has_sync || found.has_errors_below(steps), steps.first()) {
        let mut at = first.at.clone();
        at.step = None;
        at.path.pop();
        found.error_on_key(
            &at,
            "the list has no `sync`",
            Some(
                "add one, such as `sync: ./src:/app/src`; an empty list rebuilds on every change"
                    .into(),
            ),
        );
    }
}

impl Findings {
    /// Whether a step of that list was already reported: then a missing `sync` may be the misspelt one.
    fn has_errors_below(&self, steps: &[Placed]) -> bool {
        let service = steps.first().and_then(|step| step.at.service.as_ref());
        self.list.iter().any(|finding| {
            finding.at.service.as_ref() == service && finding.at.step.is_some()
                || finding.at.service.is_none() && finding.at.step.is_some()
        })
    }
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
        }
    }
}

fn options(
    map: &Mapping,
    at: &Spot,
    written: &dyn Written,
    read: &mut ReadBlock,
    found: &mut Findings,
) {
    for (key, value) in map {
        let key = key_text(key).unwrap_or_default();
        let at = at.key(&key);
        let block = &mut read.block;
        match key.as_str() {
            "ignore" => {
                block.ignore = filters(&key, value, &at, written, block.dir.as_ref(), found)
            }
            "only" => {
                block.only = filters(&key, value, &at, written, block.dir.as_ref(), found);
                if block.only.is_empty() {
                    found.error_on_key(
                        &at,
                        "`only` leaves nothing to watch",
                        Some("name what is to be watched, or take `only` out".into()),
                    );
                }
            }
            "unmatched" => {
                let choices = [
                    ("rebuild", Unmatched::Rebuild),
                    ("ignore", Unmatched::Ignore),
                ];
                block.unmatched = choice(&key, value, &choices, &at, found).unwrap_or_default();
            }
            "trigger_mode" => {
                let choices = [("auto", TriggerMode::Auto), ("manual", TriggerMode::Manual)];
                block.trigger_mode = choice(&key, value, &choices, &at, found).unwrap_or_default();
            }
            "debounce" => block.debounce = duration(&key, value, &at, found),
            "helper" => {
                let choices = [("auto", HelperUse::Auto), ("off", HelperUse::Off)];
                // `off` is a boolean to YAML 1.1 parsers.
                block.helper = match untagged(value) {
                    Value::Bool(false) => HelperUse::Off,
                    _ => choice(&key, value, &choices, &at, found).unwrap_or_default(),
                };
            }
            "entrypoint" => block.entrypoint = argv(&key, value, &at, found),
            "command" => block.command = argv(&key, value, &at, found),
            "custom_build" => custom_build(value, &at, written, read, found),
            _ => {}
        }
    }
}

/// Patterns of the block, put relative to the block's directory when another file wrote them.
fn filters(
    name: &str,
    value: &Value,
    at: &Spot,
    written: &dyn Written,
    base: Option<&HostPath>,
    found: &mut Findings,
) -> Vec<String> {
    if untagged(value).as_sequence().is_none() {
        return patterns(name, value, at, found);
    }
    texts(name, value, "a pattern", at, found)
        .into_iter()
        .map(|(pattern, at)| {
            let dir = written.dir(&at.path);
            match base.and_then(|base| dir.below(base)) {
                Some(below) if !below.as_os_str().is_empty() => {
                    let (not, bare) = match pattern.strip_prefix('!') {
                        Some(bare) => ("!", bare),
                        None => ("", pattern.as_str()),
                    };
                    format!("{not}{}/{}", below.display(), bare.trim_start_matches('/'))
                }
                _ => pattern,
            }
        })
        .collect()
}

/// A list as it is, or a text split into words as Compose splits `entrypoint` and `command`.
fn argv(name: &str, value: &Value, at: &Spot, found: &mut Findings) -> Option<Vec<String>> {
    match untagged(value) {
        Value::String(_) => {
            let line = text(name, value, "a command", at, found)?;
            let words = split_words(&line);
            if words.is_none() {
                found.error(
                    at,
                    format!("`{name}` has an open quote: `{line}`"),
                    Some("close it, or write a list".into()),
                );
            }
            words
        }
        Value::Sequence(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let word = scalar_text(item);
                if word.is_none() {
                    wrong_type(name, item, "a text", &at.index(index), found);
                }
                word
            })
            .collect(),
        _ => {
            wrong_type(
                name,
                value,
                "a command, or a list of program and arguments",
                at,
                found,
            );
            None
        }
    }
}

fn custom_build(
    value: &Value,
    at: &Spot,
    written: &dyn Written,
    read: &mut ReadBlock,
    found: &mut Findings,
) {
    let Value::Mapping(map) = untagged(value) else {
        wrong_type(
            "custom_build",
            value,
            "a mapping with `command` and `deps`",
            at,
            found,
        );
        return;
    };
    only_keys("custom_build", map, &["command", "deps", "tag"], at, found);
    for (key, why) in [
        (
            "command",
            "write what builds the image, such as `command: docker build -t $$EXPECTED_REF .`",
        ),
        (
            "deps",
            "write the files and directories it builds from, such as `deps: [./src]`",
        ),
    ] {
        if map.get(key).is_none() {
            found.error_on_key(
                at,
                format!("`custom_build` has no `{key}`"),
                Some(why.into()),
            );
        }
    }
    let mut field = |key: &str, expected: &str| {
        let value = map.get(key)?;
        text(key, value, expected, &at.key(key), found)
    };
    let command = field("command", "a shell command");
    let tag = field("tag", "an image's name");
    let Some(deps) = map.get("deps") else {
        return;
    };
    let deps_at = at.key("deps");
    let deps: Vec<(HostPath, Spot)> = texts("deps", deps, "a path", &deps_at, found)
        .into_iter()
        .map(|(dep, at)| (written.dir(&at.path).join(dep), at))
        .collect();
    if deps.is_empty()
        && untagged(&map["deps"])
            .as_sequence()
            .is_some_and(Vec::is_empty)
    {
        found.error(
            &deps_at,
            "`deps` is empty, so that nothing is watched",
            Some("name the files and directories the image is built from".into()),
        );
    }
    let (deps, spots) = deps.into_iter().unzip();
    read.deps = spots;
    if let Some(command) = command {
        read.block.custom_build = Some(CustomBuild {
            command,
            deps,
            // The service's image takes its place when it is not given.
            tag: tag.unwrap_or_default(),
        });
    }
}
