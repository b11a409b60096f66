//! A file that cannot stand where its sync says, for a directory is there or a file in its way: it is set aside and said,
//! so that the service is neither rebuilt for it nor held up. Asked only when the engine has refused an update.

use std::collections::BTreeMap;

use crate::engine::{Engine, EngineError, Fingerprint, Sought};
use crate::paths::{ContainerPath, HostPath};
use crate::plan::{Copy, LiveUpdate, Rules};
use crate::report::{Obstacle, Problem};
use crate::update::Landed;
use crate::watch::Kind;

use super::settle::Part;
use super::worker::Worker;

impl<E: Engine> Worker<E> {
    /// Takes what can never be put in place out of what the containers are owed. Whether there was anything.
    pub(super) async fn set_aside(&mut self, parts: &[Part], landed: &[Landed]) -> bool {
        let mut any = false;
        for (part, landed) in parts.iter().zip(landed) {
            if !matches!(landed.files, Err(EngineError::Refused(_))) {
                continue;
            }
            let Some(ledger) = self.ledgers.get_mut(&part.id) else {
                continue;
            };
            let asked = doubtful(&self.rules, &part.update);
            if asked.is_empty() {
                continue;
            }
            let roots: Vec<ContainerPath> = asked.keys().cloned().collect();
            let found = self
                .engine
                .fingerprints(&ledger.container, &asked, &roots)
                .await
                .unwrap_or_default();
            for (from, to, obstacle) in misplaced(&self.rules, &part.update, &found) {
                any |= ledger.owed.remove(&from);
                let problem = Problem::Misplaced {
                    from,
                    to,
                    container: ledger.container.name.clone(),
                    obstacle,
                };
                self.reporter.problem(Some(&self.service.name), problem);
            }
        }
        if any {
            // What landed elsewhere meanwhile is found again by its content.
            for part in parts {
                if let Some(ledger) = self.ledgers.get_mut(&part.id) {
                    ledger.forget();
                }
            }
        }
        any
    }
}

/// Whether it is the file that its sync names, and not one below it.
fn is_single_file(copy: &Copy) -> bool {
    copy.depth == 0 && copy.entry.kind != Kind::Directory
}

/// The places that single files go to, and those above the others that belong to a single file.
fn doubtful(rules: &Rules, update: &LiveUpdate) -> BTreeMap<ContainerPath, Sought> {
    let mut asked = BTreeMap::new();
    for copy in &update.copies {
        if is_single_file(copy) {
            asked.insert(copy.to.clone(), Sought::Anything);
        }
        for place in files_above(rules, copy) {
            asked.insert(place, Sought::Anything);
        }
    }
    asked
}

/// The targets of other syncs that `copy` lies below.
fn files_above(rules: &Rules, copy: &Copy) -> Vec<ContainerPath> {
    let others = rules.block().syncs.iter();
    others
        .filter(|sync| sync.step != copy.step && copy.to != sync.remote)
        .filter(|sync| copy.to.is_within(&sync.remote))
        .map(|sync| sync.remote.clone())
        .collect()
}

/// What cannot be put in place, where it should go, and why.
fn misplaced(
    rules: &Rules,
    update: &LiveUpdate,
    found: &BTreeMap<ContainerPath, Fingerprint>,
) -> Vec<(HostPath, ContainerPath, Obstacle)> {
    let mut all = Vec::new();
    for copy in &update.copies {
        let is_directory = matches!(found.get(&copy.to), Some(Fingerprint::Directory { .. }));
        let file = files_above(rules, copy)
            .into_iter()
            .find(|place| matches!(found.get(place), Some(Fingerprint::File { .. })));
        let obstacle = match file {
            _ if is_single_file(copy) && is_directory => Obstacle::Directory,
            Some(file) => Obstacle::File(file),
            None => continue,
        };
        all.push((copy.from.clone(), copy.to.clone(), obstacle));
    }
    all
}
