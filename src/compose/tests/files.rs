//! Blocks made of several files (`spec.md` B1, B3, B5, B8): merged as Compose merges them, each step known by the file it was written in.

use super::{compose, host};

const SERVICE: &str = "name: shop
services:
  web:
    build: {context: /p}
    x-live-update:
";

#[test]
fn b1_each_files_part_is_in_order_by_itself_and_the_merged_list_by_kind() {
    let block = compose("services:\n  web:\n    build: .\n    x-live-update:\n      - sync: ./src:/app\n      - run: make\n")
        .and_file("more/compose.yaml", "services:\n  web:\n    x-live-update:\n      - fall_back_on: ./lock\n      - sync: ./lib:/lib\n")
        .file("more/lib/x", "")
        .resolved(&format!("{SERVICE}      - sync: ./src:/app\n      - run: make\n      - fall_back_on: ./lock\n      - sync: ./lib:/lib\n"))
        .block();
    let syncs: Vec<_> = block
        .syncs
        .iter()
        .map(|it| (it.step.number, it.local.clone()))
        .collect();
    // B5: relative to the file each was written in.
    assert_eq!(syncs, [(1, host("src")), (4, host("more/lib"))]);
    assert!(block.fall_back_on[0].rule.matches(&host("more/lock")));
}

#[test]
fn b1_one_files_part_out_of_order_is_shown_in_that_file() {
    compose("services:\n  web:\n    build: .\n    x-live-update:\n      - sync: ./src:/app\n")
        .and_file("more/compose.yaml", "services:\n  web:\n    x-live-update:\n      - run: make\n      - sync: ./lib:/lib\n")
        .file("more/lib/x", "")
        .resolved(&format!("{SERVICE}      - sync: ./src:/app\n      - run: make\n      - sync: ./lib:/lib\n"))
        .says("
error: service `web`, step 3: `sync` stands after step 2 (`run`)
 --> more/compose.yaml:5:9
  |
5 |       - sync: ./lib:/lib
  |         ^
hint: move it before step 2 (`run`); the order is `initial_sync`, `fall_back_on`, `sync`, `run`, then one restart or signal
");
}

#[test]
fn b8_an_extended_files_steps_come_first_and_mean_the_same() {
    let situation = compose("services:\n  web:\n    extends: {file: 'base/${TAG}.yaml', service: app}\n    build: .\n    x-live-update:\n      - sync: ./src:/app\n")
        .file("base/dev.yaml", "services:\n  app:\n    x-live-update:\n      - sync: ./lib:/lib\n    env_file: [{path: app.env}]\n")
        .file("base/lib/x", "")
        .resolved(&format!("{SERVICE}      - sync: ./lib:/lib\n      - sync: ./src:/app\n"));
    let locals: Vec<_> = situation
        .block()
        .syncs
        .into_iter()
        .map(|it| it.local)
        .collect();
    assert_eq!(locals, [host("base/lib"), host("src")]);
    let sources = situation.project().sources;
    for file in ["compose.yaml", "base/dev.yaml", "base/app.env", ".env"] {
        assert!(
            sources.contains(&host(file)),
            "{file} is not in {sources:?}"
        );
    }
}

#[test]
fn b8_an_included_file_keeps_meaning_the_same() {
    let situation = compose("include: [sub/compose.yaml]\nservices: {}\n")
        .file("sub/compose.yaml", "services:\n  web:\n    build: .\n    x-live-update:\n      - sync: ./lib:/lib\n      - sync: ./gone:/gone\n")
        .file("sub/Dockerfile", "FROM x")
        .file("sub/lib/x", "")
        .resolved("name: shop\nservices:\n  web:\n    build: {context: /p/sub}\n    x-live-update:\n      - sync: ./lib:/lib\n      - sync: ./gone:/gone\n");
    assert_eq!(situation.block().syncs[0].local, host("sub/lib"));
    situation.says(
        "
warning: service `web`, step 2: sync source `/p/sub/gone` does not exist
 --> sub/compose.yaml:6:15
  |
6 |       - sync: ./gone:/gone
  |               ^
hint: it is synced as soon as it is created; check the path if it should be there
",
    );
}

#[test]
fn b5_patterns_of_a_file_elsewhere_are_relative_to_that_file() {
    let block = compose(
        "services:\n  web:\n    build: .\n    x-live-update:\n      ignore: [./docs]\n      steps: [sync: './src:/app']\n",
    )
    .and_file(
        "more/compose.yaml",
        "services:\n  web:\n    x-live-update:\n      ignore: [./gen, '!../src/x', '*.md']\n",
    )
    .resolved(
        "name: p\nservices:\n  web:\n    build: {context: /p, dockerfile: Dockerfile}\n    x-live-update:\n      ignore: [./docs, ./gen, '!../src/x', '*.md']\n      steps: [sync: './src:/app']\n",
    )
    .block();
    assert_eq!(block.ignore, ["../docs", "./gen", "!../src/x", "*.md"]);
}

#[test]
fn b8_override_takes_the_place_of_what_came_before() {
    let block = compose("services:\n  web:\n    build: .\n    x-live-update:\n      - sync: ./src:/app\n      - run: make\n")
        .and_file("more/compose.yaml", "services:\n  web:\n    x-live-update: !override\n      - sync: ./lib:/lib\n")
        .file("more/lib/x", "")
        .resolved("name: shop\nservices:\n  web:\n    build: {context: /p}\n    x-live-update:\n      - sync: ./lib:/lib\n")
        .block();
    assert_eq!(block.syncs[0].local, host("more/lib"));
}

#[test]
fn b8_interpolated_values_and_doubled_dollars_are_what_was_meant() {
    let situation = compose("services:\n  web:\n    build: .\n    x-live-update:\n      - sync: {local_path: ./src, remote_path: /app, in_place: '${IN_PLACE}'}\n      - run: {cmd: 'echo $$HOME', timeout: '${T}'}\n")
        .resolved(&format!("{SERVICE}      - sync: {{local_path: ./src, remote_path: /app, in_place: \"true\"}}\n      - run: {{cmd: echo $$HOME, timeout: \"5\"}}\n"));
    let block = situation.block();
    assert!(block.syncs[0].in_place);
    assert_eq!(block.works[0].text(), "echo $HOME");
}

#[test]
fn a_place_that_is_not_certain_is_the_services_own() {
    // The lists of the two files do not add up to the resolved one: no item's place can be told.
    compose("services:\n  web:\n    build: .\n    x-live-update:\n      - sync: ./src:/app\n")
        .and_file(
            "more/compose.yaml",
            "services:\n  web:\n    x-live-update:\n      - sync: ./src\n",
        )
        .resolved(&format!("{SERVICE}      - sync: ./src\n"))
        .says(
            "
error: service `web`, step 1: `sync: ./src` has no remote path
 --> more/compose.yaml:3:5
  |
3 |     x-live-update:
  |     ^
hint: write `sync: ./src:/path/in/the/container`
",
        );
}

#[test]
fn yaml_anchors_and_merge_keys_lead_to_where_the_step_was_written() {
    compose("x-app: &app\n  build: .\n  x-live-update:\n    - sync: ./src:/app\n    - runn: x\nservices:\n  web:\n    <<: *app\n")
        .says("
error: service `web`, step 2: unknown step `runn`
 --> compose.yaml:5:7
  |
5 |     - runn: x
  |       ^
hint: did you mean `run`? the steps are `initial_sync`, `fall_back_on`, `sync`, `run`, `restart_container`, `restart_process`, `signal`
");
}

#[test]
fn b3_a_name_that_two_files_define_is_an_error() {
    let top = "x-live-update: {steps: {code: {sync: './src:/app'}}}\n";
    compose(&format!(
        "services: {{web: {{build: ., x-live-update: [code]}}}}\n{top}"
    ))
    .and_file("more.yaml", top)
    .resolved(&format!(
        "name: shop\nservices: {{web: {{build: {{context: /p}}, x-live-update: [code]}}}}\n{top}"
    ))
    .says(
        "
error: named step `code`: it is defined in two files, `compose.yaml` and `more.yaml`
 --> more.yaml:1:25
  |
1 | x-live-update: {steps: {code: {sync: './src:/app'}}}
  |                         ^
hint: rename one of them, or write `!override` before the value that is to hold
",
    );
}

#[test]
fn b3_an_included_files_named_steps_are_the_projects() {
    let block = compose("include: [sub/compose.yaml]\nservices: {}\n")
        .file("sub/compose.yaml", "services:\n  web: {build: ., x-live-update: [code]}\nx-live-update:\n  steps:\n    code: {sync: './${TAG}:/lib'}\n")
        .file("sub/Dockerfile", "FROM x")
        .file("sub/dev/x", "")
        .resolved("name: shop\nservices:\n  web:\n    build: {context: /p/sub}\n    x-live-update: [code]\n")
        .block();
    assert_eq!(block.syncs[0].local, host("sub/dev"));
    assert_eq!(block.syncs[0].step.name.as_deref(), Some("code"));
}
