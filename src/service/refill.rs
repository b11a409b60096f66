//! A tmpfs is empty whenever its container has started: what the syncs have there is brought again. That alone: no command,
//! and no restart, which would empty it once more.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::compose::{Mount, MountKind};
use crate::engine::State;
use crate::paths::ContainerPath;
use crate::plan::{self, Debts, Plan};

use super::LiveService;
use super::action::{Action, Occasion};
use super::compare::synced;
use super::ledger::Ledger;
use super::update::{Loaded, Part, Purpose, Update};

impl LiveService {
    /// Fills what the latest starts of the containers have emptied; nothing where there is nothing.
    pub(super) fn refill(&mut self, begun: Instant) -> Vec<Action> {
        let parts = self.emptied();
        if parts.is_empty() {
            return Vec::new();
        }
        if self.holds_back(false) {
            // It waits with all else.
            for part in parts {
                if let Some(ledger) = self.replicas.get_mut(&part.container.id) {
                    let paths = part.changes.iter().map(|change| change.path().clone());
                    ledger.owed.extend(paths);
                }
            }
            return Vec::new();
        }
        vec![Action::Read(Update {
            occasion: Occasion::containers(begun),
            purpose: Purpose::Refill,
            parts,
            loaded: Loaded::default(),
            left_out: Vec::new(),
            touches: true,
        })]
    }

    /// What each container has lost since it was filled, and is not owed anyway.
    fn emptied(&mut self) -> Vec<Part> {
        let mut parts = Vec::new();
        let rules = &self.config.rules;
        for ledger in self
            .replicas
            .iter_mut()
            .filter(|ledger| is_empty_again(ledger))
        {
            let container = &ledger.container;
            let lies_there =
                |to: &ContainerPath| Mount::over(&container.mounts, to).is_some_and(is_memory);
            let (mut changes, mut lost) = (Vec::new(), BTreeSet::new());
            for (path, _) in synced(rules, &self.seen.disk) {
                if ledger.owed.contains(&path) || rules.asks_for_rebuild(&path).is_some() {
                    continue;
                }
                let known = lost.len();
                let targets = rules.targets(&path).map(|target| target.to);
                lost.extend(targets.filter(lies_there));
                if lost.len() > known {
                    changes.push(self.seen.disk.change(&path));
                }
            }
            ledger.filled = Some(container.started.clone());
            let plan = plan::plan(rules, &changes, &Debts::default());
            if let Plan::LiveUpdate(mut update) = plan {
                update.steps.clear();
                // Its other places still have it.
                update.copies.retain(|copy| lost.contains(&copy.to));
                parts.push(Part::new(container.clone(), update, changes));
            }
            for to in &lost {
                ledger.lose(to);
            }
        }
        parts
    }
}

fn is_memory(mount: &Mount) -> bool {
    mount.kind == MountKind::Tmpfs && !mount.read_only
}

/// Whether it was started since its memory was filled.
fn is_empty_again(ledger: &Ledger) -> bool {
    let container = &ledger.container;
    container.state == State::Running
        && container.mounts.iter().any(is_memory)
        && ledger.filled.as_ref() != Some(&container.started)
}
