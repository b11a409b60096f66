//! What waits: for the user, for the end of a burst, for git.

use crate::engine::State;

use crate::service::Message;

use super::world::{Answer, World};

const RUNNING: &[State] = &[State::Running];

#[test]
fn with_trigger_mode_manual_changes_wait_for_the_user() {
    let block = "{trigger_mode: manual, steps: [{sync: ./src:/app}]}";
    let mut web = World::new(block, RUNNING);
    web.write("src/a", "1");
    web.does(&[
        "look at 1",
        "conclude: web  waits: 1 change waits for `u` (1.0 ms: wait 1.0)",
    ]);
    web.has("web-1", "/app/a", None);
    web.hear(Message::ApplyNow);
    web.did(&[
        "read 1",
        "copy to web-1: put 1, remove 0",
        "finish web-1",
        "say: web  updates of web-1 go through the helper inside the container",
        "conclude: web  /p/src/a -> /app/a in web-1 (0.0 ms: wait 0.0, copy 1.0)",
    ]);
    web.has("web-1", "/app/a", Some("1"));
}

#[test]
fn paused_changes_wait_until_the_user_goes_on() {
    let mut web = World::new("[{sync: ./src:/app}]", RUNNING);
    web.hear(Message::Pause(true));
    web.write("src/a", "1");
    web.does(&[
        "look at 1",
        "conclude: web  waits: 1 change waits until `p` goes on (1.0 ms: wait 1.0)",
    ]);
    web.hear(Message::Pause(false));
    web.did(&[
        "read 1",
        "copy to web-1: put 1, remove 0",
        "finish web-1",
        "say: web  updates of web-1 go through the helper inside the container",
        "conclude: web  /p/src/a -> /app/a in web-1 (0.0 ms: wait 0.0, copy 1.0)",
    ]);
}

#[test]
fn in_a_burst_files_go_at_once_and_commands_when_it_is_over() {
    let mut web = World::new("[{sync: ./src:/app}, {run: make}]", RUNNING);
    let batch = |web: &mut World, number: u32| {
        for name in ["a", "b", "c", "d", "e"] {
            web.write(&format!("src/{number}-{name}"), "1");
        }
        web.wait(40);
    };
    batch(&mut web, 1);
    web.does_now(&[
        "look at 5",
        "read 5",
        "ask whether git writes",
        "copy to web-1: put 5, remove 0",
        "finish web-1, run make",
        "say: web  updates of web-1 go through the helper inside the container",
        "conclude: web  copied 5 files in web-1, ran 1 command (42 ms: wait 42, copy 1.0, run 2.0)",
    ]);
    batch(&mut web, 2);
    web.does_now(&[
        "look at 5",
        "read 5",
        "ask whether git writes",
        "copy to web-1: put 5, remove 0",
        "finish web-1",
        "conclude: web  copied 5 files in web-1, 1 command when the burst is over (42 ms: wait 42, copy 1.0)",
    ]);
    batch(&mut web, 3);
    web.does_now(&[
        "look at 5",
        "read 5",
        "ask whether git writes",
        "copy to web-1: put 5, remove 0",
        "finish web-1",
        "conclude: web  copied 5 files in web-1, 1 command when the burst is over (42 ms: wait 42, copy 1.0)",
    ]);
    web.does(&[
        "read 0",
        "ask whether git writes",
        "copy to web-1: put 0, remove 0",
        "finish web-1, run make",
        "conclude: web  ran 1 command in web-1: the burst is over (168 ms: wait 168, run 2.0)",
    ]);
}

#[test]
fn while_git_writes_a_rebuild_waits_and_says_so_once() {
    let block = "[{fall_back_on: ./package.json}, {sync: ./src:/app}]";
    let mut web = World::new(block, RUNNING);
    web.answers([Answer::GitWrites, Answer::GitWrites]);
    web.write("package.json", "{}");
    web.does(&[
        "look at 1",
        "ask whether git writes",
        "say: web  rebuilt when git has written its files: /p/package.json matches fall_back_on `./package.json` (step 1)",
        "ask whether git writes",
        "ask whether git writes",
        "say: web  rebuilding: /p/package.json matches fall_back_on `./package.json` (step 1)",
        "read the ignore files",
        "build: /p/package.json matches fall_back_on `./package.json` (step 1)",
        "identify the image",
        "recreate",
        "find the new containers",
        "conclude: web  rebuilt: /p/package.json matches fall_back_on `./package.json` (step 1) (1.0 s: wait 41, build 1.0 s, start 200)",
        "forget web-1-of-image-1",
        "admit web-1: owed 0; ask about []",
        "warm up web-1",
    ]);
}

#[test]
fn while_git_writes_files_go_and_a_restart_waits() {
    let mut web = World::new("[{sync: ./src:/app}, restart_container]", RUNNING);
    web.answers([Answer::GitWrites]);
    web.write("src/a", "1");
    web.does(&[
        "look at 1",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 1, remove 0",
        "finish web-1",
        "say: web  updates of web-1 go through the helper inside the container",
        "conclude: web  /p/src/a -> /app/a in web-1, restart when git has written its files (1.0 ms: wait 1.0, copy 1.0)",
        "read 0",
        "ask whether git writes",
        "copy to web-1: put 0, remove 0",
        "finish web-1, restart the container",
        "conclude: web  restarted in web-1: git has written its files (21 ms: wait 21, restart 5.0)",
    ]);
}
