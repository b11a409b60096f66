//! Steps that are in the way of each other.

use crate::compose::tests::web;

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
