//! What happens in a session, as data. Text and JSON are two listeners of this one stream.

use std::time::Duration;

use crate::engine::{Stream, Via};
use crate::helper;
use crate::paths::{ContainerPath, HostPath};
use crate::plan::follow::Move;
use crate::plan::{Because, Plan};
use crate::watch::Held;

use super::failure::Failures;
use super::notice::Notice;
use super::problem::Problem;
use super::waits::{LastDone, Later, Waits};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The session watches and is ready for edits.
    Started {
        /// Compose's project name.
        project: String,
        /// The services that are live-updated.
        services: Vec<StartedService>,
        /// Kept directories, one watch each.
        directories: usize,
    },
    /// Something worth knowing that asks for nothing.
    Notice {
        /// The service it is about.
        service: Option<String>,
        /// What.
        notice: Notice,
    },
    /// A batch closed: what changed on disk for a service.
    Change {
        /// The service.
        service: String,
        /// The paths, sorted.
        paths: Vec<HostPath>,
    },
    /// What was decided, and why.
    Plan {
        /// The service.
        service: String,
        /// The decision.
        plan: Plan,
    },
    /// A rebuild begins.
    Rebuild {
        /// The service.
        service: String,
        /// Why.
        because: Because,
        /// The services whose images are built, in order.
        builds: Vec<String>,
    },
    /// A line of a running command's output.
    Step {
        /// The container's short name.
        container: String,
        /// The command.
        command: String,
        /// Which stream.
        stream: Stream,
        /// The line.
        text: String,
    },
    /// A line of a build or of Compose.
    Build {
        /// The service; `None` for what is done to all together.
        service: Option<String>,
        /// The line.
        text: String,
    },
    /// What came of it.
    Outcome(Outcome),
    /// A container ended, or a process that is kept in one.
    Exit(Exit),
    /// Something that went wrong, and what to do.
    Problem {
        /// The service it is about.
        service: Option<String>,
        /// What.
        problem: Problem,
    },
    /// A line of a container's log.
    Log {
        /// The container's short name.
        container: String,
        /// Which stream.
        stream: Stream,
        /// The line, as the container wrote it.
        text: String,
    },
}

impl Event {
    /// Whose output it is a line of; `None` for what is said by us.
    pub fn output_of(&self) -> Option<&str> {
        match self {
            Self::Log { container, .. } | Self::Step { container, .. } => Some(container),
            Self::Build { service, .. } => Some(service.as_deref().unwrap_or("compose")),
            Self::Started { .. }
            | Self::Notice { .. }
            | Self::Change { .. }
            | Self::Plan { .. }
            | Self::Rebuild { .. }
            | Self::Outcome(_)
            | Self::Exit(_)
            | Self::Problem { .. } => None,
        }
    }

    /// The bytes that a line of output takes while it waits, about; 0 for anything else.
    pub fn output_size(&self) -> usize {
        let texts = match self {
            Self::Log {
                container, text, ..
            } => container.len() + text.len(),
            Self::Step {
                container,
                command,
                text,
                ..
            } => container.len() + command.len() + text.len(),
            Self::Build { service, text } => service.as_ref().map_or(0, String::len) + text.len(),
            _ => return 0,
        };
        size_of::<Self>() + texts
    }
}

/// A service as the session begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartedService {
    /// Its name.
    pub name: String,
    /// How many containers it has.
    pub containers: usize,
    /// Where it can be reached from the host.
    pub addresses: Vec<String>,
}

/// What came of one update, rebuild or catch-up of a service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The service.
    pub service: String,
    /// What was done.
    pub done: Done,
    /// The containers it was done to.
    pub containers: Vec<String>,
    /// The way the files took.
    pub via: Option<Via>,
    /// Whether all of it succeeded.
    pub result: Ended,
    /// From the first event to the end, and its parts.
    pub took: Took,
}

/// What an outcome speaks of.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Done {
    /// Nothing had to be done: every content was there already.
    #[default]
    Same,
    /// Compared by content, and everything was the same.
    Verified,
    /// Files, commands, restart.
    Updated(Updated),
    /// Built and recreated.
    Rebuilt(Because),
    /// Built, and the image came out the same: the containers are of it.
    BuiltTheSame(Because),
    /// Restarted or recreated, because the one it depends on was.
    Followed(Followed),
    /// Nothing could be done yet: it waits, and for what.
    Waits(Waits),
}

/// One service that followed another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// The one that it depends on.
    pub of: String,
    /// What happened to that one.
    pub was: Move,
    /// What was done to this one.
    pub how: Move,
    /// What of the compose file ties it to the other: `network_mode: service:db`.
    pub tie: String,
}

/// The parts of a live update.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Updated {
    /// One file for people to see: from where to where.
    pub first: Option<(HostPath, Option<ContainerPath>)>,
    /// How many files, links and directories were copied.
    pub copied: usize,
    /// How many were already there through a bind mount.
    pub live: usize,
    /// How many were removed.
    pub removed: usize,
    /// How many commands ran to a good end.
    pub ran: usize,
    /// The last step, as it was done.
    pub restarted: Option<LastDone>,
    /// What waits, and for what.
    pub later: Option<Later>,
    /// What it had waited for, which is no more.
    pub after: Option<Held>,
    /// How many exited containers were started again.
    pub revived: usize,
    /// Brought to a container that missed it, not by an edit just now.
    pub catching_up: bool,
}

/// How it ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Ended {
    /// All done.
    #[default]
    Well,
    /// Not all done: what failed, and is owed now.
    Failed(Failures),
}

/// Where the time went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Took {
    /// From the first event to the batch's end.
    pub wait: Duration,
    /// Copies and deletes, the slowest container.
    pub copy: Option<Duration>,
    /// Commands.
    pub run: Option<Duration>,
    /// The last step.
    pub restart: Option<Duration>,
    /// The build.
    pub build: Option<Duration>,
    /// Recreating.
    pub start: Option<Duration>,
    /// All of it, from the first event.
    pub total: Duration,
}

/// An end of a container, or of a process that is kept in one.
#[derive(Clone, Debug, PartialEq)]
pub struct Exit {
    /// The service.
    pub service: String,
    /// The container's short name.
    pub container: String,
    /// Its exit code as a shell counts: 128 + signal.
    pub code: i64,
    /// It had no memory left.
    pub out_of_memory: bool,
    /// Somebody asked the engine to end it.
    pub requested: bool,
    /// Only the process ended: its container runs on, and starts it with the next change.
    pub waits: bool,
    /// The container's last update, if it had one.
    pub after: Option<After>,
}

/// The update that an end followed.
#[derive(Clone, Debug, PartialEq)]
pub struct After {
    /// What was done.
    pub done: Done,
    /// How long after that it ended.
    pub time: Duration,
}

impl Exit {
    /// Who ends so soon after an update ends because of it.
    pub const SOON: Duration = helper::FRESH;

    /// The signal that the code speaks of, without `SIG`.
    pub fn signal(&self) -> Option<&'static str> {
        helper::signal_name(u32::try_from(self.code).ok()?.checked_sub(128)?)
    }

    /// The update that it followed within seconds.
    pub fn recent(&self) -> Option<&After> {
        self.after.as_ref().filter(|after| after.time <= Self::SOON)
    }

    /// It is the failure of the update that it followed.
    pub fn is_failure(&self) -> bool {
        self.code != 0 && !self.requested && self.recent().is_some()
    }
}
