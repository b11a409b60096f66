//! A file that cannot stand where its sync says, for a directory is there or a file in its way: it is set aside and said,
//! so that the service is neither rebuilt for it nor held up. Asked only when the engine has refused an update.

use std::collections::BTreeMap;

use crate::engine::{Fingerprint, Fingerprints, Sought, Wanted};
use crate::paths::{ContainerPath, HostPath};
use crate::plan::{Copy, LiveUpdate, Rules};
use crate::report::{Obstacle, Problem};
use crate::watch::Kind;

use super::LiveService;
use super::action::Action;
use super::update::Update;

impl LiveService {
    /// Takes what can never be put in place out of what the containers are owed, and says so; nothing where there is nothing.
    pub(super) fn set_aside(&mut self, update: &Update, found: &[Fingerprints]) -> Vec<Action> {
        let mut set_aside = Vec::new();
        for (part, found) in update.parts.iter().zip(found) {
            let Some(ledger) = self.replicas.get_mut(&part.container.id) else {
                continue;
            };
            for (from, to, obstacle) in misplaced(&self.config.rules, &part.plan, found) {
                if ledger.owed.remove(&from) {
                    set_aside.push(Problem::Misplaced {
                        from,
                        to,
                        container: part.container.name.clone(),
                        obstacle,
                    });
                }
            }
        }
        let set_aside = set_aside.into_iter();
        set_aside.map(|problem| self.problem(problem)).collect()
    }

    /// The places that single files go to, and those above the others that belong to a single file.
    pub(super) fn doubtful_places(&self, update: &LiveUpdate) -> Wanted {
        let mut asked = BTreeMap::new();
        for copy in &update.copies {
            if is_single_file(copy) {
                asked.insert(copy.to.clone(), Sought::Anything);
            }
            for place in files_above(&self.config.rules, copy) {
                asked.insert(place, Sought::Anything);
            }
        }
        asked
    }
}
/// Whether it is the file that its sync names, and not one below it.
fn is_single_file(copy: &Copy) -> bool {
    copy.depth == 0 && copy.entry.kind != Kind::Directory
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
    found: &Fingerprints,
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
