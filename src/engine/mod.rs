//! The few verbs we ask of Docker. bollard, the compose command and the helper stand behind it, named nowhere else.

mod binds;
mod client;
mod command;
mod compose;
mod containers;
mod context;
mod ends;
mod events;
mod kind;
mod logs;
mod moves;
mod restart;
mod screen;
mod supervise;
mod transport;
mod ways;
mod whole;

pub use crate::transfer::{
    Applied, Body, Delta, Ended, Exec, Fingerprint, Outgoing, Restarted, Sought, Stream, There,
    Via, Wanted,
};
pub use client::Docker;
pub use command::{Lines, is_news, stream};
pub use compose::scale_flag;
pub use ends::End;
pub use logs::{LogsFrom, Output};
pub use moves::Moves;
pub use screen::{Lent, has_screen};
pub use supervise::{EntrypointOverride, Supervision};
pub use ways::helper::helper_forbidden;
pub use whole::Compose;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use crate::compose::Mount;
use crate::harmless;
use crate::paths::{ContainerPath, HostPath};

/// A container's full ID: the key of all that is known about it, since a restart keeps it and a recreate does not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId(pub String);

impl fmt::Display for ContainerId {
    /// The first 12 digits, as Docker shows them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&harmless::value(self.0.get(..12).unwrap_or(&self.0)))
    }
}

/// A container of a service, as the engine describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its ID.
    pub id: ContainerId,
    /// Compose's short name for people: `web-1`.
    pub name: String,
    /// The service it belongs to.
    pub service: String,
    /// Its number within the service.
    pub number: u32,
    /// The ID of the image it was made from.
    pub image_id: String,
    /// What it is doing.
    pub state: State,
    /// When it was started last, in the engine's words: another start, another text.
    pub started: String,
    /// The actual mounts (E6), the image's anonymous volumes among them.
    pub mounts: Vec<Mount>,
    /// The root file system is read-only.
    pub read_only: bool,
    /// It has a terminal: its output is one stream.
    pub tty: bool,
    /// The signal that `stop` sends: the container's, the image's, or `SIGTERM`.
    pub stop_signal: String,
    /// It runs under `docker-init`.
    pub init: bool,
    /// The user it runs as; empty is root.
    pub user: String,
    /// Groups that its user is in besides those of the image (`group_add`).
    pub group_add: Vec<String>,
    /// Its working directory; empty is `/`.
    pub workdir: String,
    /// Where its published ports are reached on the host: `127.0.0.1:8080`.
    pub addresses: Vec<String>,
}

/// What a container is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Made, never started.
    Created,
    /// Running.
    Running,
    /// Paused.
    Paused,
    /// Between two starts of its restart policy.
    Restarting,
    /// Its process ended.
    Exited {
        /// Exit code.
        code: i64,
    },
    /// Its owner has stopped it, and starts it again when he likes. The engine calls it exited; that it was on purpose, the
    /// session knows.
    Stopped,
    /// Being removed, or beyond repair.
    Gone,
}

/// Something the engine tells of a container of this project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineEvent {
    /// A container of `service` was created, started, died, paused, renamed, removed …: look at the service again.
    Container {
        /// Whose containers are worth a look.
        service: String,
        /// The one that the event is about.
        id: ContainerId,
        /// The engine's word: `start`, `die`, `destroy`, `pause` …
        action: String,
        /// The number of a `kill`'s signal, as the engine writes it.
        signal: Option<String>,
    },
    /// A container ended, and it was not our doing.
    Ended(End),
    /// The stream broke and is back: anything may have happened (E4).
    Reconnected,
    /// The engine does not answer; the stream tries again by itself.
    Lost(String),
}

/// One line of a container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Whether the container's process wrote it to its output or to its errors.
    pub stream: Stream,
    /// Without the line's end.
    pub text: Vec<u8>,
}

/// Why the engine did not do what was asked; the kinds are what callers act on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// No such container (any more).
    #[error("container {0} is gone")]
    Gone(ContainerId),
    /// The container does not run, which this verb needs.
    #[error("container {0} is not running")]
    NotRunning(ContainerId),
    /// The engine answered no: words for people, its own [quoted](harmless::quoted).
    #[error("{}", harmless::message(.0))]
    Refused(String),
    /// It cannot be done, and could not after a rebuild either: words for people.
    #[error("{}", harmless::message(.0))]
    InVain(String),
    /// The engine cannot be reached: words for people.
    #[error("{}", harmless::message(.0))]
    Unreachable(String),
    /// A host file could not be read: which, and why.
    #[error("cannot read `{0}`: {reason}", reason = harmless::value(.1))]
    Unreadable(HostPath, String),
}

impl EngineError {
    /// What to do about it, where it is none of what the user edits.
    pub fn way_out(&self) -> Option<&'static str> {
        match self {
            Self::Refused(said) if said.contains("booting buildkit") => Some(
                "the builder needs the image of BuildKit and could not have it: start `up` again with `DOCKER_BUILDKIT=0`",
            ),
            _ => None,
        }
    }
}

/// Docker, as the session sees it. Every verb is safe to repeat.
pub trait Engine: Send + Sync + 'static {
    /// All containers of a service, one-offs left out, by number.
    fn containers(
        &self,
        service: &str,
    ) -> impl Future<Output = Result<Vec<Container>, EngineError>> + Send;

    /// Copies and deletes (C5, C6). Works on created, stopped and paused containers too, as far as the engine can.
    fn apply(
        &self,
        container: &Container,
        delta: &Delta,
    ) -> impl Future<Output = Result<Applied, EngineError>> + Send;

    /// Runs a command to its end (C7); `output` hears it while it runs.
    fn run(
        &self,
        container: &Container,
        exec: &Exec,
        output: &mut (dyn FnMut(Stream, &[u8]) + Send),
    ) -> impl Future<Output = Result<Ended, EngineError>> + Send;

    /// Restarts the container (C9); `grace` in place of its own.
    fn restart(
        &self,
        container: &Container,
        grace: Option<Duration>,
    ) -> impl Future<Output = Result<Restarted, EngineError>> + Send;

    /// Restarts the process under the helper, without the container.
    fn restart_process(
        &self,
        container: &Container,
        signal: Option<&str>,
        grace: Option<Duration>,
    ) -> impl Future<Output = Result<Restarted, EngineError>> + Send;

    /// After [`Engine::restart_process`]: waits for a while for a crash of the new process, whose container goes on without it.
    fn crash(&self, _container: &Container) -> impl Future<Output = Option<End>> + Send {
        async { None }
    }

    /// An update of the container is over, whatever came of it: its process may end the container again.
    fn release(&self, _container: &Container) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// A running container was seen: what an update will need there may be made ready beforehand.
    fn warm_up(&self, _container: &Container) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// A container is gone for good: nothing that was open to it stays open.
    fn forget(&self, _id: &ContainerId) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Sends a signal to the main process; the name without `SIG`.
    fn signal(
        &self,
        container: &Container,
        name: &str,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Starts a created or stopped container (E2).
    fn start(&self, container: &Container) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// What stands at the wanted paths, which lie at or below `roots`; what does not exist is simply not in the answer.
    fn fingerprints(
        &self,
        container: &Container,
        wanted: &Wanted,
        roots: &[ContainerPath],
    ) -> impl Future<Output = Result<BTreeMap<ContainerPath, Fingerprint>, EngineError>> + Send;

    /// The ID of the image with that name; `None` when there is none.
    fn image_id(
        &self,
        image: &str,
    ) -> impl Future<Output = Result<Option<String>, EngineError>> + Send;

    /// Builds images (C11); `output` hears the build's lines. The error is the build's own last words.
    fn build(
        &self,
        services: &[String],
        output: &mut (dyn FnMut(&str) + Send),
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Recreates services from their images, without their dependencies (C11); one at a time per project.
    fn recreate(
        &self,
        services: &[String],
        output: &mut (dyn FnMut(&str) + Send),
    ) -> impl Future<Output = Result<(), EngineError>> + Send;
}
