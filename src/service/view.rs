//! What can be asked of a service's configuration, disk and images together. Changes nothing.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use crate::compose::MountKind;
use crate::engine::Container;
use crate::paths::{ContainerPath, HostPath};
use crate::plan::rules::Mapping;
use crate::plan::{self, Debts, LiveUpdate, Plan};
use crate::watch::Change;

use super::Configuration;
use super::action::Admission;
use super::compare::{About, Wanted, expected, gone, synced};
use super::disk::Disk;
use super::images::Images;
use super::ledger::Ledger;

/// The coarsest step of the clocks that files are stamped with, with room to spare.
const CLOCK_STEP: Duration = Duration::from_millis(50);

/// What a decision is made from.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub config: &'a Configuration,
    pub disk: &'a Disk,
    pub images: &'a Images,
}

impl View<'_> {
    /// What `container` has to be asked.
    pub fn wanted(self, about: &About, container: &Container) -> Wanted {
        let rules = &self.config.rules;
        match about {
            About::Gone => Wanted {
                gone: gone(rules, self.disk.gone(), container),
                ..Wanted::default()
            },
            // How the image is built is no content of the container, wherever the file lies (C3.2).
            About::Everything => {
                let synced = synced(rules, self.disk);
                let content = synced.filter(|(path, _)| rules.asks_for_rebuild(path).is_none());
                let mut expected = expected(rules, content, container);
                let chmodded: HashSet<&HostPath> = self.disk.chmodded().collect();
                if !chmodded.is_empty() {
                    for path in &mut expected {
                        path.mode_counts = chmodded.contains(path.source.path());
                    }
                }
                Wanted {
                    expected,
                    ..Wanted::default()
                }
            }
            About::Paths(paths) => {
                let present = paths.iter();
                let entry = |path: &HostPath| Some((path.clone(), self.disk.entry(path)?));
                let present = present.filter_map(entry);
                Wanted {
                    expected: expected(rules, present, container),
                    ..Wanted::default()
                }
            }
        }
    }

    /// What a container that could not be asked is owed, for it is not known to be as it should.
    pub fn owed_unasked(self, about: &About) -> Vec<HostPath> {
        let rules = &self.config.rules;
        match about {
            About::Gone => self.disk.gone().cloned().collect(),
            About::Everything => {
                let present = self.disk.present().map(|(path, _)| path);
                let content = present.filter(|path| rules.asks_for_rebuild(path).is_none());
                content.collect()
            }
            About::Paths(paths) => paths.clone(),
        }
    }

    /// What a container that was not seen before is owed, and has to be asked.
    pub fn admission(self, container: Container, is_preexisting: bool) -> Admission {
        let baseline = self.images.baseline(&container.image_id);
        let baseline = baseline.filter(|_| !is_preexisting);
        let since_build = baseline.map(|baseline| self.disk.changed_since(baseline));
        let block = self.config.rules.block();
        let initial_sync = block.initial_sync.is_some() || block.syncs.iter().any(|it| it.initial);
        let (owed, mut about) = match since_build {
            // A container of an image of ours: it has what was built, unless the Dockerfile copies less than the syncs do.
            Some(owed) if !initial_sync => {
                let about = About::Paths(self.doubtful(&container, &owed));
                (owed, vec![about])
            }
            // E5, and an image that this session did not build: the container is asked what it holds.
            since_build => (
                since_build.unwrap_or_default(),
                vec![About::Gone, About::Everything],
            ),
        };
        about.push(About::Paths(self.built_and_synced()));
        about.retain(|about| *about != About::Paths(Vec::new()));
        Admission {
            container,
            owed,
            about,
        }
    }

    /// What a new container may be without, though its image was built here: what only a sync had put into the container before
    /// it must not be lost by a rebuild, and what lies in a volume is older than all.
    fn doubtful(self, container: &Container, owed: &BTreeSet<HostPath>) -> Vec<HostPath> {
        let rules = &self.config.rules;
        let changed = self.disk.ever_changed();
        let changed = changed.map(|(path, _)| path.clone());
        let all = changed.chain(self.in_a_volume(container));
        let doubtful: BTreeSet<HostPath> = all
            // How the image is built is no content of the container, wherever the file lies (C3.2).
            .filter(|path| !owed.contains(path) && rules.asks_for_rebuild(path).is_none())
            .collect();
        doubtful.into_iter().collect()
    }

    /// What a container has in a volume, which may be left from one before it.
    fn in_a_volume(self, container: &Container) -> Vec<HostPath> {
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
            let mut targets = self.config.rules.targets(path);
            targets.any(|target| volumes.iter().any(|volume| target.to.is_within(volume)))
        };
        let synced = synced(&self.config.rules, self.disk).map(|(path, _)| path);
        synced.filter(lies_in_one).collect()
    }

    /// F1: what asked for a build and is synced as well comes into the new container where the image has it not.
    fn built_and_synced(self) -> Vec<HostPath> {
        let synced = self.images.built_and_synced.iter();
        let there = |path: &&HostPath| self.disk.has(path) && self.is_built(path);
        synced.filter(there).cloned().collect()
    }

    /// F1: whether the file has had the build it asked for, and only its syncs are left.
    fn is_built(self, path: &HostPath) -> bool {
        let then = self.images.last_build.map(|(then, _)| then);
        self.images.built_and_synced.contains(path)
            && then.is_some_and(|then| self.disk.is_as_it_was(path, then))
    }

    /// Whether a change that only asks for a build had its build already: edits during builds coalesce (C11), and the last
    /// events of an edit may come when it has long been built.
    pub fn was_built_with(self, path: &HostPath) -> bool {
        let Some((then, at)) = self.images.last_build else {
            return false;
        };
        if matches!(self.config.rules.mapping(path), Mapping::To(_))
            || !self.disk.is_as_it_was(path, then)
        {
            return false;
        }
        match self.disk.change(path) {
            // File systems tell times in steps: what was written about when the build began may not be in it.
            Change::Written(_, entry) => entry.modified + CLOCK_STEP < at,
            Change::Removed(_) => true,
        }
    }

    /// What a container is owed, as it stands on the disk now; `in_place` without what only a build brings.
    pub fn changes_for(self, ledger: &Ledger, in_place: bool) -> Vec<Change> {
        let owed = ledger.owed.iter();
        owed.filter(|path| !in_place || self.config.rules.syncs(path))
            .map(|path| self.disk.change(path))
            .collect()
    }

    /// The plan for what one container is owed.
    pub fn plan(self, changes: &[Change], debts: &Debts) -> Plan {
        let rules = &self.config.rules;
        let mut asking = changes
            .iter()
            .filter(|change| rules.asks_for_rebuild(change.path()).is_some());
        if asking.all(|change| self.is_built(change.path())) {
            plan::in_place(rules, changes, debts)
        } else {
            plan::plan(rules, changes, debts)
        }
    }

    /// What is left of an update where only these of its changes ask for it: a change without a difference asks for no command
    /// and no restart. `None`: nothing.
    pub fn narrowed(self, changes: &[Change], debts: &Debts) -> Option<LiveUpdate> {
        match plan::in_place(&self.config.rules, changes, debts) {
            Plan::LiveUpdate(update) => Some(update),
            // A rebuild was decided before, for the service as a whole.
            Plan::Nothing(_) | Plan::Rebuild(_) => None,
        }
    }
}
