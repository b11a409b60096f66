//! Keys, types and texts that are no step or option (`spec.md` B4, B6).

use crate::compose::tests::{compose, web};

#[test]
fn b4_an_unknown_key_has_the_nearest_suggested() {
    web("- sync: ./src:/app\n- run: {cmd: make, triger: src}")
    .says(
        r"
error: service `web`, step 2: unknown key `triger` in `run`
 --> compose.yaml:6:26
  |
6 |       - run: {cmd: make, triger: src}
  |                          ^
hint: did you mean `trigger`? the keys are `cmd`, `trigger`, `workdir`, `user`, `privileged`, `environment`, `timeout`, `on_failure`
",
    );
}

#[test]
fn b4_an_unknown_option_lists_the_known_ones() {
    web("step: []\nunmatched: ignored")
    .says(
        r"
error: service `web`: unknown key `step` in `x-live-update`
 --> compose.yaml:5:7
  |
5 |       step: []
  |       ^
hint: did you mean `steps`? the keys are `steps`, `ignore`, `only`, `unmatched`, `matching`, `watch`, `trigger_mode`, `debounce`, `custom_build`, `entrypoint`, `command`, `helper`

error: service `web`: `unmatched` is the text `ignored`; expected one of `rebuild`, `ignore`
 --> compose.yaml:6:18
  |
6 |       unmatched: ignored
  |                  ^
hint: did you mean `ignore`?
",
    );
}

#[test]
fn b4_a_misspelt_step_is_not_also_a_missing_sync() {
    web("- snyc: ./src:/app")
    .says(
        r"
error: service `web`, step 1: unknown step `snyc`
 --> compose.yaml:5:9
  |
5 |       - snyc: ./src:/app
  |         ^
hint: did you mean `sync`? the steps are `initial_sync`, `fall_back_on`, `sync`, `run`, `restart_container`, `restart_process`, `signal`
",
    );
}

#[test]
fn b4_wrong_types_say_what_was_found_and_what_is_expected() {
    web("- fall_back_on: {files: 5}\n- sync: [a, b]\n- run: {cmd: {a: b}, trigger: {x: y}, timeout: soon, environment: 7}\n- restart_container: now")
    .says(
        r"
error: service `web`, step 1: `fall_back_on` is the number `5`; expected a path or glob, or a list of them
 --> compose.yaml:5:31
  |
5 |       - fall_back_on: {files: 5}
  |                               ^

error: service `web`, step 2: `sync` is a list; expected `LOCAL:REMOTE`, or a mapping with `local_path` and `remote_path`
 --> compose.yaml:6:15
  |
6 |       - sync: [a, b]
  |               ^

error: service `web`, step 3: `cmd` is a mapping; expected a shell command, or a list of program and arguments
 --> compose.yaml:7:15
  |
7 |       - run: {cmd: {a: b}, trigger: {x: y}, timeout: soon, environment: 7}
  |               ^

error: service `web`, step 3: `trigger` is a mapping; expected a path or glob, or a list of them
 --> compose.yaml:7:28
  |
7 |       - run: {cmd: {a: b}, trigger: {x: y}, timeout: soon, environment: 7}
  |                            ^

error: service `web`, step 3: `timeout` is the text `soon`; expected a duration such as `10s` or `1m30s`, or a number of seconds
 --> compose.yaml:7:54
  |
7 |       - run: {cmd: {a: b}, trigger: {x: y}, timeout: soon, environment: 7}
  |                                                      ^

error: service `web`, step 3: `environment` is the number `7`; expected a mapping, or a list of `NAME=value`
 --> compose.yaml:7:73
  |
7 |       - run: {cmd: {a: b}, trigger: {x: y}, timeout: soon, environment: 7}
  |                                                                         ^

error: service `web`, step 4: `restart_container` is the text `now`; expected no value, or a mapping with `timeout`, `trigger`
 --> compose.yaml:8:28
  |
8 |       - restart_container: now
  |                            ^
",
    );
}

#[test]
fn b4_empty_texts_are_errors() {
    web("- fall_back_on: ''\n- sync: ':/app'\n- run: ' '")
    .says(
        r"
error: service `web`, step 1: `fall_back_on` is an empty text; expected a path or glob, or a list of them
 --> compose.yaml:5:23
  |
5 |       - fall_back_on: ''
  |                       ^

error: service `web`, step 2: `sync: :/app` has an empty local path
 --> compose.yaml:6:15
  |
6 |       - sync: ':/app'
  |               ^
hint: write `sync: ./src:/app/src`

error: service `web`, step 3: `run` is an empty text; expected a shell command or a list
 --> compose.yaml:7:14
  |
7 |       - run: ' '
  |              ^
",
    );
}

#[test]
fn b4_an_empty_text_for_what_may_be_missing_says_to_leave_it_out() {
    web("- sync: ./src:/app\n- run: {cmd: make, trigger: ''}\n- restart_container: {trigger: [' ']}").says(
        r"
error: service `web`, step 2: `trigger` is an empty text; expected a path or glob, or a list of them
 --> compose.yaml:6:35
  |
6 |       - run: {cmd: make, trigger: ''}
  |                                   ^
hint: leave `trigger` out: without one it is done with every update

error: service `web`, step 3: `trigger` is an empty text; expected a path or glob
 --> compose.yaml:7:39
  |
7 |       - restart_container: {trigger: [' ']}
  |                                       ^
hint: leave `trigger` out: without one it is done with every update
",
    );
}

#[test]
fn b4_a_relative_remote_path_is_an_error() {
    web("- sync: ./src:app\n- sync: {local_path: static, remote_path: static}").says(
        r"
error: service `web`, step 1: the remote path `app` is relative
 --> compose.yaml:5:15
  |
5 |       - sync: ./src:app
  |               ^
hint: write it from the container's root: `/app`

error: service `web`, step 2: the remote path `static` is relative
 --> compose.yaml:6:49
  |
6 |       - sync: {local_path: static, remote_path: static}
  |                                                 ^
hint: write it from the container's root: `/static`
",
    );
}

#[test]
fn b4_a_sync_without_a_remote_path_is_an_error() {
    web("- sync: ./src\n- sync: {local_path: ./src}").says(
        r"
error: service `web`, step 1: `sync: ./src` has no remote path
 --> compose.yaml:5:15
  |
5 |       - sync: ./src
  |               ^
hint: write `sync: ./src:/path/in/the/container`

error: service `web`, step 2: `sync` has no `remote_path`
 --> compose.yaml:6:9
  |
6 |       - sync: {local_path: ./src}
  |         ^
hint: the long form is `sync: {local_path: ./src, remote_path: /app/src}`
",
    );
}

#[test]
fn b4_a_sync_has_no_mount_options() {
    web("- sync: ./src:/app:ro").says(
        r"
error: service `web`, step 1: `:ro` is a mount's option; a sync copies
 --> compose.yaml:5:15
  |
5 |       - sync: ./src:/app:ro
  |               ^
hint: write `sync: ./src:/app`
",
    );
}

#[test]
fn b4_two_steps_in_one_item_are_told_apart() {
    web("- sync: ./src:/app\n  run: make").says(
        r"
error: service `web`, step 1: `sync` and `run` are in one step
 --> compose.yaml:6:9
  |
6 |         run: make
  |         ^
hint: begin each step with a `-` of its own
",
    );
}

#[test]
fn b4_an_option_beside_its_step_is_shown_the_long_form() {
    web("- sync: ./src:/app\n- run: make\n  trigger: src/Makefile").says(
        r"
error: service `web`, step 2: `trigger` stands beside `run`
 --> compose.yaml:7:9
  |
7 |         trigger: src/Makefile
  |         ^
hint: write it in the long form: `run: {cmd: .., trigger: ..}`
",
    );
}

#[test]
fn b4_a_forgotten_space_is_seen() {
    web("- sync:./src:/app").says(
        r"
error: service `web`, step 1: unknown step `sync:./src:/app`
 --> compose.yaml:5:9
  |
5 |       - sync:./src:/app
  |         ^
hint: a space belongs behind the colon: write `sync: ./src:/app/src`
",
    );
}

#[test]
fn b4_a_step_that_needs_a_value_says_so() {
    web("- sync: ./src:/app\n- run\n- signal").says(
        r"
error: service `web`, step 2: `run` has no value
 --> compose.yaml:6:9
  |
6 |       - run
  |         ^
hint: write `run: /app/bin/migrate`

error: service `web`, step 3: `signal` does not say which signal
 --> compose.yaml:7:9
  |
7 |       - signal
  |         ^
hint: write `signal: HUP`
",
    );
}

#[test]
fn b4_a_step_that_is_no_step_is_refused() {
    web("- 5\n- [sync, a]\n- {}")
    .says(
        r"
error: service `web`, step 1: a step is the number `5`; expected a mapping with one key
 --> compose.yaml:5:9
  |
5 |       - 5
  |         ^
hint: the steps are `initial_sync`, `fall_back_on`, `sync`, `run`, `restart_container`, `restart_process`, `signal`

error: service `web`, step 2: a step is a list; expected a mapping with one key
 --> compose.yaml:6:9
  |
6 |       - [sync, a]
  |         ^
hint: the steps are `initial_sync`, `fall_back_on`, `sync`, `run`, `restart_container`, `restart_process`, `signal`

error: service `web`, step 3: an empty step
 --> compose.yaml:7:9
  |
7 |       - {}
  |         ^
hint: the steps are `initial_sync`, `fall_back_on`, `sync`, `run`, `restart_container`, `restart_process`, `signal`
",
    );
}

#[test]
fn b4_an_unknown_signal_has_the_nearest_suggested() {
    web("- sync: ./src:/app\n- signal: SIGUSR").says(
        r"
error: service `web`, step 2: unknown signal `SIGUSR`
 --> compose.yaml:6:17
  |
6 |       - signal: SIGUSR
  |                 ^
hint: did you mean `USR1`? name it as `kill -l` does, for example `HUP`, `USR1` or `TERM`
",
    );
}

#[test]
fn b4_a_block_without_a_value_says_what_an_empty_list_means() {
    compose("services:\n  web:\n    build: .\n    x-live-update:\n").says(
        r"
error: service `web`: `x-live-update` is empty; expected a list of steps, or a mapping with `steps`
 --> compose.yaml:4:5
  |
4 |     x-live-update:
  |     ^
hint: an empty list, `x-live-update: []`, rebuilds on every change
",
    );
}

#[test]
fn b4_custom_build_needs_command_and_deps() {
    web("steps: []\ncustom_build: {tag: x}").says(
        r"
error: service `web`: `custom_build` has no `command`
 --> compose.yaml:6:7
  |
6 |       custom_build: {tag: x}
  |       ^
hint: write what builds the image, such as `command: docker build -t $$EXPECTED_REF .`

error: service `web`: `custom_build` has no `deps`
 --> compose.yaml:6:7
  |
6 |       custom_build: {tag: x}
  |       ^
hint: write the files and directories it builds from, such as `deps: [./src]`
",
    );
}

#[test]
fn b6_a_glob_that_does_not_parse_is_refused() {
    web("- fall_back_on: 'src/[a'\n- sync: ./src:/app").says(
        r"
error: service `web`, step 1: `src/[a` is no glob: its `[` is never closed
 --> compose.yaml:5:23
  |
5 |       - fall_back_on: 'src/[a'
  |                       ^
hint: put that right; for a name that has the character in it, write `\` before it
",
    );
}

#[test]
fn b4_a_pattern_that_does_not_parse_is_refused() {
    web("steps: [{sync: {local_path: src, remote_path: /a, ignore: '['}}]\nignore: '['").says(
        r"
error: service `web`, step 1: a pattern of `ignore` cannot be read: `[`: its `[` is never closed
 --> compose.yaml:5:65
  |
5 |       steps: [{sync: {local_path: src, remote_path: /a, ignore: '['}}]
  |                                                                 ^
hint: write `\[` for the bracket itself, or close the class with `]`

error: service `web`: a pattern of `ignore` cannot be read: `[`: its `[` is never closed
 --> compose.yaml:6:15
  |
6 |       ignore: '['
  |               ^
hint: write `\[` for the bracket itself, or close the class with `]`
",
    );
}

#[test]
fn b4_an_only_that_leaves_nothing_is_refused() {
    web("steps: [sync: src:/a]\nonly: []").says(
        r"
error: service `web`: `only` leaves nothing to watch
 --> compose.yaml:6:7
  |
6 |       only: []
  |       ^
hint: name what is to be watched, or take `only` out
",
    );
}
