//! What a block says wrongly is repeated to the user, whatever characters it has.

use super::super::compose;
use crate::harmless;
use crate::harmless::everywhere::{HOSTILE, assert_harmless};

#[test]
fn what_is_repeated_of_a_block_is_one_harmless_line() {
    let name = serde_json::Value::from(HOSTILE).to_string();
    let name = harmless::json(&name);
    let inside = name.trim_matches('"');
    for block in [
        format!("[{{{name}: x}}]"),
        format!("[{name}]"),
        format!("[{{sync: {name}}}]"),
        format!("[{{sync: {{local_path: {name}, remote_path: {name}}}}}]"),
        format!("[{{run: {{cmd: x, {name}: y}}}}]"),
        format!("[{{run: {{cmd: x, on_failure: {name}}}}}]"),
        format!("[{{run: {{cmd: x, workdir: {name}}}}}]"),
        format!("[{{run: {{cmd: x, trigger: {name}}}}}, {{sync: './src:/app'}}]"),
        format!("[{{signal: {name}}}]"),
        format!("{{{name}: 1}}"),
        format!("{{ignore: [\"[{inside}\"], steps: []}}"),
        format!("[{{fall_back_on: \"/elsewhere/{inside}\"}}]"),
        format!("{{custom_build: {{command: x, deps: [{name}], tag: {name}}}, steps: []}}"),
    ] {
        let services = format!("{{web: {{image: img, build: ., x-live-update: {block}}}}}");
        let (_, found) = compose(&format!("services: {services}\n")).load();
        assert!(!found.is_empty(), "{block}");
        for problem in found {
            assert_harmless(&problem.render(false));
            assert!(!problem.message.contains('\n'), "{problem}");
            assert!(!problem.hint.unwrap_or_default().contains('\n'), "{block}");
        }
    }
}

#[test]
fn the_names_of_steps_services_and_folders_are_repeated_harmlessly() {
    let name = serde_json::Value::from(HOSTILE).to_string();
    let name = harmless::json(&name);
    for text in [
        format!("services: {{{name}: {{build: ., x-live-update: [{{synk: x}}]}}}}\n"),
        format!("services: {{web: {{build: {name}, x-live-update: []}}}}\n"),
        format!(
            "x-live-update: {{steps: {{{name}: {{sync: './src:/app'}}}}}}\nservices: {{web: {{image: x}}}}\n"
        ),
        format!(
            "x-live-update: {{steps: {{{name}: {{synk: x}}}}}}\nservices: {{web: {{build: ., x-live-update: [{name}]}}}}\n"
        ),
        format!("services: {{{name}: {{build: {name}}}}}\n"),
    ] {
        let (_, found) = compose(&text).load();
        assert!(!found.is_empty(), "{text}");
        for problem in found {
            assert_harmless(&problem.render(false));
            assert!(problem.to_string().contains("PWNED"), "{problem}");
        }
    }
}
