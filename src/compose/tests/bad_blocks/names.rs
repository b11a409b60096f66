//! Named steps that are unused, unknown or wrong (`spec.md` B3).

use crate::compose::tests::compose;

#[test]
fn b3_an_unused_name_is_an_error() {
    compose(
        "services:
  web: {build: ., x-live-update: []}
x-live-update:
  steps:
    code: {sync: ./src:/app}
",
    )
    .says(
        r"
error: named step `code`: no service uses it
 --> compose.yaml:5:5
  |
5 |     code: {sync: ./src:/app}
  |     ^
hint: use it in a service's `x-live-update` list as `- code`, or take it out
",
    );
}

#[test]
fn b3_an_unknown_name_has_the_nearest_suggested() {
    compose("services:
  web: {build: ., x-live-update: [cod, code]}
x-live-update:
  steps:
    code: {sync: ./src:/app}
")
    .says(
        r"
error: service `web`, step 1: unknown step `cod`
 --> compose.yaml:2:35
  |
2 |   web: {build: ., x-live-update: [cod, code]}
  |                                   ^
hint: did you mean `code`? the steps are `initial_sync`, `fall_back_on`, `sync`, `run`, `restart_container`, `restart_process`, `signal`; named steps are `code`
",
    );
}

#[test]
fn b3_a_named_step_is_checked_where_it_is_defined() {
    compose(
        "services:
  web: {build: ., x-live-update: [code]}
x-live-update:
  steps:
    code: {sync: ./src}
    run: make
",
    )
    .says(
        r"
error: named step `code`: `sync: ./src` has no remote path
 --> compose.yaml:5:18
  |
5 |     code: {sync: ./src}
  |                  ^
hint: write `sync: ./src:/path/in/the/container`

error: named step `run`: `run` is a kind of step and cannot be a name
 --> compose.yaml:6:5
  |
6 |     run: make
  |     ^
hint: give the step another name
",
    );
}

#[test]
fn b3_top_level_steps_are_a_mapping_from_names() {
    compose(
        "services:
  web: {build: ., x-live-update: []}
x-live-update:
  - sync: ./src:/app
",
    )
    .says(
        r"
error: the top-level `x-live-update` is a list; expected a mapping with `steps`
 --> compose.yaml:4:3
  |
4 |   - sync: ./src:/app
  |   ^
hint: a service's own steps stand below that service
",
    );
}
