//! Named steps across files (B3): each is used, and none is defined twice. Does not look inside a step.

use std::collections::{BTreeMap, BTreeSet};

use serde_yaml::Value;

use super::finding::Findings;
use super::reader::Names;
use super::sources::Sources;
use super::yaml::{get, key_text, untagged};

/// Warns of names that no service uses, and reports names that two files define.
pub fn check(names: &Names, sources: &Sources, found: &mut Findings) {
    let inactive = used_in_any_file(sources);
    let definitions = definitions(sources);
    for (name, named) in &names.steps {
        if !names.used.contains(name) && !inactive.contains(name) {
            found.error_on_key(
                &named.at,
                "no service uses it",
                Some(format!(
                    "use it in a service's `x-live-update` list as `- {name}`, or take it out"
                )),
            );
        }
        if let Some([.., first, last]) = definitions.get(name).map(Vec::as_slice) {
            found.error_on_key(
                &named.at,
                format!("it is defined in two files, `{first}` and `{last}`"),
                Some(
                    "rename one of them, or write `!override` before the value that is to hold"
                        .into(),
                ),
            );
        }
    }
}

/// Every word of any service's list, inactive profiles included.
fn used_in_any_file(sources: &Sources) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for document in sources.files.iter().flat_map(|file| &file.documents) {
        let services = get(document, "services").and_then(|it| untagged(it).as_mapping());
        for service in services.into_iter().flat_map(|map| map.values()) {
            let block = get(service, "x-live-update");
            let steps = block.and_then(|block| get(block, "steps").or(Some(block)));
            let steps = steps.and_then(|steps| untagged(steps).as_sequence());
            for step in steps.into_iter().flatten() {
                words.extend(untagged(step).as_str().map(str::to_owned));
            }
        }
    }
    words
}

/// The files of the top level that define each name, in merge order; a file that overrides is the only one.
fn definitions(sources: &Sources) -> BTreeMap<String, Vec<String>> {
    let mut definitions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let included = sources.included();
    for file in included
        .iter()
        .chain(&sources.main)
        .filter_map(|&file| sources.files.get(file))
    {
        for document in &file.documents {
            let Some(steps) = get(document, "x-live-update").and_then(|it| get(it, "steps")) else {
                continue;
            };
            for (name, value) in untagged(steps).as_mapping().into_iter().flatten() {
                let Some(name) = key_text(name) else {
                    continue;
                };
                let files = definitions.entry(name).or_default();
                let overrides =
                    matches!(value, Value::Tagged(_)) || matches!(steps, Value::Tagged(_));
                if overrides {
                    files.clear();
                }
                let shown = file.path.seen_from(&sources.cwd);
                files.push(shown.to_string_lossy().into_owned());
            }
        }
    }
    definitions
}
