//! The way through the plain Engine API: PUT archive for copies, `rm` and `rmdir` for deletes, exec for commands, GET archive for
//! comparisons. Needs no program of ours in the container, and so is always available.

mod destination;
mod exec;
mod fingerprint;
mod put;
mod read;
mod remove;
mod seen;
pub(in crate::engine) mod survey;
mod trust;
mod write;

pub(in crate::engine) use put::FULL;

use std::borrow::Cow;
use std::time::Duration;

use super::{Fingerprints, Output, Taken, Way, there};
use crate::compose::MountKind;
use crate::engine::client::Docker;
use crate::engine::{
    Applied, Container, Delta, Ended, EngineError, Exec, Outgoing, Restarted, Via, Wanted,
};
use crate::paths::ContainerPath;

/// The way through the plain Engine API.
pub(super) struct Archive<'a>(pub(super) &'a Docker);

impl Way for Archive<'_> {
    async fn expected(&self, _: &Container) -> Result<Via, String> {
        Ok(Via::EngineApi(String::new()))
    }

    async fn apply(&self, container: &Container, delta: &Delta) -> Taken<Applied> {
        let mut delta = Cow::Borrowed(delta);
        let few = there::are_few(&delta);
        let asked = |put: &Outgoing| few && put.there.fingerprint().is_some();
        let same = there::take_out(self, container, &mut delta, asked).await;
        let through = self.0.apply_through_archive(container, &delta).await?;
        Ok(Applied {
            via: Via::EngineApi(String::new()),
            unread: through.unread,
            closed: through.closed,
            same,
        })
    }

    async fn run(&self, container: &Container, exec: &Exec, output: Output<'_>) -> Taken<Ended> {
        Ok(self.0.exec(&container.id, exec, output).await?)
    }

    async fn fingerprints(
        &self,
        container: &Container,
        wanted: &Wanted,
        roots: &[ContainerPath],
    ) -> Taken<Fingerprints> {
        let found = self
            .0
            .fingerprints_through_archive(&container.id, wanted, roots);
        Ok(found.await?)
    }

    /// Without a helper, only whole containers can be restarted.
    async fn restart_process(
        &self,
        container: &Container,
        _: Option<&str>,
        grace: Option<Duration>,
    ) -> Taken<Restarted> {
        // Its supervisor is gone or of another version. If this fails, the restart reports what is wrong.
        let _ = self.0.renew_init(container).await;
        let restarted = self.0.restart_in_turn(container, grace).await?;
        Ok(Restarted {
            whole_container: true,
            ..restarted
        })
    }
}

/// Whether the engine's archive shows everything that the container sees: it does not show a tmpfs, but what that covers.
pub(super) fn shows_all(container: &Container) -> bool {
    let mut mounts = container.mounts.iter();
    !mounts.any(|mount| matches!(mount.kind, MountKind::Tmpfs))
}

/// The result of an update through the Engine API.
#[derive(Debug, Default)]
pub(in crate::engine) struct Through {
    /// Paths whose host file could not be read completely.
    pub(super) unread: Vec<ContainerPath>,
    /// Paths that were left alone, with the reason.
    pub(super) closed: Vec<(ContainerPath, String)>,
}

impl Docker {
    /// Copies first, then deletes. Copies also work on stopped containers; deletes need a running one, and return `NotRunning` after
    /// the copies are done. Both can be repeated safely.
    async fn apply_through_archive(
        &self,
        container: &Container,
        delta: &Delta,
    ) -> Result<Through, EngineError> {
        let mut through = self.put(container, delta).await?;
        through.closed.extend(self.remove(container, delta).await?);
        Ok(through)
    }
}
