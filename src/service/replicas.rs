//! The containers of one service, each with its books.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::{Container, ContainerId, State};
use crate::paths::HostPath;

use super::ledger::Ledger;

/// The containers that are known.
#[derive(Debug, Default)]
pub(super) struct Replicas {
    ledgers: BTreeMap<ContainerId, Ledger>,
    /// Those that were there before this session's first start: what they hold has to be found out.
    preexisting: BTreeSet<ContainerId>,
}

impl Replicas {
    pub fn new(preexisting: BTreeSet<ContainerId>) -> Self {
        Self {
            ledgers: BTreeMap::new(),
            preexisting,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.ledgers.is_empty()
    }

    pub fn ids(&self) -> Vec<ContainerId> {
        self.ledgers.keys().cloned().collect()
    }

    pub fn get(&self, id: &ContainerId) -> Option<&Ledger> {
        self.ledgers.get(id)
    }

    pub fn get_mut(&mut self, id: &ContainerId) -> Option<&mut Ledger> {
        self.ledgers.get_mut(id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Ledger> {
        self.ledgers.values()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Ledger> {
        self.ledgers.values_mut()
    }

    pub fn containers(&self) -> impl Iterator<Item = &Container> {
        self.iter().map(|ledger| &ledger.container)
    }

    /// A new one is known.
    pub fn admit(&mut self, ledger: Ledger) {
        self.ledgers.insert(ledger.container.id.clone(), ledger);
    }

    /// Whether it was there before the session; asked once, when it is admitted.
    pub fn is_preexisting(&mut self, id: &ContainerId) -> bool {
        self.preexisting.remove(id)
    }

    /// Nothing is known any more of those that are not among `containers`: which.
    pub fn forget_all_but(&mut self, containers: &[Container]) -> Vec<ContainerId> {
        let is_there = |id: &ContainerId| containers.iter().any(|container| container.id == *id);
        let gone: Vec<ContainerId> = self.ids().into_iter().filter(|id| !is_there(id)).collect();
        for id in &gone {
            self.ledgers.remove(id);
        }
        gone
    }

    /// Nothing is owed to any of them.
    pub fn are_settled(&self) -> bool {
        self.iter().all(Ledger::is_settled)
    }

    /// Whether their owner has stopped all of them.
    pub fn are_stopped(&self) -> bool {
        let mut containers = self.containers();
        !self.is_empty() && containers.all(|container| container.state == State::Stopped)
    }

    /// All paths that one of them is owed; a path may come several times.
    pub fn owed(&self) -> impl Iterator<Item = &HostPath> {
        self.iter().flat_map(|ledger| &ledger.owed)
    }

    /// Every one is owed these paths until it has them.
    pub fn owe(&mut self, paths: &BTreeSet<HostPath>) {
        for ledger in self.iter_mut() {
            ledger.owed.extend(paths.iter().cloned());
        }
    }

    /// Of what they are owed only what `keep` wants stays so.
    pub fn keep_owed(&mut self, keep: impl Fn(&HostPath) -> bool) {
        for ledger in self.iter_mut() {
            ledger.owed.retain(|path| keep(path));
        }
    }

    /// Who is owed `paths` of these, the first `most` of each.
    pub fn owed_of(
        &self,
        paths: impl Fn(&HostPath) -> bool,
        most: usize,
    ) -> BTreeMap<ContainerId, Vec<HostPath>> {
        let owed = self.ledgers.iter().filter_map(|(id, ledger)| {
            let paths = ledger.owed.iter().filter(|path| paths(path)).take(most);
            let paths: Vec<HostPath> = paths.cloned().collect();
            (!paths.is_empty()).then(|| (id.clone(), paths))
        });
        owed.collect()
    }
}
