//! C8, C11, E3: rebuilds.

use crate::engine::{EngineError, State};
use crate::plan::Because;

use crate::service::Message;

use super::world::{Answer, World};

const RUNNING: &[State] = &[State::Running];
const BLOCK: &str = "[{fall_back_on: ./package.json}, {sync: ./src:/app}, {run: make}]";

fn broken() -> Answer {
    Answer::Build(EngineError::Refused("line 3".into()))
}

#[test]
fn c3_2_a_file_of_fall_back_on_is_a_rebuild_and_says_so() {
    let mut web = World::new(BLOCK, RUNNING);
    web.write("package.json", "{}");
    web.does(&[
        "look at 1",
        "ask whether git writes",
        "say: web  rebuilding: /p/package.json matches fall_back_on `./package.json` (step 1)",
        "read the ignore files",
        "build: /p/package.json matches fall_back_on `./package.json` (step 1)",
        "identify the image",
        "recreate",
        "find the new containers",
        "conclude: web  rebuilt: /p/package.json matches fall_back_on `./package.json` (step 1) (1.0 s: wait 1.0, build 1.0 s, start 200)",
        "forget web-1-of-image-1",
        "admit web-1: owed 0; ask about []",
        "warm up web-1",
    ]);
}

#[test]
fn c3_2_written_again_with_the_same_content_it_asks_for_nothing() {
    let mut web = World::new(BLOCK, RUNNING);
    web.write("package.json", "{}");
    web.does(&[
        "look at 1",
        "ask whether git writes",
        "say: web  rebuilding: /p/package.json matches fall_back_on `./package.json` (step 1)",
        "read the ignore files",
        "build: /p/package.json matches fall_back_on `./package.json` (step 1)",
        "identify the image",
        "recreate",
        "find the new containers",
        "conclude: web  rebuilt: /p/package.json matches fall_back_on `./package.json` (step 1) (1.0 s: wait 1.0, build 1.0 s, start 200)",
        "forget web-1-of-image-1",
        "admit web-1: owed 0; ask about []",
        "warm up web-1",
    ]);
    web.wait(3000);
    web.write("package.json", "{}");
    web.does(&["look at 1"]);
}

#[test]
fn c11_when_the_image_comes_out_the_same_nothing_is_made_anew() {
    let mut web = World::new(BLOCK, RUNNING);
    web.answers([Answer::SameImage]);
    web.write("package.json", "{}");
    web.does(&[
        "look at 1",
        "ask whether git writes",
        "say: web  rebuilding: /p/package.json matches fall_back_on `./package.json` (step 1)",
        "read the ignore files",
        "build: /p/package.json matches fall_back_on `./package.json` (step 1)",
        "identify the image",
        "conclude: web  rebuilt, the image is the same: nothing to do (/p/package.json matches fall_back_on `./package.json` (step 1)) (1.0 s: wait 1.0, build 1.0 s)",
        "find the containers",
        "warm up web-1",
    ]);
}

#[test]
fn c11_when_a_build_fails_the_old_container_gets_what_can_be_put_into_it_and_the_next_change_builds_again()
 {
    let mut web = World::new(BLOCK, RUNNING);
    web.answers([broken()]);
    web.write("package.json", "{");
    web.write("src/a", "1");
    web.does(&[
        "look at 2",
        "ask whether git writes",
        "say: web  rebuilding: /p/package.json matches fall_back_on `./package.json` (step 1)",
        "read the ignore files",
        "build: /p/package.json matches fall_back_on `./package.json` (step 1)",
        "conclude: web  not rebuilt (/p/package.json matches fall_back_on `./package.json` (step 1)) (1.0 s: wait 5.0, build 1.0 s) / web  line 3 / hint: the old container keeps running; fix it and save: the next change builds again",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 1, remove 0",
        "finish web-1, run make",
        "say: web  updates of web-1 go through the helper inside the container",
        "conclude: web  /p/src/a -> /app/a in web-1, ran 1 command (1.0 s: wait 5.0, copy 1.0, run 2.0)",
    ]);
    web.has("web-1", "/app/a", Some("1"));
    web.hear(Message::Containers);
    web.did(&["find the containers", "warm up web-1"]);
    web.wait(3000);
    web.write("src/a", "2");
    web.does(&[
        "look at 1",
        "ask whether git writes",
        "say: web  rebuilding: the last build failed",
        "read the ignore files",
        "build: the last build failed",
        "identify the image",
        "recreate",
        "find the new containers",
        "conclude: web  rebuilt: the last build failed (1.0 s: wait 1.0, build 1.0 s, start 200)",
        "forget web-1-of-image-1",
        "admit web-1: owed 0; ask about [1 paths]",
        "warm up web-1",
    ]);
}

#[test]
fn c8_a_second_refusal_of_the_same_change_is_no_second_rebuild() {
    let mut web = World::new(BLOCK, RUNNING);
    let refused = || Answer::Copy(EngineError::Refused("no room".into()));
    web.answers([refused()]);
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
fn c8_a_command_with_on_failure_rebuild_rebuilds_when_it_fails() {
    let block = "[{sync: ./src:/app}, {run: {cmd: make, on_failure: rebuild}}]";
    let mut web = World::new(block, RUNNING);
    web.answers([Answer::Exit(2)]);
    web.write("src/a", "1");
    web.does(&[
        "look at 1",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 1, remove 0",
        "finish web-1, run make",
        "say: web  rebuilding: step 2 failed and its on_failure is `rebuild`",
        "read the ignore files",
        "build: step 2 failed and its on_failure is `rebuild`",
        "identify the image",
        "recreate",
        "find the new containers",
        "conclude: web  rebuilt: step 2 failed and its on_failure is `rebuild` (1.0 s: wait 1.0, build 1.0 s, start 200)",
        "forget web-1-of-image-1",
        "admit web-1: owed 0; ask about [1 paths]",
        "warm up web-1",
    ]);
}

#[test]
fn e3_without_a_container_a_change_waits_for_one() {
    let mut web = World::new(BLOCK, &[]);
    web.write("src/a", "1");
    web.does(&["look at 1", "find the containers"]);
}

#[test]
fn e3_what_a_reload_could_not_start_is_built_by_the_next_change() {
    let mut web = World::new(BLOCK, &[]);
    web.hear(Message::StartFailed);
    web.did(&["find the containers"]);
    web.write("src/a", "1");
    web.does(&[
        "look at 1",
        "find the containers",
        "ask whether git writes",
        "say: web  rebuilding: the last build failed",
        "read the ignore files",
        "build: the last build failed",
        "identify the image",
        "recreate",
        "find the new containers",
        "conclude: web  rebuilt: the last build failed (1.0 s: wait 1.0, build 1.0 s, start 200)",
        "admit web-1: owed 0; ask about [1 paths]",
        "warm up web-1",
    ]);
}

#[test]
fn b9_where_nothing_can_be_built_what_only_a_build_brings_is_left_out() {
    let mut web = World::with_an_image_alone(BLOCK, RUNNING);
    web.write("package.json", "{}");
    web.write("src/a", "1");
    web.does(&[
        "look at 2",
        "say: web  left out: `/p/package.json`; no sync covers it, and the service has only an `image:`",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 1, remove 0",
        "finish web-1, run make",
        "say: web  updates of web-1 go through the helper inside the container",
        "conclude: web  /p/src/a -> /app/a in web-1, ran 1 command (5.0 ms: wait 5.0, copy 1.0, run 2.0)",
    ]);
    web.hear(Message::Rebuild(Because::Asked));
    web.did(&[
        "say: error: web  cannot rebuild (asked for): the service has only an `image:` / hint: give it a `build:`, or recreate it with `docker compose up`",
    ]);
}

#[test]
fn what_its_owner_has_stopped_is_not_rebuilt_for_that_would_start_it() {
    let mut web = World::new(BLOCK, &[State::Stopped]);
    web.write("package.json", "{}");
    web.does(&[
        "look at 1",
        "say: web  web-1 was stopped by somebody: it gets its files and is left stopped until it is started (`docker compose start web`)",
        "conclude: web  waits: it is rebuilt when it is started: /p/package.json matches fall_back_on `./package.json` (step 1) (1.0 ms: wait 1.0)",
    ]);
}

#[test]
fn a_container_that_cannot_run_as_it_was_started_is_made_anew_without_a_build() {
    let mut web = World::new(BLOCK, RUNNING);
    web.hear(Message::StartAnew);
    web.did(&["recreate", "find the containers", "warm up web-1"]);
}

#[test]
fn f1_a_file_that_asks_for_a_build_and_is_synced_comes_into_the_new_container() {
    let block = "{matching: all, steps: [{fall_back_on: ./src/lock}, {sync: ./src:/app}]}";
    let mut web = World::new(block, RUNNING);
    web.write("src/lock", "1");
    web.does(&[
        "look at 1",
        "ask whether git writes",
        "say: web  rebuilding: /p/src/lock matches fall_back_on `./src/lock` (step 1)",
        "read the ignore files",
        "build: /p/src/lock matches fall_back_on `./src/lock` (step 1)",
        "identify the image",
        "recreate",
        "find the new containers",
        "conclude: web  rebuilt: /p/src/lock matches fall_back_on `./src/lock` (step 1) (1.0 s: wait 1.0, build 1.0 s, start 200)",
        "forget web-1-of-image-1",
        "admit web-1: owed 0; ask about [1 paths]",
        "warm up web-1",
    ]);
    web.has("web-1", "/app/lock", Some("1"));
}
