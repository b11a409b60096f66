//! Why a project cannot be loaded, with what to do about it. Loads nothing.

use std::borrow::Cow;

use crate::compose::problem::{Problem, Severity};
use crate::harmless;
use crate::paths::HostPath;

use super::words::OLDEST;

/// Why there is no project.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The configuration is wrong: all problems, warnings among them, in reading order.
    #[error("{}", render(.problems))]
    Problems {
        /// At least one of them is an error.
        problems: Vec<Problem>,
        /// The files that were read or looked for: a change of one of them may fix it (E7).
        sources: Vec<HostPath>,
    },
    /// Compose itself refused the files.
    #[error("{}", harmless::quoted(.message))]
    Compose {
        /// Compose's message, in our form.
        message: String,
        /// What to try, when we know more than Compose.
        hint: Option<String>,
        /// The files that were read or looked for: a change of one of them may fix it (E7).
        sources: Vec<HostPath>,
    },
    /// No compose file in this directory or any above it.
    #[error("no compose file in `{0}` or any directory above it")]
    NoFile(HostPath),
    /// The compose file comes from standard input or an address, and cannot be read a second time.
    #[error("`-f {}` cannot be read again when it changes", harmless::value(.0))]
    NotAFile(String),
    /// `docker` itself cannot be run.
    #[error("`{}` cannot be run: {}", harmless::value(.program), harmless::value(&.reason.to_string()))]
    NoDocker {
        /// The program that was called, as configured.
        program: String,
        /// The system's error.
        reason: std::io::Error,
    },
    /// The CLI has no Compose plugin; its message.
    #[error("docker has no Compose plugin: {}", harmless::value(.0))]
    NoComposePlugin(String),
    /// The Compose plugin is installed but fails; its message.
    #[error("`docker compose version` fails: {}", harmless::value(.0))]
    ComposeFails(String),
    /// The Compose plugin is too old.
    #[error("Docker Compose {} is too old: version {}.{} or later is needed", harmless::value(.found), OLDEST.0, OLDEST.1)]
    ComposeTooOld {
        /// The version it reports.
        found: String,
    },
}

impl LoadError {
    /// What to do about it; `None` for problems, which carry their own hints.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Problems { .. } => None,
            Self::Compose { hint, .. } => {
                let hint = hint.as_deref().map(harmless::value);
                hint.map(Cow::into_owned)
            }
            Self::NoFile(_) => {
                Some("go to a project's directory, or name its file with `-f`".into())
            }
            Self::NotAFile(_) => Some("write it to a file and name that with `-f`".into()),
            Self::NoDocker { .. } => {
                Some("install Docker's command line and put it on `PATH`".into())
            }
            Self::NoComposePlugin(_) => {
                Some("install it: https://docs.docker.com/compose/install/".into())
            }
            Self::ComposeFails(_) => {
                Some("put the plugin right, or install it again: https://docs.docker.com/compose/install/".into())
            }
            Self::ComposeTooOld { .. } => {
                Some("update it: https://docs.docker.com/compose/install/".into())
            }
        }
    }

    /// The files whose change may fix it (E7); empty when no file can.
    pub fn sources(&self) -> &[HostPath] {
        match self {
            Self::Problems { sources, .. } | Self::Compose { sources, .. } => sources,
            _ => &[],
        }
    }

    /// The error as a list of problems.
    pub fn problems(&self) -> Cow<'_, [Problem]> {
        match self {
            Self::Problems { problems, .. } => Cow::Borrowed(problems),
            other => Cow::Owned(vec![Problem {
                severity: Severity::Error,
                service: None,
                step: None,
                message: match other {
                    // `Problem` quotes its message itself.
                    Self::Compose { message, .. } => message.clone(),
                    other => other.to_string(),
                },
                hint: other.hint(),
                location: None,
            }]),
        }
    }

    /// The error as a user sees it, with hints, without a trailing newline.
    pub fn render(&self, color: bool) -> String {
        let problems = self.problems();
        let problems: Vec<String> = problems.iter().map(|one| one.render(color)).collect();
        problems.join("\n\n")
    }
}

fn render(problems: &[Problem]) -> String {
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    problems.join("\n\n")
}
