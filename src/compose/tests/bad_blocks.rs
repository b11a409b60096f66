//! Bad blocks, and the exact text a user reads (`spec.md` B1 to B9).

use super::{compose, web};

#[test]
fn b1_steps_out_of_order_name_both_steps() {
    web("- run: make\n- sync: ./src:/app")
    .says(
        r"
error: service `web`, step 2: `sync` stands after step 1 (`run`)
 --> compose.yaml:6:9
  |
6 |       - sync: ./src:/app
  |         ^
hint: move it before step 1 (`run`); the order is `initial_sync`, `fall_back_on`, `sync`, `run`, then one restart or signal
",
    );
}

#[test]
fn b1_a_restart_must_be_last() {
    web("- sync: ./src:/app\n- restart_container\n- run: make")
    .says(
        r"
error: service `web`, step 3: `run` stands after step 2 (`restart_container`)
 --> compose.yaml:7:9
  |
7 |       - run: make
  |         ^
hint: step 2 (`restart_container`) must be the last step; the order is `initial_sync`, `fall_back_on`, `sync`, `run`, then one restart or signal
",
    );
}

#[test]
fn b1_two_restarts_are_refused() {
    web("- sync: ./src:/app\n- restart_container\n- signal: HUP").says(
        r"
error: service `web`, step 3: `signal` is a second last step beside step 2 (`restart_container`)
 --> compose.yaml:7:9
  |
7 |       - signal: HUP
  |         ^
hint: an update ends with one restart or signal at most: take one out
",
    );
}

#[test]
fn b1_initial_sync_comes_first_and_once() {
    web("- sync: ./src:/app\n- initial_sync\n- initial_sync")
    .says(
        r"
error: service `web`, step 2: `initial_sync` stands after step 1 (`sync`)
 --> compose.yaml:6:9
  |
6 |       - initial_sync
  |         ^
hint: move it before step 1 (`sync`); the order is `initial_sync`, `fall_back_on`, `sync`, `run`, then one restart or signal

error: service `web`, step 3: `initial_sync` stands here and in step 2 (`initial_sync`)
 --> compose.yaml:7:9
  |
7 |       - initial_sync
  |         ^
hint: once is enough: take one out
",
    );
}

#[test]
fn b2_a_list_needs_a_sync() {
    web("- run: make").says(
        r"
error: service `web`: the list has no `sync`
 --> compose.yaml:4:5
  |
4 |     x-live-update:
  |     ^
hint: add one, such as `sync: ./src:/app/src`; an empty list rebuilds on every change
",
    );
}

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
hint: did you mean `trigger`? the keys are `cmd`, `trigger`, `workdir`, `user`, `environment`, `timeout`, `on_failure`
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
hint: did you mean `steps`? the keys are `steps`, `ignore`, `only`, `unmatched`, `trigger_mode`, `debounce`, `custom_build`, `entrypoint`, `command`, `helper`

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
error: service `web`, step 1: `src/[a` is not a valid glob: unclosed character class; missing ']'
 --> compose.yaml:5:23
  |
5 |       - fall_back_on: 'src/[a'
  |                       ^
hint: `*`, `?`, `[..]` and `{a,b}` make a text a glob; `\` before one makes it an ordinary character
",
    );
}

#[test]
fn b4_a_pattern_that_does_not_parse_is_refused() {
    web("steps: [{sync: {local_path: src, remote_path: /a, ignore: '['}}]\nignore: '['").says(
        r"
error: service `web`, step 1: a pattern of `ignore` cannot be read: `[`: its `[` is never closed
 --> compose.yaml:5:35
  |
5 |       steps: [{sync: {local_path: src, remote_path: /a, ignore: '['}}]
  |                                   ^
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

#[test]
fn b7_a_sync_source_outside_the_context_explains_itself() {
    compose("services:
  web:
    build: ./static
    x-live-update:
      - sync: ./src:/app
      - sync: .:/all
").file("static/Dockerfile", "FROM busybox")
    .says(
        r"
error: service `web`, step 1: sync source `/p/src` is outside the build context `/p/static`
 --> compose.yaml:5:15
  |
5 |       - sync: ./src:/app
  |               ^
hint: only files of that get into the image, so no change elsewhere is watched; widen `build.context`, or name a path within

error: service `web`, step 2: sync source `/p` is outside the build context `/p/static`
 --> compose.yaml:6:15
  |
6 |       - sync: .:/all
  |               ^
hint: it reaches further than what is watched: name a path within
",
    );
}

#[test]
fn b7_fall_back_on_outside_the_context_explains_itself() {
    compose("services:
  web:
    build: ./static
    x-live-update:
      - fall_back_on: [package.json, 'src/*.lock']
      - sync: ./static:/app
").file("static/Dockerfile", "FROM busybox")
    .says(
        r"
error: service `web`, step 1: the path `/p/package.json` is outside the build context `/p/static`
 --> compose.yaml:5:24
  |
5 |       - fall_back_on: [package.json, 'src/*.lock']
  |                        ^
hint: only files of that get into the image, so no change elsewhere is watched; widen `build.context`, or name a path within

error: service `web`, step 1: the path `/p/src` is outside the build context `/p/static`
 --> compose.yaml:5:38
  |
5 |       - fall_back_on: [package.json, 'src/*.lock']
  |                                      ^
hint: only files of that get into the image, so no change elsewhere is watched; widen `build.context`, or name a path within
",
    );
}

#[test]
fn b7_a_trigger_that_no_sync_covers_is_a_warning() {
    web("- sync: ./src:/app\n- run: {cmd: make, trigger: [./configs/foo.yaml, src/Makefile]}")
        .says(
            r"
warning: service `web`, step 2: no `sync` covers the trigger `./configs/foo.yaml`, so it never fires
 --> compose.yaml:6:36
  |
6 |       - run: {cmd: make, trigger: [./configs/foo.yaml, src/Makefile]}
  |                                    ^
hint: only synced files trigger; add a `sync` that holds it
",
        );
}

#[test]
fn b7_a_source_that_ignore_rules_leave_out_entirely_is_a_warning() {
    web("- sync: ./src:/app").file(".dockerignore", "# sources\nsrc\n")
    .says(
        r"
warning: service `web`, step 1: sync source `/p/src` is left out entirely by line 2 (`src`) of `/p/.dockerignore`, so nothing of it is ever synced
 --> compose.yaml:5:15
  |
5 |       - sync: ./src:/app
  |               ^
hint: take the pattern out, or keep what is needed with a `!` pattern
",
    );
}

#[test]
fn b7_only_and_ignore_of_the_block_can_leave_out_a_source() {
    web("steps: [sync: ./src:/app, sync: ./static:/static]\nonly: [src]\nignore: [src/]")
    .says(
        r"
warning: service `web`, step 1: sync source `/p/src` is left out entirely by `src/` of the block's `ignore`, so nothing of it is ever synced
 --> compose.yaml:5:21
  |
5 |       steps: [sync: ./src:/app, sync: ./static:/static]
  |                     ^
hint: take the pattern out, or keep what is needed with a `!` pattern

warning: service `web`, step 2: sync source `/p/static` is left out entirely by the block's `only`, so nothing of it is ever synced
 --> compose.yaml:5:39
  |
5 |       steps: [sync: ./src:/app, sync: ./static:/static]
  |                                       ^
hint: take the pattern out, or keep what is needed with a `!` pattern
",
    );
}

#[test]
fn b7_a_missing_source_is_a_warning() {
    web("- sync: ./sources:/app").says(
        r"
warning: service `web`, step 1: sync source `/p/sources` does not exist
 --> compose.yaml:5:15
  |
5 |       - sync: ./sources:/app
  |               ^
hint: it is synced as soon as it is created; check the path if it should be there
",
    );
}

#[test]
fn b9_a_service_with_only_an_image_cannot_fall_back() {
    compose(
        "services:
  web:
    image: busybox
    x-live-update:
      - fall_back_on: package.json
      - sync: ./src:/app
",
    )
    .says(
        r"
error: service `web`, step 1: `fall_back_on` asks for a rebuild, but the service has only `image`
 --> compose.yaml:5:9
  |
5 |       - fall_back_on: package.json
  |         ^
hint: take the step out, or give the service a `build`
",
    );
}

#[test]
fn b9_an_empty_list_needs_a_build() {
    compose("services: {web: {image: busybox, x-live-update: []}}\n").says(
        r"
error: service `web`: an empty list rebuilds on every change, but the service has only `image`
 --> compose.yaml:1:34
  |
1 | services: {web: {image: busybox, x-live-update: []}}
  |                                  ^
hint: add a `sync`, give the service a `build`, or take the block out
",
    );
}

#[test]
fn a_missing_dockerfile_is_an_error() {
    web("- sync: ./src:/app").without("Dockerfile").says(
        r"
error: service `web`: the Dockerfile `/p/Dockerfile` does not exist
 --> compose.yaml:3:5
  |
3 |     build: .
  |     ^
hint: write it, or name another one in `build.dockerfile`, relative to the context
",
    );
}

#[test]
fn a_remote_context_is_refused_by_name() {
    compose("services:
  web:
    build: https://github.com/me/web.git
    x-live-update:
      - sync: ./src:/app
")
    .says(
        r"
error: service `web`: the build context `https://github.com/me/web.git` is not on this machine, so no file of it can be watched or synced
 --> compose.yaml:4:5
  |
4 |     x-live-update:
  |     ^
hint: build from a local checkout, or name what to watch in `custom_build: {command: .., deps: [..]}`
",
    );
}

#[test]
fn a_project_without_any_block_shows_one_to_paste() {
    compose("services:\n  db: {image: busybox}\n  web: {build: ./static}\n").file("static/Dockerfile", "FROM busybox")
    .says(
        r"
error: no service has an `x-live-update` block or `develop.watch` rules, so there is nothing to update
 --> compose.yaml:3:3
  |
3 |   web: {build: ./static}
  |   ^
hint: say for a service what goes where, for example:

  services:
    web:
      x-live-update:
        - sync: ./static/src:/app/src
        - restart_container
",
    );
}

#[test]
fn a_service_with_both_uses_our_block_and_says_so() {
    compose(
        "services:
  web:
    build: .
    x-live-update: [{sync: ./src:/app}]
    develop:
      watch: [{action: sync, path: ./src, target: /app}]
",
    )
    .says(
        r"
warning: service `web`: `develop.watch` stands beside `x-live-update` and is not used here
 --> compose.yaml:6:14
  |
6 |       watch: [{action: sync, path: ./src, target: /app}]
  |              ^
hint: it still holds for `docker compose watch`
",
    );
}

#[test]
fn a_custom_build_whose_image_nobody_runs_is_a_warning() {
    web("steps: [{sync: src:/app}]\ncustom_build: {command: make, deps: [src, gone], tag: me/web}")
        .says(
            r"
warning: service `web`: the dep `/p/gone` does not exist
 --> compose.yaml:6:49
  |
6 |       custom_build: {command: make, deps: [src, gone], tag: me/web}
  |                                                 ^
hint: it is watched as soon as it is created

warning: service `web`: the image `me/web` is built, but the service runs `shop-web`
 --> compose.yaml:6:61
  |
6 |       custom_build: {command: make, deps: [src, gone], tag: me/web}
  |                                                             ^
hint: write `image: me/web` for the service, or take `tag` out
",
        );
}

#[test]
fn an_ignore_file_that_cannot_be_read_is_an_error() {
    web("- sync: ./src:/app")
        .file(".dockerignore", "a\n[\n")
        .says(
            r"
error: service `web`: line 2 of `/p/.dockerignore` cannot be read: `[`: its `[` is never closed
 --> compose.yaml:3:12
  |
3 |     build: .
  |            ^
hint: write `\[` for the bracket itself, or close the class with `]`
",
        );
}

#[test]
fn a_sync_behind_a_wider_one_never_gets_a_file() {
    web("- sync: ./src:/app\n- sync: ./src/conf:/conf\n- sync: ./src:/app")
        .file("src/conf/x", "")
        .says(
            r"
warning: service `web`, step 2: this sync never gets a file: step 1 already takes all of `/p/src`
 --> compose.yaml:6:15
  |
6 |       - sync: ./src/conf:/conf
  |               ^
hint: the first sync that holds a file decides: put the narrower one first

warning: service `web`, step 3: the same sync stands in step 1
 --> compose.yaml:7:15
  |
7 |       - sync: ./src:/app
  |               ^
hint: take one out
",
        );
}

#[test]
fn a_sync_under_fall_back_on_never_applies() {
    web("- fall_back_on: src\n- sync: ./src:/app")
    .says(
        r"
warning: service `web`, step 2: this sync never applies: `fall_back_on` in step 1 asks for a rebuild on every change in `src`
 --> compose.yaml:6:15
  |
6 |       - sync: ./src:/app
  |               ^
hint: name fewer files in `fall_back_on`, or take the sync out
",
    );
}

#[test]
fn the_same_run_twice_is_a_warning() {
    web("- sync: ./src:/app\n- run: make\n- run: make").says(
        r"
warning: service `web`, step 3: the same `run` stands in step 2
 --> compose.yaml:7:9
  |
7 |       - run: make
  |         ^
hint: it runs twice with every update: take one out
",
    );
}

#[test]
fn all_problems_are_reported_in_one_go_in_reading_order() {
    compose("services:
  web:
    build: .
    x-live-update:
      - sync: ./src
      - runn: make
  api:
    build: .
    x-live-update: {steps: [sync: 'src:/a'], helper: maybe}
")
    .says(
        r"
error: service `web`, step 1: `sync: ./src` has no remote path
 --> compose.yaml:5:15
  |
5 |       - sync: ./src
  |               ^
hint: write `sync: ./src:/path/in/the/container`

error: service `web`, step 2: unknown step `runn`
 --> compose.yaml:6:9
  |
6 |       - runn: make
  |         ^
hint: did you mean `run`? the steps are `initial_sync`, `fall_back_on`, `sync`, `run`, `restart_container`, `restart_process`, `signal`

error: service `api`: `helper` is the text `maybe`; expected one of `auto`, `off`
 --> compose.yaml:9:54
  |
9 |     x-live-update: {steps: [sync: 'src:/a'], helper: maybe}
  |                                                      ^
",
    );
}
