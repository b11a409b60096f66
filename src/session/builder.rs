//! Builds and recreates for all workers: each image once per state of the disk, bases first, one recreate at a time (C11, D2).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Mutex;

use crate::compose::block::CustomBuild;
use crate::docker::DockerCli;
use crate::engine::{Engine, EngineError};
use crate::paths::HostPath;

use super::custom;

/// Shared by all workers of a session.
pub struct Builder<E> {
    engine: Arc<E>,
    cli: DockerCli,
    dir: HostPath,
    /// When the last good build of each service began. Locked for as long as it is being built.
    services: Mutex<HashMap<String, Arc<Mutex<Option<Instant>>>>>,
}

/// One image to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The service.
    pub service: String,
    /// Built by the user's own command (D3).
    pub custom: Option<CustomBuild>,
}

impl<E: Engine> Builder<E> {
    /// Builds through `engine`, custom builds in `dir`.
    pub fn new(engine: Arc<E>, cli: DockerCli, dir: HostPath) -> Self {
        Self {
            engine,
            cli,
            dir,
            services: Mutex::default(),
        }
    }

    /// Builds `targets` in order. One whose last good build began after `changed` has the change in it already.
    pub async fn build(
        &self,
        targets: &[Target],
        changed: Instant,
        output: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(), EngineError> {
        for target in targets {
            let slot = Arc::clone(
                self.services
                    .lock()
                    .await
                    .entry(target.service.clone())
                    .or_default(),
            );
            let mut last = slot.lock().await;
            if last.is_some_and(|begun| begun > changed) {
                continue;
            }
            let begun = Instant::now();
            match &target.custom {
                Some(build) => custom::build(&self.cli, build, &self.dir, output).await?,
                None => {
                    self.engine
                        .build(std::slice::from_ref(&target.service), output)
                        .await?;
                }
            }
            *last = Some(begun);
        }
        Ok(())
    }

    /// Recreates one service from its image, without its dependencies.
    pub async fn recreate(
        &self,
        service: &str,
        output: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(), EngineError> {
        self.engine.recreate(&[service.to_owned()], output).await
    }
}
