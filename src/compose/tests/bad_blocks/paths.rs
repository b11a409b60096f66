//! Paths that could never get into the container (`spec.md` B7).

use crate::compose::tests::{compose, web};

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
hint: name it in `only`, or take `only` out
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
fn a_pattern_that_can_match_nothing_is_a_warning() {
    compose(
        "services:
  web:
    build: ./web
    x-live-update:
      ignore: ['**/x', '*.md', web/gen, docs/x]
      only: ['./web', 'web/src', 'api', '*.go']
      steps: [sync: './web/src:/app']
",
    )
    .file("web/Dockerfile", "FROM busybox\n")
    .file("web/x", "")
    .says(
        r"
warning: service `web`: the pattern `docs/x` of `ignore` can match nothing: nothing is watched there (`/p/docs/x`)
 --> compose.yaml:5:41
  |
5 |       ignore: ['**/x', '*.md', web/gen, docs/x]
  |                                         ^
hint: it is relative to the compose file's directory: write `../` to leave it, or `**/` in front for any depth

warning: service `web`: the pattern `web/src` of `only` can match nothing: there is nothing of that name (`/p/web/src`)
 --> compose.yaml:6:23
  |
6 |       only: ['./web', 'web/src', 'api', '*.go']
  |                       ^
hint: it is relative to the compose file's directory: write `../` to leave it, or `**/` in front for any depth

warning: service `web`: the pattern `api` of `only` can match nothing: nothing is watched there (`/p/api`)
 --> compose.yaml:6:34
  |
6 |       only: ['./web', 'web/src', 'api', '*.go']
  |                                  ^
hint: it is relative to the compose file's directory: write `../` to leave it, or `**/` in front for any depth

warning: service `web`, step 1: sync source `/p/web/src` does not exist
 --> compose.yaml:7:21
  |
7 |       steps: [sync: './web/src:/app']
  |                     ^
hint: it is synced as soon as it is created; check the path if it should be there
",
    );
}
