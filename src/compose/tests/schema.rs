//! The JSON Schema and the reader agree about the shape of a block.

use regex_automata::meta::Regex;
use serde_json::Value;

use super::host;
use crate::compose::{Severity, read_block, schema};

/// Blocks that both take.
const GOOD: &[&str] = &[
    "[]",
    "[{sync: './src:/app/src'}]",
    "{steps: []}",
    "[initial_sync, {fall_back_on: package.json}, {sync: './a:/b'}, {run: make}, restart_container]",
    "[{initial_sync: null}, {sync: './a:/b'}, {signal: sigusr1}]",
    "[{fall_back_on: [a, 'b/*.lock']}, {fall_back_on: {files: [c]}}, {sync: './a:/b/'}]",
    "[{sync: {local_path: a, remote_path: /b, ignore: '*.map', include: [x, '!y'], in_place: 'TRUE'}}]",
    "[{sync: 'a:/b'}, {run: [a, '', 5, true]}, {restart_process: {signal: INT, timeout: 1m30s, trigger: a}}]",
    "[{sync: 'a:/b'}, {run: {cmd: x, trigger: [a], workdir: /w, user: 1000, environment: {A: 5, B: x}, timeout: 0.5, on_failure: rebuild}}]",
    "[{sync: 'a:/b'}, {run: {cmd: [x], environment: [A=b, C=], timeout: '500ms'}}, {restart_container: {timeout: 0}}]",
    "{steps: [{sync: 'a:/b'}], matching: all, watch: [a, ../c]}",
    "{watch: flags, steps: [{restart_container: {trigger: flags}}]}",
    "[{fall_back_on: [a, {path: b, ignore: x, include: [y]}]}]",
    "[{fall_back_on: {path: b}}]",
    "[{sync: {local_path: a, remote_path: /b, initial_sync: true}}, {run: {cmd: x, trigger: {path: a, ignore: [x]}, workdir: ., privileged: true}}]",
    "[{sync: 'a:/b'}, {signal: {name: RTMIN+3, trigger: [a, b]}}]",
    "{steps: [{sync: 'a:/b'}], ignore: ['docs/**'], only: src, unmatched: ignore, trigger_mode: manual, debounce: '1h5m', helper: 'off'}",
    "{custom_build: {command: make, deps: [src], tag: x}, entrypoint: sh -c x, command: [a, 5]}",
];

/// Blocks whose shape both refuse.
const BAD: &[&str] = &[
    "",
    "5",
    "text",
    "[5]",
    "[[]]",
    "[{}]",
    "[sync]",
    "[{sync: 'a:/b'}, signal]",
    "[{snyc: 'a:/b'}]",
    "['sync:a:/b']",
    "[{sync: a}]",
    "[{sync: 'a:b'}]",
    "[{sync: ':/b'}]",
    "[{sync: ''}]",
    "[{sync: 'a:/b:ro'}]",
    "[{sync: [a, b]}]",
    "[{sync: {local_path: a}}]",
    "[{sync: {local_path: a, remote_path: b}}]",
    "[{sync: {local_path: '', remote_path: /b}}]",
    "[{sync: {local_path: a, remote_path: /b, ignored: x}}]",
    "[{sync: {local_path: a, remote_path: /b, ignore: {a: b}}}]",
    "[{sync: {local_path: a, remote_path: /b, in_place: maybe}}]",
    "[{sync: 'a:/b', run: x}]",
    "[{sync: 'a:/b'}, {run: x, trigger: y}]",
    "[{sync: 'a:/b'}, {run: ''}]",
    "[{sync: 'a:/b'}, {run: []}]",
    "[{sync: 'a:/b'}, {run: ['']}]",
    "[{sync: 'a:/b'}, {run: [{a: b}]}]",
    "[{sync: 'a:/b'}, {run: 5}]",
    "[{sync: 'a:/b'}, {run: {trigger: x}}]",
    "[{sync: 'a:/b'}, {run: {cmd: x, triger: y}}]",
    "[{sync: 'a:/b'}, {run: {cmd: x, trigger: 5}}]",
    "[{sync: 'a:/b'}, {run: {cmd: x, trigger: ['']}}]",
    "[{sync: 'a:/b'}, {run: {cmd: x, workdir: ''}}]",
    "[{sync: 'a:/b'}, {run: {cmd: x, privileged: maybe}}]",
    "[{sync: 'a:/b'}, {run: {cmd: x, trigger: {ignore: [x]}}}]",
    "[{sync: 'a:/b'}, {run: {cmd: x, trigger: [{path: a, but: [x]}]}}]",
    "{matching: some}",
    "{watch: []}",
    "[{sync: 'a:/b'}, {run: {cmd: x, user: {}}}]",
    "[{sync: 'a:/b'}, {run: {cmd: x, environment: 5}}]",
    "[{sync: 'a:/b'}, {run: {cmd: x, environment: [A]}}]",
    "[{sync: 'a:/b'}, {run: {cmd: x, timeout: soon}}]",
    "[{sync: 'a:/b'}, {run: {cmd: x, timeout: -1}}]",
    "[{sync: 'a:/b'}, {run: {cmd: x, on_failure: retry}}]",
    "[{sync: 'a:/b'}, {restart_container: now}]",
    "[{sync: 'a:/b'}, {restart_container: {signal: HUP}}]",
    "[{sync: 'a:/b'}, {restart_process: {timeout: x}}]",
    "[{sync: 'a:/b'}, {signal: SIGNONE}]",
    "[{sync: 'a:/b'}, {signal: {trigger: x}}]",
    "[{sync: 'a:/b'}, {signal: 1}]",
    "[{initial_sync: 5}, {sync: 'a:/b'}]",
    "[{fall_back_on: ''}, {sync: 'a:/b'}]",
    "[{fall_back_on: []}, {sync: 'a:/b'}]",
    "[{fall_back_on: 5}, {sync: 'a:/b'}]",
    "[{fall_back_on: {file: x}}, {sync: 'a:/b'}]",
    "{step: []}",
    "{steps: {}}",
    "{unmatched: maybe}",
    "{trigger_mode: hand}",
    "{debounce: soon}",
    "{helper: on}",
    "{only: []}",
    "{ignore: 5}",
    "{entrypoint: 5}",
    "{command: [{a: b}]}",
    "{custom_build: make}",
    "{custom_build: {command: make}}",
    "{custom_build: {deps: [a]}}",
    "{custom_build: {command: make, deps: []}}",
    "{custom_build: {command: make, deps: [a], image: x}}",
];

#[track_caller]
fn agree(yaml: &str, expected: bool) {
    let problems = read_block(yaml, &host("")).1;
    let read = !problems.iter().any(|it| it.severity == Severity::Error);
    assert_eq!(read, expected, "the reader on {yaml}: {problems:?}");
    let instance: Value = serde_yaml::from_str(yaml).unwrap();
    let schema = schema();
    assert_eq!(
        holds(&schema, &schema, &instance),
        expected,
        "the schema on {yaml}"
    );
}

#[test]
fn the_schema_takes_what_the_reader_takes() {
    for yaml in GOOD {
        agree(yaml, true);
    }
}

#[test]
fn the_schema_refuses_what_the_reader_refuses_for_its_shape() {
    for yaml in BAD {
        agree(yaml, false);
    }
}

#[test]
fn the_schema_knows_named_steps_and_values_that_compose_puts_in() {
    let schema = schema();
    let compose = &schema["$defs"]["compose"];
    let holds = |yaml: &str| holds(&schema, compose, &serde_yaml::from_str(yaml).unwrap());
    assert!(holds(
        "services: {web: {image: x, x-live-update: [code, {sync: '${A}:${B}'}]}}\nx-live-update: {steps: {code: {sync: './a:/b'}}}"
    ));
    assert!(holds(
        "services: {web: {x-live-update: {steps: [], debounce: '${WAIT:-5}', helper: '${HELPER}'}}}"
    ));
    assert!(!holds("x-live-update: [{sync: './a:/b'}]"));
    assert!(!holds("x-live-update: {steps: {sync: {sync: './a:/b'}}}"));
    assert!(!holds("x-live-update: {steps: {code: other}}"));
}

/// The folders' examples, and the README's own.
#[test]
fn the_schema_takes_every_example_of_the_repository() {
    let schema = schema();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut examples: Vec<(String, String)> = std::fs::read_dir(root.join("compose-examples"))
        .unwrap()
        .map(|folder| folder.unwrap().path().join("compose.yaml"))
        .map(|file| {
            (
                file.display().to_string(),
                std::fs::read_to_string(&file).unwrap(),
            )
        })
        .collect();
    assert!(examples.len() >= 7, "{examples:?}");
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let blocks = readme.split("```yaml\n").skip(1);
    let blocks = blocks.filter_map(|block| block.split("```").next());
    examples.extend(
        blocks
            .filter(|block| block.contains("x-live-update:"))
            .map(|block| ("README.md".to_owned(), block.to_owned())),
    );
    assert!(examples.iter().any(|(file, _)| file == "README.md"));
    for (file, text) in examples {
        let instance: Value = serde_yaml::from_str(&text).unwrap();
        assert!(text.contains("x-live-update:"), "{file}");
        assert!(
            holds(&schema, &schema["$defs"]["compose"], &instance),
            "{file}"
        );
    }
}

/// The part of JSON Schema that ours uses; a keyword that is not known here fails the test, so that nothing is passed over.
fn holds(root: &Value, schema: &Value, instance: &Value) -> bool {
    let schema = schema.as_object().expect("a schema is an object");
    schema.iter().all(|(keyword, rule)| {
        let list = || rule.as_array().expect("a list").iter();
        let matching = |rule: &Value| {
            list().filter(|one| holds(root, one, instance)).count() as u64 == rule.as_u64().unwrap()
        };
        match keyword.as_str() {
            "$schema" | "title" | "description" | "$defs" => true,
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                holds(root, root.pointer(pointer).expect(pointer), instance)
            }
            "oneOf" => matching(&1.into()),
            "anyOf" => list().any(|one| holds(root, one, instance)),
            "not" => !holds(root, rule, instance),
            "enum" => list().any(|one| one == instance),
            "const" => rule == instance,
            "type" => match rule {
                Value::Array(types) => types.iter().any(|one| has_type(one, instance)),
                one => has_type(one, instance),
            },
            "pattern" => {
                let pattern = Regex::new(rule.as_str().unwrap()).unwrap();
                instance.as_str().is_none_or(|text| pattern.is_match(text))
            }
            "minimum" => instance
                .as_f64()
                .is_none_or(|number| number >= rule.as_f64().unwrap()),
            "minItems" => {
                let least = usize::try_from(rule.as_u64().unwrap()).unwrap();
                instance.as_array().is_none_or(|items| items.len() >= least)
            }
            "prefixItems" => instance.as_array().is_none_or(|items| {
                list()
                    .zip(items)
                    .all(|(rule, item)| holds(root, rule, item))
            }),
            "items" => {
                let skipped = schema
                    .get("prefixItems")
                    .map_or(0, |it| it.as_array().unwrap().len());
                instance.as_array().is_none_or(|items| {
                    items
                        .iter()
                        .skip(skipped)
                        .all(|item| holds(root, rule, item))
                })
            }
            "required" => instance
                .as_object()
                .is_none_or(|map| list().all(|key| map.contains_key(key.as_str().unwrap()))),
            "properties" => instance.as_object().is_none_or(|map| {
                let rules = rule.as_object().unwrap().iter();
                rules
                    .filter_map(|(key, rule)| Some((rule, map.get(key)?)))
                    .all(|(rule, value)| holds(root, rule, value))
            }),
            "additionalProperties" => instance.as_object().is_none_or(|map| {
                let known = schema.get("properties").and_then(Value::as_object);
                map.iter()
                    .filter(|(key, _)| known.is_none_or(|known| !known.contains_key(*key)))
                    .all(|(_, value)| match rule {
                        Value::Bool(allowed) => *allowed,
                        rule => holds(root, rule, value),
                    })
            }),
            "propertyNames" => instance.as_object().is_none_or(|map| {
                map.keys()
                    .all(|key| holds(root, rule, &Value::from(key.as_str())))
            }),
            unknown => panic!("this test does not know the keyword `{unknown}`"),
        }
    })
}

fn has_type(name: &Value, instance: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => instance.is_object(),
        "array" => instance.is_array(),
        "string" => instance.is_string(),
        "number" => instance.is_number(),
        "boolean" => instance.is_boolean(),
        "null" => instance.is_null(),
        other => panic!("this test does not know the type `{other}`"),
    }
}
