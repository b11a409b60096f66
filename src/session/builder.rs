//! Builds and recreates for all workers: each image once per state of the disk, bases first, one recreate at a time (C11, D2).

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::docker::DockerCli;
use crate::engine::{Engine, EngineError};
use crate::paths::HostPath;
use crate::plan::{Because, Rules};
use crate::watch::Scope;

use super::custom;
use crate::service::stages::Target;

/// When the last good build of an image began. Locked for as long as it is being built.
type Slot = Arc<Mutex<Option<Instant>>>;

/// Shared by all workers of a session.
pub struct Builder<E> {
    engine: Arc<E>,
    cli: DockerCli,
    dir: HostPath,
    slots: Mutex<HashMap<String, Slot>>,
    relatives: RwLock<Vec<SharedBase>>,
}

/// A service whose image Compose can build in one go with others'.
#[derive(Debug)]
pub struct SharedBase {
    /// Its image, and what comes along with it.
    pub target: Target,
    /// Says which changes ask for it.
    pub rules: Rules,
    /// Says which changes are seen for it.
    pub scope: Arc<Scope>,
}

impl SharedBase {
    /// Whether a change of `path` rebuilds it.
    fn is_rebuilt_for(&self, path: &HostPath) -> bool {
        self.scope.watches(path) && self.rules.rebuilds(path)
    }
}

impl<E: Engine> Builder<E> {
    /// Builds through `engine`, custom builds in `dir`.
    pub fn new(engine: Arc<E>, cli: DockerCli, dir: HostPath) -> Self {
        Self {
            engine,
            cli,
            dir,
            slots: Mutex::default(),
            relatives: RwLock::default(),
        }
    }

    /// Who may ask for a build of the same base at the same time.
    pub fn set_shared_bases(&self, relatives: Vec<SharedBase>) {
        *self
            .relatives
            .write()
            .unwrap_or_else(PoisonError::into_inner) = relatives;
    }

    /// Builds `targets` in order. One whose last good build began after `changed`, the latest change, has all in
    /// it already.
    pub async fn build(
        &self,
        targets: &[Target],
        changed: Instant,
        because: Option<&Because>,
        output: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(), EngineError> {
        for target in targets {
            // An image that several are built from is built once: with all of them that the change asks for.
            let relatives = self.built_with(target, because);
            if !relatives.is_empty() {
                let mut go = relatives;
                go.push(target.clone());
                let mut slots = self.lock(&go).await;
                if slots.are_newer(target, changed) {
                    continue;
                }
                let begun = Instant::now();
                if self.compose(&go, output).await.is_ok() {
                    slots.note(begun);
                    continue;
                }
                // Another one's broken build is no matter of this one (C13).
            }
            let mut slots = self.lock(std::slice::from_ref(target)).await;
            if slots.are_newer(target, changed) {
                continue;
            }
            let begun = Instant::now();
            match &target.custom {
                Some(build) => custom::build(&self.cli, build, &self.dir, output).await?,
                None => self.compose(std::slice::from_ref(target), output).await?,
            }
            slots.note(begun);
        }
        Ok(())
    }

    /// Builds what Compose can build in one go, whatever was built before.
    pub async fn build_together(
        &self,
        go: &[Target],
        output: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(), EngineError> {
        let mut slots = self.lock(go).await;
        let begun = Instant::now();
        self.compose(go, output).await?;
        slots.note(begun);
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

    /// The others whose images share one with `target`, and whom the same change asks to be built.
    fn built_with(&self, target: &Target, because: Option<&Because>) -> Vec<Target> {
        let Some(path) = because.and_then(Because::path) else {
            return Vec::new();
        };
        if target.custom.is_some() {
            return Vec::new();
        }
        self.relatives
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .filter(|other| {
                other.target.service != target.service
                    && other.target.overlaps(target)
                    && other.is_rebuilt_for(path)
            })
            .map(|other| other.target.clone())
            .collect()
    }

    async fn compose(
        &self,
        go: &[Target],
        output: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(), EngineError> {
        let named: Vec<String> = go
            .iter()
            .map(|target| &target.service)
            .filter(|name| go.iter().all(|target| !target.along.contains(name)))
            .cloned()
            .collect();
        self.engine.build(&named, output).await
    }

    /// Holds all images of `go`, in one order for everybody.
    async fn lock(&self, go: &[Target]) -> Held {
        let names: BTreeSet<&String> = go
            .iter()
            .flat_map(|target| target.along.iter().chain([&target.service]))
            .collect();
        let mut held = Held::default();
        for name in names {
            let slot = Arc::clone(self.slots.lock().await.entry(name.clone()).or_default());
            held.slots.insert(name.clone(), slot.lock_owned().await);
        }
        held
    }
}

/// Images that nobody else builds meanwhile.
#[derive(Default)]
struct Held {
    slots: HashMap<String, OwnedMutexGuard<Option<Instant>>>,
}

impl Held {
    fn are_newer(&self, target: &Target, changed: Instant) -> bool {
        self.slots
            .get(&target.service)
            .and_then(|slot| **slot)
            .is_some_and(|begun| begun > changed)
    }

    fn note(&mut self, begun: Instant) {
        for slot in self.slots.values_mut() {
            **slot = Some(begun);
        }
    }
}
