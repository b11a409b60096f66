//! Every event of a session, as lines for people and for programs.

use std::time::{Duration, SystemTime};

use crate::compose::PathRule;
use crate::compose::block::{Command, Does, LastStep, OnFailure, Run, Step, Work};
use crate::engine::{Stream, Via};
use crate::plan::follow::Move;
use crate::plan::{
    Because, Copy, DueBecause, DueStep, Idle, LeftOut, LiveUpdate, Plan, Remove, Why,
};
use crate::report::text::Text;
use crate::report::{
    After, Done, Ended, Event, Exit, Followed, Outcome, StartedService, Took, Updated, json,
};
use crate::transfer::Exec;
use crate::watch::{Entry, Held, Inode, Kind};

use super::said::{failures, last_done, notices, problems, waits};
use super::{HOSTILE, assert_harmless, every, host, hostile, there, words};

pub(super) fn step() -> Step {
    Step {
        number: 1,
        name: Some(hostile()),
        action: None,
    }
}

fn whys() -> Vec<Why> {
    every(|last| {
        Some(match last {
            None => Why::Unmatched,
            Some(Why::Unmatched) => Why::SyncIgnores {
                step: step(),
                pattern: hostile(),
            },
            Some(Why::SyncIgnores { .. }) => Why::TakenBy {
                step: step(),
                to: there(),
            },
            Some(Why::TakenBy { .. }) => Why::Configuration,
            Some(Why::Configuration) => Why::Special,
            Some(Why::Special) => Why::Unreadable(hostile()),
            Some(Why::Unreadable(_)) => return None,
        })
    })
}

pub(super) fn left_out() -> Vec<LeftOut> {
    let whys = whys().into_iter();
    whys.map(|why| LeftOut { path: host(), why }).collect()
}

pub(super) fn becauses() -> Vec<Because> {
    every(|last| {
        Some(match last {
            None => Because::FallBackOn {
                path: host(),
                rule: hostile(),
                step: step(),
            },
            Some(Because::FallBackOn { .. }) => Because::BuildFile { path: host() },
            Some(Because::BuildFile { .. }) => Because::NoSyncCovers { path: host() },
            Some(Because::NoSyncCovers { .. }) => Because::Refused(words()),
            Some(Because::Refused(_)) => Because::RunFailed { step: step() },
            Some(Because::RunFailed { .. }) => Because::Asked,
            Some(Because::Asked) => Because::BuildOwed,
            Some(Because::BuildOwed) => Because::Configuration,
            Some(Because::Configuration) => return None,
        })
    })
}

fn due_becauses() -> Vec<DueBecause> {
    every(|last| {
        Some(match last {
            None => DueBecause::Always,
            Some(DueBecause::Always) => DueBecause::Trigger {
                path: host(),
                rule: hostile(),
            },
            Some(DueBecause::Trigger { .. }) => DueBecause::Owed,
            Some(DueBecause::Owed) => return None,
        })
    })
}

fn commands() -> Vec<Command> {
    every(|last| {
        Some(match last {
            None => Command::Shell(hostile()),
            Some(Command::Shell(_)) => Command::Argv(vec![hostile(), hostile()]),
            Some(Command::Argv(_)) => return None,
        })
    })
}

pub(super) fn last_steps() -> Vec<LastStep> {
    every(|last| {
        Some(match last {
            None => LastStep::RestartContainer { timeout: None },
            Some(LastStep::RestartContainer { .. }) => LastStep::RestartProcess {
                signal: Some(hostile()),
                timeout: None,
            },
            Some(LastStep::RestartProcess { .. }) => LastStep::Signal { name: hostile() },
            Some(LastStep::Signal { .. }) => return None,
        })
    })
}

fn updates() -> Vec<LiveUpdate> {
    let trigger = || vec![PathRule::within(&host())];
    let runs: Vec<DueStep> = commands()
        .into_iter()
        .zip(due_becauses().into_iter().cycle())
        .chain(commands().into_iter().zip(due_becauses().into_iter().rev()))
        .map(|(command, because)| DueStep {
            index: 0,
            work: Work {
                step: step(),
                trigger: trigger(),
                does: Does::Run(Run::new(command, Exec::default(), OnFailure::Keep)),
            },
            because,
        })
        .collect();
    let update = |last| LiveUpdate {
        copies: vec![Copy {
            from: host(),
            depth: 1,
            to: there(),
            entry: Entry {
                kind: Kind::Directory,
                mode: 0o755,
                modified: SystemTime::UNIX_EPOCH,
                inode: Inode::default(),
            },
            step: step(),
            in_place: false,
        }],
        removes: vec![Remove {
            path: host(),
            to: there(),
            step: step(),
        }],
        steps: runs
            .iter()
            .cloned()
            .chain([DueStep {
                index: 1,
                work: Work {
                    step: step(),
                    trigger: trigger(),
                    does: Does::Last(last),
                },
                because: DueBecause::Always,
            }])
            .collect(),
        noticed: vec![host()],
        left_out: left_out(),
    };
    last_steps().into_iter().map(update).collect()
}

fn plans() -> Vec<Plan> {
    let idle = [Idle::NothingChanged]
        .into_iter()
        .chain(left_out().into_iter().map(Idle::LeftOut));
    let plans = idle
        .map(Plan::Nothing)
        .chain(updates().into_iter().map(Plan::LiveUpdate));
    plans
        .chain(becauses().into_iter().map(Plan::Rebuild))
        .inspect(|plan| match plan {
            Plan::Nothing(Idle::NothingChanged | Idle::LeftOut(_))
            | Plan::LiveUpdate(_)
            | Plan::Rebuild(_) => {}
        })
        .collect()
}

fn updated(copied: usize, live: usize, removed: usize, to: bool) -> Done {
    let (restarted, later) = last_done(copied + 2 * live + 3 * removed);
    Done::Updated(Updated {
        first: Some((host(), to.then(there))),
        copied,
        live,
        removed,
        ran: 1,
        restarted: Some(restarted),
        later: Some(later),
        after: Some(Held::Start),
        revived: 1,
        catching_up: true,
    })
}

fn dones() -> Vec<Done> {
    let mut dones = vec![
        Done::Same,
        Done::Verified,
        updated(1, 0, 0, true),
        updated(0, 1, 0, true),
        updated(0, 0, 1, false),
        updated(2, 0, 0, true),
        updated(0, 0, 0, false),
    ];
    dones.extend(waits().into_iter().map(Done::Waits));
    dones.extend(becauses().into_iter().map(Done::Rebuilt));
    dones.extend(becauses().into_iter().map(Done::BuiltTheSame));
    dones.extend([Move::Restarted, Move::Recreated].map(|how| {
        Done::Followed(Followed {
            of: hostile(),
            was: how,
            how,
            tie: hostile(),
        })
    }));
    for done in &dones {
        match done {
            Done::Same
            | Done::Verified
            | Done::Updated(_)
            | Done::Rebuilt(_)
            | Done::BuiltTheSame(_)
            | Done::Followed(_)
            | Done::Waits(_) => {}
        }
    }
    dones
}

fn outcomes() -> Vec<Outcome> {
    let failed = failures().into_iter().map(Ended::Failed);
    let results: Vec<Ended> = [Ended::Well].into_iter().chain(failed).collect();
    let vias = every(|last| {
        Some(match last {
            None => Via::Helper,
            Some(Via::Helper) => Via::EngineApi(words()),
            Some(Via::EngineApi(_)) => return None,
        })
    });
    let outcome = |done: &Done, result: &Ended, via: &Via| Outcome {
        service: hostile(),
        done: done.clone(),
        containers: vec![hostile()],
        via: Some(via.clone()),
        result: result.clone(),
        took: Took {
            wait: Duration::ZERO,
            copy: None,
            run: None,
            restart: None,
            build: None,
            start: None,
            total: Duration::ZERO,
        },
    };
    let mut outcomes = Vec::new();
    for done in &dones() {
        for result in &results {
            outcomes.extend(vias.iter().map(|via| outcome(done, result, via)));
        }
    }
    outcomes
}

fn exits() -> Vec<Exit> {
    let exit = |code, after| Exit {
        service: hostile(),
        container: hostile(),
        code,
        out_of_memory: true,
        requested: code == 0,
        waits: code == 1,
        after,
    };
    let followed = dones().into_iter().map(|done| After {
        done,
        time: Duration::ZERO,
    });
    let followed = followed.map(|after| exit(1, Some(after)));
    followed.chain([exit(0, None), exit(137, None)]).collect()
}

/// All events of one kind; a container's own output is excepted, since it is shown as it is.
fn next(last: Option<&Event>) -> Option<Vec<Event>> {
    Some(match last {
        None => vec![Event::Started {
            project: hostile(),
            services: vec![
                StartedService {
                    name: hostile(),
                    containers: 1,
                    addresses: vec![hostile()],
                },
                StartedService {
                    name: hostile(),
                    containers: 0,
                    addresses: Vec::new(),
                },
            ],
            directories: 1,
        }],
        Some(Event::Started { .. }) => notices()
            .into_iter()
            .map(|notice| Event::Notice {
                service: Some(hostile()),
                notice,
            })
            .collect(),
        Some(Event::Notice { .. }) => vec![Event::Change {
            service: hostile(),
            paths: vec![host()],
        }],
        Some(Event::Change { .. }) => plans()
            .into_iter()
            .map(|plan| Event::Plan {
                service: hostile(),
                plan,
            })
            .collect(),
        Some(Event::Plan { .. }) => becauses()
            .into_iter()
            .map(|because| Event::Rebuild {
                service: hostile(),
                because,
                builds: vec![hostile(), hostile()],
            })
            .collect(),
        Some(Event::Rebuild { .. }) => vec![Event::Step {
            container: hostile(),
            command: hostile(),
            stream: Stream::Out,
            text: "its own".into(),
        }],
        Some(Event::Step { .. }) => vec![Event::Build {
            service: Some(hostile()),
            text: "its own".into(),
        }],
        Some(Event::Build { .. }) => outcomes().into_iter().map(Event::Outcome).collect(),
        Some(Event::Outcome(_)) => exits().into_iter().map(Event::Exit).collect(),
        Some(Event::Exit(_)) => problems()
            .into_iter()
            .map(|problem| Event::Problem {
                service: Some(hostile()),
                problem,
            })
            .collect(),
        Some(Event::Problem { .. }) => vec![Event::Log {
            container: hostile(),
            stream: Stream::Err,
            text: "its own".into(),
        }],
        Some(Event::Log { .. }) => return None,
    })
}

fn events() -> Vec<Event> {
    let mut all: Vec<Event> = Vec::new();
    while let Some(more) = next(all.last()) {
        all.extend(more);
    }
    all
}

#[test]
fn no_event_shows_people_anything_but_text() {
    let mut text = Text::default();
    for event in events() {
        assert_harmless(&text.lines(&event));
    }
}

#[test]
fn no_plan_shows_people_anything_but_text() {
    for plan in plans() {
        assert_harmless(&plan.to_string());
    }
}

#[test]
fn programs_get_every_event_on_one_line_with_the_values_as_they_are() {
    for event in events() {
        let line = json::line(&event, SystemTime::UNIX_EPOCH);
        assert_harmless(&line);
        assert_eq!(line.lines().count(), 1, "{line}");
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        let name = ["service", "container", "project"].map(|key| object[key].as_str());
        assert!(name.contains(&Some(HOSTILE)), "{line}");
        if let Event::Change { .. } = event {
            assert_eq!(object["paths"][0], host().verbatim().as_ref());
        }
        for copy in object["copy"].as_array().into_iter().flatten() {
            assert_eq!(copy["from"], host().verbatim().as_ref());
            assert_eq!(copy["to"], there().verbatim().as_ref());
        }
    }
}
