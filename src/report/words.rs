//! What is said, word by word: whoever reads a session's output has these before them, people and programs alike.

use crate::compose::block::{Command, LastStep, Step};
use crate::engine::{EngineError, Via};
use crate::paths::{ContainerPath, HostPath};
use crate::plan::Because;
use crate::plan::follow::Move;
use crate::report::{
    Failure, HowToGoOn, LastDone, Later, Notice, Obstacle, Problem, Rest, RunEnd, RunFailed, Slow,
    StopRemedy, Unbrought, Waits,
};
use crate::watch::Held;

fn host() -> HostPath {
    HostPath::new("/p/a").unwrap()
}

fn there() -> ContainerPath {
    ContainerPath::new("/app/a").unwrap()
}

fn no() -> EngineError {
    EngineError::Refused("the engine said no".into())
}

fn web() -> String {
    "web-1".into()
}

#[track_caller]
fn said(all: &[(&dyn std::fmt::Display, &str)]) {
    for (what, words) in all {
        assert_eq!(what.to_string(), *words);
    }
}

#[test]
fn what_is_worth_knowing_of_a_service() {
    let names = || vec!["web".to_owned(), "api".to_owned()];
    let manual = Notice::ManualWithoutKeys {
        services: names(),
        how_to_apply: "`kill -USR1 7`".into(),
    };
    let unbrought = |more, why| Notice::Unbrought {
        first: host(),
        more,
        why,
    };
    let ignored = Notice::StopIgnored {
        signal: "SIGTERM".into(),
        remedy: StopRemedy::Init,
    };
    let ways = |via| Notice::Ways {
        containers: vec!["web-1".into(), "web-2".into()],
        via,
    };
    let stopped = Notice::LeftStopped {
        service: "web".into(),
        container: web(),
    };
    let waits = Notice::RebuildWaits {
        held: Held::Burst,
        because: Because::Asked,
    };
    said(&[
        (
            &manual,
            "`web`, `api` in `trigger_mode: manual`, and there is no terminal for the key `u`: apply what waits with `kill -USR1 7`",
        ),
        (
            &Notice::Recreating { edited: names() },
            "recreating: web, api were edited",
        ),
        (
            &unbrought(0, Unbrought::OnlyByABuild),
            "left out: `/p/a`; no sync covers it, and the service has only an `image:`",
        ),
        (
            &unbrought(2, Unbrought::Hidden { mount: there() }),
            "left out: `/p/a` and 2 more; another one is mounted at `/app/a`",
        ),
        (
            &ignored,
            "the process ignored SIGTERM until it was killed, which takes the whole grace period each time; set `init: true` or `stop_signal`, or use `restart_process`",
        ),
        (
            &ways(Via::Helper),
            "updates of web-1, web-2 go through the helper inside the container",
        ),
        (
            &ways(Via::EngineApi("it is off".into())),
            "updates of web-1, web-2 go through the plain Engine API: it is off; that way cannot rule out that a process in the container turns a path elsewhere in that very moment (SECURITY.md)",
        ),
        (
            &stopped,
            "web-1 was stopped by somebody: it gets its files and is left stopped until it is started (`docker compose start web`)",
        ),
        (
            &Notice::StaleGitLock(Some(host())),
            "`/p/a` is there, but nothing was written for a while: it is not waited for (remove it if no git is at work)",
        ),
        (
            &Notice::StepsWait(Held::Git),
            "what it asks for is done when git has written its files",
        ),
        (&waits, "rebuilt when the burst is over: asked for"),
    ]);
}

#[test]
fn what_is_worth_knowing() {
    said(&[
        (
            &Notice::Keys,
            "keys: r rebuild, u apply what waits, p pause, v verify, q quit, ? help",
        ),
        (&Notice::Paused, "paused: changes wait (p goes on)"),
        (&Notice::GoesOn, "going on"),
        (
            &Notice::Stopping,
            "stopping the containers (again: at once)",
        ),
        (
            &Notice::EngineIsBack,
            "the engine is back; looking at everything again",
        ),
        (
            &Notice::ConfigurationRead,
            "the configuration was read again",
        ),
        (
            &Notice::Slow(Slow::Files(web())),
            "web-1 has not taken its files yet; it is waited for a while",
        ),
        (
            &Notice::Slow(Slow::Restart(web())),
            "web-1 is not restarted yet; it is waited for a while",
        ),
        (
            &Notice::Slow(Slow::Helper(web())),
            "the helper in web-1 does not answer; it is waited for a while",
        ),
        (
            &Notice::Slow(Slow::Comparison(web())),
            "web-1 is still being compared with the disk",
        ),
        (
            &Notice::Drifted { paths: 1 },
            "1 path has drifted; repairing it",
        ),
        (
            &Notice::Drifted { paths: 2 },
            "2 paths have drifted; repairing them",
        ),
    ]);
}

#[test]
fn what_waits_and_what_was_done() {
    let resting = |rest| Waits::NotRunning {
        container: web(),
        rest,
    };
    let user = |changes, how| Waits::ForTheUser { changes, how };
    let later = |runs, last| Later::Steps {
        runs,
        last,
        held: Held::Start,
    };
    let hup = || LastStep::Signal { name: "HUP".into() };
    let container = || LastStep::RestartContainer { timeout: None };
    let process = || LastStep::RestartProcess {
        signal: None,
        timeout: None,
    };
    let done = |step, whole_container| LastDone {
        step,
        whole_container,
    };
    said(&[
        (
            &Waits::NoContainer,
            "no container; a new one gets all that changed",
        ),
        (
            &resting(Rest::Paused),
            "web-1 is paused; the rest follows when it goes on",
        ),
        (
            &resting(Rest::Stopped),
            "web-1 is stopped; the rest follows when it is started",
        ),
        (
            &resting(Rest::Ended),
            "web-1 ended again at once; the rest follows with the next change",
        ),
        (
            &resting(Rest::NeverStarted),
            "web-1 was never started; the rest follows when it is",
        ),
        (
            &Waits::Stopped(Because::Asked),
            "it is rebuilt when it is started: asked for",
        ),
        (
            &Waits::StillWritten(there()),
            "`/app/a` when it is written: it changed while it was copied",
        ),
        (
            &user(1, HowToGoOn::Resume),
            "1 change waits until `p` goes on",
        ),
        (
            &user(2, HowToGoOn::Apply("`u`".into())),
            "2 changes wait for `u`",
        ),
        (
            &later(1, None),
            "1 command when the last restart has had its time",
        ),
        (
            &later(2, Some(hup())),
            "2 commands and HUP when the last restart has had its time",
        ),
        (
            &later(0, Some(container())),
            "restart when the last restart has had its time",
        ),
        (&done(container(), true), "restarted"),
        (&done(process(), false), "restarted the process"),
        (
            &done(process(), true),
            "restarted the container (its process does not run under the helper)",
        ),
        (&done(hup(), false), "sent HUP"),
    ]);
}

#[test]
fn what_failed() {
    let container = web;
    let closed = Failure::Closed {
        container: container(),
        path: there(),
        why: "leads elsewhere".into(),
    };
    let more = Failure::MoreClosed {
        container: container(),
        more: 2,
    };
    let refused = Failure::Refused {
        container: container(),
        why: "no space".into(),
    };
    let run = |end| {
        Failure::Run(RunFailed {
            step: Step {
                number: 2,
                name: None,
                action: None,
            },
            command: Command::Shell("make".into()),
            container: container(),
            end,
        })
    };
    let follow = Failure::Follow {
        service: "web".into(),
        needs: Move::Restarted,
        error: no(),
    };
    said(&[
        (
            &closed,
            "web-1: `/app/a` was not touched: it leads elsewhere",
        ),
        (&more, "web-1: nor were 2 others"),
        (&refused, "web-1: no space"),
        (
            &Failure::LastStep(no()),
            "the last step failed: the engine said no",
        ),
        (&follow, "the engine said no"),
        (
            &run(RunEnd::Exit(1)),
            "step 2 `make` in web-1 exited with code 1",
        ),
        (
            &run(RunEnd::Exit(126)),
            "step 2 `make` in web-1 exited with code 126: it may not be executed",
        ),
        (
            &run(RunEnd::Exit(127)),
            "step 2 `make` in web-1 exited with code 127: no such program in the image",
        ),
        (
            &run(RunEnd::TimedOut(std::time::Duration::from_secs(90))),
            "step 2 `make` in web-1 was ended after its timeout of 1m 30s",
        ),
        (
            &run(RunEnd::NotRun(no())),
            "step 2 `make` in web-1 could not be run: the engine said no",
        ),
    ]);
}

#[test]
fn what_went_wrong_and_what_to_try() {
    let container = web;
    let misplaced = Problem::Misplaced {
        from: host(),
        to: there(),
        container: container(),
        obstacle: Obstacle::Directory,
    };
    let not_recreated = |old_runs| Problem::NotRecreated {
        error: no(),
        old_runs,
    };
    let by_force = Problem::EditNotStarted {
        error: no(),
        forced: vec!["web".into(), "api".into()],
    };
    let compared = Problem::NotCompared {
        container: container(),
        error: no(),
    };
    let away = Problem::EngineAway {
        why: "no such socket".into(),
    };
    let again = "fix it and save: the next change builds again";
    let all: [(Problem, &str, &str); 10] = [
        (
            Problem::WatchingStopped,
            "watching has stopped unexpectedly",
            "start `docker liveupdate up` again",
        ),
        (
            away,
            "the engine is away: no such socket",
            "changes are kept and applied when it is back",
        ),
        (
            Problem::OnlyAnImage(Because::Asked),
            "cannot rebuild (asked for): the service has only an `image:`",
            "give it a `build:`, or recreate it with `docker compose up`",
        ),
        (Problem::NotBuilt(no()), "the engine said no", again),
        (
            Problem::BaseNotBuilt {
                base: "base".into(),
            },
            "not built: it is built from the image of `base`, whose build failed",
            again,
        ),
        (not_recreated(false), "the engine said no", again),
        (
            not_recreated(true),
            "the engine said no",
            "the old container keeps running; fix it and save: the next change builds again",
        ),
        (
            by_force,
            "the engine said no",
            "`docker compose up -d --force-recreate web api` makes them anew",
        ),
        (
            compared,
            "web-1 could not be compared with the disk: the engine said no",
            "all synced files are brought to it again",
        ),
        (
            misplaced,
            "`/p/a` was not copied to `/app/a`: that is a directory in web-1",
            "a target names the file itself, not the directory it goes into; `docker liveupdate check` names targets that exclude each other",
        ),
    ];
    for (problem, words, hint) in &all {
        assert_eq!(problem.to_string(), *words);
        assert_eq!(problem.hint().as_deref(), Some(*hint));
    }
}
