//! Blocks that do not fit their service (`spec.md` B9), and all problems in one go.

use crate::compose::tests::{compose, web};

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
