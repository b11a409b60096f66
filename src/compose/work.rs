//! What is done in a container once its files are there: commands and the last steps, and what each kind of them is for those
//! who plan it, hold it back, tell of it and remember it. Whoever does that knows no kind. No files, no engine.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::harmless;
use crate::transfer::Exec;

use super::block::Step;
use super::rule::PathRule;

/// A step that is done in the container once its files are there.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// The step's place.
    pub step: Step,
    /// Only when a changed file matches one of these; empty means always.
    pub trigger: Vec<PathRule>,
    /// What is done.
    pub does: Does,
}

/// What a [`Work`] does.
#[derive(Clone, Debug, PartialEq)]
pub enum Does {
    /// `run`
    Run(Run),
    /// One of the steps that end a list: how the process gets to know of the change.
    Last(LastStep),
}

impl Work {
    /// Whether it is a last step.
    pub fn is_last(&self) -> bool {
        self.last().is_some()
    }

    /// The last step that it is, if it is one.
    pub fn last(&self) -> Option<&LastStep> {
        match &self.does {
            Does::Last(last) => Some(last),
            Does::Run(_) => None,
        }
    }

    /// What is done, in a word or as it was written: for programs. People are shown its Display, which is one line.
    pub fn text(&self) -> String {
        match &self.does {
            Does::Run(run) => run.command.text(),
            Does::Last(last) => last.to_string(),
        }
    }

    /// Whether a container that has just begun with its files needs it no more.
    pub fn is_done_by_a_start(&self) -> bool {
        self.is_last()
    }

    /// Whether the process begins anew by it, and takes its time for that.
    pub fn starts_anew(&self) -> bool {
        self.last().is_some_and(|last| last.nature().starts_anew)
    }

    /// Whether it needs a process that runs under the helper.
    pub fn is_of_process(&self) -> bool {
        self.last().is_some_and(|last| last.nature().of_process)
    }

    /// Whether it is the same, wherever it stands in the block (E7). A last step is owed, whichever it is now.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.is_last() && other.is_last())
            || (self.trigger == other.trigger && self.does == other.does)
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.does {
            Does::Run(run) => write!(f, "run {}", run.command),
            Does::Last(last) => last.fmt(f),
        }
    }
}

/// What a `run` executes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A string: `/bin/sh -c`.
    Shell(String),
    /// A list: executed as it is, for images without a shell.
    Argv(Vec<String>),
}

impl Command {
    /// What the engine is asked to execute.
    pub fn argv(&self) -> Vec<String> {
        match self {
            Self::Shell(text) => vec!["/bin/sh".into(), "-c".into(), text.clone()],
            Self::Argv(argv) => argv.clone(),
        }
    }

    /// The command as one text, as it was written: for programs. People are shown its Display, which is one line.
    pub fn text(&self) -> String {
        match self {
            Self::Shell(text) => text.clone(),
            Self::Argv(argv) => argv.join(" "),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&harmless::value(&self.text()))
    }
}

/// What a `run` step does (C7).
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// As it is written.
    pub command: Command,
    /// What the container is asked for. A relative working directory is one below the container's own.
    pub exec: Exec,
    /// What a failure asks for.
    pub on_failure: OnFailure,
}

impl Run {
    /// `command`, with what `exec` says of its surroundings.
    pub fn new(command: Command, exec: Exec, on_failure: OnFailure) -> Self {
        let argv = command.argv();
        Self {
            command,
            exec: Exec { argv, ..exec },
            on_failure,
        }
    }
}

/// What a failing `run` asks for (C7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// The service is marked failed, the run stays owed.
    #[default]
    Keep,
    /// The service is rebuilt.
    Rebuild,
}

/// The kinds of last step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastStep {
    /// `restart_container` (C9); the grace time overrides `stop_grace_period`.
    RestartContainer {
        /// How long the process has before it is killed.
        timeout: Option<Duration>,
    },
    /// `restart_process`: the process restarts without the container.
    RestartProcess {
        /// The signal in place of the service's `stop_signal`.
        signal: Option<String>,
        /// How long the process has before it is killed.
        timeout: Option<Duration>,
    },
    /// `signal`: sent to the container's main process.
    Signal {
        /// Without the `SIG` prefix, upper case.
        name: String,
    },
}

/// What a kind of last step is. Its words are harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nature<'a> {
    /// It is to be done.
    pub due: Cow<'a, str>,
    /// It waits, for the end of a burst.
    pub later: Cow<'a, str>,
    /// It was done.
    pub done: Cow<'a, str>,
    /// Whether the process begins anew by it.
    pub starts_anew: bool,
    /// Whether it needs a process that runs under the helper.
    pub of_process: bool,
}

impl LastStep {
    /// What this kind is.
    pub fn nature(&self) -> Nature<'_> {
        match self {
            Self::RestartContainer { .. } => Nature {
                due: "restart the container".into(),
                later: "restart".into(),
                done: "restarted".into(),
                starts_anew: true,
                of_process: false,
            },
            Self::RestartProcess { .. } => Nature {
                due: "restart the process".into(),
                later: "restart".into(),
                done: "restarted the process".into(),
                starts_anew: true,
                of_process: true,
            },
            Self::Signal { name } => {
                let name = harmless::value(name);
                Nature {
                    due: format!("send {name}").into(),
                    done: format!("sent {name}").into(),
                    later: name,
                    starts_anew: false,
                    of_process: false,
                }
            }
        }
    }
}

impl fmt::Display for LastStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.nature().due)
    }
}
