//! Updates through the plain Engine API: PUT archive for copies, `rm` and `rmdir` for deletes. Needs no program of ours in the container.

mod put;
pub mod read;
mod remove;
mod route;
pub mod survey;
mod way;
mod write;

pub(super) use put::FULL;

use super::client::Docker;
use super::{Container, Delta, EngineError};
use crate::paths::ContainerPath;

/// What came of an update through the engine.
#[derive(Debug, Default)]
pub struct Through {
    /// What could not be read whole.
    pub unread: Vec<ContainerPath>,
    /// What was not touched, and why.
    pub closed: Vec<(ContainerPath, String)>,
}

impl Docker {
    /// Copies first, deletes after them. Copies work on stopped containers as well; deletes that need a running one
    /// say `NotRunning` after the copies are done, and both are safe to repeat.
    pub(super) async fn apply_through_archive(
        &self,
        container: &Container,
        delta: &Delta,
    ) -> Result<Through, EngineError> {
        let mut through = self.put(container, delta).await?;
        through.closed.extend(self.remove(container, delta).await?);
        Ok(through)
    }
}
