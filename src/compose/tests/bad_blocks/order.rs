//! Steps out of order, and too few of them (`spec.md` B1, B2).

use crate::compose::tests::web;

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
hint: add one, such as `sync: ./src:/app/src`, or a `fall_back_on`; an empty list rebuilds on every change
",
    );
}
