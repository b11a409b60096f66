//! What is wrong with a configuration beyond its shape (issue 3, "Bad input"): each with its place and what to write instead.

use crate::project::{Project, project};

/// A project with a Dockerfile and a source.
fn shop(compose: &str) -> Project {
    project(compose)
        .file("Dockerfile", "FROM busybox\n")
        .files(["src/a"])
}

#[track_caller]
fn refused(compose: &str, expected: &str) {
    shop(compose)
        .call("check")
        .fails(1, &format!("{}\n\n1 error", expected.trim()));
}

/// A warning: it works, but hardly as meant.
#[track_caller]
fn doubted(project: &Project, expected: &str) {
    let said = project.call("check");
    assert_eq!((said.code, said.err.trim()), (0, expected.trim()));
}

#[test]
fn cycles_between_base_images() {
    refused(
        "\
services:
  a:
    build: {context: ., dockerfile_inline: FROM y, additional_contexts: {y: 'service:b'}}
    x-live-update: [{sync: './src:/app'}]
  b:
    build: {context: ., dockerfile_inline: FROM x, additional_contexts: {x: 'service:a'}}
",
        "
error: service `a`: its image is built from itself: `a` from `b` from `a`
 --> compose.yaml:3:5
  |
3 |     build: {context: ., dockerfile_inline: FROM y, additional_contexts: {y: 'service:b'}}
  |     ^
hint: let one of them begin from an image that is not built here",
    );
}

#[test]
fn a_base_service_behind_an_inactive_profile() {
    refused(
        "\
services:
  base: {build: ., profiles: [tools]}
  web:
    build:
      context: .
      additional_contexts:
        base: service:base
    x-live-update: [{sync: './src:/app'}]
",
        "
error: service \"web\" declares unknown service \"base\" as additional contexts base
 --> compose.yaml:7:15
  |
7 |         base: service:base
  |               ^
hint: `base` is in profile `tools`, which is not active: add `--profile tools`",
    );
    refused(
        "\
services:
  base: {build: ., image: my/base, profiles: [tools]}
  web:
    build: {context: ., dockerfile_inline: FROM my/base}
    x-live-update: [{sync: './src:/app'}]
",
        "
error: service `web`: line 1 of `dockerfile_inline`: `FROM my/base` is the image of service `base`, whose profile `tools` is not active
 --> compose.yaml:4:5
  |
4 |     build: {context: ., dockerfile_inline: FROM my/base}
  |     ^
hint: add `--profile tools`, or take `base` out of the profile",
    );
}

#[test]
fn a_from_with_an_argument_that_cannot_be_resolved() {
    let project = shop(
        "\
services:
  web:
    build: .
    x-live-update: [{sync: './src:/app'}]
",
    );
    project.write("Dockerfile", "ARG BASE\nFROM ${BASE}:1\n");
    doubted(
        &project,
        "
warning: service `web`: line 2 of `Dockerfile`: `FROM ${BASE}:1` cannot be resolved, `BASE` has no value
 --> compose.yaml:3:5
  |
3 |     build: .
  |     ^
hint: if it is another service's image, its changes are not seen; give the argument a default, or set it in `build.args`",
    );
}

#[test]
fn a_trigger_no_sync_covers() {
    doubted(
        &shop(
            "\
services:
  web:
    build: .
    x-live-update:
      - sync: ./src:/app
      - run: {cmd: make, trigger: [./src/a, ./conf/x]}
",
        ),
        "
warning: service `web`, step 2: no `sync` covers the trigger `./conf/x`, so it never fires
 --> compose.yaml:6:45
  |
6 |       - run: {cmd: make, trigger: [./src/a, ./conf/x]}
  |                                             ^
hint: only synced files trigger; add a `sync` that holds it",
    );
}

#[test]
fn an_only_that_leaves_nothing() {
    refused(
        "services: {web: {build: ., x-live-update: {only: [], steps: [{sync: './src:/app'}]}}}",
        "
error: service `web`: `only` leaves nothing to watch
 --> compose.yaml:1:44
  |
1 | services: {web: {build: ., x-live-update: {only: [], steps: [{sync: './src:/app'}]}}}
  |                                            ^
hint: name what is to be watched, or take `only` out",
    );
    doubted(
        &shop(
            "\
services:
  web:
    build: .
    x-live-update:
      only: ['lib/**']
      steps: [{sync: './src:/app'}]
",
        ),
        "
warning: service `web`: the pattern `lib/**` of `only` can match nothing: there is nothing of that name (`lib`)
 --> compose.yaml:5:14
  |
5 |       only: ['lib/**']
  |              ^
hint: it is relative to the compose file's directory: write `../` to leave it, or `**/` in front for any depth

warning: service `web`, step 1: sync source `src` is left out entirely by the block's `only`, so nothing of it is ever synced
 --> compose.yaml:6:22
  |
6 |       steps: [{sync: './src:/app'}]
  |                      ^
hint: name it in `only`, or take `only` out",
    );
}

#[test]
fn a_glob_that_does_not_parse() {
    refused(
        "\
services:
  web:
    build: .
    x-live-update:
      - fall_back_on: ['src/{a,b']
      - sync: ./src:/app
",
        "
error: service `web`, step 1: `src/{a,b` is no glob: its `{` is never closed
 --> compose.yaml:5:24
  |
5 |       - fall_back_on: ['src/{a,b']
  |                        ^
hint: put that right; for a name that has the character in it, write `\\` before it",
    );
    refused(
        "\
services:
  web:
    build: .
    x-live-update:
      - sync:
          local_path: ./src
          remote_path: /app
          ignore: ['[a']
",
        "
error: service `web`, step 1: a pattern of `ignore` cannot be read: `[a`: its `[` is never closed
 --> compose.yaml:8:19
  |
8 |           ignore: ['[a']
  |                   ^
hint: write `\\[` for the bracket itself, or close the class with `]`",
    );
}

#[test]
fn two_named_steps_of_one_name_in_two_files() {
    let shop = shop(
        "\
include: [other.yaml]
services:
  web: {build: ., x-live-update: [code]}
x-live-update:
  steps:
    code: {sync: './src:/app'}
",
    )
    .file(
        "other.yaml",
        "services: {db: {image: busybox}}\nx-live-update: {steps: {code: {sync: './src:/other'}}}\n",
    );
    shop.call("check").fails(
        1,
        "\
error: named step `code`: it is defined in two files, `other.yaml` and `compose.yaml`
 --> compose.yaml:6:5
  |
6 |     code: {sync: './src:/app'}
  |     ^
hint: rename one of them, or write `!override` before the value that is to hold

1 error",
    );
}

#[test]
fn a_schema_valid_block_that_makes_no_sense() {
    doubted(
        &shop(
            "\
services:
  web:
    build: .
    x-live-update:
      - fall_back_on: src
      - sync: ./src:/app
",
        ),
        "
warning: service `web`, step 2: this sync never applies: `fall_back_on` in step 1 asks for a rebuild on every change in `src`
 --> compose.yaml:6:15
  |
6 |       - sync: ./src:/app
  |               ^
hint: name fewer files in `fall_back_on`, or take the sync out",
    );
    refused(
        "\
services:
  web:
    image: busybox
    x-live-update: []
",
        "
error: service `web`: an empty list rebuilds on every change, but the service has only `image`
 --> compose.yaml:4:5
  |
4 |     x-live-update: []
  |     ^
hint: add a `sync`, give the service a `build`, or take the block out",
    );
}
