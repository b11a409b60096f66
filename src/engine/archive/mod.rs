//! Updates through the plain Engine API: PUT archive for copies, `rm` and `rmdir` for deletes. Needs no program of ours in the container.

mod put;
pub mod read;
mod remove;
mod route;
pub mod survey;
mod write;

use super::client::Docker;
use super::{Container, Delta, EngineError};
use crate::paths::ContainerPath;

impl Docker {
    /// Copies first, deletes after them. Copies work on stopped containers as well; deletes that need a running one
    /// say `NotRunning` after the copies are done, and both are safe to repeat.
    /// Answers what could not be read whole.
    pub(super) async fn apply_through_archive(
        &self,
        container: &Container,
        delta: &Delta,
    ) -> Result<Vec<ContainerPath>, EngineError> {
        let unread = self.put(container, &delta.put, &delta.remove).await?;
        self.remove(container, delta).await?;
        Ok(unread)
    }
}
