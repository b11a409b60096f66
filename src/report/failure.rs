//! What of an update failed, each a variant with its data; its words, and what to try, are here. Pure.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::compose::block::{Command, Step};
use crate::engine::EngineError;
use crate::harmless::value;
use crate::paths::ContainerPath;
use crate::plan::follow::Move;

/// All that failed, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Failures(pub Vec<Failure>);

/// One thing that failed.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// A path was not touched, for safety's sake.
    Closed {
        /// The container's short name.
        container: String,
        /// The path in it.
        path: ContainerPath,
        /// What it does, in the engine's words: `leads out of ..`.
        why: String,
    },
    /// Other paths of that container were not touched either.
    MoreClosed {
        /// The container's short name.
        container: String,
        /// How many.
        more: usize,
    },
    /// The engine said no, and a rebuild is no answer.
    Refused {
        /// The container's short name.
        container: String,
        /// In the engine's words.
        why: String,
    },
    /// It cannot be done, and could not after a rebuild.
    InVain {
        /// The container's short name.
        container: String,
        /// In the engine's words.
        why: String,
    },
    /// The engine does not answer, or a file could not be read on its way.
    TriedAgain {
        /// The container's short name.
        container: String,
        /// In the words of the engine or of the system.
        why: String,
    },
    /// A command did not end well.
    Run(RunFailed),
    /// The last step was not done.
    LastStep(EngineError),
    /// An image was not built, or its containers not made anew.
    Build {
        /// Why.
        error: EngineError,
        /// The containers of before run on.
        old_runs: bool,
    },
    /// A service could not follow another.
    Follow {
        /// The service.
        service: String,
        /// What it needed.
        needs: Move,
        /// Why not.
        error: EngineError,
    },
}

/// A command that did not end well.
#[derive(Clone, Debug, PartialEq)]
pub struct RunFailed {
    /// Its step.
    pub step: Step,
    /// The command.
    pub command: Command,
    /// The container's short name.
    pub container: String,
    /// How it ended.
    pub end: RunEnd,
}

/// How a command ended that did not end well.
#[derive(Clone, Debug, PartialEq)]
pub enum RunEnd {
    /// By itself, with this code.
    Exit(i64),
    /// By us, after this time.
    TimedOut(Duration),
    /// It was not run.
    NotRun(EngineError),
}

impl Failures {
    /// What to try first.
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        self.0.first()?.hint()
    }
}

impl fmt::Display for Failures {
    /// A line for each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, failure) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            failure.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed {
                container,
                path,
                why,
            } => write!(
                f,
                "{}: `{path}` was not touched: it {why}",
                value(container)
            ),
            Self::MoreClosed { container, more } => {
                write!(f, "{}: nor were {more} others", value(container))
            }
            Self::Refused { container, why }
            | Self::InVain { container, why }
            | Self::TriedAgain { container, why } => write!(f, "{}: {why}", value(container)),
            Self::Run(run) => run.fmt(f),
            Self::LastStep(error) => write!(f, "the last step failed: {error}"),
            Self::Build { error, .. } | Self::Follow { error, .. } => error.fmt(f),
        }
    }
}

impl Failure {
    /// What to try.
    fn hint(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self {
            Self::Closed { .. } => {
                "root's rights are not lent to whoever made that; take it away in the container, or rebuild the service, then save the file again"
            }
            Self::MoreClosed { .. } => return None,
            Self::Refused { .. } => {
                "a rebuild did not help, or cannot be done; it is tried again with the next change"
            }
            Self::InVain { .. } => {
                "a rebuild would not help; it is tried again with the next change"
            }
            Self::TriedAgain { .. } => "it is tried again as soon as the engine answers",
            Self::Run(run) => run.hint(),
            Self::LastStep(_) => "it is done again with the next update",
            Self::Build { error, old_runs } => after_a_build(error, *old_runs),
            Self::Follow { service, needs, .. } => {
                let how = match needs {
                    Move::Restarted => "restart",
                    Move::Recreated => "up -d",
                };
                return Some(format!("`docker compose {how} {service}` tries again").into());
            }
        }))
    }
}

impl fmt::Display for RunFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            step,
            command,
            container,
            end,
        } = self;
        write!(f, "{step} `{command}` in {} ", value(container))?;
        match end {
            RunEnd::Exit(127) => f.write_str("exited with code 127: no such program in the image"),
            RunEnd::Exit(126) => f.write_str("exited with code 126: it may not be executed"),
            RunEnd::Exit(code) => write!(f, "exited with code {code}"),
            RunEnd::TimedOut(time) => write!(
                f,
                "was ended after its timeout of {}",
                humantime::format_duration(*time)
            ),
            RunEnd::NotRun(error) => write!(f, "could not be run: {error}"),
        }
    }
}

impl RunFailed {
    fn hint(&self) -> &'static str {
        match &self.end {
            RunEnd::Exit(127) => {
                "install it in the image, or give its full path; a list is executed without a shell"
            }
            RunEnd::Exit(126) => "chmod +x it, or run it through its interpreter",
            RunEnd::Exit(_) => "its output is above; it is run again with the next update",
            RunEnd::TimedOut(_) => "give it a longer `timeout`, or find out what it waits for",
            RunEnd::NotRun(_) => "it is run again with the next update",
        }
    }
}

pub(super) const BUILDS_AGAIN: &str = "fix it and save: the next change builds again";

/// What helps after a build or a start that failed.
pub(super) fn after_a_build(error: &EngineError, old_runs: bool) -> &'static str {
    error.way_out().unwrap_or(match error {
        EngineError::Unreachable(_) => "it is tried again with the next change",
        _ if old_runs => {
            "the old container keeps running; fix it and save: the next change builds again"
        }
        _ => BUILDS_AGAIN,
    })
}
