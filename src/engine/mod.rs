//! The verbs we need of Docker, as the trait [`Engine`]. bollard, the compose command and the helper are used nowhere else.

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
    Applied, Body, Delta, Ended, Exec, Fingerprint, Fingerprints, Outgoing, Restarted, Sought,
    Stream, There, Via, Wanted,
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

use std::fmt;
use std::future::Future;
use std::time::Duration;

use crate::compose::Mount;
use crate::harmless;
use crate::paths::{ContainerPath, HostPath};

/// A container's full ID. It is the key of everything known about a container: a restart keeps it, a recreate does not.
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
    /// The full ID.
    pub id: ContainerId,
    /// Compose's short name, for people: `web-1`.
    pub name: String,
    /// The service it belongs to.
    pub service: String,
    /// Its number within the service, from 1.
    pub number: u32,
    /// The ID of the image it was made from.
    pub image_id: String,
    /// Whether it runs.
    pub state: State,
    /// When it was last started, as the engine writes it: another start has another text.
    pub started: String,
    /// The actual mounts (E6), including the image's anonymous volumes.
    pub mounts: Vec<Mount>,
    /// Whether its root file system is read-only.
    pub read_only: bool,
    /// Whether it has a terminal: then its output is a single stream.
    pub tty: bool,
    /// The signal that `stop` sends, from the container or its image; `SIGTERM` if neither has one.
    pub stop_signal: String,
    /// Whether it runs under `docker-init`.
    pub init: bool,
    /// The user it runs as; empty means root.
    pub user: String,
    /// Groups of its user beyond those in the image (`group_add`).
    pub group_add: Vec<String>,
    /// Its working directory; empty means `/`.
    pub workdir: String,
    /// Where its published ports are reached on the host: `127.0.0.1:8080`; empty when it has none.
    pub addresses: Vec<String>,
}

/// What a container is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Created, but never started.
    Created,
    /// Its process runs.
    Running,
    /// Its processes are frozen (`docker pause`).
    Paused,
    /// Between two starts by its restart policy.
    Restarting,
    /// Its process ended, whatever ended it.
    Exited {
        /// The process's exit code; 128 + signal when a signal ended it.
        code: i64,
    },
    /// Somebody stopped it on purpose, and may start it again. The engine reports it as exited; that it was on purpose is known to
    /// the session.
    Stopped,
    /// Being removed, or beyond repair.
    Gone,
}

/// An event about this project's containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineEvent {
    /// A container was created, started, died, paused, renamed, removed …: look at its service again.
    Container {
        /// The service to look at again.
        service: String,
        /// The container that the event is about.
        id: ContainerId,
        /// The action, in the engine's word: `start`, `die`, `destroy`, `pause` …
        action: String,
        /// The signal number of a `kill`, as the engine writes it; `None` for other actions.
        signal: Option<String>,
    },
    /// A container ended, and this session did not cause it.
    Ended(End),
    /// The stream was interrupted and works again: anything may have happened meanwhile (E4).
    Reconnected,
    /// The engine does not answer, for this reason; the stream keeps trying.
    Lost(String),
}

/// One line of a container's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Whether it was written to standard output or standard error.
    pub stream: Stream,
    /// The line without its line break; any bytes.
    pub text: Vec<u8>,
}

/// Why the engine did not do what was asked. The kinds are those that callers act on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// No such container (any more).
    #[error("container {0} is gone")]
    Gone(ContainerId),
    /// The container does not run, which this verb needs.
    #[error("container {0} is not running")]
    NotRunning(ContainerId),
    /// The engine refused: a message for people, in which the engine's words are [quoted](harmless::quoted).
    #[error("{}", harmless::message(.0))]
    Refused(String),
    /// It is impossible, and would be after a rebuild too: a message for people.
    #[error("{}", harmless::message(.0))]
    InVain(String),
    /// The engine cannot be reached: a message for people.
    #[error("{}", harmless::message(.0))]
    Unreachable(String),
    /// A host file that could not be read, and the reason.
    #[error("cannot read `{0}`: {reason}", reason = harmless::value(.1))]
    Unreadable(HostPath, String),
}

impl EngineError {
    /// What to do about it, when it is nothing the user can edit away.
    pub fn way_out(&self) -> Option<&'static str> {
        match self {
            Self::Refused(said) if said.contains("booting buildkit") => Some(
                "the builder needs the image of BuildKit and could not have it: start `up` again with `DOCKER_BUILDKIT=0`",
            ),
            _ => None,
        }
    }
}

/// Docker, as the session sees it. Each verb may be repeated safely.
pub trait Engine: Send + Sync + 'static {
    /// All containers of a service by number, one-offs left out.
    fn containers(
        &self,
        service: &str,
    ) -> impl Future<Output = Result<Vec<Container>, EngineError>> + Send;

    /// Copies and deletes files (C5, C6). Works on created, stopped and paused containers too, as far as the engine can.
    fn apply(
        &self,
        container: &Container,
        delta: &Delta,
    ) -> impl Future<Output = Result<Applied, EngineError>> + Send;

    /// Runs a command to its end (C7); `output` gets what it writes while it runs.
    fn run(
        &self,
        container: &Container,
        exec: &Exec,
        output: &mut (dyn FnMut(Stream, &[u8]) + Send),
    ) -> impl Future<Output = Result<Ended, EngineError>> + Send;

    /// Restarts the container (C9); `grace` replaces the container's own.
    fn restart(
        &self,
        container: &Container,
        grace: Option<Duration>,
    ) -> impl Future<Output = Result<Restarted, EngineError>> + Send;

    /// Restarts the process under the helper without restarting the container.
    fn restart_process(
        &self,
        container: &Container,
        signal: Option<&str>,
        grace: Option<Duration>,
    ) -> impl Future<Output = Result<Restarted, EngineError>> + Send;

    /// After [`Engine::restart_process`]: waits a while for a crash of the new process, after which its container keeps running.
    fn crash(&self, _container: &Container) -> impl Future<Output = Option<End>> + Send {
        async { None }
    }

    /// An update of the container is over, whatever its result: from now on the container ends with its process again.
    fn release(&self, _container: &Container) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// A running container was seen: prepares what an update will need there.
    fn warm_up(&self, _container: &Container) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// A container is gone for good: closes everything that was open for it.
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

    /// What is at the wanted paths, all of which are at or below `roots`; what does not exist is not in the answer.
    fn fingerprints(
        &self,
        container: &Container,
        wanted: &Wanted,
        roots: &[ContainerPath],
    ) -> impl Future<Output = Result<Fingerprints, EngineError>> + Send;

    /// The ID of the image with that name; `None` when there is none.
    fn image_id(
        &self,
        image: &str,
    ) -> impl Future<Output = Result<Option<String>, EngineError>> + Send;

    /// Builds images (C11); `output` gets the build's lines. The error is the last lines of the build.
    fn build(
        &self,
        services: &[String],
        output: &mut (dyn FnMut(&str) + Send),
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Recreates services from their images, without their dependencies (C11); one call at a time per project.
    fn recreate(
        &self,
        services: &[String],
        output: &mut (dyn FnMut(&str) + Send),
    ) -> impl Future<Output = Result<(), EngineError>> + Send;
}
