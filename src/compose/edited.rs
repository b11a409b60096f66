//! Changes to the compose files that take effect only in new containers or volumes, but for which Compose recreates neither. Pure.

use std::collections::BTreeMap;

use serde_yaml::{Mapping, Value};
use xxhash_rust::xxh3::Xxh3;

use super::project::{MountKind, Project};
use super::sources::Sources;
use super::yaml::{get, scalar_text, untagged};

/// The configs and secrets of a service. Compose puts them in when it creates a container and ignores later edits. Kept as
/// hashes, so that no secret stays in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handed(BTreeMap<String, u128>);

impl Handed {
    /// The configs and secrets that the service `container` uses; `around` holds the keys beside `services`.
    pub(super) fn of(container: &Value, around: &Value, sources: &Sources) -> Self {
        let mut handed = BTreeMap::new();
        for (kind, word) in [("configs", "config"), ("secrets", "secret")] {
            let used = get(container, kind).and_then(|used| untagged(used).as_sequence());
            for reference in used.into_iter().flatten() {
                let name = get(reference, "source").unwrap_or(reference);
                let Some(name) = scalar_text(name) else {
                    continue;
                };
                let definition = get(around, kind).and_then(|all| get(all, &name));
                if let Some(definition) = definition {
                    handed.insert(format!("{word} `{name}`"), hash(definition, sources));
                }
            }
        }
        Self(handed)
    }

    /// Those whose content changed, as kind and name. One that was added or removed is a change of the service itself.
    pub fn edited_since(&self, before: &Self) -> Vec<String> {
        let edited = self.0.iter().filter(|(name, hash)| {
            let old = before.0.get(*name);
            old.is_some_and(|old| old != *hash)
        });
        edited.map(|(name, _)| name.clone()).collect()
    }
}

fn hash(definition: &Value, sources: &Sources) -> u128 {
    let mut hasher = Xxh3::new();
    for key in ["content", "file", "environment"] {
        let text = get(definition, key).and_then(scalar_text);
        hasher.update(format!("{key} {text:?}\n").as_bytes());
    }
    if let Some(variable) = get(definition, "environment").and_then(scalar_text) {
        for value in sources.values_of(&variable) {
            hasher.update(format!("{value:?}\n").as_bytes());
        }
    }
    hasher.digest128()
}

/// The volumes that `project` uses and defines differently from `before`: Compose leaves an existing volume as it is.
pub fn volumes(before: &Project, project: &Project) -> Vec<String> {
    let Some(now) = volumes_of(project) else {
        return Vec::new();
    };
    now.iter()
        .filter(|(name, new)| {
            let old = volumes_of(before).and_then(|all| all.get(*name));
            // An external volume is not created by Compose, and one with a new name is a new volume.
            let external = get(new, "external").and_then(Value::as_bool) == Some(true);
            let same_one = |old: &Value| get(old, "name") == get(new, "name");
            !external && old.is_some_and(|old| old != *new && same_one(old))
        })
        .filter_map(|(name, _)| scalar_text(name))
        .filter(|name| {
            let mut mounts = project.services.iter().flat_map(|service| &service.mounts);
            mounts.any(|mount| matches!(&mount.kind, MountKind::Volume(used) if used == name))
        })
        .collect()
}

fn volumes_of(project: &Project) -> Option<&Mapping> {
    let around = &project.services.first()?.definition.around;
    untagged(get(around, "volumes")?).as_mapping()
}
