//! C: what a save leads to.

use crate::engine::{EngineError, State};

use super::world::{Answer, World};

const RUNNING: &[State] = &[State::Running];

#[test]
fn c6_a_save_is_copied_its_command_runs_and_the_container_restarts() {
    let mut web = World::new(
        "[{sync: ./src:/app}, {run: make}, restart_container]",
        RUNNING,
    );
    web.write("src/new", "new");
    web.does(&[
        "look at 1",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 1, remove 0",
        "finish web-1, run make, restart the container",
        "say: web  updates of web-1 go through the helper inside the container",
        "conclude: web  /p/src/new -> /app/new in web-1, ran 1 command, restarted (1.0 ms: wait 1.0, copy 1.0, run 2.0, restart 5.0)",
    ]);
    web.has("web-1", "/app/new", Some("new"));
}

#[test]
fn c11_of_a_file_that_is_deleted_the_container_loses_its_copy() {
    let mut web = World::new("[{sync: ./src:/app}]", RUNNING);
    web.remove("src/old");
    web.does(&[
        "look at 1",
        "read 0",
        "copy to web-1: put 0, remove 1",
        "finish web-1",
        "say: web  updates of web-1 go through the helper inside the container",
        "conclude: web  removed /p/src/old in web-1 (5.0 ms: wait 5.0, copy 1.0)",
    ]);
    web.has("web-1", "/app/old", None);
}

#[test]
fn a_touch_without_a_change_asks_for_nothing() {
    let mut web = World::new("[{sync: ./src:/app}, {run: make}]", RUNNING);
    web.write("src/old", "old");
    web.does(&[
        "look at 1",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 1, remove 0",
        "release web-1",
        "conclude: web  nothing to copy: the containers have this content already (1.0 ms: wait 1.0)",
    ]);
}

#[test]
fn c7_a_failed_command_skips_what_follows_and_runs_again_with_each_change_until_it_succeeds() {
    let mut web = World::new(
        "[{sync: ./src:/app}, {run: one}, {run: two}, restart_container]",
        RUNNING,
    );
    web.answers([Answer::Exit(1)]);
    web.write("src/a", "1");
    web.does(&[
        "look at 1",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 1, remove 0",
        "finish web-1, run one, run two, restart the container",
        "say: web  updates of web-1 go through the helper inside the container",
        "conclude: web  /p/src/a -> /app/a in web-1, then failed (1.0 ms: wait 1.0, copy 1.0, run 2.0) / web  step 2 `one` in web-1 exited with code 1 / hint: its output is above; it is run again with the next update",
    ]);
    web.wait(3000);
    web.write("src/a", "2");
    web.does(&[
        "look at 1",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 1, remove 0",
        "finish web-1, run one, run two, restart the container",
        "conclude: web  /p/src/a -> /app/a in web-1, ran 2 commands, restarted (1.0 ms: wait 1.0, copy 1.0, run 4.0, restart 5.0)",
    ]);
}

#[test]
fn c8_where_files_are_refused_the_service_is_rebuilt_once() {
    let mut web = World::new("[{sync: ./src:/app}, {run: make}]", RUNNING);
    web.answers([Answer::Copy(EngineError::Refused("no room".into()))]);
    web.write("src/a", "1");
    web.does(&[
        "look at 1",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 1, remove 0",
        "finish web-1",
        "say: web  rebuilding: the files could not be put in place: no room",
        "read the ignore files",
        "build: the files could not be put in place: no room",
        "identify the image",
        "recreate",
        "find the new containers",
        "conclude: web  rebuilt: the files could not be put in place: no room (1.0 s: wait 1.0, build 1.0 s, start 200)",
        "forget web-1-of-image-1",
        "admit web-1: owed 0; ask about [1 paths]",
        "warm up web-1",
    ]);
}

#[test]
fn c9_a_process_that_is_killed_at_its_restart_is_advised_on_once() {
    let mut web = World::new("[{sync: ./src:/app}, restart_container]", RUNNING);
    web.answers([Answer::Killed, Answer::Killed]);
    web.write("src/a", "1");
    web.does(&[
        "look at 1",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 1, remove 0",
        "finish web-1, restart the container",
        "say: web  the process ignored SIGTERM until it was killed, which takes the whole grace period each time; set `init: true` or `stop_signal`, or use `restart_process`",
        "say: web  updates of web-1 go through the helper inside the container",
        "conclude: web  /p/src/a -> /app/a in web-1, restarted (1.0 ms: wait 1.0, copy 1.0, restart 5.0)",
    ]);
    web.wait(3000);
    web.write("src/a", "2");
    web.does(&[
        "look at 1",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 1, remove 0",
        "finish web-1, restart the container",
        "conclude: web  /p/src/a -> /app/a in web-1, restarted (1.0 ms: wait 1.0, copy 1.0, restart 5.0)",
    ]);
}

#[test]
fn c10_commands_start_when_every_container_has_its_files() {
    let mut web = World::new(
        "[{sync: ./src:/app}, {run: make}]",
        &[State::Running, State::Running],
    );
    web.write("src/a", "1");
    web.does(&[
        "look at 1",
        "read 2",
        "ask whether git writes",
        "copy to web-1: put 1, remove 0, copy to web-2: put 1, remove 0",
        "finish web-1, run make, finish web-2, run make",
        "say: web  updates of web-1, web-2 go through the helper inside the container",
        "conclude: web  /p/src/a -> /app/a in 2 containers, ran 1 command (1.0 ms: wait 1.0, copy 1.0, run 2.0)",
    ]);
}

#[test]
fn a_file_that_changes_while_it_is_copied_keeps_commands_waiting_and_stays_owed() {
    let mut web = World::new("[{sync: ./src:/app}, {run: make}]", RUNNING);
    web.answers([Answer::BrokenOff("/app/a")]);
    web.write("src/a", "1");
    web.does(&[
        "look at 1",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 1, remove 0",
        "finish web-1",
        "say: web  updates of web-1 go through the helper inside the container",
        "conclude: web  waits: `/app/a` when it is written: it changed while it was copied (1.0 ms: wait 1.0, copy 1.0)",
    ]);
    web.write("src/a", "12");
    web.does(&[
        "look at 1",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 1, remove 0",
        "finish web-1, run make",
        "conclude: web  /p/src/a -> /app/a in web-1, ran 1 command (1.0 ms: wait 1.0, copy 1.0, run 2.0)",
    ]);
}
