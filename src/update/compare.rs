//! Holds a container's synced paths against the disk, by content (E5, `verify`). Changes nothing.

use std::collections::BTreeMap;

use crate::engine::{Container, Engine, EngineError, Fingerprint, Fingerprints, Sought};
use crate::paths::ContainerPath;
use crate::plan::Rules;
use crate::service::compare::{Comparison, Expected, Wanted};
use crate::watch::Kind;

use super::load::fingerprint;

/// Asks `container` what it holds of `wanted`.
pub async fn compare<E: Engine>(
    engine: &E,
    rules: &Rules,
    container: &Container,
    wanted: Wanted,
) -> Result<Comparison, EngineError> {
    let Wanted { expected, gone } = wanted;
    let mut sought: BTreeMap<ContainerPath, Sought> = expected
        .iter()
        .map(|path| (path.to.clone(), path.sought()))
        .collect();
    sought.extend(gone.iter().map(|(_, to)| (to.clone(), Sought::Anything)));
    if sought.is_empty() {
        return Ok(Comparison::default());
    }
    let found = engine
        .fingerprints(container, &sought, &roots(rules))
        .await?;
    let stale = gone.into_iter().filter_map(|(path, to)| {
        let there = found.get(&to)?.clone();
        Some((path, to, there))
    });
    let stale = stale.collect();
    let mut comparison = tokio::task::spawn_blocking(move || hold_against(&found, expected))
        .await
        .map_err(|error| EngineError::Unreachable(error.to_string()))?;
    comparison.stale = stale;
    Ok(comparison)
}

impl Expected {
    fn sought(&self) -> Sought {
        match self.entry.kind {
            Kind::File { len } => Sought::File { most: len },
            Kind::Directory => Sought::Directory,
            _ => Sought::Anything,
        }
    }
}

fn hold_against(found: &Fingerprints, expected: Vec<Expected>) -> Comparison {
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
        match fingerprint(&source, &entry) {
            Ok(Fingerprint::Directory { .. })
                if !expected.mode_counts && matches!(there, Fingerprint::Directory { .. }) =>
            {
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
    roots.sort_unstable();
    roots.dedup();
    let all = roots.clone();
    roots.retain(|root| {
        !all.iter()
            .any(|other| other != root && root.is_within(other))
    });
    roots
}
