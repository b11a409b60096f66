//! Images built from images of the same project (`spec.md` D1).

use super::{Situation, compose};

/// `web` built from the image that `base` builds, in `/p/base`.
fn pair(dockerfile: &str) -> Situation {
    compose(
        "services:
  base:
    image: me/base
    build: ./base
  web:
    build: {context: ./web, args: {GIVEN: base}}
    x-live-update:
      - sync: ./web:/app
      - sync: ./base/lib:/lib
",
    )
    .file("base/Dockerfile", "FROM busybox")
    .file("base/lib/x", "")
    .file("web/Dockerfile", dockerfile)
}

#[test]
fn d1_syncs_may_come_from_a_bases_context() {
    pair("FROM me/base:latest AS x\nFROM scratch\nCOPY --from=x / /").says(
        r"

",
    );
}

#[test]
fn d1_a_build_argument_can_name_the_base() {
    pair("ARG GIVEN=other\nFROM me/${GIVEN}\n").says(
        r"

",
    );
}

#[test]
fn d1_without_a_base_its_context_is_not_watched() {
    pair("FROM busybox")
    .says(
        r"
error: service `web`, step 2: sync source `/p/base/lib` is outside the build context `/p/web`
 --> compose.yaml:9:15
  |
9 |       - sync: ./base/lib:/lib
  |               ^
hint: only files of that get into the image, so no change elsewhere is watched; widen `build.context`, or name a path within
",
    );
}

#[test]
fn d1_a_from_whose_argument_has_no_value_is_a_warning() {
    pair("ARG NONE\nFROM me/${NONE}\n")
    .says(
        r"
warning: service `web`: line 2 of `/p/web/Dockerfile`: `FROM me/${NONE}` cannot be resolved, `NONE` has no value
 --> compose.yaml:6:5
  |
6 |     build: {context: ./web, args: {GIVEN: base}}
  |     ^
hint: if it is another service's image, its changes are not seen; give the argument a default, or set it in `build.args`

error: service `web`, step 2: sync source `/p/base/lib` is outside the build context `/p/web`
 --> compose.yaml:9:15
  |
9 |       - sync: ./base/lib:/lib
  |               ^
hint: only files of that get into the image, so no change elsewhere is watched; widen `build.context`, or name a path within
",
    );
}

#[test]
fn d1_bases_that_are_built_from_each_other_are_an_error() {
    compose(
        "services:
  a: {build: {context: ., additional_contexts: {x: 'service:b'}}, x-live-update: []}
  b: {build: {context: ., additional_contexts: {x: 'service:c'}}}
  c: {build: {context: ., additional_contexts: {x: 'service:a'}}}
",
    )
    .says(
        r"
error: service `a`: its image is built from itself: `a` from `b` from `c` from `a`
 --> compose.yaml:2:7
  |
2 |   a: {build: {context: ., additional_contexts: {x: 'service:b'}}, x-live-update: []}
  |       ^
hint: let one of them begin from an image that is not built here
",
    );
}

#[test]
fn d1_a_base_behind_an_inactive_profile_says_how_to_activate_it() {
    compose("services:
  base: {image: me/base, build: ./base, profiles: [tools]}
  other: {build: ./base, profiles: [more]}
  web:
    build:
      context: .
      additional_contexts: {x: 'service:other'}
    x-live-update:
      - sync: ./src:/app
").file("Dockerfile", "FROM me/base")
    .says(
        r"
error: service `web`: line 1 of `/p/Dockerfile`: `FROM me/base` is the image of service `base`, whose profile `tools` is not active
 --> compose.yaml:5:5
  |
5 |     build:
  |     ^
hint: add `--profile tools`, or take `base` out of the profile

error: service `web`: the context `x` is the image of service `other`, whose profile `more` is not active
 --> compose.yaml:7:32
  |
7 |       additional_contexts: {x: 'service:other'}
  |                                ^
hint: add `--profile more`, or take `other` out of the profile
",
    );
}

#[test]
fn d1_a_source_outside_all_contexts_names_them_all() {
    compose("services:
  base: {image: me/base, build: ./static}
  web: {build: ./src, x-live-update: [sync: './package.json:/x']}
").file("src/Dockerfile", "FROM me/base").file("static/Dockerfile", "FROM x")
    .says(
        r"
error: service `web`, step 1: sync source `/p/package.json` is outside the build context `/p/src` and the build context of the base `base` `/p/static`
 --> compose.yaml:3:45
  |
3 |   web: {build: ./src, x-live-update: [sync: './package.json:/x']}
  |                                             ^
hint: only files of those get into the image, so no change elsewhere is watched; widen `build.context`, or name a path within
",
    );
}

#[test]
fn d1_bases_are_transitive_and_come_before_what_is_built_from_them() {
    let project = compose(
        "services:
  web: {build: {context: ., additional_contexts: {x: 'service:middle'}}, x-live-update: []}
  middle: {build: ./middle}
  bottom: {build: ./bottom, image: 'me/bottom:2'}
",
    )
    .file("middle/Dockerfile", "FROM me/bottom:2")
    .file("bottom/Dockerfile", "FROM busybox")
    .project();
    assert_eq!(project.service("web").unwrap().bases, ["bottom", "middle"]);
    assert_eq!(project.service("middle").unwrap().bases, ["bottom"]);
}
