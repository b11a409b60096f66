//! Reads the options of the mapping form, all but the steps.

use serde_yaml::{Mapping, Value};

use crate::compose::block::{CustomBuild, HelperUse, Matching, TriggerMode, Unmatched};
use crate::compose::filter::{List, moved};
use crate::compose::finding::YamlPath;
use crate::compose::values::Reader;
use crate::compose::yaml::{key_text, scalar_text, split_words, untagged};
use crate::paths::HostPath;

use super::{ReadBlock, Written};

/// The keys of the mapping form.
pub const KEYS: [&str; 12] = [
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

/// Reads all keys beside `steps`.
pub(super) fn read(map: &Mapping, read: &mut ReadBlock, r: &mut Reader<'_, &dyn Written>) {
    for (key, value) in map {
        let key = key_text(key).unwrap_or_default();
        let r = &mut r.key(&key);
        let block = &mut read.block;
        match key.as_str() {
            "ignore" => block.ignore = filters(List::Ignore, value, block.dir.as_ref(), r),
            "only" => {
                block.only = filters(List::Only, value, block.dir.as_ref(), r);
                if block.only.is_empty() {
                    r.error_on_key(
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
                block.unmatched = r.choice(value, &choices).unwrap_or_default();
            }
            "matching" => {
                let choices = [("first", Matching::First), ("all", Matching::All)];
                block.matching = r.choice(value, &choices).unwrap_or_default();
            }
            "watch" => {
                block.watch = paths(value, r).into_iter().map(|(path, _)| path).collect();
                if block.watch.is_empty() {
                    r.error_on_key(
                        "`watch` leaves nothing to watch",
                        Some("name what is to be watched, or take `watch` out: it is the build context then".into()),
                    );
                }
            }
            "trigger_mode" => {
                let choices = [("auto", TriggerMode::Auto), ("manual", TriggerMode::Manual)];
                block.trigger_mode = r.choice(value, &choices).unwrap_or_default();
            }
            "debounce" => block.debounce = r.duration(value),
            "helper" => {
                let choices = [("auto", HelperUse::Auto), ("off", HelperUse::Off)];
                // YAML 1.1 parsers read `off` as a boolean.
                block.helper = match untagged(value) {
                    Value::Bool(false) => HelperUse::Off,
                    _ => r.choice(value, &choices).unwrap_or_default(),
                };
            }
            "entrypoint" => block.entrypoint = argv(value, r),
            "command" => block.command = argv(value, r),
            "custom_build" => custom_build(value, read, r),
            _ => {}
        }
    }
}

/// Paths with their locations, each relative to the directory of the file that wrote it.
fn paths(value: &Value, r: &mut Reader<'_, &dyn Written>) -> Vec<(HostPath, YamlPath)> {
    let texts = r.texts(value, "a path").into_iter();
    texts
        .map(|(path, at)| (r.setting.dir(&at.path).join(path), at))
        .collect()
}

/// Patterns, rewritten to be relative to the block's directory where another file wrote them.
fn filters(
    list: List,
    value: &Value,
    base: Option<&HostPath>,
    r: &mut Reader<'_, &dyn Written>,
) -> Vec<String> {
    if untagged(value).as_sequence().is_none() {
        return r.patterns(value);
    }
    r.texts(value, "a pattern")
        .into_iter()
        .map(|(pattern, at)| {
            let dir = r.setting.dir(&at.path);
            match base.filter(|base| **base != dir) {
                Some(base) => moved(&pattern, list, &dir, base).unwrap_or(pattern),
                None => pattern,
            }
        })
        .collect()
}

/// A list as it is, or a text split into words the way Compose splits `entrypoint` and `command`.
fn argv(value: &Value, r: &mut Reader<'_, &dyn Written>) -> Option<Vec<String>> {
    match untagged(value) {
        Value::String(_) => {
            let line = r.text(value, "a command")?;
            let words = split_words(&line);
            if words.is_none() {
                r.error(
                    format!("`{}` has an open quote: `{line}`", r.name),
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
                    r.index(index).wrong_type(item, "a text");
                }
                word
            })
            .collect(),
        _ => {
            r.wrong_type(value, "a command, or a list of program and arguments");
            None
        }
    }
}

fn custom_build(value: &Value, read: &mut ReadBlock, r: &mut Reader<'_, &dyn Written>) {
    let Value::Mapping(map) = untagged(value) else {
        r.wrong_type(value, "a mapping with `command` and `deps`");
        return;
    };
    r.only_keys(map, &["command", "deps", "tag"]);
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
            r.error_on_key(format!("`custom_build` has no `{key}`"), Some(why.into()));
        }
    }
    let mut field = |key: &str, expected: &str| r.key(key).text(map.get(key)?, expected);
    let command = field("command", "a shell command");
    let tag = field("tag", "an image's name");
    let Some(listed) = map.get("deps") else {
        return;
    };
    let r = &mut r.key("deps");
    let deps = paths(listed, r);
    if untagged(listed).as_sequence().is_some_and(Vec::is_empty) {
        r.error(
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
            // When it is not given, the service's image is used.
            tag: tag.unwrap_or_default(),
        });
    }
}
