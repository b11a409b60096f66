//! What waits, for what, and what was done in the end, in the words of an outcome. Pure.

use std::fmt;
use std::sync::Arc;

use crate::compose::block::LastStep;
use crate::harmless::value;
use crate::paths::ContainerPath;
use crate::plan::{Because, DueStep};
use crate::watch::Held;

use super::shown::count;

/// Why nothing of an update could be done yet.
#[derive(Clone, Debug, PartialEq)]
pub enum Waits {
    /// There is no container.
    NoContainer,
    /// A container does not run.
    NotRunning {
        /// Its short name.
        container: String,
        /// What it does instead.
        rest: Rest,
    },
    /// Its owner has stopped the service: it is built when he starts it.
    Stopped(Because),
    /// The only file of the update changed while it was copied.
    StillWritten(ContainerPath),
    /// The user applies changes himself.
    ForTheUser {
        /// How many paths wait.
        changes: usize,
        /// What he does.
        how: HowToGoOn,
    },
}

/// What a container that does not run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Paused.
    Paused,
    /// Stopped by somebody.
    Stopped,
    /// It was started, and has ended again at once.
    Ended,
    /// Made, never started.
    NeverStarted,
}

/// What the user does to have changes applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HowToGoOn {
    /// Ends the pause.
    Resume,
    /// What is typed in manual mode: `u`.
    Apply(Arc<str>),
}

/// What of an update was put off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Later {
    /// Commands and the last step.
    Steps {
        /// How many commands.
        runs: usize,
        /// The last step.
        last: Option<LastStep>,
        /// For the end of this.
        held: Held,
    },
    /// A file that changed while it was copied.
    StillWritten(ContainerPath),
}

impl Later {
    /// What of these steps is put off; `None` where there are none.
    pub fn steps(steps: &[DueStep], held: Held) -> Option<Self> {
        let last = steps.iter().find_map(|due| due.work.last());
        (!steps.is_empty()).then(|| Self::Steps {
            runs: steps.iter().filter(|due| !due.work.is_last()).count(),
            last: last.cloned(),
            held,
        })
    }
}

/// A last step that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastDone {
    /// Which.
    pub step: LastStep,
    /// The container was restarted with it, whatever the step says: its process does not run under the helper.
    pub whole_container: bool,
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoContainer => f.write_str("no container; a new one gets all that changed"),
            Self::NotRunning { container, rest } => {
                write!(f, "{} {rest}", value(container))
            }
            Self::Stopped(because) => {
                write!(f, "it is rebuilt when it is started: {because}")
            }
            Self::StillWritten(path) => still_written(f, path),
            Self::ForTheUser { changes, how } => {
                if *changes == 1 {
                    f.write_str("1 change waits")?;
                } else {
                    write!(f, "{changes} changes wait")?;
                }
                match how {
                    HowToGoOn::Resume => f.write_str(" until `p` goes on"),
                    HowToGoOn::Apply(how) => write!(f, " for {how}"),
                }
            }
        }
    }
}

impl fmt::Display for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Paused => "is paused; the rest follows when it goes on",
            Self::Stopped => "is stopped; the rest follows when it is started",
            Self::Ended => "ended again at once; the rest follows with the next change",
            Self::NeverStarted => "was never started; the rest follows when it is",
        })
    }
}

impl fmt::Display for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps { runs, last, held } => {
                let runs = (*runs > 0).then(|| count(*runs, "command", "commands"));
                let last = last.as_ref().map(|last| last.nature().later.into_owned());
                let what: Vec<String> = runs.into_iter().chain(last).collect();
                write!(f, "{} {}", what.join(" and "), when(*held))
            }
            Self::StillWritten(path) => still_written(f, path),
        }
    }
}

impl fmt::Display for LastDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nature = self.step.nature();
        if nature.of_process && self.whole_container {
            f.write_str("restarted the container (its process does not run under the helper)")
        } else {
            f.write_str(&nature.done)
        }
    }
}

fn still_written(f: &mut fmt::Formatter<'_>, path: &ContainerPath) -> fmt::Result {
    write!(
        f,
        "`{path}` when it is written: it changed while it was copied"
    )
}

/// What is waited for.
pub(super) fn when(held: Held) -> &'static str {
    match held {
        Held::Burst => "when the burst is over",
        Held::Git => "when git has written its files",
        Held::Start => "when the last restart has had its time",
    }
}

/// What was waited for is no more.
pub(super) fn is_over(held: Held) -> &'static str {
    match held {
        Held::Burst => "the burst is over",
        Held::Git => "git has written its files",
        Held::Start => "the last restart has had its time",
    }
}
