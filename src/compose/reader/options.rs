//! Reads the options of the mapping form, steps aside.

use serde_yaml::{Mapping, Value};

use crate::compose::block::{CustomBuild, HelperUse, Matching, TriggerMode, Unmatched};
use crate::compose::filter::{List, moved};
use crate::compose::finding::{Findings, Spot};
use crate::compose::steps::patterns;
use crate::compose::yaml::{
    choice, duration, key_text, only_keys, scalar_text, split_words, text, texts, untagged,
    wrong_type,
};
use crate::paths::HostPath;

use super::{ReadBlock, Written};

/// The keys of the mapping form.
pub(super) const KEYS: [&str; 12] = [
    "steps",
    "ignore",
    "only",
    "unmatched",
    "matching",
    "watch",
    "trigger_mode",
    "debounce",
    "custom_build",
    "entrypoint",
    "command",
    "helper",
];

/// Reads what stands beside `steps`.
pub(super) fn read(
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
                block.ignore =
                    filters(List::Ignore, value, &at, written, block.dir.as_ref(), found);
            }
            "only" => {
                block.only = filters(List::Only, value, &at, written, block.dir.as_ref(), found);
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
            "matching" => {
                let choices = [("first", Matching::First), ("all", Matching::All)];
                block.matching = choice(&key, value, &choices, &at, found).unwrap_or_default();
            }
            "watch" => {
                let paths = texts(&key, value, "a path", &at, found).into_iter();
                block.watch = paths
                    .map(|(path, at)| written.dir(&at.path).join(path))
                    .collect();
                if block.watch.is_empty() {
                    found.error_on_key(
                        &at,
                        "`watch` leaves nothing to watch",
                        Some("name what is to be watched, or take `watch` out: it is the build context then".into()),
                    );
                }
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
    list: List,
    value: &Value,
    at: &Spot,
    written: &dyn Written,
    base: Option<&HostPath>,
    found: &mut Findings,
) -> Vec<String> {
    let name = match list {
        List::Ignore => "ignore",
        List::Only => "only",
    };
    if untagged(value).as_sequence().is_none() {
        return patterns(name, value, at, found);
    }
    texts(name, value, "a pattern", at, found)
        .into_iter()
        .map(|(pattern, at)| {
            let dir = written.dir(&at.path);
            match base.filter(|base| **base != dir) {
                Some(base) => moved(&pattern, list, &dir, base).unwrap_or(pattern),
                None => pattern,
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
