//! Every error, and every remark whose words are made in another room.

use std::ffi::OsString;
use std::io;

use crate::cli::{self, Env, Parsed};
use crate::compose::block::Step;
use crate::compose::{LoadError, Location, Problem, Severity, Which};
use crate::dockerignore::DockerIgnore;
use crate::engine::{ContainerId, EngineError};
use crate::helper::{self, Code};
use crate::paths::HostPath;
use crate::watch::ignored::PatternList;
use crate::watch::walk::Unreadable;
use crate::watch::{BadIgnore, IgnoredBy, Notice, WatchError};

use super::{HOSTILE, assert_harmless, every, host, hostile, words};

fn broken() -> io::Error {
    io::Error::other(HOSTILE)
}

#[test]
fn no_error_of_the_engine_shows_anything_but_text() {
    let all = every(|last| {
        Some(match last {
            None => EngineError::Gone(ContainerId(hostile())),
            Some(EngineError::Gone(_)) => EngineError::NotRunning(ContainerId(hostile())),
            Some(EngineError::NotRunning(_)) => EngineError::Refused(words()),
            Some(EngineError::Refused(_)) => EngineError::InVain(words()),
            Some(EngineError::InVain(_)) => EngineError::Unreachable(words()),
            Some(EngineError::Unreachable(_)) => EngineError::Unreadable(host(), hostile()),
            Some(EngineError::Unreadable(..)) => return None,
        })
    });
    for error in all {
        assert_harmless(&format!("error: {error}"));
    }
}

#[test]
fn no_error_of_the_helper_shows_anything_but_text() {
    use helper::Error;
    let all = every(|last| {
        Some(match last {
            None => Error::Connection(broken()),
            Some(Error::Connection(_)) => Error::NotAHelper { text: hostile() },
            Some(Error::NotAHelper { .. }) => Error::Version { theirs: 1, ours: 2 },
            Some(Error::Version { .. }) => Error::Malformed,
            Some(Error::Malformed) => Error::Stuck { silent: true },
            Some(Error::Stuck { silent: true }) => Error::Stuck { silent: false },
            Some(Error::Stuck { .. }) => Error::OutOfStep,
            Some(Error::OutOfStep) => Error::Read {
                path: host().as_path().into(),
                source: broken(),
            },
            Some(Error::Read { .. }) => Error::Changed {
                path: host().as_path().into(),
            },
            Some(Error::Changed { .. }) => Error::Refused {
                code: Code::System,
                errno: 0,
                partly: false,
                path: HOSTILE.into(),
                text: hostile(),
            },
            Some(Error::Refused { path, .. }) if !path.is_empty() => Error::Refused {
                code: Code::System,
                errno: 0,
                partly: false,
                path: Vec::new(),
                text: hostile(),
            },
            Some(Error::Refused { .. }) => return None,
        })
    });
    for error in all {
        assert_harmless(&error.to_string());
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
    }
}

fn problem(step: Option<Which>, place: bool) -> Problem {
    Problem {
        severity: Severity::Error,
        service: Some(hostile()),
        step,
        message: hostile(),
        hint: Some(words()),
        location: place.then(|| Location {
            file: host(),
            shown: hostile(),
            line: 1,
            column: 3,
            text: hostile(),
        }),
    }
}

fn problems() -> Vec<Problem> {
    let steps = every(|last| {
        Some(match last {
            None => Which::Step(Step {
                number: 1,
                name: Some(hostile()),
                action: None,
            }),
            Some(Which::Step(_)) => Which::Named(hostile()),
            Some(Which::Named(_)) => Which::WatchRule(1),
            Some(Which::WatchRule(_)) => return None,
        })
    });
    let steps = steps.into_iter().map(Some).chain([None]);
    steps
        .flat_map(|step| [problem(step.clone(), true), problem(step, false)])
        .collect()
}

#[test]
fn no_problem_of_a_compose_file_shows_anything_but_text() {
    for problem in problems() {
        assert_harmless(&problem.render(false));
        assert_harmless(&problem.render(true));
    }
}

#[test]
fn no_error_of_loading_shows_anything_but_text() {
    let all = every(|last| {
        Some(match last {
            None => LoadError::Problems {
                problems: problems(),
                sources: vec![host()],
            },
            Some(LoadError::Problems { .. }) => LoadError::Compose {
                message: hostile(),
                hint: Some(hostile()),
                sources: vec![host()],
            },
            Some(LoadError::Compose { .. }) => LoadError::NoFile(host()),
            Some(LoadError::NoFile(_)) => LoadError::NotAFile(hostile()),
            Some(LoadError::NotAFile(_)) => LoadError::NoDocker {
                program: hostile(),
                reason: broken(),
            },
            Some(LoadError::NoDocker { .. }) => LoadError::NoComposePlugin(hostile()),
            Some(LoadError::NoComposePlugin(_)) => LoadError::ComposeFails(hostile()),
            Some(LoadError::ComposeFails(_)) => LoadError::ComposeTooOld { found: hostile() },
            Some(LoadError::ComposeTooOld { .. }) => return None,
        })
    });
    for error in all {
        assert_harmless(&error.to_string());
        assert_harmless(&error.render(true));
        assert_harmless(&error.hint().unwrap_or_default());
    }
}

#[test]
fn no_remark_of_the_watching_shows_anything_but_text() {
    let all = every(|last| {
        Some(match last {
            None => Notice::WatchLimit {
                limit: Some(1),
                polled: 1,
            },
            Some(Notice::WatchLimit { .. }) => Notice::InstanceLimit { limit: None },
            Some(Notice::InstanceLimit { .. }) => Notice::NoWatcher { why: hostile() },
            Some(Notice::NoWatcher { .. }) => Notice::NoEvents {
                path: host(),
                file_system: hostile(),
            },
            Some(Notice::NoEvents { .. }) => Notice::TwoNames {
                path: host(),
                other: host(),
            },
            Some(Notice::TwoNames { .. }) => Notice::Unreadable(Unreadable {
                path: host(),
                why: hostile(),
            }),
            Some(Notice::Unreadable(_)) => Notice::MissingRoot(host()),
            Some(Notice::MissingRoot(_)) => return None,
        })
    });
    for notice in all {
        assert_harmless(&notice.to_string());
    }
    let all = every(|last| {
        Some(match last {
            None => WatchError::Thread(broken()),
            Some(WatchError::Thread(_)) => WatchError::Stopped,
            Some(WatchError::Stopped) => return None,
        })
    });
    for error in all {
        assert_harmless(&format!("error: {error}"));
    }
}

#[test]
fn no_reason_to_ignore_a_file_shows_anything_but_text() {
    let all = every(|last| {
        Some(match last {
            None => IgnoredBy::IgnoreFile {
                file: host(),
                line: 1,
                pattern: hostile(),
            },
            Some(IgnoredBy::IgnoreFile { .. }) => IgnoredBy::BlockIgnore {
                service: hostile(),
                place: 1,
                pattern: hostile(),
            },
            Some(IgnoredBy::BlockIgnore { .. }) => IgnoredBy::Only { service: hostile() },
            Some(IgnoredBy::Only { .. }) => IgnoredBy::Git,
            Some(IgnoredBy::Git) => IgnoredBy::OwnOutput,
            Some(IgnoredBy::OwnOutput) => IgnoredBy::Editor { pattern: "*~" },
            Some(IgnoredBy::Editor { .. }) => return None,
        })
    });
    for why in all {
        assert_harmless(&format!("nothing: {why}"));
    }
}

#[test]
fn no_bad_pattern_shows_anything_but_text() {
    let patterns = [
        format!("{HOSTILE}["),
        format!("[[:{HOSTILE}:]]"),
        "[\u{202e}-\u{1b}]".to_owned(),
        format!("{HOSTILE}{{9999}}"),
    ];
    for pattern in &patterns {
        let bad = DockerIgnore::from_patterns([pattern.as_str()]).unwrap_err();
        let lists = every(|last| {
            Some(match last {
                None => PatternList::File(host()),
                Some(PatternList::File(_)) => PatternList::BlockIgnore(hostile()),
                Some(PatternList::BlockIgnore(_)) => PatternList::BlockOnly(hostile()),
                Some(PatternList::BlockOnly(_)) => return None,
            })
        });
        for list in lists {
            let bad = bad[0].clone();
            assert_harmless(&format!("error: {}", BadIgnore::Pattern { list, bad }));
        }
    }
}

#[test]
fn no_word_of_the_command_line_is_repeated_as_it_is() {
    for line in [
        vec![HOSTILE],
        vec!["liveupdate", HOSTILE],
        vec!["help", HOSTILE],
        vec!["up", &format!("--{HOSTILE}")],
        vec!["up", "--format", HOSTILE],
        vec!["up", "--scale", HOSTILE],
        vec!["down", "-t", HOSTILE],
        vec!["schema", HOSTILE],
        vec!["--ansi", HOSTILE, "up"],
        vec!["explain", HOSTILE],
    ] {
        let argv = std::iter::once("docker-liveupdate").chain(line.iter().copied());
        let Parsed::UsageError(text) = cli::parse(argv.map(OsString::from), &Env::default()) else {
            panic!("{line:?} was taken");
        };
        assert_harmless(&text.replacen("error: ", "", 1).replace("\nhint: `", ""));
        assert!(text.contains("PWNED"), "{text}");
    }
}

#[test]
fn a_service_that_there_is_not_is_named_harmlessly() {
    let project = crate::compose::Project {
        name: hostile(),
        dir: HostPath::new("/p").unwrap(),
        services: Vec::new(),
        sources: Vec::new(),
    };
    assert_harmless(&crate::session::no_such_service(&project, HOSTILE));
}
