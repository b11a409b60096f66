//! The verbs for a whole project, and what the engine reports by itself: the trait [`Compose`].

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

/// One Compose project on an engine. Each verb may be repeated safely. Verbs that only prepare something have no result; an engine
/// that needs no such preparation leaves them out.
/// no such word leaves it out.
pub trait Compose: Engine {
    /// Creates and starts services with what they depend on (`docker compose up -d`).
    fn up(
        &self,
        services: &[String],
        flags: &[OsString],
        output: Lines<'_>,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Recreates all containers of these services, whether Compose sees a need or not.
    fn replace(
        &self,
        services: &[String],
        output: Lines<'_>,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Stops services, or all when none is named; `grace` replaces their own.
    fn stop(
        &self,
        services: &[String],
        grace: Option<Duration>,
        output: Lines<'_>,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Kills services at once, or all when none is named.
    fn kill(&self, services: &[String]) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// One container as it is now.
    fn inspect(
        &self,
        id: ContainerId,
    ) -> impl Future<Output = Result<Container, EngineError>> + Send;

    /// A service's containers, as far as it matters to services that depend on them.
    fn lives(&self, service: &str) -> impl Future<Output = Result<Vec<Life>, EngineError>> + Send;

    /// What happens to the project's containers from now on. Reconnects by itself; ends when dropped.
    fn events(&self) -> impl Stream<Item = EngineEvent> + Send + Unpin + 'static + use<Self>;

    /// A container's output. Ends when the container is removed, or when dropped.
    fn logs(
        &self,
        container: &ContainerId,
        from: LogsFrom,
    ) -> impl Stream<Item = Output> + Send + Unpin + 'static + use<Self>;

    /// Which services are being restarted or recreated through this engine, now and whenever that changes.
    fn moves(&self) -> watch::Receiver<Moves>;

    /// Whether a container ended because its process was to run under the helper.
    fn supervision_of(&self, _end: &End) -> impl Future<Output = Supervision> + Send {
        async { Supervision::Fine }
    }

    /// Whether images are built without `BuildKit` although nobody asked for that.
    fn builds_without_buildkit(&self) -> impl Future<Output = bool> + Send {
        async { false }
    }

    /// Compose draws its progress on the terminal for as long as the returned value exists; `None` when that is not possible.
    fn lend_screen(&self) -> Option<Lent> {
        None
    }

    /// Ends everything that runs in containers for this session; returns where something is left.
    fn close(&self) -> impl Future<Output = Vec<String>> + Send {
        async { Vec::new() }
    }

    /// Remembers the compose files' mounts, by which the owner of a mount's files is found.
    fn know_mounts(&self, _project: &Project) {}

    /// A service that depends on another is restarted after it, when both are to be restarted.
    fn know_ties(&self, _ties: &[Tie]) {}

    /// Services that run another command line under `up`.
    fn run_under(&self, _services: Vec<EntrypointOverride>) {}

    /// Services in whose containers the helper must not be used.
    fn forbid_helper(&self, _services: BTreeSet<String>) {}

    /// Build contexts that are images of other services, for each service.
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
