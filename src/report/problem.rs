//! What went wrong and concerns no update, each a variant with its data; its words, and what to try, are here. Pure.

use std::borrow::Cow;
use std::fmt;

use crate::engine::EngineError;
use crate::harmless::value;
use crate::paths::{ContainerPath, HostPath};
use crate::plan::Because;

use super::failure::{BUILDS_AGAIN, after_a_build};
use super::notice::were;

/// One problem.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    /// Watching has ended by itself.
    WatchingStopped,
    /// The watcher cannot do what it was told, in its own words.
    Watching(String),
    /// The engine does not answer.
    EngineAway {
        /// In the engine's words.
        why: String,
    },
    /// The containers run on after the session.
    NotStopped(EngineError),
    /// What has no `build:` cannot be built.
    OnlyAnImage(Because),
    /// An image was not built at the first start.
    NotBuilt(EngineError),
    /// An image was not built, for the image it is built from was not.
    BaseNotBuilt {
        /// The service whose image that is.
        base: String,
    },
    /// The first start failed.
    NotStarted(EngineError),
    /// Containers were not made anew without a build.
    NotRecreated {
        /// Why.
        error: EngineError,
        /// The containers of before run on.
        old_runs: bool,
    },
    /// The engine does not say which containers a service has.
    ContainersUnknown(EngineError),
    /// The same, while an edit of the configuration is brought up.
    NotBroughtUp(EngineError),
    /// What an edit of the configuration asks for could not be started.
    EditNotStarted {
        /// Why.
        error: EngineError,
        /// The services that Compose was to make anew by force; none where it found out by itself what changed.
        forced: Vec<String>,
    },
    /// What was edited is in no container, and none is started for it.
    EditWithoutContainers {
        /// The service.
        service: String,
        /// What was edited.
        edited: Vec<String>,
    },
    /// The configuration cannot be read or taken over, in the words of who reads it.
    BadConfiguration(String),
    /// The project has another name now.
    ProjectRenamed {
        /// What its containers are named after.
        old: String,
        /// What it is called now.
        new: String,
    },
    /// A volume that exists is another one by the compose file.
    VolumeEdited {
        /// Its name in the compose file.
        volume: String,
    },
    /// A container was not compared with the disk: all is brought again.
    NotCompared {
        /// Its short name.
        container: String,
        /// Why.
        error: EngineError,
    },
    /// A container was not compared, and nothing is done about it.
    NotVerified {
        /// Its short name.
        container: String,
        /// Why.
        error: EngineError,
    },
    /// A file that cannot stand where its sync says.
    Misplaced {
        /// The file.
        from: HostPath,
        /// Where it should go.
        to: ContainerPath,
        /// The container's short name.
        container: String,
        /// What stands in its way.
        obstacle: Obstacle,
    },
    /// A file that may not be read.
    Unreadable {
        /// The file.
        path: HostPath,
        /// In the system's words.
        why: String,
    },
}

/// What stands in a file's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// A directory has its name.
    Directory,
    /// A file stands where a directory above it would be.
    File(ContainerPath),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WatchingStopped => f.write_str("watching has stopped unexpectedly"),
            Self::Watching(why) => f.write_str(why),
            Self::EngineAway { why } => write!(f, "the engine is away: {why}"),
            Self::NotStopped(error) => write!(f, "the containers could not be stopped: {error}"),
            Self::OnlyAnImage(because) => {
                write!(
                    f,
                    "cannot rebuild ({because}): the service has only an `image:`"
                )
            }
            Self::BaseNotBuilt { base } => write!(
                f,
                "not built: it is built from the image of `{}`, whose build failed",
                value(base)
            ),
            Self::NotBuilt(error)
            | Self::NotStarted(error)
            | Self::NotRecreated { error, .. }
            | Self::EditNotStarted { error, .. } => error.fmt(f),
            Self::ContainersUnknown(error) | Self::NotBroughtUp(error) => {
                write!(f, "its containers cannot be looked at: {error}")
            }
            Self::EditWithoutContainers { edited, .. } => write!(
                f,
                "{} edited, and nothing was done: its containers do not run",
                were(edited)
            ),
            Self::BadConfiguration(words) => f.write_str(words),
            Self::ProjectRenamed { old, new } => write!(
                f,
                "the project is called `{}` now, and its containers belong to `{}`: nothing was done",
                value(new),
                value(old)
            ),
            Self::VolumeEdited { volume } => write!(
                f,
                "the volume `{}` is defined in another way now, and nothing was done: one that exists stays as it is",
                value(volume)
            ),
            Self::NotCompared { container, error } => write!(
                f,
                "{} could not be compared with the disk: {error}",
                value(container)
            ),
            Self::NotVerified { container, error } => {
                write!(f, "{} could not be compared: {error}", value(container))
            }
            Self::Misplaced {
                from,
                to,
                container,
                obstacle,
            } => write!(
                f,
                "`{from}` was not copied to `{to}`: {obstacle} in {}",
                value(container)
            ),
            Self::Unreadable { path, why } => {
                write!(f, "`{path}` cannot be read: {}", value(why))
            }
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory => f.write_str("that is a directory"),
            Self::File(path) => write!(f, "`{path}` is a file"),
        }
    }
}

impl Problem {
    /// What to try.
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        let hint = match self {
            Self::Watching(_) | Self::NotVerified { .. } => return None,
            Self::EditNotStarted { forced, .. } if !forced.is_empty() => {
                return Some(by_hand(&forced.join(" ")).into());
            }
            Self::EditWithoutContainers { service, .. } => return Some(by_hand(service).into()),
            Self::NotRecreated { error, old_runs } => after_a_build(error, *old_runs),
            Self::WatchingStopped => "start `docker liveupdate up` again",
            Self::EngineAway { .. } => "changes are kept and applied when it is back",
            Self::NotStopped(_) => "`docker liveupdate down` tries again",
            Self::OnlyAnImage(_) => "give it a `build:`, or recreate it with `docker compose up`",
            Self::NotBuilt(error) => error.way_out().unwrap_or(BUILDS_AGAIN),
            Self::BaseNotBuilt { .. } => BUILDS_AGAIN,
            Self::NotStarted(_) => "fix it and save: the next change tries again",
            Self::ContainersUnknown(_) => "the next look is in a moment",
            Self::NotBroughtUp(_) => "save the compose file again to bring it up",
            Self::EditNotStarted { .. } => "fix it and save",
            Self::BadConfiguration(_) => {
                "the last good configuration stays in force until this is fixed"
            }
            Self::ProjectRenamed { .. } => {
                "end this session and start `docker liveupdate up` again"
            }
            Self::VolumeEdited { .. } => {
                "its data go with it when it is made again: `docker liveupdate down --volumes`, then `up`"
            }
            Self::NotCompared { .. } => "all synced files are brought to it again",
            Self::Misplaced { .. } => {
                "a target names the file itself, not the directory it goes into; `docker liveupdate check` names targets that exclude each other"
            }
            Self::Unreadable { .. } => {
                "the containers keep what they have; give yourself permission to read it, or ignore it"
            }
        };
        Some(Cow::Borrowed(hint))
    }
}

/// The next change of Compose's own would not bring it.
fn by_hand(names: &str) -> String {
    format!("`docker compose up -d --force-recreate {names}` makes them anew")
}
