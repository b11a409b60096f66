//! What a container should hold, and what a comparison found it to hold (E5, `verify`). Asks nobody.

use std::collections::HashSet;

use crate::engine::{Container, Fingerprint};
use crate::paths::{ContainerPath, HostPath};
use crate::plan::Rules;
use crate::plan::rules::{Target, depth};
use crate::source::Source;
use crate::watch::{Entry, Kind};

use super::disk::Disk;
use super::ledger::Ledger;
use super::mounts::is_hidden;

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Paths that are the same, and what stands there.
    pub same: Vec<(ContainerPath, Fingerprint)>,
    /// Paths whose content, kind or mode differs, and what stands there.
    pub changed: Vec<(HostPath, ContainerPath, Fingerprint)>,
    /// Paths that the container does not have.
    pub missing: Vec<(HostPath, ContainerPath)>,
    /// Paths that are gone on the host, and still in the container although a session is to delete them, and what stands there.
    pub stale: Vec<(HostPath, ContainerPath, Fingerprint)>,
    /// Host files that could not be read, and why.
    pub unreadable: Vec<(HostPath, String)>,
}

impl Comparison {
    /// Nothing is out of step.
    pub fn is_clean(&self) -> bool {
        self.changed.is_empty() && self.missing.is_empty() && self.stale.is_empty()
    }

    /// What is still out of step after an attempt to put it right: a directory that was to be deleted stays where it holds what
    /// only the container has.
    pub fn left(&self) -> usize {
        let stale = self.stale.iter();
        let files = stale.filter(|(_, _, there)| !matches!(there, Fingerprint::Directory { .. }));
        self.changed.len() + self.missing.len() + files.count()
    }

    /// The host paths that have to be brought again, or deleted.
    pub fn drift(&self) -> impl Iterator<Item = &HostPath> {
        let changed = self.changed.iter().map(|(path, ..)| path);
        let missing = self.missing.iter().map(|(path, _)| path);
        let stale = self.stale.iter().map(|(path, ..)| path);
        changed.chain(missing).chain(stale)
    }

    /// Writes it into the container's books: what has drifted is owed, what is the same is known to be there.
    pub(super) fn note_in(self, ledger: &mut Ledger) {
        ledger.owed.extend(self.drift().cloned());
        for (path, found) in self.same {
            ledger.learn(path, found);
        }
    }
}

/// What a container is compared about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// All that the disk has of the watched paths.
    Everything,
    /// What is gone on the host, and may still be there.
    Gone,
    /// These paths, as far as the disk has them.
    Paths(Vec<HostPath>),
}

/// What a comparison needs to know.
#[derive(Debug, Default)]
pub struct Wanted {
    /// What should be there.
    pub expected: Vec<Expected>,
    /// What should not.
    pub gone: Vec<(HostPath, ContainerPath)>,
}

/// What the disk has of one path, and where the container is to have it.
#[derive(Debug)]
pub struct Expected {
    /// How it is read.
    pub source: Source,
    /// What it is.
    pub entry: Entry,
    /// In the container.
    pub to: ContainerPath,
    /// It is a sync's own directory.
    pub is_target: bool,
    /// It is a directory whose mode was changed on the host. The mode of any other is the container's business once it is
    /// there (trap 4).
    pub mode_counts: bool,
    /// The sync's number.
    step: usize,
}

/// What `container` is to hold of `present`: what the disk holds of the watched paths.
pub fn expected<'a>(
    rules: &Rules,
    present: impl Iterator<Item = (HostPath, &'a Entry)>,
    container: &Container,
) -> Vec<Expected> {
    let is_content = |entry: &Entry| {
        matches!(
            entry.kind,
            Kind::File { .. } | Kind::Directory | Kind::Link { .. }
        )
    };
    let mut expected = Vec::new();
    for (path, entry) in present.filter(|(_, entry)| is_content(entry)) {
        for Target { to, sync } in rules.targets(&path) {
            // Where a bind mount carries something else, there is nothing of ours to compare (E6).
            if is_hidden(&container.mounts, &path, &to) {
                continue;
            }
            let is_target = path == sync.local && entry.kind == Kind::Directory;
            expected.push(Expected {
                source: Source::below(path.clone(), depth(sync, &path)),
                entry: entry.clone(),
                to: if is_target { sync.remote.clone() } else { to },
                is_target,
                mode_counts: false,
                step: sync.step.number,
            });
        }
    }
    if rules.are_crossing() {
        // Of several files for one place the earlier step's is the one that goes there.
        expected.sort_by_key(|expected| expected.step);
        let mut taken = HashSet::new();
        expected.retain(|expected| taken.insert(expected.to.clone()));
    }
    expected
}

/// Everything that is there and that a sync may bring, sorted: of a large tree a service may sync little.
pub fn synced<'a>(rules: &'a Rules, disk: &'a Disk) -> impl Iterator<Item = (HostPath, &'a Entry)> {
    let syncs = rules.block().syncs.iter();
    let mut sources: Vec<&HostPath> = syncs.map(|sync| &sync.local).collect();
    // What lies in another one comes right after it.
    sources.sort_unstable();
    sources.dedup_by(|inner, outer| inner.below(outer).is_some());
    let all = sources.into_iter();
    all.flat_map(|source| disk.present_below(source))
}

/// Where `container` may still have what is gone on the host.
pub fn gone<'a>(
    rules: &Rules,
    gone: impl Iterator<Item = &'a HostPath>,
    container: &Container,
) -> Vec<(HostPath, ContainerPath)> {
    gone.flat_map(|path| rules.targets(path).map(|target| (path.clone(), target.to)))
        .filter(|(path, to)| !is_hidden(&container.mounts, path, to))
        .collect()
}
