//! No input brings the reader down: whatever a block is, it is read or refused.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{host, web};
use crate::compose::read_block;

/// Values that resemble blocks: known words in places where they may not belong.
fn block_like() -> impl Strategy<Value = Value> {
    let words = [
        "sync",
        "run",
        "initial_sync",
        "fall_back_on",
        "restart_container",
        "signal",
        "HUP",
        "./a:/b",
        "a:b:/c:ro",
        ":",
        "/",
        "C:\\x:/y",
        "",
        " ",
        "*[",
        "1m30s",
        "true",
        "$$",
        "é:/é",
    ];
    let leaf = prop_oneof![
        prop::sample::select(words.to_vec()).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        "[ -~é]{0,12}".prop_map(Value::from),
    ];
    let keys = prop::sample::select(vec![
        "steps",
        "sync",
        "run",
        "cmd",
        "trigger",
        "local_path",
        "remote_path",
        "ignore",
        "include",
        "files",
        "signal",
        "name",
        "timeout",
        "environment",
        "custom_build",
        "deps",
        "command",
        "only",
        "debounce",
        "helper",
        "unmatched",
        "restart_process",
        "fall_back_on",
        "odd key",
    ]);
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((keys.clone(), inner), 0..4).prop_map(|pairs| {
                pairs
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_brings_the_reader_down(text in "[a-z:/ .\\-\\[\\]{}\n,'\"!&*$]{0,80}") {
        let _ = read_block(&text, &host(""));
    }

    #[test]
    fn no_block_brings_the_checks_down_and_every_refusal_has_a_place(block in block_like()) {
        let text = json!({"services": {"web": {"build": ".", "x-live-update": block}}}).to_string();
        let (project, problems) = super::compose(&text).load();
        prop_assert!(project.is_some() || !problems.is_empty());
        for problem in problems {
            prop_assert!(problem.location.is_some(), "{problem}");
        }
    }
}

#[test]
fn a_deeply_nested_block_is_refused() {
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    assert!(!read_block(&deep, &host("")).1.is_empty());
    assert!(web("- sync: ./src:/app").load().0.is_some());
}
