//! A tmpfs is empty whenever its container has started: what the syncs have there is brought again. That alone: no command,
//! and no restart, which would empty it once more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::compose::{Mount, MountKind};
use crate::engine::{ContainerId, Engine, State};
use crate::paths::{ContainerPath, HostPath};
use crate::plan::{self, Copy, Plan, Standing};
use crate::update::{self, Doubt, Job};

use super::settle::{Part, Round, Why};
use super::worker::Worker;

impl<E: Engine> Worker<E> {
    /// Fills what the latest starts of the containers have emptied.
    pub(super) async fn refill(&mut self, begun: Instant) {
        let parts = self.emptied();
        if parts.is_empty() || self.holds_back() {
            return;
        }
        let copies: BTreeMap<HostPath, Copy> = parts
            .iter()
            .flat_map(|part| &part.update.copies)
            .map(|copy| (copy.from.clone(), copy.clone()))
            .collect();
        let copies: Vec<Copy> = copies.into_values().collect();
        let loading = tokio::task::spawn_blocking(move || update::load(&copies));
        // What cannot be read is said with its own change.
        let (loaded, _) = loading.await.unwrap_or_default();
        let mut jobs: Vec<Job> = parts
            .iter()
            .filter_map(|part| {
                let ledger = self.ledgers.get(&part.id)?;
                Some(Job {
                    container: ledger.container.clone(),
                    // Nothing stands there yet.
                    delta: ledger.delta(&part.update, &loaded, |_| None, |_| Doubt::Another),
                    awaits_whole_files: false,
                    runs: Vec::new(),
                    restart: None,
                })
            })
            .collect();
        let landed = update::apply(&*self.engine, &mut jobs, &|_, _| None, &self.reporter).await;
        // Runs and restarts that are owed have nothing to do with it.
        let standing: BTreeMap<ContainerId, Standing> = self
            .ledgers
            .iter()
            .map(|(id, ledger)| (id.clone(), ledger.standing.clone()))
            .collect();
        let round = self.write_down(
            &parts,
            &landed,
            &loaded,
            begun,
            Duration::ZERO,
            Why::Containers,
        );
        for (id, standing) in standing {
            if let Some(ledger) = self.ledgers.get_mut(&id) {
                ledger.standing = standing;
            }
        }
        for (part, landed) in parts.iter().zip(&landed) {
            let Some(ledger) = self.ledgers.get_mut(&part.id) else {
                continue;
            };
            // A container that is not there any more is filled when it is.
            if landed.files.is_err() && !matches!(round, Round::LookAgain) {
                let paths = part.update.copies.iter().map(|copy| copy.from.clone());
                ledger.owed.extend(paths);
            }
        }
    }

    /// What each container has lost since it was filled, and is not owed anyway.
    fn emptied(&mut self) -> Vec<Part> {
        let mut parts = Vec::new();
        let rules = &self.rules;
        for (id, ledger) in &mut self.ledgers {
            let container = &ledger.container;
            let is_memory = |mount: &Mount| mount.kind == MountKind::Tmpfs && !mount.read_only;
            if container.state != State::Running
                || !container.mounts.iter().any(is_memory)
                || ledger.filled.as_ref() == Some(&container.started)
            {
                continue;
            }
            let lies_there =
                |to: &ContainerPath| Mount::over(&container.mounts, to).is_some_and(is_memory);
            let (mut changes, mut lost) = (Vec::new(), BTreeSet::new());
            for (path, _) in self.disk.present() {
                if ledger.owed.contains(path) || rules.asks_for_rebuild(path).is_some() {
                    continue;
                }
                let known = lost.len();
                let targets = rules.targets(path).map(|target| target.to);
                lost.extend(targets.filter(lies_there));
                if lost.len() > known {
                    changes.push(self.disk.change(path));
                }
            }
            ledger.filled = Some(container.started.clone());
            for to in &lost {
                ledger.lose(to);
            }
            let plan = plan::plan(rules, &changes, &Standing::default());
            if let Plan::LiveUpdate(mut update) = plan {
                update.runs.clear();
                update.restart = None;
                // Its other places still have it.
                update.copies.retain(|copy| lost.contains(&copy.to));
                parts.push(Part {
                    id: id.clone(),
                    changes,
                    update,
                    live: 0,
                    held: None,
                });
            }
        }
        parts
    }
}
