//! The product's promises as the order of calls on a recording engine: one sentence, one situation, one expected text.
//! The same promises are kept on a real engine in `tests/real_engine`; here is what no real engine shows: who was asked what, when.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod bursts;
mod follow;
mod logs;
mod recorder;
mod session;
mod situation;
mod whole;

use std::time::Instant;

use docker_liveupdate::engine::{ContainerId, EngineError, State};
use docker_liveupdate::report::{Done, Ended};
use docker_liveupdate::session::worker::Message;
use docker_liveupdate::watch::{Stage, Touch};
use situation::service;

const ALL_STEPS: &str = "- sync: ./src:/app\n- run: make\n- run: {cmd: [gen, it], workdir: /app}\n- restart_container\n";

/// C3.4, C7.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copy_then_runs_in_order_then_the_restart() {
    let web = service(ALL_STEPS, &[("web-1", State::Running)]).await;
    web.write("src/a", "1");
    web.asks(&[
        "web-1: copy /app/a",
        "web-1: run /bin/sh -c make in /",
        "web-1: run gen it in /app",
        "web-1: restart",
    ]);
}

/// C10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_start_when_every_container_has_its_files() {
    let web = service(
        "- sync: ./src:/app\n- run: make\n",
        &[("web-1", State::Running), ("web-2", State::Running)],
    )
    .await;
    web.write("src/a", "1");
    web.asks(&[
        "web-1: copy /app/a",
        "web-2: copy /app/a",
        "web-1: run /bin/sh -c make in /",
        "web-2: run /bin/sh -c make in /",
    ]);
}

/// C3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn saves_in_one_go_are_one_update() {
    let web = service(
        "- sync: ./src:/app\n- restart_container\n",
        &[("web-1", State::Running)],
    )
    .await;
    web.write_all(&[("src/a", "1"), ("src/b", "2"), ("src/c", "3")]);
    web.asks(&[
        "web-1: copy /app/a, copy /app/b, copy /app/c",
        "web-1: restart",
    ]);
}

/// "A change with equal content copies nothing and says so."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_content_copies_nothing_and_says_so() {
    let web = service(
        "- sync: ./src:/app\n- restart_container\n",
        &[("web-1", State::Running)],
    )
    .await;
    web.write("src/a", "1");
    web.asks(&["web-1: copy /app/a", "web-1: restart"]);
    web.write("src/a", "1");
    assert_eq!(web.outcome().done, Done::Same);
    assert_eq!(web.engine.asked(), Vec::<String>::new());
}

/// "A change is a change of content": the first time as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_the_same_in_the_container_asks_for_nothing_the_first_time_as_well() {
    let web = service(
        "- sync: ./src:/app\n- run: {cmd: install, trigger: src/old}\n- restart_container\n",
        &[("web-1", State::Running)],
    )
    .await;
    web.set_time("src/old");
    assert_eq!(web.outcome().done, Done::Same);
    let web = service(
        "- sync: ./src:/app\n- run: {cmd: install, trigger: src/old}\n- restart_container\n",
        &[("web-1", State::Running)],
    )
    .await;
    web.write("src/old", "old");
    assert_eq!(web.outcome().done, Done::Same);
    assert_eq!(web.engine.asked(), Vec::<String>::new());
    // What comes with it and is another asks for what is its own.
    web.write_all(&[("src/a", "1"), ("src/old", "old")]);
    web.asks(&["web-1: copy /app/a", "web-1: restart"]);
    web.write("src/old", "new");
    web.asks(&[
        "web-1: copy /app/old",
        "web-1: run /bin/sh -c install in /",
        "web-1: restart",
    ]);
}

/// The same for a container that has ended: it is started by a change (E2), and this is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_the_same_starts_no_container_that_has_ended() {
    let web = service(
        "- sync: ./src:/app\n- restart_container\n",
        &[("web-1", State::Exited { code: 1 })],
    )
    .await;
    web.write("src/old", "old");
    assert_eq!(web.outcome().done, Done::Same);
    web.write("src/old", "new");
    web.asks(&["web-1: copy /app/old", "web-1: start"]);
}

/// "Files that a rule names are known by content from the start."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_a_rule_names_rebuilds_when_its_content_is_another_and_not_before() {
    let web = service(
        "- fall_back_on: lib\n- sync: ./src:/app\n",
        &[("web-1", State::Running)],
    )
    .await;
    web.set_time("lib/old");
    web.write("lib/old", "old");
    web.write("src/a", "1");
    web.asks(&["web-1: copy /app/a"]);
    web.write("lib/old", "new");
    web.asks(&["build web", "recreate web"]);
    web.write("lib/old", "new");
    web.write("src/a", "2");
    web.asks(&["web-1: copy /app/a"]);
}

/// "For the rest of a context the builder decides, and an image that came out the same recreates nothing."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_came_out_the_same_is_said_to_be_the_same_and_recreates_nothing() {
    let web = service("- sync: ./src:/app\n", &[("web-1", State::Running)]).await;
    web.engine.build_the_same();
    web.write("lib/old", "old");
    let outcome = web.outcome();
    assert!(matches!(outcome.done, Done::BuiltTheSame(_)), "{outcome:?}");
    assert_eq!(outcome.result, Ended::Well);
    assert_eq!(web.engine.asked(), ["build web"]);
    // Known by now.
    web.set_time("lib/old");
    web.write("src/a", "1");
    web.asks(&["web-1: copy /app/a"]);
}

/// A build takes what it finds: what is as it was before may have been another while it was read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_another_while_it_was_built_is_built_again() {
    let web = service(
        "- fall_back_on: lib\n- sync: ./src:/app\n",
        &[("web-1", State::Running)],
    )
    .await;
    let (lib, tell) = (web.host_path("lib/old"), web.tell.clone());
    web.engine.during_build(move || {
        for text in ["another", "new"] {
            std::fs::write(&lib, text).unwrap();
        }
        let touch = Touch::now(lib, Stage::Complete);
        tell.send(Message::Touched(touch)).unwrap();
    });
    web.write("lib/old", "new");
    web.outcome();
    web.asks(&["build web", "recreate web", "build web", "recreate web"]);
}

/// "A write through one name of a file changes all its names."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_through_one_name_of_a_file_changes_all_its_watched_names() {
    let web = service("- sync: ./src:/app\n", &[("web-1", State::Running)]).await;
    web.link("src/old", "src/other");
    web.asks(&["web-1: copy /app/other"]);
    web.write("src/old", "new");
    web.asks(&["web-1: copy /app/old, copy /app/other"]);
    web.remove("src/other");
    web.asks(&["web-1: remove /app/other"]);
    web.write("src/old", "newer");
    web.asks(&["web-1: copy /app/old"]);
}

/// C7.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_run_skips_what_follows_and_is_run_again_with_the_next_update_until_it_succeeds() {
    let web = service(
        "- sync: ./src:/app\n- run: {cmd: install, trigger: src/lock}\n- run: {cmd: late, trigger: src/lock}\n- restart_container\n",
        &[("web-1", State::Running)],
    )
    .await;
    web.engine.exit(1);
    web.write("src/lock", "1");
    let outcome = web.outcome();
    assert!(
        matches!(outcome.result, Ended::Failed { .. }),
        "{outcome:?}"
    );
    assert_eq!(
        web.engine.asked(),
        [
            "web-1: copy /app/lock",
            "web-1: run /bin/sh -c install in /"
        ]
    );
    web.write("src/a", "1");
    web.asks(&[
        "web-1: copy /app/a",
        "web-1: run /bin/sh -c install in /",
        "web-1: run /bin/sh -c late in /",
        "web-1: restart",
    ]);
    web.write("src/b", "1");
    web.asks(&["web-1: copy /app/b", "web-1: restart"]);
}

/// C7, `on_failure: rebuild`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_run_rebuilds_where_it_says_so() {
    let web = service(
        "- sync: ./src:/app\n- run: {cmd: make, on_failure: rebuild}\n",
        &[("web-1", State::Running)],
    )
    .await;
    web.engine.exit(2);
    web.write("src/a", "1");
    web.asks(&[
        "web-1: copy /app/a",
        "web-1: run /bin/sh -c make in /",
        "build web",
        "recreate web",
    ]);
}

/// C8.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_the_engine_refuses_is_a_rebuild_at_once() {
    let web = service(ALL_STEPS, &[("web-1", State::Running)]).await;
    web.engine
        .refuse(EngineError::Refused("no space left on device".into()));
    web.write("src/a", "1");
    web.asks(&["web-1: copy /app/a", "build web", "recreate web"]);
}

/// C11.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_build_recreates_nothing_and_the_next_change_tries_again() {
    let web = service("- sync: ./src:/app\n", &[("web-1", State::Running)]).await;
    web.engine.fail_build();
    web.write("lib/x", "1");
    let outcome = web.outcome();
    assert!(
        matches!(outcome.result, Ended::Failed { .. }),
        "{outcome:?}"
    );
    assert_eq!(web.engine.asked(), ["build web"]);
    web.write("src/a", "1");
    web.asks(&["build web", "recreate web"]);
    web.write("src/a", "2");
    web.asks(&["web-1: copy /app/a"]);
}

/// C11: "a failed build leaves the old container running"; nothing that can be put into it waits for the build.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_build_fails_the_old_container_still_gets_what_syncs_cover() {
    let web = service("- sync: ./src:/app\n", &[("web-1", State::Running)]).await;
    web.engine.fail_build();
    web.write_all(&[("lib/x", "1"), ("src/a", "1")]);
    let outcome = web.outcome();
    assert!(
        matches!(outcome.result, Ended::Failed { .. }),
        "{outcome:?}"
    );
    web.asks(&["build web", "web-1: copy /app/a"]);
}

/// E1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_container_gets_all_that_changed_since_its_image_was_built() {
    let web = service(
        "- sync: ./src:/app\n- run: make\n",
        &[("web-1", State::Running)],
    )
    .await;
    web.write("src/a", "1");
    web.asks(&["web-1: copy /app/a", "web-1: run /bin/sh -c make in /"]);
    web.remove("src/old");
    web.asks(&["web-1: remove /app/old", "web-1: run /bin/sh -c make in /"]);
    web.engine.container("web-2", State::Running);
    web.tell(Message::Containers);
    web.asks(&[
        "web-2: copy /app/a, remove /app/old",
        "web-2: run /bin/sh -c make in /",
    ]);
}

/// C11: what is heard late, of a time before the build, does not hide what changed while it was under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_during_a_build_is_built_whatever_else_is_heard_with_it() {
    let web = service("- sync: ./src:/app\n", &[("web-1", State::Running)]).await;
    let early = Instant::now();
    let (late, uncovered) = (web.host_path("src/late"), web.host_path("uncovered"));
    let tell = web.tell.clone();
    web.engine.during_build(move || {
        for (path, at) in [(late, early), (uncovered, Instant::now())] {
            std::fs::write(&path, "2").unwrap();
            let stage = Stage::Complete;
            tell.send(Message::Touched(Touch { path, at, stage }))
                .unwrap();
        }
    });
    web.write("uncovered", "1");
    web.outcome();
    let twice = ["build web", "recreate web"].repeat(2);
    web.asks(&twice);
}

/// E1, `--no-build`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_of_an_unknown_image_is_compared_by_content() {
    let web = service("- sync: ./src:/app\n", &[("web-1", State::Running)]).await;
    web.engine.image("somebody-elses");
    web.engine.container("web-2", State::Running);
    web.tell(Message::Containers);
    web.asks(&["web-2: mkdir /app, copy /app/old"]);
    assert_eq!(web.engine.questions(), ["web-2: what is there?"]);
}

/// "Containers of a service are welcomed side by side."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_of_a_service_are_compared_side_by_side() {
    let web = service("- sync: ./src:/app\n", &[("web-1", State::Running)]).await;
    web.engine.image("somebody-elses");
    web.engine.container("web-2", State::Running);
    web.engine.container("web-3", State::Running);
    web.engine.answers_together(2);
    web.tell(Message::Containers);
    web.outcome();
    let mut asked = web.engine.asked();
    asked.sort();
    assert_eq!(
        asked,
        [
            "web-2: mkdir /app, copy /app/old",
            "web-3: mkdir /app, copy /app/old"
        ]
    );
}

/// E2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exited_container_gets_its_files_and_is_started_by_the_next_change() {
    let web = service(
        "- sync: ./src:/app\n- restart_container\n",
        &[("web-1", State::Exited { code: 1 })],
    )
    .await;
    web.write("src/a", "1");
    web.asks(&["web-1: copy /app/a", "web-1: start"]);
}

/// E2': "a container that somebody stopped on purpose gets its files and stays stopped", and it is said once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_was_stopped_on_purpose_gets_its_files_and_is_left_stopped() {
    let web = service(
        "- sync: ./src:/app\n- restart_container\n",
        &[("web-1", State::Running)],
    )
    .await;
    web.stop("web-1");
    for text in ["1", "2"] {
        web.write("src/a", text);
        web.asks(&["web-1: copy /app/a"]);
    }
    assert_eq!(web.notices("was stopped by somebody"), 1);
    web.remove("src/old");
    web.outcome();
    // Its process began with the files; the delete is what has to follow.
    web.start("web-1");
    web.asks(&["web-1: remove /app/old", "web-1: restart"]);
}

/// E2': neither does a rebuild start it; it is built when its owner has started it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_was_stopped_on_purpose_is_not_rebuilt_before_it_is_started() {
    let web = service(
        "- fall_back_on: ./src/lock\n- sync: ./src:/app\n",
        &[("web-1", State::Running)],
    )
    .await;
    web.stop("web-1");
    web.write("src/lock", "1");
    let outcome = web.outcome();
    assert!(matches!(outcome.done, Done::Waits(_)), "{outcome:?}");
    assert_eq!(web.engine.asked(), [""; 0]);
    web.start("web-1");
    let outcome = web.outcome();
    assert!(matches!(outcome.done, Done::Rebuilt(_)), "{outcome:?}");
}

/// E2: once for each change, and what could not be deleted is deleted by the change that keeps it running.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_ends_again_at_once_is_started_once_for_each_change() {
    let web = service(
        "- sync: ./src:/app\n",
        &[("web-1", State::Exited { code: 1 })],
    )
    .await;
    web.engine
        .refuse(EngineError::NotRunning(ContainerId("web-1".into())));
    web.remove("src/old");
    let outcome = web.outcome();
    assert_eq!(outcome.result, Ended::Well, "{outcome:?}");
    assert_eq!(
        web.engine.asked(),
        ["web-1: start", "web-1: remove /app/old"]
    );
    web.tell(Message::Containers);
    web.write("src/a", "the fix");
    web.asks(&[
        "web-1: copy /app/a",
        "web-1: start",
        "web-1: remove /app/old",
    ]);
}

/// Trap 9.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_container_gets_its_files_and_the_rest_when_it_goes_on() {
    let web = service(
        "- sync: ./src:/app\n- run: make\n",
        &[("web-1", State::Paused)],
    )
    .await;
    web.write("src/a", "1");
    assert!(matches!(web.outcome().done, Done::Waits(_)));
    assert_eq!(web.engine.asked(), ["web-1: copy /app/a"]);
    web.engine.set_state("web-1", State::Running);
    web.tell(Message::Containers);
    web.asks(&["web-1: run /bin/sh -c make in /"]);
}

/// Issue: the engine is gone for a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_absent_engine_could_not_take_is_brought_when_it_is_back() {
    let web = service("- sync: ./src:/app\n", &[("web-1", State::Running)]).await;
    web.engine
        .refuse(EngineError::Unreachable("connection refused".into()));
    web.write("src/a", "1");
    let outcome = web.outcome();
    assert!(
        matches!(outcome.result, Ended::Failed { .. }),
        "{outcome:?}"
    );
    web.engine.asked();
    web.tell(Message::EngineIsBack);
    web.asks(&["web-1: copy /app/a"]);
}

/// `trigger_mode: manual`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_manual_mode_changes_wait_for_the_key() {
    let web = service(
        "trigger_mode: manual\nsteps: [{sync: \"./src:/app\"}]\n",
        &[("web-1", State::Running)],
    )
    .await;
    web.write("src/a", "1");
    assert!(matches!(web.outcome().done, Done::Waits(_)));
    assert_eq!(web.engine.asked(), Vec::<String>::new());
    web.write("src/b", "1");
    assert!(matches!(web.outcome().done, Done::Waits(_)));
    web.tell(Message::ApplyNow);
    web.asks(&["web-1: copy /app/a, copy /app/b"]);
}

/// C3, `restart` with a trigger.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_goes_out_when_its_trigger_matches() {
    let web = service(
        "- sync: ./src:/app\n- signal: {name: HUP, trigger: src/conf}\n",
        &[("web-1", State::Running)],
    )
    .await;
    web.write("src/a", "1");
    web.asks(&["web-1: copy /app/a"]);
    web.write("src/conf", "1");
    web.asks(&["web-1: copy /app/conf", "web-1: signal HUP"]);
}

/// C14, E2: whatever the trigger says, and not by a save that changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_crashed_after_an_update_is_started_by_the_next_change() {
    let web = service(
        "- sync: ./src:/app\n- restart_process: {trigger: src/main}\n",
        &[("web-1", State::Running)],
    )
    .await;
    web.engine.crash(7);
    web.write("src/main", "bad");
    web.asks(&["web-1: copy /app/main", "web-1: restart the process"]);
    let exit = web.exit();
    assert_eq!((exit.code, exit.waits), (7, true));
    assert!(exit.is_failure(), "{exit:?}");
    web.write("src/main", "bad");
    assert_eq!(web.outcome().done, Done::Same);
    web.write("src/a", "the fix");
    web.asks(&["web-1: copy /app/a", "web-1: restart the process"]);
    web.write("src/a", "more");
    web.asks(&["web-1: copy /app/a"]);
}

/// E6: what a restart has emptied is filled again, and nothing else is done, or it would be empty again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tmpfs_that_a_restart_emptied_is_filled_again_without_another_restart() {
    let web = service(
        "- sync: ./src:/app\n- run: make\n- restart_container\n",
        &[("web-1", State::Running)],
    )
    .await;
    web.write("src/a", "1");
    web.asks(&[
        "web-1: copy /app/a",
        "web-1: run /bin/sh -c make in /",
        "web-1: restart",
    ]);
    for started in ["first", "second"] {
        web.engine.starts_with_memory("web-1", "/app", started);
        web.tell(Message::Containers);
        web.asks(&["web-1: mkdir /app, copy /app/a, copy /app/old"]);
        web.tell(Message::Containers);
    }
    web.write("src/b", "1");
    web.asks(&[
        "web-1: copy /app/b",
        "web-1: run /bin/sh -c make in /",
        "web-1: restart",
    ]);
}

/// C8: where a rebuild would meet the same, it is not tried; and the failure is told once for each change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_rebuild_cannot_help_is_said_once_and_not_rebuilt() {
    let web = service(
        "- sync: ./src:/app\n- restart_container\n",
        &[("web-1", State::Running)],
    )
    .await;
    let full = || EngineError::InVain("no space left on device".into());
    web.engine.refuse(full());
    web.write("src/a", "1");
    let outcome = web.outcome();
    assert!(
        matches!(outcome.result, Ended::Failed { .. }),
        "{outcome:?}"
    );
    assert_eq!(web.engine.asked(), ["web-1: copy /app/a"]);
    for _ in 0..3 {
        web.engine.refuse(full());
        web.tell(Message::Containers);
    }
    web.engine.refuse(full());
    web.write("src/b", "1");
    // Nothing was said of those three, though they were tried.
    let outcome = web.outcome();
    assert!(
        matches!(outcome.result, Ended::Failed { .. }),
        "{outcome:?}"
    );
    let again = "web-1: copy /app/a";
    let asked = [again, again, again, "web-1: copy /app/a, copy /app/b"];
    assert_eq!(web.engine.asked(), asked);
    web.write("src/b", "2");
    assert_eq!(web.outcome().result, Ended::Well);
}
