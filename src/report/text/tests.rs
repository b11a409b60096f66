//! Events, and the lines that people see.

use super::*;
use crate::compose::block::{Command, LastStep, Step};
use crate::paths::{ContainerPath, HostPath};
use crate::plan::Because;
use crate::plan::follow::Move;
use crate::report::{Failure, Failures, LastDone, Later, RunEnd, RunFailed};
use crate::watch::Held;

const RESTART: LastStep = LastStep::RestartContainer { timeout: None };

fn restarted() -> LastDone {
    LastDone {
        step: RESTART,
        whole_container: true,
    }
}

fn plain(event: &Event) -> String {
    let colored = Text::default().lines(event);
    anstream::adapter::strip_str(&colored).to_string()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn a_line_says_what_waits_and_later_that_it_need_not_any_more() {
    let said = |updated: Updated| {
        plain(&Event::Outcome(Outcome {
            service: "web".into(),
            done: Done::Updated(updated),
            containers: vec!["web-1".into()],
            ..Outcome::default()
        }))
    };
    let copied = Updated {
        first: Some((HostPath::new("/p/a").unwrap(), None)),
        copied: 120,
        later: Some(Later::Steps {
            runs: 0,
            last: Some(RESTART),
            held: Held::Burst,
        }),
        ..Updated::default()
    };
    assert_eq!(
        said(copied),
        "web  copied 120 files in web-1, restart when the burst is over (0.0 ms: wait 0.0)\n"
    );
    let restarted = Updated {
        restarted: Some(restarted()),
        after: Some(Held::Burst),
        ..Updated::default()
    };
    assert_eq!(
        said(restarted),
        "web  restarted in web-1: the burst is over (0.0 ms: wait 0.0)\n"
    );
}

#[test]
fn one_line_says_the_file_the_containers_what_was_done_and_how_long_each_part_took() {
    let outcome = Outcome {
        service: "web".into(),
        done: Done::Updated(Updated {
            first: Some((
                HostPath::new("/p/src/app.py").unwrap(),
                ContainerPath::new("/app/app.py"),
            )),
            copied: 1,
            ran: 1,
            restarted: Some(restarted()),
            ..Updated::default()
        }),
        containers: vec!["web-1".into(), "web-2".into()],
        took: Took {
            wait: ms(6),
            copy: Some(ms(4)),
            run: Some(ms(12)),
            restart: Some(ms(9)),
            total: ms(31),
            ..Took::default()
        },
        ..Outcome::default()
    };
    assert_eq!(
        plain(&Event::Outcome(outcome)),
        "web  /p/src/app.py -> /app/app.py in 2 containers, ran 1 command, restarted \
         (31 ms: wait 6.0, copy 4.0, run 12, restart 9.0)\n"
    );
}

#[test]
fn what_is_watched_is_counted_where_there_is_something_to_count() {
    let ready = |directories| {
        plain(&Event::Started {
            project: "shop".into(),
            services: Vec::new(),
            directories,
        })
    };
    assert!(ready(0).starts_with("ready  shop: watching single files for"));
    assert!(ready(1).starts_with("ready  shop: watching 1 directory for"));
}

#[test]
fn a_rebuild_says_why() {
    let because = Because::NoSyncCovers {
        path: HostPath::new("/p/go.mod").unwrap(),
    };
    let rebuild = |builds: &[&str]| Event::Rebuild {
        service: "web".into(),
        because: because.clone(),
        builds: builds.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(
        plain(&rebuild(&["web"])),
        "web  rebuilding: no sync covers /p/go.mod\n"
    );
    assert_eq!(
        plain(&rebuild(&["base", "web"])),
        "web  rebuilding (base, then web): no sync covers /p/go.mod\n"
    );
}

#[test]
fn whoever_follows_says_whom_and_why() {
    let outcome = Outcome {
        service: "proxy".into(),
        done: Done::Followed(Followed {
            of: "db".into(),
            was: Move::Recreated,
            how: Move::Restarted,
            tie: "links: db".into(),
        }),
        took: Took {
            restart: Some(ms(210)),
            total: ms(210),
            ..Took::default()
        },
        ..Outcome::default()
    };
    assert_eq!(
        plain(&Event::Outcome(outcome)),
        "proxy  restarted: db was recreated (`links: db`) (210 ms: wait 0.0, restart 210)\n"
    );
}

#[test]
fn a_failure_shows_what_failed_and_a_hint() {
    let outcome = Outcome {
        service: "web".into(),
        done: Done::Updated(Updated::default()),
        result: Ended::Failed(Failures(vec![Failure::Run(RunFailed {
            step: Step {
                number: 3,
                name: None,
                action: None,
            },
            command: Command::Shell("npm install".into()),
            container: "web-1".into(),
            end: RunEnd::Exit(1),
        })])),
        took: Took {
            total: ms(5),
            wait: ms(1),
            ..Took::default()
        },
        ..Outcome::default()
    };
    assert_eq!(
        plain(&Event::Outcome(outcome)),
        "web  failed (5.0 ms: wait 1.0)\nweb  step 3 `npm install` in web-1 exited with code 1\n\
         hint: its output is above; it is run again with the next update\n"
    );
}

#[test]
fn log_lines_carry_their_container_as_compose_shows_it() {
    let event = Event::Log {
        container: "web-1".into(),
        stream: Stream::Out,
        text: "hello".into(),
    };
    assert_eq!(plain(&event), "web-1  | hello\n");
}
