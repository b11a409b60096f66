//! Containers come and go (E1): finds a service's containers, and what each of them is owed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};

use crate::compose::MountKind;
use crate::engine::{Container, ContainerId, Engine, EngineError, State};
use crate::paths::{ContainerPath, HostPath};
use crate::report::{Done, Ended, Notice, Problem, Took};
use crate::update::Ledger;
use crate::watch::Entry;

use super::compare::{Comparison, compare, surplus};
use super::settle::Why;
use super::worker::Worker;

/// So many new containers are compared with the disk at a time: more than that wait for each other's hashes.
const SIDE_BY_SIDE: usize = 16;

impl<E: Engine> Worker<E> {
    /// Looks at the service's containers again; a new one is owed what changed since its image was built.
    pub(super) async fn look_at_containers(&mut self, begun: Instant) {
        let containers = match self.engine.containers(&self.service.name).await {
            Ok(containers) => containers,
            Err(error) => {
                // That the engine is away, and when it is back, the stream of events says.
                if !matches!(error, EngineError::Unreachable(_)) {
                    let problem = Problem::ContainersUnknown(error);
                    self.reporter.problem(Some(&self.service.name), problem);
                }
                return self.again.later(Instant::now(), Why::Containers);
            }
        };
        self.forget_all_but(&containers).await;
        let mut woken = false;
        let mut new = Vec::new();
        for mut container in containers
            .into_iter()
            .filter(|container| container.state != State::Gone)
        {
            if !matches!(container.state, State::Exited { .. }) {
                self.told_stops.remove(&container.id);
            } else if self.stops.has_stopped(&container.id) {
                container.state = State::Stopped;
            }
            if let Some(ledger) = self.ledgers.get_mut(&container.id) {
                ledger.container = container;
            } else {
                let is_stranger = self.strangers.remove(&container.id);
                new.push((container, is_stranger));
            }
        }
        let welcomes = new
            .into_iter()
            .map(|(container, is_stranger)| self.welcome(container, is_stranger));
        let ledgers: Vec<Ledger> = stream::iter(welcomes)
            .buffer_unordered(SIDE_BY_SIDE)
            .collect()
            .await;
        for ledger in ledgers {
            self.ledgers.insert(ledger.container.id.clone(), ledger);
        }
        self.refill(begun).await;
        for ledger in self.ledgers.values() {
            if ledger.container.state == State::Running && !self.rules.block().always_rebuilds() {
                let (engine, container) = (Arc::clone(&self.engine), ledger.container.clone());
                tokio::spawn(async move { engine.warm_up(&container).await });
            }
            let rests = matches!(
                ledger.container.state,
                State::Exited { .. } | State::Stopped
            );
            woken |= !ledger.is_settled() && !rests;
        }
        if woken {
            // Boxed: settling may look at the containers again.
            Box::pin(self.settle(begun, Duration::ZERO, Why::Containers)).await;
        }
    }

    /// What was known of containers that are gone, and what was open to them.
    async fn forget_all_but(&mut self, containers: &[Container]) {
        let gone: Vec<ContainerId> = self
            .ledgers
            .keys()
            .filter(|id| containers.iter().all(|container| container.id != **id))
            .cloned()
            .collect();
        for id in gone {
            self.ledgers.remove(&id);
            self.told_stops.remove(&id);
            self.engine.forget(&id).await;
        }
    }

    /// What a container that was not seen before is owed.
    async fn welcome(&self, container: Container, is_stranger: bool) -> Ledger {
        let baseline = if is_stranger {
            None
        } else {
            self.baselines.get(&container.image_id).copied()
        };
        let since_build = baseline.map(|baseline| self.disk.changed_since(baseline));
        let initial_sync = self.rules.block().initial_sync.is_some()
            || self.rules.block().syncs.iter().any(|sync| sync.initial);
        let mut ledger = match since_build {
            Some(owed) if !initial_sync => self.welcome_built(container, owed).await,
            since_build => {
                self.welcome_by_content(container, since_build.unwrap_or_default())
                    .await
            }
        };
        self.owe_after_rebuild(&mut ledger).await;
        ledger
    }

    /// A container of an image of ours: it has what was built, unless the Dockerfile copies less than the syncs do. What only
    /// a sync had put into the container before it must not be lost by a rebuild. What lies in a volume is older than all.
    async fn welcome_built(&self, container: Container, mut owed: BTreeSet<HostPath>) -> Ledger {
        let in_a_volume = self.in_a_volume(&container);
        let doubtful: BTreeMap<&HostPath, &Entry> = self
            .disk
            .ever_changed()
            .chain(in_a_volume)
            .filter(|(path, _)| !owed.contains(*path))
            .collect();
        if doubtful.is_empty() {
            return Ledger::new(container, owed);
        }
        let compared = compare(
            &*self.engine,
            &self.rules,
            doubtful.iter().map(|(path, entry)| (*path, *entry)),
            &container,
            &self.reporter,
        )
        .await;
        let Ok(comparison) = compared else {
            // Not known to be there is brought again.
            let all: Vec<HostPath> = doubtful.into_keys().cloned().collect();
            owed.extend(all);
            return Ledger::new(container, owed);
        };
        let mut ledger = Ledger::new(container, owed);
        comparison.note_in(&mut ledger);
        ledger
    }

    /// What a container has in a volume, which may be left from one before it.
    fn in_a_volume(&self, container: &Container) -> Vec<(&HostPath, &Entry)> {
        let volumes: Vec<&ContainerPath> = container
            .mounts
            .iter()
            .filter(|mount| matches!(mount.kind, MountKind::Volume(_)))
            .map(|mount| &mount.target)
            .collect();
        if volumes.is_empty() {
            return Vec::new();
        }
        let lies_in_one = |path: &HostPath| {
            let mut targets = self.rules.targets(path);
            targets.any(|target| volumes.iter().any(|volume| target.to.is_within(volume)))
        };
        self.disk
            .present()
            .filter(|(path, _)| lies_in_one(path))
            .collect()
    }

    /// The container against all that the disk has of the watched paths.
    async fn compare_with_disk(&self, container: &Container) -> Result<Comparison, EngineError> {
        let present = self.disk.present();
        compare(
            &*self.engine,
            &self.rules,
            present,
            container,
            &self.reporter,
        )
        .await
    }

    /// E5, and an image that this session did not build: the container is asked what it holds.
    async fn welcome_by_content(
        &self,
        container: Container,
        mut owed: BTreeSet<HostPath>,
    ) -> Ledger {
        // Deleted since the session began, and perhaps still in an image that was built before.
        match surplus(
            &*self.engine,
            &self.rules,
            self.disk.gone(),
            &container,
            &self.reporter,
        )
        .await
        {
            Ok(surplus) => owed.extend(surplus),
            // Not known to be gone is removed again.
            Err(_) => owed.extend(self.disk.gone().cloned()),
        }
        owed.extend(self.disk.chmodded().cloned());
        match self.compare_with_disk(&container).await {
            Ok(comparison) => {
                let mut ledger = Ledger::new(container, owed);
                comparison.note_in(&mut ledger);
                ledger
            }
            Err(error) => {
                if !matches!(error, EngineError::Gone(_)) {
                    let container = container.name.clone();
                    let problem = Problem::NotCompared { container, error };
                    self.reporter.problem(Some(&self.service.name), problem);
                }
                let rules = &self.rules;
                let present = self.disk.present().map(|(path, _)| path);
                owed.extend(
                    present
                        .filter(|path| rules.asks_for_rebuild(path).is_none())
                        .cloned(),
                );
                Ledger::new(container, owed)
            }
        }
    }

    /// The key `v`: compares every container by content, and repairs what drifted.
    pub(super) async fn verify(&mut self) {
        let begun = Instant::now();
        let mut names = Vec::new();
        let mut drifted = 0;
        let ids: Vec<_> = self.ledgers.keys().cloned().collect();
        for id in ids {
            let Some(container) = self.ledgers.get(&id).map(|ledger| ledger.container.clone())
            else {
                continue;
            };
            match self.compare_with_disk(&container).await {
                Ok(comparison) => {
                    drifted += comparison.drift().count();
                    names.push(container.name.clone());
                    self.note_comparison(&container, comparison);
                }
                Err(error) => {
                    let container = container.name.clone();
                    let problem = Problem::NotVerified { container, error };
                    self.reporter.problem(Some(&self.service.name), problem);
                }
            }
        }
        let took = Took {
            total: begun.elapsed(),
            ..Took::default()
        };
        // What waits for the user, or for the engine, is not in step either, whatever the comparison saw: it sees no deletion.
        let owed = |ledger: &Ledger| !ledger.owed.is_empty();
        if drifted == 0 && self.ledgers.values().any(owed) {
            self.settle(begun, Duration::ZERO, Why::Change).await;
        } else if drifted == 0 {
            self.say(Done::Verified, &names, took, Ended::Well);
        } else {
            let notice = Notice::Drifted { paths: drifted };
            self.reporter.notice(Some(&self.service.name), notice);
            self.settle(begun, Duration::ZERO, Why::Change).await;
        }
    }

    fn note_comparison(&mut self, container: &Container, comparison: Comparison) {
        let Some(ledger) = self.ledgers.get_mut(&container.id) else {
            return;
        };
        ledger.forget();
        comparison.note_in(ledger);
    }
}
