//! The verbs that are about a project as a whole, and what the engine tells by itself: the trait [`Compose`].

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::future::Future;
use std::time::Duration;

use futures_util::Stream;
use tokio::sync::watch;

use super::{
    Container, ContainerId, Docker, End, Engine, EngineError, EngineEvent, EntrypointOverride,
    Lent, Lines, LogsFrom, Moves, Output, Supervision,
};
use crate::compose::{Project, Tie};
use crate::life::Life;

/// One Compose project on an engine. Every verb is safe to repeat. What is only arranged has no answer; an engine that needs
/// no such word leaves it out.
pub trait Compose: Engine {
    /// Creates and starts services with what they depend on (`docker compose up -d`).
    fn up(
        &self,
        services: &[String],
        flags: &[OsString],
        output: Lines<'_>,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Makes all containers of these services anew, whatever Compose thinks of them.
    fn replace(
        &self,
        services: &[String],
        output: Lines<'_>,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Stops services, or all when none is named; `grace` in place of their own.
    fn stop(
        &self,
        services: &[String],
        grace: Option<Duration>,
        output: Lines<'_>,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Ends services at once, or all when none is named.
    fn kill(&self, services: &[String]) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// One container.
    fn inspect(
        &self,
        id: ContainerId,
    ) -> impl Future<Output = Result<Container, EngineError>> + Send;

    /// A service's containers, as far as others depend on them.
    fn lives(&self, service: &str) -> impl Future<Output = Result<Vec<Life>, EngineError>> + Send;

    /// What happens to the project's containers from now on; reconnects by itself, and ends when dropped.
    fn events(&self) -> impl Stream<Item = EngineEvent> + Send + Unpin + 'static + use<Self>;

    /// A container's output; ends when the container is removed, or when dropped.
    fn logs(
        &self,
        container: &ContainerId,
        from: LogsFrom,
    ) -> impl Stream<Item = Output> + Send + Unpin + 'static + use<Self>;

    /// What of the project is being restarted or recreated through this engine, now and whenever that changes.
    fn moves(&self) -> watch::Receiver<Moves>;

    /// Whether a container ended because its process was to run under the helper.
    fn supervision_of(&self, _end: &End) -> impl Future<Output = Supervision> + Send {
        async { Supervision::Fine }
    }

    /// Whether images are built without `BuildKit`, and nobody asked for that.
    fn builds_without_buildkit(&self) -> impl Future<Output = bool> + Send {
        async { false }
    }

    /// Compose shows on the terminal what it does, for as long as the answer lives.
    fn lend_screen(&self) -> Option<Lent> {
        None
    }

    /// Ends all that runs in containers for this session; the answer is where something stays.
    fn close(&self) -> impl Future<Output = Vec<String>> + Send {
        async { Vec::new() }
    }

    /// Whose files the mounts of containers carry.
    fn know_mounts(&self, _project: &Project) {}

    /// Whoever depends on another is restarted after it, where both are to be.
    fn know_ties(&self, _ties: &[Tie]) {}

    /// Services that run something else under `up`.
    fn run_under(&self, _services: Vec<EntrypointOverride>) {}

    /// Services that may not have the helper.
    fn forbid_helper(&self, _services: BTreeSet<String>) {}

    /// Contexts of builds that are images of other services, by service.
    fn take_images_for_contexts(&self, _contexts: BTreeMap<String, BTreeMap<String, String>>) {}
}

impl Compose for Docker {
    async fn up(
        &self,
        services: &[String],
        flags: &[OsString],
        output: Lines<'_>,
    ) -> Result<(), EngineError> {
        Docker::up(self, services, flags, output).await
    }

    async fn replace(&self, services: &[String], output: Lines<'_>) -> Result<(), EngineError> {
        Docker::replace(self, services, output).await
    }

    async fn stop(
        &self,
        services: &[String],
        grace: Option<Duration>,
        output: Lines<'_>,
    ) -> Result<(), EngineError> {
        Docker::stop(self, services, grace, output).await
    }

    async fn kill(&self, services: &[String]) -> Result<(), EngineError> {
        Docker::kill(self, services).await
    }

    async fn inspect(&self, id: ContainerId) -> Result<Container, EngineError> {
        Docker::inspect(self, id).await
    }

    async fn lives(&self, service: &str) -> Result<Vec<Life>, EngineError> {
        Docker::lives(self, service).await
    }

    fn events(&self) -> impl Stream<Item = EngineEvent> + Send + Unpin + 'static + use<> {
        Docker::events(self)
    }

    fn logs(
        &self,
        container: &ContainerId,
        from: LogsFrom,
    ) -> impl Stream<Item = Output> + Send + Unpin + 'static + use<> {
        Docker::logs(self, container, from)
    }

    fn moves(&self) -> watch::Receiver<Moves> {
        Docker::moves(self)
    }

    async fn supervision_of(&self, end: &End) -> Supervision {
        Docker::supervision_of(self, end).await
    }

    async fn builds_without_buildkit(&self) -> bool {
        Docker::builds_without_buildkit(self).await
    }

    fn lend_screen(&self) -> Option<Lent> {
        Some(Docker::lend_screen(self))
    }

    async fn close(&self) -> Vec<String> {
        Docker::close(self).await
    }

    fn know_mounts(&self, project: &Project) {
        Docker::know_mounts(self, project);
    }

    fn know_ties(&self, ties: &[Tie]) {
        Docker::know_ties(self, ties);
    }

    fn run_under(&self, services: Vec<EntrypointOverride>) {
        Docker::run_under(self, services);
    }

    fn forbid_helper(&self, services: BTreeSet<String>) {
        Docker::forbid_helper(self, services);
    }

    fn take_images_for_contexts(&self, contexts: BTreeMap<String, BTreeMap<String, String>>) {
        Docker::take_images_for_contexts(self, contexts);
    }
}
