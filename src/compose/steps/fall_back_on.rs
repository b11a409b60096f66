//! Reads `fall_back_on`: a path, a list of them, or `files`. Asks no disk.

use serde_json::json;
use serde_yaml::Value;

use crate::compose::block::FallBackOn;
use crate::compose::yaml::untagged;

use super::kinds::{Key, Shape, key_names};
use super::paths::rules;
use super::{Read, StepReader, missing};

/// The long form's keys.
pub(super) const KEYS: [Key; 1] = [Key::needed(
    "files",
    Shape::Written(|| json!({ "oneOf": short() })),
)];

/// What it takes without `files`, in the schema.
pub(super) fn short() -> Vec<serde_json::Value> {
    let path = json!({ "$ref": "#/$defs/path" });
    vec![
        path.clone(),
        json!({ "type": "array", "minItems": 1, "items": path }),
    ]
}

/// `fall_back_on`
pub(super) fn fall_back_on(value: &Value, r: &mut StepReader<'_, '_>) -> Option<Read> {
    let Value::Mapping(map) = untagged(value) else {
        return files(value, r);
    };
    if map.contains_key("path") {
        return files(value, r);
    }
    r.only_keys(map, &key_names(&KEYS));
    let Some(listed) = map.get("files") else {
        missing("files", r);
        return None;
    };
    let name = r.name.clone();
    files(listed, &mut r.key("files").named(&name))
}

fn files(value: &Value, r: &mut StepReader<'_, '_>) -> Option<Read> {
    if untagged(value).as_sequence().is_some_and(Vec::is_empty) {
        r.error(
            "`fall_back_on` is an empty list",
            Some("name the files whose change asks for a rebuild, or take the step out".into()),
        );
        return None;
    }
    let files: Vec<_> = rules(value, r)
        .into_iter()
        .map(|(rule, at)| {
            let step = r.setting.step.clone();
            (FallBackOn { step, rule }, at)
        })
        .collect();
    (!files.is_empty()).then_some(Read::FallBackOn(files))
}
