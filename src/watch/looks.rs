//! Looks at whole trees: one for all services that watch the same root by the same rules, whoever asks first (`spec.md` E8).

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use crate::paths::HostPath;

use super::change::Entry;
use super::look::{entry, is_there};
use super::scope::{Scope, Watching};
use super::walk;

/// What stands in one watched root.
pub type Entries = BTreeMap<HostPath, Entry>;

/// A look at everything, begun at one moment: each root is walked when the first service asks for it.
#[derive(Debug)]
pub struct Looks {
    since: Instant,
    roots: Mutex<HashMap<u128, Arc<OnceLock<Arc<Entries>>>>>,
}

impl Default for Looks {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            roots: Mutex::default(),
        }
    }
}

impl Looks {
    /// What happened before this is seen.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Everything that `scope` watches, root by root: a path may be in several. What is missing as a whole is in none: what it
    /// held is not gone, it vanished (C5). Blocks for as long as the walk takes, also where another one is at it.
    pub fn at(&self, scope: &Scope) -> Vec<Arc<Entries>> {
        let vanished = scope.sources().vanished();
        let mut seen = Vec::new();
        for watching in scope.each_root() {
            if vanished.contains(&watching.root()) || !is_there(watching.root()) {
                continue;
            }
            let key = watching.key();
            let mut roots = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
            let look = Arc::clone(roots.entry(key).or_default());
            drop(roots);
            seen.push(Arc::clone(look.get_or_init(|| Arc::new(walk(&watching)))));
        }
        // What is watched although its directory is not.
        let mut always = Entries::new();
        for path in scope.always() {
            add(&mut always, path.clone(), false);
        }
        seen.push(Arc::new(always));
        seen
    }
}

fn walk(watching: &Watching<'_>) -> Entries {
    let mut entries = Entries::new();
    let root = watching.root();
    if watching.watches(root) {
        add(&mut entries, root.clone(), true);
    }
    if watching.keeps_directory(root) && root.as_path().is_dir() {
        walk::walk(
            root,
            |directory| watching.keeps_directory(directory),
            |found| {
                if watching.watches(&found.path) {
                    add(&mut entries, found.path, false);
                }
            },
        );
    }
    entries
}

fn add(entries: &mut Entries, path: HostPath, followed: bool) {
    let found = if followed {
        fs::metadata(&path)
    } else {
        fs::symlink_metadata(&path)
    };
    if let Ok(found) = found {
        let entry = entry(&path, &found);
        entries.insert(path, entry);
    }
}
