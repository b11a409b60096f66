//! The JSON Schema of `x-live-update`, for editors. It checks a block's shape as the reader does; it knows nothing of paths on the disk.

use serde_json::{Value, json};

use super::steps::{self, KINDS, Kind, Shape};

/// The schema: a service's block at its root, the top level's under `$defs.top_level`, a whole compose file under `$defs.compose`.
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "x-live-update",
        "description": "How `docker liveupdate` brings changes into this service's running containers.",
        "$ref": "#/$defs/block",
        "$defs": definitions()
    })
}

fn definitions() -> Value {
    let mut all = json!({
        "block": {
            "oneOf": [
                { "$ref": "#/$defs/steps" },
                { "$ref": "#/$defs/options" }
            ]
        },
        "top_level": closed(json!({
            "steps": {
                "description": "Steps with a name, to be used by several services.",
                "type": "object",
                "propertyNames": { "not": { "enum": steps::names() } },
                "additionalProperties": { "$ref": "#/$defs/step" }
            }
        }), &[]),
        "compose": {
            "description": "A compose file: what stands in it beside our blocks is Compose's own.",
            "type": "object",
            "properties": {
                "x-live-update": { "$ref": "#/$defs/top_level" },
                "services": {
                    "type": "object",
                    "additionalProperties": {
                        "properties": { "x-live-update": { "$ref": "#/$defs/block" } }
                    }
                }
            }
        },
        "steps": {
            "description": format!("{}, then {}; an empty list rebuilds on every change.", steps::before_the_last().join(", "), steps::LAST),
            "type": "array",
            "items": {
                "anyOf": [
                    { "$ref": "#/$defs/step" },
                    { "$ref": "#/$defs/name" }
                ]
            }
        },
        "name": {
            "description": "The name of a step under the top-level `x-live-update.steps`.",
            "type": "string",
            "pattern": "^[^:/ ]+$",
            "not": { "enum": need_a_value() }
        },
        "step": { "oneOf": all_steps() },
        "options": options()
    });
    if let (Some(all), Value::Object(words)) = (all.as_object_mut(), words()) {
        all.extend(words);
    }
    all
}

/// The definitions of texts and numbers that the options use.
fn words() -> Value {
    json!({
        "text": { "type": "string", "pattern": "\\S" },
        "texts": {
            "oneOf": [
                { "$ref": "#/$defs/text" },
                { "type": "array", "items": { "$ref": "#/$defs/text" } }
            ]
        },
        "path": {
            "oneOf": [
                { "$ref": "#/$defs/text" },
                closed(json!({
                    "path": { "$ref": "#/$defs/text" },
                    "ignore": { "$ref": "#/$defs/texts" },
                    "include": { "$ref": "#/$defs/texts" }
                }), &["path"])
            ]
        },
        "paths": {
            "oneOf": [
                { "$ref": "#/$defs/path" },
                { "type": "array", "items": { "$ref": "#/$defs/path" } }
            ]
        },
        "scalar": { "type": ["string", "number", "boolean"] },
        "text_or_number": { "oneOf": [{ "$ref": "#/$defs/text" }, { "type": "number" }] },
        "command": {
            "description": "A text for `/bin/sh -c`, or a list that is executed as it is.",
            "oneOf": [
                { "$ref": "#/$defs/text" },
                {
                    "type": "array",
                    "minItems": 1,
                    "items": { "$ref": "#/$defs/scalar" },
                    "prefixItems": [{ "$ref": "#/$defs/scalar", "not": { "const": "" } }]
                }
            ]
        },
        "duration": {
            "description": "`10s`, `1m30s`, `500ms`, or a number of seconds.",
            "oneOf": [
                { "type": "number", "minimum": 0 },
                { "type": "string", "pattern": "^\\s*([0-9]*\\.?[0-9]+|[0-9]+\\.|(([0-9]*\\.?[0-9]+|[0-9]+\\.)(h|m|s|ms|us|µs|ns))+)\\s*$" },
                { "$ref": "#/$defs/variable" }
            ]
        },
        "boolean": {
            "oneOf": [
                { "type": "boolean" },
                { "type": "string", "pattern": "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])$" },
                { "$ref": "#/$defs/variable" }
            ]
        },
        "variable": {
            "description": "A value that Compose puts in.",
            "type": "string",
            "pattern": "\\$\\{?[A-Za-z_]"
        },
        "signal": {
            "oneOf": [
                { "type": "string", "pattern": signal_pattern() },
                { "$ref": "#/$defs/variable" }
            ]
        },
        "environment": {
            "oneOf": [
                { "type": "object", "additionalProperties": { "$ref": "#/$defs/scalar" } },
                { "type": "array", "items": { "type": "string", "pattern": "^[^=]+=" } }
            ]
        }
    })
}

/// Any letter case, with or without `SIG`: schema patterns have no flag for letter case.
fn signal_pattern() -> String {
    let either_case = |name: &str| -> String {
        name.chars()
            .map(|letter| {
                if letter.is_ascii_alphabetic() {
                    format!("[{}{}]", letter, letter.to_ascii_lowercase())
                } else {
                    letter.to_string()
                }
            })
            .collect()
    };
    let names: Vec<String> = steps::SIGNALS
        .iter()
        .map(|name| either_case(name))
        .collect();
    format!(
        "^({})?({}|{}([+-][0-9]{{1,2}})?)$",
        either_case("SIG"),
        names.join("|"),
        either_case("RTM") + "([Ii][Nn]|[Aa][Xx])"
    )
}

/// The kinds that are no step without a value, in the published schema's order: `fall_back_on` after `run`.
fn need_a_value() -> Vec<&'static str> {
    let kinds = KINDS.iter().filter(|kind| kind.lacks.is_some());
    let mut names: Vec<&str> = kinds.map(|kind| kind.name).collect();
    let place = |name| names.iter().position(|one| *one == name);
    if let (Some(from), Some(to)) = (place("fall_back_on"), place("run")) {
        names[from..=to].rotate_left(1);
    }
    names
}

/// Every kind of step: first those whose name alone is a step, then each with its value.
fn all_steps() -> Value {
    let bare = KINDS.iter().filter(|kind| kind.lacks.is_none());
    let bare: Vec<&str> = bare.map(|kind| kind.name).collect();
    [json!({ "enum": bare })]
        .into_iter()
        .chain(KINDS.iter().map(step))
        .collect()
}

fn step(kind: &Kind) -> Value {
    let mut forms = (kind.short)();
    if !kind.keys.is_empty() {
        forms.push(long_form(kind));
    }
    let mut value = match forms.as_slice() {
        [only] => only.clone(),
        _ => json!({ "oneOf": forms }),
    };
    value["description"] = kind.does.into();
    let mut step = serde_json::Map::new();
    step.insert(kind.name.to_owned(), value);
    closed(step.into(), &[kind.name])
}

fn long_form(kind: &Kind) -> Value {
    let properties: serde_json::Map<String, Value> = kind
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), shape(&key.shape)))
        .collect();
    let needed = kind.keys.iter().filter(|key| key.needed);
    let needed: Vec<&str> = needed.map(|key| key.name).collect();
    closed(properties.into(), &needed)
}

fn shape(shape: &Shape) -> Value {
    match shape {
        Shape::Of(definition) => json!({ "$ref": format!("#/$defs/{definition}") }),
        Shape::For(what, definition) => {
            json!({ "description": what, "$ref": format!("#/$defs/{definition}") })
        }
        Shape::Words(what, words) => one_of(what, words),
        Shape::Written(schema) => schema(),
    }
}

fn options() -> Value {
    closed(
        json!({
            "steps": { "$ref": "#/$defs/steps" },
            "ignore": {
                "description": "What is left out, in .dockerignore's syntax, relative to the compose file's directory; a name without a slash at any depth.",
                "$ref": "#/$defs/texts"
            },
            "only": {
                "description": "What alone is watched, in .dockerignore's syntax, relative to the compose file's directory.",
                "oneOf": [
                    { "$ref": "#/$defs/text" },
                    { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/text" } }
                ]
            },
            "unmatched": one_of("What a watched file that no sync covers asks for.", &["rebuild", "ignore"]),
            "matching": one_of("Of several syncs that hold a file: the first, or all, each to its own place and also after a rebuild.", &["first", "all"]),
            "watch": {
                "description": "What is watched in place of the build context, wherever it lies.",
                "oneOf": [
                    { "$ref": "#/$defs/text" },
                    { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/text" } }
                ]
            },
            "trigger_mode": one_of("Whether changes wait for a key.", &["auto", "manual"]),
            "debounce": { "$ref": "#/$defs/duration" },
            "custom_build": closed(json!({
                "command": {
                    "description": "Builds the image `$EXPECTED_REF`.",
                    "$ref": "#/$defs/text"
                },
                "deps": {
                    "description": "What is watched in place of the context.",
                    "oneOf": [
                        { "$ref": "#/$defs/text" },
                        { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/text" } }
                    ]
                },
                "tag": { "$ref": "#/$defs/text" }
            }), &["command", "deps"]),
            "entrypoint": argv("What the container runs under `docker liveupdate up`."),
            "command": argv("Its arguments, likewise."),
            "helper": {
                "oneOf": [one_of("Whether the in-container helper may be used.", &["auto", "off"]), { "const": false }]
            }
        }),
        &[],
    )
}

fn argv(description: &str) -> Value {
    json!({
        "description": description,
        "oneOf": [
            { "$ref": "#/$defs/text" },
            { "type": "array", "items": { "$ref": "#/$defs/scalar" } }
        ]
    })
}

fn one_of(description: &str, words: &[&str]) -> Value {
    json!({
        "description": description,
        "anyOf": [
            { "enum": words },
            { "$ref": "#/$defs/variable" }
        ]
    })
}

/// The schema of a mapping with these keys and no others.
#[expect(
    clippy::needless_pass_by_value,
    reason = "every caller makes it on the spot"
)]
fn closed(properties: Value, required: &[&str]) -> Value {
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false
    })
}
