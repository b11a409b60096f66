//! "Long bursts are few restarts": files go as they come, what costs something waits for the end.

use std::fs;
use std::time::{Duration, SystemTime};

use docker_liveupdate::compose::block::LastStep;
use docker_liveupdate::engine::State;
use docker_liveupdate::report::{Done, Later, Updated};
use docker_liveupdate::session::worker::Message;
use docker_liveupdate::watch::Held;

use crate::situation::{Situation, service};

const RUN_AND_RESTART: &str = "- sync: ./src:/app\n- run: make\n- restart_process\n";

fn five(number: usize) -> Vec<String> {
    (0..5).map(|file| format!("src/{number}-{file}")).collect()
}

/// The next outcome, which is an update.
#[track_caller]
fn update(web: &Situation) -> Updated {
    match web.outcome().done {
        Done::Updated(updated) => updated,
        other => panic!("{other:?}"),
    }
}

/// Bursts until one of them has to wait, so that what follows it closely waits as well.
#[track_caller]
fn burst(web: &Situation) -> Updated {
    for number in 0..100 {
        web.write_at_once(&five(number));
        let updated = update(web);
        if updated.later.is_some() {
            return updated;
        }
    }
    panic!("each went at once: {:?}", web.engine.asked());
}

/// What was asked of the engine until the burst was over.
#[track_caller]
fn until_it_is_over(web: &Situation) -> Vec<String> {
    while update(web).after.is_none() {}
    web.engine.asked()
}

fn count(asked: &[String], what: &str) -> usize {
    asked.iter().filter(|line| line.contains(what)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_a_burst_go_as_they_come_and_its_commands_and_restart_when_it_is_over() {
    let web = service(RUN_AND_RESTART, &[("web-1", State::Running)]).await;
    for number in 0..20 {
        web.write_at_once(&five(number));
        update(&web);
    }
    let asked = until_it_is_over(&web);
    assert!(count(&asked, "copy /app/0-0") >= 1, "{asked:?}");
    assert!(count(&asked, "copy /app/") >= 4, "{asked:?}");
    for step in ["run /bin/sh -c make", "restart the process"] {
        let times = count(&asked, step);
        assert!((2..=5).contains(&times), "{step}: {asked:?}");
    }
    assert!(asked.last().unwrap().contains("restart the process"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_line_of_an_update_whose_restart_waits_says_so() {
    let web = service(RUN_AND_RESTART, &[("web-1", State::Running)]).await;
    let waits = burst(&web);
    let later = Later::Steps {
        runs: 1,
        last: Some(LastStep::RestartProcess {
            signal: None,
            timeout: None,
        }),
        held: Held::Burst,
    };
    assert_eq!(waits.later, Some(later));
    assert!(waits.copied > 0 && waits.ran == 0 && waits.restarted.is_none());
    let done = update(&web);
    assert_eq!(done.after, Some(Held::Burst));
    assert!(done.ran == 1 && done.restarted.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_lost_neither_by_a_new_container_nor_by_a_command_that_fails() {
    let web = service(RUN_AND_RESTART, &[("web-1", State::Running)]).await;
    burst(&web);
    web.engine.asked();
    web.engine.exit(1);
    web.engine.container("web-2", State::Running);
    web.tell(Message::Containers);
    let asked = until_it_is_over(&web);
    assert_eq!(count(&asked, "web-2: copy"), 1, "{asked:?}");
    for container in ["web-1", "web-2"] {
        let runs = format!("{container}: run /bin/sh -c make");
        assert_eq!(count(&asked, &runs), 1, "{asked:?}");
    }
    // One of the two failed: it is run again with the next update, and its restart follows.
    assert_eq!(count(&asked, "restart the process"), 1, "{asked:?}");
    web.rest();
    web.write("src/a", "1");
    assert_eq!(update(&web).ran, 1);
    let asked = web.engine.asked();
    for step in ["run /bin/sh -c make", "restart the process"] {
        assert_eq!(count(&asked, step), 2, "{asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_is_down_is_started_when_the_burst_is_over() {
    let web = service(RUN_AND_RESTART, &[("web-1", State::Running)]).await;
    burst(&web);
    web.engine.asked();
    web.engine.set_state("web-1", State::Exited { code: 1 });
    web.tell(Message::Containers);
    web.write_at_once(&five(200));
    let asked = until_it_is_over(&web);
    assert_eq!(count(&asked, "web-1: start"), 1, "{asked:?}");
    assert_eq!(count(&asked, "copy /app/200-0"), 1, "{asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_and_restart_wait_for_a_file_that_changed_while_it_was_copied() {
    let web = service(RUN_AND_RESTART, &[("web-1", State::Running)]).await;
    web.engine.break_off("/app/big");
    web.write("src/big", "half");
    assert!(matches!(web.outcome().done, Done::Waits(_)));
    assert_eq!(web.engine.asked(), ["web-1: copy /app/big"]);
    web.write("src/big", "whole");
    web.asks(&[
        "web-1: copy /app/big",
        "web-1: run /bin/sh -c make in /",
        "web-1: restart the process",
    ]);
    // One that is never left alone holds nothing back for long.
    let mut waited = 0;
    for text in ["1", "12", "123", "1234", "12345"] {
        web.engine.break_off("/app/log");
        web.write("src/log", text);
        waited += usize::from(matches!(web.outcome().done, Done::Waits(_)));
        let ran = count(&web.engine.asked(), "run /bin/sh -c make");
        assert_eq!(ran, usize::from(text.len() > 3), "{text}");
    }
    assert_eq!(waited, 3);
}

fn hold_git_s_lock(web: &Situation) {
    fs::create_dir_all(web.path(".git")).unwrap();
    fs::write(web.path(".git/index.lock"), "").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_git_holds_its_index_lock_nothing_is_restarted() {
    let web = service(RUN_AND_RESTART, &[("web-1", State::Running)]).await;
    hold_git_s_lock(&web);
    web.write("src/a", "1");
    let waits = update(&web);
    let later = Later::Steps {
        runs: 1,
        last: Some(LastStep::RestartProcess {
            signal: None,
            timeout: None,
        }),
        held: Held::Git,
    };
    assert_eq!(waits.later, Some(later));
    assert_eq!(web.engine.asked(), ["web-1: copy /app/a"]);
    fs::remove_file(web.path(".git/index.lock")).unwrap();
    web.asks(&[
        "web-1: run /bin/sh -c make in /",
        "web-1: restart the process",
    ]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_a_dead_git_left_holds_nothing_back_and_is_said() {
    let web = service(RUN_AND_RESTART, &[("web-1", State::Running)]).await;
    hold_git_s_lock(&web);
    fs::File::options()
        .write(true)
        .open(web.path(".git/index.lock"))
        .unwrap()
        .set_modified(SystemTime::now() - Duration::from_secs(3600))
        .unwrap();
    web.write("src/a", "1");
    web.notice("index.lock` is there");
    web.asks(&[
        "web-1: copy /app/a",
        "web-1: run /bin/sh -c make in /",
        "web-1: restart the process",
    ]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_waits_until_git_has_written_its_files() {
    let web = service(RUN_AND_RESTART, &[("web-1", State::Running)]).await;
    hold_git_s_lock(&web);
    web.write("lib/x", "1");
    web.notice("rebuilt when git has written its files: no sync covers");
    assert_eq!(web.engine.asked(), Vec::<String>::new());
    fs::remove_file(web.path(".git/index.lock")).unwrap();
    web.asks(&["build web", "recreate web"]);
}
