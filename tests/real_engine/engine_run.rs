//! Commands and their ends (C7; engine traps 9 and 10).

use std::time::Duration;

use docker_liveupdate::engine::{Ended, Engine, Exec};

use crate::fixture::{Project, WAITS};

fn exec(argv: &[&str]) -> Exec {
    Exec {
        argv: argv.iter().map(ToString::to_string).collect(),
        ..Exec::default()
    }
}

/// `sh -c` of the script, with a timeout.
fn timed(script: &str, timeout: Duration) -> Exec {
    Exec {
        timeout: Some(timeout),
        ..exec(&["sh", "-c", script])
    }
}

const SHORT: Duration = Duration::from_secs(6);

/// Every process whose command line tells that it is the test's.
const SLEEPERS: &str = "ps -o args | grep 'sleep 98[7]' | sort";

#[tokio::test]
async fn a_missing_program_is_exit_code_127_with_the_engines_words() {
    let project = Project::connect().await;
    let web = project.run(&[], WAITS).await;
    let mut said = Vec::new();
    let ended = project
        .engine
        .run(&web, &exec(&["/no/such"]), &mut |_, bytes| {
            said.extend_from_slice(bytes);
        })
        .await
        .unwrap();
    assert_eq!(ended, Ended::Exit(127));
    assert!(String::from_utf8_lossy(&said).contains("no such file"));
}

#[tokio::test]
async fn a_run_of_a_list_needs_no_shell_and_nothing_is_expanded() {
    let project = Project::connect().await;
    let web = project.run(&["-w", "/etc"], WAITS).await;
    let mut said = Vec::new();
    let run = Exec {
        workdir: "/bin".to_owned(),
        user: Some("1:2".to_owned()),
        ..exec(&["printf", "%s|", "a b", "$HOME", "*"])
    };
    project
        .engine
        .run(&web, &run, &mut |_, bytes| said.extend_from_slice(bytes))
        .await
        .unwrap();
    assert_eq!(said, b"a b|$HOME|*|");
}

#[tokio::test]
async fn a_timeout_ends_the_whole_process_tree() {
    let project = Project::connect().await;
    let web = project.run(&[], &["sleep", "3600"]).await;
    // A child, a grandchild that changed its session, one that ignores TERM, and one without our environment.
    let script = "sleep 9871 & (setsid sleep 9872 &) ; (trap '' TERM; while :; do sleep 9873; done) & env -i sleep 9874 & echo up; sleep 9875";
    let mut said = Vec::new();
    let ended = project
        .engine
        .run(&web, &timed(script, SHORT), &mut |_, bytes| {
            said.extend_from_slice(bytes);
        })
        .await
        .unwrap();
    assert_eq!((ended, said.as_slice()), (Ended::TimedOut, &b"up\n"[..]));
    assert_eq!(
        project
            .sh(
                &web,
                &format!("{SLEEPERS}; ps -o args | grep -c 'sleep 360[0]'")
            )
            .await,
        "1"
    );
}

#[tokio::test]
async fn a_timeout_touches_no_other_command() {
    let project = Project::connect().await;
    let web = project.run(&[], WAITS).await;
    let (other, engine) = (web.clone(), project.engine.clone());
    let long = tokio::spawn(async move {
        engine
            .run(
                &other,
                &timed("sleep 6; echo done", Duration::from_secs(60)),
                &mut |_, _| {},
            )
            .await
    });
    let ended = project
        .engine
        .run(&web, &timed("sleep 9876", SHORT), &mut |_, _| {})
        .await
        .unwrap();
    assert_eq!(ended, Ended::TimedOut);
    assert_eq!(long.await.unwrap().unwrap(), Ended::Exit(0));
}

#[tokio::test]
async fn a_command_that_ends_in_time_is_left_in_peace() {
    let project = Project::connect().await;
    let web = project.run(&[], WAITS).await;
    // It closes its streams long before it ends, and leaves a child behind.
    let script = "sleep 9877 >/dev/null 2>&1 & exec >&- 2>&-; sleep 1; exit 4";
    let ended = project
        .engine
        .run(
            &web,
            &timed(script, Duration::from_secs(60)),
            &mut |_, _| {},
        )
        .await
        .unwrap();
    assert_eq!(ended, Ended::Exit(4));
    assert_eq!(project.sh(&web, SLEEPERS).await, "sleep 9877");
}

#[tokio::test]
async fn a_timeout_in_an_image_without_a_shell_says_that_it_could_not_kill() {
    let project = Project::connect().await;
    let web = project.run(&[], &["sleep", "3600"]).await;
    project.sh(&web, "rm /bin/sh").await;
    let run = Exec {
        timeout: Some(SHORT),
        ..exec(&["sleep", "9878"])
    };
    let error = project
        .engine
        .run(&web, &run, &mut |_, _| {})
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("did not end within 6s") && error.contains("hint: "),
        "{error}"
    );
}

#[tokio::test]
async fn a_command_in_a_container_that_dies_ends_too() {
    let project = Project::connect().await;
    let web = project.run(&[], WAITS).await;
    let mut asked = false;
    let id = web.id.0.clone();
    let ended = project
        .engine
        .run(
            &web,
            &timed("echo up; sleep 9879", Duration::from_secs(60)),
            &mut |_, _| {
                if !std::mem::replace(&mut asked, true) {
                    crate::fixture::docker(&["kill", &id]);
                }
            },
        )
        .await
        .unwrap();
    assert_eq!(ended, Ended::Exit(137));
}

#[tokio::test]
async fn a_signal_reaches_the_main_process() {
    let project = Project::connect().await;
    let web = project
        .run_script(
            &[],
            "trap 'echo HUP >> /heard' HUP; touch /ready; while :; do sleep 3600 & wait $!; done",
        )
        .await;
    project
        .sh(&web, "until [ -e /ready ]; do sleep 0.05; done")
        .await;
    project.engine.signal(&web, "HUP").await.unwrap();
    assert_eq!(
        project
            .sh(&web, "until [ -e /heard ]; do sleep 0.05; done; cat /heard")
            .await,
        "HUP"
    );
}
