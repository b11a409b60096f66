//! E: containers come, go, stop, and are looked at.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::compose::{Mount, MountKind};
use crate::engine::{End, EngineError, State};

use crate::service::Message;

use super::world::{Answer, World, at, configuration, path};

const RUNNING: &[State] = &[State::Running];
const BLOCK: &str = "[{sync: ./src:/app}, {run: make}]";

#[test]
fn e1_a_new_container_is_owed_what_changed_since_its_image_was_built() {
    let mut web = World::new(BLOCK, RUNNING);
    web.write("src/new", "1");
    web.does(&[
        "look at 1",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 1, remove 0",
        "finish web-1, run make",
        "say: web  updates of web-1 go through the helper inside the container",
        "conclude: web  /p/src/new -> /app/new in web-1, ran 1 command (1.0 ms: wait 1.0, copy 1.0, run 2.0)",
    ]);
    web.make("web-2", State::Running);
    web.hear(Message::Containers);
    web.did(&[
        "find the containers",
        "admit web-2: owed 1; ask about []",
        "warm up web-1, web-2",
        "read 1",
        "ask whether git writes",
        "copy to web-2: put 1, remove 0",
        "finish web-2, run make",
        "say: web  updates of web-2 go through the helper inside the container",
        "conclude: web  caught up: /p/src/new -> /app/new in web-2, ran 1 command (0.0 ms: wait 0.0, copy 1.0, run 2.0)",
    ]);
    web.has("web-2", "/app/new", Some("1"));
}

#[test]
fn e1_what_is_open_to_a_container_that_is_gone_is_closed() {
    let mut web = World::new(BLOCK, RUNNING);
    web.containers.clear();
    web.hear(Message::Containers);
    web.did(&["find the containers", "forget web-1-of-image-1"]);
    web.write("src/new", "1");
    web.does(&["look at 1", "find the containers"]);
}

#[test]
fn e2_a_container_that_exited_is_started_by_a_change_with_its_files_and_not_by_its_end() {
    let mut web = World::new(BLOCK, RUNNING);
    web.set_state("web-1", State::Exited { code: 1 });
    web.hear(Message::Containers);
    web.did(&["find the containers"]);
    web.write("src/new", "1");
    web.remove("src/old");
    web.does(&[
        "look at 2",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 1, remove 0",
        "start web-1",
        "finish web-1, run make",
        "conclude: web  copied 1 file and removed 1 file in web-1, started 1 stopped container, ran 1 command (5.0 ms: wait 5.0, copy 1.0, run 2.0)",
    ]);
    web.has("web-1", "/app/old", None);
}

#[test]
fn e2_one_that_ends_again_at_once_is_started_once_more_by_the_next_change_and_only_then_loses_files()
 {
    let mut web = World::new(BLOCK, &[State::Exited { code: 1 }]);
    web.answers([Answer::EndsAtOnce]);
    web.remove("src/old");
    web.write("src/new", "1");
    web.does(&[
        "look at 2",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 1, remove 0",
        "start web-1",
        "finish web-1",
        "conclude: web  waits: web-1 ended again at once; the rest follows with the next change (5.0 ms: wait 5.0, copy 1.0)",
    ]);
    web.has("web-1", "/app/old", Some("old"));
    web.wait(3000);
    web.write("src/new", "2");
    web.does(&[
        "look at 1",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 1, remove 0",
        "start web-1",
        "finish web-1, run make",
        "conclude: web  copied 1 file and removed 1 file in web-1, started 1 stopped container, ran 1 command (1.0 ms: wait 1.0, copy 1.0, run 2.0)",
    ]);
    web.has("web-1", "/app/old", None);
}

#[test]
fn a_paused_container_gets_its_files_and_the_rest_when_it_goes_on() {
    let mut web = World::new(BLOCK, &[State::Paused]);
    web.write("src/new", "1");
    web.remove("src/old");
    web.does(&[
        "look at 2",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 1, remove 0",
        "finish web-1",
        "conclude: web  waits: web-1 is paused; the rest follows when it goes on (5.0 ms: wait 5.0, copy 1.0)",
    ]);
    web.has("web-1", "/app/new", Some("1"));
    web.set_state("web-1", State::Running);
    web.hear(Message::Containers);
    web.did(&[
        "find the containers",
        "warm up web-1",
        "read 0",
        "ask whether git writes",
        "copy to web-1: put 0, remove 1",
        "finish web-1, run make",
        "say: web  updates of web-1 go through the helper inside the container",
        "conclude: web  caught up: removed /p/src/old in web-1, ran 1 command (0.0 ms: wait 0.0, copy 1.0, run 2.0)",
    ]);
    web.has("web-1", "/app/old", None);
}

#[test]
fn what_somebody_has_stopped_gets_its_files_and_is_left_stopped() {
    let mut web = World::new(BLOCK, &[State::Stopped]);
    web.write("src/new", "1");
    web.does(&[
        "look at 1",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 1, remove 0",
        "finish web-1",
        "say: web  web-1 was stopped by somebody: it gets its files and is left stopped until it is started (`docker compose start web`)",
        "conclude: web  waits: web-1 is stopped; the rest follows when it is started (1.0 ms: wait 1.0, copy 1.0)",
    ]);
    web.has("web-1", "/app/new", Some("1"));
}

#[test]
fn a_process_that_crashed_after_an_update_is_started_by_the_next_change() {
    let mut web = World::new("[{sync: ./src:/app}, restart_process]", RUNNING);
    let end = End {
        service: "web".into(),
        id: web.containers[0].id.clone(),
        name: "web-1".into(),
        code: 1,
        requested: false,
        out_of_memory: false,
        lived: None,
    };
    web.hear(Message::Crashed(end));
    web.write("src/new", "1");
    web.does(&[
        "tell that web-1 ended",
        "look at 1",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 1, remove 0",
        "finish web-1, restart the process",
        "say: web  updates of web-1 go through the helper inside the container",
        "conclude: web  /p/src/new -> /app/new in web-1, restarted the container (its process does not run under the helper) (1.0 ms: wait 1.0, copy 1.0, restart 5.0)",
    ]);
}

#[test]
fn e4_after_lost_events_what_differs_is_brought_and_what_is_gone_is_removed() {
    let mut web = World::new(BLOCK, RUNNING);
    web.write_unheard("src/new", "1");
    web.remove("src/old");
    web.hear(Message::Rescan(std::sync::Arc::default()));
    web.does(&[
        "look at everything",
        "look at 1",
        "look at 1",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 1, remove 1",
        "finish web-1, run make",
        "say: web  updates of web-1 go through the helper inside the container",
        "conclude: web  copied 1 file and removed 1 file in web-1, ran 1 command (5.0 ms: wait 5.0, copy 1.0, run 2.0)",
    ]);
    web.has("web-1", "/app/new", Some("1"));
    web.has("web-1", "/app/old", None);
}

#[test]
fn e5_a_container_of_an_image_that_nobody_here_built_is_asked_what_it_holds() {
    let mut web = World::with_an_image_alone(BLOCK, &[]);
    web.make("web-1", State::Running);
    web.write_unheard("src/old", "another");
    web.hear(Message::Containers);
    web.did(&[
        "find the containers",
        "admit web-1: owed 0; ask about [what is gone, everything]",
        "warm up web-1",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 1, remove 0",
        "finish web-1, run make",
        "say: web  updates of web-1 go through the helper inside the container",
        "conclude: web  caught up: /p/src/old -> /app/old in web-1, ran 1 command (0.0 ms: wait 0.0, copy 1.0, run 2.0)",
    ]);
    web.has("web-1", "/app/old", Some("another"));
}

#[test]
fn e6_what_a_bind_mount_hides_is_left_out_and_what_it_shows_is_not_copied() {
    let mut web = World::new(BLOCK, RUNNING);
    web.mount(&Mount {
        kind: MountKind::Bind(path("src/live")),
        target: at("/app/live"),
        read_only: false,
    });
    web.mount(&Mount {
        kind: MountKind::Bind(path("elsewhere")),
        target: at("/app/hidden"),
        read_only: false,
    });
    web.write("src/live/a", "1");
    web.does(&[
        "look at 1",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 0, remove 0",
        "finish web-1, run make",
        "conclude: web  /p/src/live/a is live at /app/live/a through its mount in web-1, ran 1 command (1.0 ms: wait 1.0, run 2.0)",
    ]);
    web.wait(3000);
    web.write("src/hidden/a", "1");
    web.does(&[
        "look at 1",
        "say: web  left out: `/p/src/hidden/a`; another one is mounted at `/app/hidden`",
    ]);
}

#[test]
fn e7_a_command_that_is_owed_stays_owed_under_its_new_number() {
    let mut web = World::new("[{sync: ./src:/app}, {run: one}]", RUNNING);
    web.answers([Answer::Exit(1)]);
    web.write("src/a", "1");
    web.does(&[
        "look at 1",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 1, remove 0",
        "finish web-1, run one",
        "say: web  updates of web-1 go through the helper inside the container",
        "conclude: web  /p/src/a -> /app/a in web-1, then failed (1.0 ms: wait 1.0, copy 1.0, run 2.0) / web  step 2 `one` in web-1 exited with code 1 / hint: its output is above; it is run again with the next update",
    ]);
    let block = "[{sync: ./src:/app}, {run: {cmd: two, trigger: ./src/b}}, {run: one}]";
    let new = configuration(block, true);
    web.hear(Message::Configure(Box::new(new), std::sync::Arc::default()));
    web.did(&[
        "look at everything",
        "look at 0",
        "read 0",
        "ask whether git writes",
        "copy to web-1: put 0, remove 0",
        "finish web-1, run one",
        "conclude: web  caught up: ran 1 command in web-1 (0.0 ms: wait 0.0, run 2.0)",
        "find the containers",
        "warm up web-1",
    ]);
}

#[test]
fn e7_a_file_that_goes_elsewhere_is_brought_there() {
    let mut web = World::new(BLOCK, RUNNING);
    let new = configuration("[{sync: ./src:/srv}]", true);
    web.hear(Message::Configure(Box::new(new), std::sync::Arc::default()));
    web.did(&[
        "compare web-1: 1 paths",
        "look at everything",
        "look at 0",
        "read 1",
        "copy to web-1: put 1, remove 0",
        "finish web-1",
        "say: web  updates of web-1 go through the helper inside the container",
        "conclude: web  caught up: /p/src/old -> /srv/old in web-1 (0.0 ms: wait 0.0, copy 1.0)",
        "find the containers",
        "warm up web-1",
    ]);
    web.has("web-1", "/srv/old", Some("old"));
}

#[test]
fn a_tmpfs_is_filled_after_each_start_by_files_alone() {
    let mut web = World::new(
        "[{sync: ./src:/app}, {run: make}, restart_container]",
        RUNNING,
    );
    web.containers[0].started = "again".into();
    web.mount(&Mount {
        kind: MountKind::Tmpfs,
        target: at("/app"),
        read_only: false,
    });
    web.containers[0].started = "and again".into();
    web.hear(Message::Containers);
    web.did(&[
        "find the containers",
        "read 1",
        "copy to web-1: put 1, remove 0",
        "finish web-1",
        "conclude: web  caught up: /p/src/old -> /app/old in web-1 (0.0 ms: wait 0.0, copy 1.0)",
        "warm up web-1",
    ]);
}

#[test]
fn verify_says_that_all_is_as_it_should_be_or_repairs_what_drifted() {
    let mut web = World::new(BLOCK, RUNNING);
    web.hear(Message::Verify);
    web.did(&[
        "compare web-1: everything",
        "conclude: web  verified: the containers have what the disk has (0.0 ms: wait 0.0)",
    ]);
    web.write_unheard("src/old", "drifted");
    web.hear(Message::Verify);
    web.does(&[
        "compare web-1: everything",
        "say: web  1 path has drifted; repairing it",
        "read 1",
        "ask whether git writes",
        "copy to web-1: put 1, remove 0",
        "finish web-1, run make",
        "say: web  updates of web-1 go through the helper inside the container",
        "conclude: web  /p/src/old -> /app/old in web-1, ran 1 command (0.0 ms: wait 0.0, copy 1.0, run 2.0)",
    ]);
}

#[test]
fn an_engine_that_cannot_list_the_containers_is_asked_again_ever_later() {
    let mut web = World::new(BLOCK, RUNNING);
    let error = || Answer::Find(EngineError::Refused("busy".into()));
    web.answers([error(), error()]);
    let begun = web.now;
    web.hear(Message::Containers);
    web.does(&[
        "find the containers",
        "say: error: web  its containers cannot be looked at: busy / hint: the next look is in a moment",
        "find the containers",
        "say: error: web  its containers cannot be looked at: busy / hint: the next look is in a moment",
        "find the containers",
        "warm up web-1",
    ]);
    assert_eq!((web.now - begun).as_millis(), 250 + 500);
}

#[test]
fn deletions_that_are_owed_can_be_told() {
    let mut web = World::new(BLOCK, &[State::Paused]);
    web.remove("src/old");
    web.does(&[
        "look at 1",
        "read 0",
        "ask whether git writes",
        "copy to web-1: put 0, remove 0",
        "finish web-1",
        "conclude: web  waits: web-1 is paused; the rest follows when it goes on (5.0 ms: wait 5.0)",
    ]);
    let owed = web.service.owed_deletions(10);
    let paths: BTreeSet<_> = owed.into_values().flatten().collect();
    assert_eq!(paths, BTreeSet::from([path("src/old")]));
}

#[test]
fn nothing_is_due_of_a_service_at_rest() {
    let mut web = World::new(BLOCK, RUNNING);
    assert_eq!(web.service.due(), None::<Instant>);
    web.does(&[]);
}
