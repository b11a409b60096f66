//! Why there is no session, or one that is less than it should be: said on standard error, as nothing else listens yet. Pure.

use std::fmt;

use crate::harmless::value;

/// One reason, with what to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The system refuses a signal handler.
    NoSignals(String),
    /// A name that is no service's.
    NoSuchService {
        /// The name.
        name: String,
        /// A service that is nearly called so.
        near: Option<String>,
    },
    /// The project has a session already.
    AnotherSession {
        /// The project.
        project: String,
        /// The other one's process, where it could be read.
        process: Option<u32>,
    },
    /// A warning: the session begins, and there may be another.
    PerhapsAnother(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSignals(why) => write!(f, "error: no signals can be received: {why}"),
            Self::NoSuchService { name, near } => {
                write!(f, "error: there is no service `{}`\nhint: ", value(name))?;
                match near {
                    Some(near) => write!(f, "did you mean `{}`?", value(near)),
                    None => f.write_str(
                        "name a service of this project; `docker compose config --services` lists them",
                    ),
                }
            }
            Self::AnotherSession { project, process } => {
                write!(
                    f,
                    "error: project `{}` is already being live-updated",
                    value(project)
                )?;
                if let Some(process) = process {
                    write!(f, " (process {process})")?;
                }
                f.write_str(
                    "\nhint: end that `docker liveupdate up` first, or give this one another name with `-p`",
                )
            }
            Self::PerhapsAnother(why) => write!(
                f,
                "warning: whether another `docker liveupdate up` runs cannot be known: {why}"
            ),
        }
    }
}
