//! Holds a container's synced paths against the disk, by content (E5, `verify`). Changes nothing.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::engine::{Container, Engine, EngineError, Fingerprint, Sought};
use crate::paths::{ContainerPath, HostPath};
use crate::plan::Rules;
use crate::plan::rules::{Target, depth};
use crate::report::{Reporter, Slow};
use crate::source::Source;
use crate::update::{self, Ledger, SLOW, said_if_slow};
use crate::watch::{Entry, Kind};

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

/// Compares `container` with `present`: what the disk holds of the watched paths.
pub async fn compare<'a, E: Engine>(
    engine: &E,
    rules: &Rules,
    present: impl Iterator<Item = (&'a HostPath, &'a Entry)>,
    container: &Container,
    reporter: &Reporter,
) -> Result<Comparison, EngineError> {
    // How the image is built is no content of the container, wherever the file lies (C3.2).
    let content = present.filter(|(path, _)| rules.asks_for_rebuild(path).is_none());
    let comparing = compare_all(engine, rules, content, container);
    said_if_slow(comparing, SLOW, container, || so_far(container), reporter).await
}

fn so_far(container: &Container) -> Slow {
    Slow::Comparison(container.name.clone())
}

/// As [`compare`], with the files that a rebuild would be asked for by.
pub async fn compare_all<'a, E: Engine>(
    engine: &E,
    rules: &Rules,
    present: impl Iterator<Item = (&'a HostPath, &'a Entry)>,
    container: &Container,
) -> Result<Comparison, EngineError> {
    let mut expected: Vec<Expected> = present
        .filter(|(_, entry)| {
            matches!(
                entry.kind,
                Kind::File { .. } | Kind::Directory | Kind::Link { .. }
            )
        })
        .flat_map(|(path, entry)| {
            let targets = rules.targets(path);
            targets.map(move |target| (path, entry, target))
        })
        // Where a bind mount carries something else, there is nothing of ours to compare (E6).
        .filter(|(path, _, target)| !update::is_hidden(&container.mounts, path, &target.to))
        .map(|(path, entry, Target { to, sync })| {
            let is_target = *path == sync.local && entry.kind == Kind::Directory;
            Expected {
                source: Source::below(path.clone(), depth(sync, path)),
                entry: entry.clone(),
                to: if is_target { sync.remote.clone() } else { to },
                is_target,
                step: sync.step.number,
            }
        })
        .collect();
    if rules.are_crossing() {
        // Of several files for one place the earlier step's is the one that goes there.
        expected.sort_by_key(|expected| expected.step);
        let mut taken = HashSet::new();
        expected.retain(|expected| taken.insert(expected.to.clone()));
    }
    let wanted = expected.iter().map(|path| {
        let sought = match path.entry.kind {
            Kind::File { len } => Sought::File { most: len },
            Kind::Directory => Sought::Directory,
            _ => Sought::Anything,
        };
        (path.to.clone(), sought)
    });
    let found = engine
        .fingerprints(container, &wanted.collect(), &roots(rules))
        .await?;
    tokio::task::spawn_blocking(move || hold_against(&found, expected))
        .await
        .map_err(|error| EngineError::Unreachable(error.to_string()))
}

/// Of the host paths that are `gone`, those that the container still has.
pub async fn surplus<'a, E: Engine>(
    engine: &E,
    rules: &Rules,
    gone: impl Iterator<Item = &'a HostPath>,
    container: &Container,
    reporter: &Reporter,
) -> Result<Vec<HostPath>, EngineError> {
    let asking = stale(engine, rules, gone, container);
    let found = said_if_slow(asking, SLOW, container, || so_far(container), reporter).await?;
    // Once, to however many places it goes.
    let paths: BTreeSet<HostPath> = found.into_iter().map(|(path, ..)| path).collect();
    Ok(paths.into_iter().collect())
}

/// As [`surplus`], with where they are and what stands there.
pub async fn stale<'a, E: Engine>(
    engine: &E,
    rules: &Rules,
    gone: impl Iterator<Item = &'a HostPath>,
    container: &Container,
) -> Result<Vec<(HostPath, ContainerPath, Fingerprint)>, EngineError> {
    let targets: Vec<(HostPath, ContainerPath)> = gone
        .flat_map(|path| rules.targets(path).map(|target| (path.clone(), target.to)))
        .filter(|(path, to)| !update::is_hidden(&container.mounts, path, to))
        .collect();
    if targets.is_empty() {
        return Ok(Vec::new());
    }
    let wanted = targets.iter().map(|(_, to)| (to.clone(), Sought::Anything));
    let (wanted, roots) = (wanted.collect(), roots(rules));
    let found = engine.fingerprints(container, &wanted, &roots).await?;
    let there = |(path, to): (HostPath, ContainerPath)| {
        let print = found.get(&to)?.clone();
        Some((path, to, print))
    };
    Ok(targets.into_iter().filter_map(there).collect())
}

/// What the disk has of one path, and where the container is to have it.
struct Expected {
    source: Source,
    entry: Entry,
    to: ContainerPath,
    /// It is a sync's own directory.
    is_target: bool,
    /// The sync's number.
    step: usize,
}

fn hold_against(
    found: &BTreeMap<ContainerPath, Fingerprint>,
    expected: Vec<Expected>,
) -> Comparison {
    let mut comparison = Comparison::default();
    for expected in expected {
        let Expected {
            source, entry, to, ..
        } = expected;
        let path = source.path().clone();
        let Some(there) = found.get(&to) else {
            comparison.missing.push((path, to));
            continue;
        };
        match update::fingerprint(&source, &entry) {
            // A directory's own mode and owner are the container's business once it is there (trap 4).
            Ok(Fingerprint::Directory { .. }) if matches!(there, Fingerprint::Directory { .. }) => {
                comparison.same.push((to, there.clone()));
            }
            // E6: a target may be a link; what is below it is compared through it.
            Ok(wanted @ Fingerprint::Directory { .. })
                if expected.is_target && matches!(there, Fingerprint::Link { .. }) =>
            {
                comparison.same.push((to, wanted));
            }
            Ok(wanted) if wanted == *there => comparison.same.push((to, wanted)),
            Ok(_) => comparison.changed.push((path, to, there.clone())),
            Err(error) => comparison.unreadable.push((path, error.to_string())),
        }
    }
    comparison
}

/// The syncs' targets, each once, nested ones left to the outer.
fn roots(rules: &Rules) -> Vec<ContainerPath> {
    let mut roots: Vec<ContainerPath> = rules
        .block()
        .syncs
        .iter()
        .map(|sync| match sync.local.as_path().file_name() {
            Some(name) if sync.into_directory && !sync.local.as_path().is_dir() => {
                sync.remote.join(std::path::Path::new(name))
            }
            _ => sync.remote.clone(),
        })
        .collect();
    roots.sort();
    roots.dedup();
    let all = roots.clone();
    roots.retain(|root| {
        !all.iter()
            .any(|other| other != root && root.is_within(other))
    });
    roots
}
