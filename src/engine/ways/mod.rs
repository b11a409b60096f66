//! The ways into a container and the policy which one is taken, the same for all verbs. Each way has a folder of its own.

pub(super) mod archive;
pub(super) mod helper;
mod there;

use std::borrow::Cow;
use std::time::Duration;

use super::client::Docker;
use super::{
    Applied, Container, Delta, Ended, EngineError, Exec, Fingerprints, Restarted, Stream, Via,
    Wanted,
};
use crate::paths::ContainerPath;
use archive::Archive;
use helper::Helper;

/// Called with a command's output while it runs.
type Output<'a> = &'a mut (dyn FnMut(Stream, &[u8]) + Send);

/// One way into a container. Each verb may be asked for again after it failed.
trait Way: Sync {
    /// The way by which an update of this container would go, or why it cannot go this way, as far as that is known without copying
    /// anything there.
    fn expected(&self, container: &Container) -> impl Future<Output = Result<Via, String>> + Send;

    /// Copies and deletes files.
    fn apply(
        &self,
        container: &Container,
        delta: &Delta,
    ) -> impl Future<Output = Taken<Applied>> + Send;

    /// Runs a command to its end. It is run once: a way that has started it does not leave it to another.
    fn run(
        &self,
        container: &Container,
        exec: &Exec,
        output: Output<'_>,
    ) -> impl Future<Output = Taken<Ended>> + Send;

    /// What is at the wanted paths, all of which are at or below `roots`.
    fn fingerprints(
        &self,
        container: &Container,
        wanted: &Wanted,
        roots: &[ContainerPath],
    ) -> impl Future<Output = Taken<Fingerprints>> + Send;

    /// Restarts the container's process; the whole container only if it cannot do otherwise.
    fn restart_process(
        &self,
        container: &Container,
        signal: Option<&str>,
        grace: Option<Duration>,
    ) -> impl Future<Output = Taken<Restarted>> + Send;
}

/// The result of asking a way.
type Taken<T> = Result<T, No>;

/// Why a way did not do what it was asked.
enum No {
    /// It cannot be done this way, for this reason. Nothing was done, so another way may be asked.
    NotThisWay(String),
    /// It failed, and no other way would succeed.
    Failed(EngineError),
}

impl From<EngineError> for No {
    fn from(error: EngineError) -> Self {
        Self::Failed(error)
    }
}

impl From<No> for EngineError {
    fn from(no: No) -> Self {
        match no {
            No::NotThisWay(why) => Self::Refused(why),
            No::Failed(error) => error,
        }
    }
}

/// The policy: the first way; if that one cannot be taken, the second one, which reports the reason.
struct Else<A, B>(A, B);

impl<A: Way, B: Way> Way for Else<A, B> {
    async fn expected(&self, container: &Container) -> Result<Via, String> {
        match self.0.expected(container).await {
            Err(why) => Ok(self.1.expected(container).await?.because(why)),
            first => first,
        }
    }

    async fn apply(&self, container: &Container, delta: &Delta) -> Taken<Applied> {
        let first = self.0.apply(container, delta).await;
        let Err(No::NotThisWay(why)) = first else {
            return first;
        };
        match self.1.apply(container, delta).await {
            Ok(applied) => Ok(Applied {
                via: applied.via.because(why),
                ..applied
            }),
            Err(No::Failed(EngineError::InVain(what))) => Err(No::Failed(EngineError::InVain(
                format!("{what} (the helper is not used: {why})"),
            ))),
            other => other,
        }
    }

    async fn run(&self, container: &Container, exec: &Exec, output: Output<'_>) -> Taken<Ended> {
        let first = self.0.run(container, exec, &mut *output).await;
        match first {
            Err(No::NotThisWay(_)) => self.1.run(container, exec, output).await,
            taken => taken,
        }
    }

    async fn fingerprints(
        &self,
        container: &Container,
        wanted: &Wanted,
        roots: &[ContainerPath],
    ) -> Taken<Fingerprints> {
        match self.0.fingerprints(container, wanted, roots).await {
            Err(No::NotThisWay(_)) => self.1.fingerprints(container, wanted, roots).await,
            taken => taken,
        }
    }

    async fn restart_process(
        &self,
        container: &Container,
        signal: Option<&str>,
        grace: Option<Duration>,
    ) -> Taken<Restarted> {
        match self.0.restart_process(container, signal, grace).await {
            Err(No::NotThisWay(_)) => self.1.restart_process(container, signal, grace).await,
            taken => taken,
        }
    }
}

impl Docker {
    /// All ways, in the order in which they are asked.
    fn ways(&self) -> impl Way {
        Else(Helper(self), Archive(self))
    }

    /// The way that an update of this container would take, as far as that is known without copying anything there.
    pub async fn expected_way(&self, container: &Container) -> Via {
        let expected = self.ways().expected(container).await;
        expected.unwrap_or_else(Via::EngineApi)
    }

    /// C5, C6: copies and deletes. Files that may be there already and are expensive to send are asked for first.
    pub(super) async fn apply_delta(
        &self,
        container: &Container,
        delta: &Delta,
    ) -> Result<Applied, EngineError> {
        let ways = self.ways();
        let mut delta = Cow::Borrowed(delta);
        let mut same = there::take_out(&ways, container, &mut delta, there::is_asked_first).await;
        let applied = ways.apply(container, &delta).await?;
        same.extend(applied.same);
        Ok(Applied { same, ..applied })
    }

    /// C7: runs a command to its end.
    pub(super) async fn run_command(
        &self,
        container: &Container,
        exec: &Exec,
        output: Output<'_>,
    ) -> Result<Ended, EngineError> {
        Ok(self.ways().run(container, exec, output).await?)
    }

    /// What is at the wanted paths. A helper is started for it only where that pays.
    pub(super) async fn fingerprints_of(
        &self,
        container: &Container,
        wanted: &Wanted,
        roots: &[ContainerPath],
    ) -> Result<Fingerprints, EngineError> {
        if self.asks_once
            && archive::shows_all(container)
            && !self.has_link(&container.id).await
            && let Some(found) = self
                .fingerprints_of_little(&container.id, wanted, roots)
                .await?
        {
            return Ok(found);
        }
        Ok(self.ways().fingerprints(container, wanted, roots).await?)
    }

    /// Restarts the process; if it does not run under the helper, its container.
    pub(super) async fn restart_its_process(
        &self,
        container: &Container,
        signal: Option<&str>,
        grace: Option<Duration>,
    ) -> Result<Restarted, EngineError> {
        let ways = self.ways();
        Ok(ways.restart_process(container, signal, grace).await?)
    }
}
