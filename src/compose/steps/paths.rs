//! Reads the paths of `trigger` and `fall_back_on`: a path, a glob, or a path that lists narrow. Asks no disk.

use serde_yaml::{Mapping, Value};

use crate::compose::finding::YamlPath;
use crate::compose::rule::PathRule;
use crate::compose::yaml::untagged;

use super::StepReader;

/// The keys of a path that is narrowed.
const NARROWED: [&str; 3] = ["path", "ignore", "include"];

/// One or several, each with its place.
pub(super) fn rules(value: &Value, r: &mut StepReader<'_, '_>) -> Vec<(PathRule, YamlPath)> {
    match untagged(value) {
        Value::Sequence(items) => items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| rule(item, "a path or glob", &mut r.index(index)))
            .collect(),
        _ => rule(value, "a path or glob, or a list of them", r)
            .into_iter()
            .collect(),
    }
}

fn rule(value: &Value, expected: &str, r: &mut StepReader<'_, '_>) -> Option<(PathRule, YamlPath)> {
    let rule = match untagged(value) {
        Value::Mapping(map) if NARROWED.iter().any(|key| map.contains_key(key)) => narrowed(map, r),
        _ => plain(value, expected, r),
    };
    rule.map(|rule| (rule, r.at.clone()))
}

/// A path or glob as a text.
fn plain(value: &Value, expected: &str, r: &mut StepReader<'_, '_>) -> Option<PathRule> {
    let text = r.text(value, expected)?;
    let rule = PathRule::new(&text, r.setting.dir);
    rule.map_err(|reason| {
        r.error(
            format!("`{text}` is no glob: {reason}"),
            Some(
                "put that right; for a name that has the character in it, write `\\` before it"
                    .into(),
            ),
        );
    })
    .ok()
}

/// `{path, ignore, include}`: a path whatever characters it has, less what the lists leave out, as in a `sync`.
fn narrowed(map: &Mapping, r: &mut StepReader<'_, '_>) -> Option<PathRule> {
    r.only_keys(map, &NARROWED);
    let Some(path) = map.get("path") else {
        r.error(
            format!("an item of `{}` has no `path`", r.name),
            Some("write `{path: ./src, ignore: [\"**/*.md\"]}`, or the path alone".into()),
        );
        return None;
    };
    let path = r.key("path").text(path, "a path")?;
    let mut list = |key: &str| {
        map.get(key)
            .map_or_else(Vec::new, |value| r.key(key).patterns(value))
    };
    let (ignore, include) = (list("ignore"), list("include"));
    match PathRule::filtered(&r.setting.dir.join(&path), &include, &ignore) {
        Ok(rule) => Some(rule.written_as(path)),
        Err(bad) => {
            let hint = "put that right; it is in `.dockerignore`'s syntax";
            r.error(
                format!("a pattern cannot be read: {bad}"),
                Some(hint.into()),
            );
            None
        }
    }
}
