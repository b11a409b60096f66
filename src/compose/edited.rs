//! What an edit of the compose files changes that Compose itself does not make containers anew for. Pure.

use std::collections::BTreeMap;

use serde_yaml::{Mapping, Value};
use xxhash_rust::xxh3::Xxh3;

use super::project::{MountKind, Project};
use super::sources::Sources;
use super::yaml::{get, scalar_text, untagged};

/// The configs and secrets of a service as its containers have them: put in when a container is made, and no matter of
/// Compose's afterwards. Known by hash alone, for a secret is nobody's to keep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handed(BTreeMap<String, u128>);

impl Handed {
    /// Those that `container`, a service's keys, uses of `around`, the keys beside the services.
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

    /// Those that are not what they were, by kind and name. One that came or went is an edit of the service itself.
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

/// The volumes that `project` uses and defines in another way than `before`: Compose leaves one that exists as it is.
pub fn volumes(before: &Project, project: &Project) -> Vec<String> {
    let Some(now) = volumes_of(project) else {
        return Vec::new();
    };
    now.iter()
        .filter(|(name, new)| {
            let old = volumes_of(before).and_then(|all| all.get(*name));
            // One that is somebody else's is not made here, and one of another name is another one.
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
