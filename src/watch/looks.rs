//! Looks at whole trees: one for all services that watch the same root by the same rules, whoever asks first (`spec.md` E8).

use std::collections::HashMap;
use std::fs;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;
use std::vec;

use crate::paths::HostPath;

use super::change::Entry;
use super::entries::{Entries, Making};
use super::look::{entry, is_there};
use super::scope::{Scope, Watching};
use super::walk;

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
        let mut always = Making::default();
        for path in scope.always() {
            add(&mut always, path, fs::symlink_metadata(path));
        }
        seen.push(Arc::new(always.done()));
        seen
    }
}

/// Everything in the root, in the order of the paths: what lies in a directory comes next after it.
fn walk(watching: &Watching<'_>) -> Entries {
    let mut making = Making::by(Some(watching.key()));
    let root = watching.root();
    if watching.watches(root) {
        add(&mut making, root, fs::metadata(root));
    }
    let mut open = Vec::new();
    if watching.keeps_directory(root) && root.as_path().is_dir() {
        open.push(held(watching, root));
    }
    while let Some(directory) = open.last_mut() {
        let Some(held_there) = directory.next() else {
            open.pop();
            continue;
        };
        if let Some(entry) = held_there.entry {
            making.push(&held_there.path, entry);
        }
        if held_there.is_kept {
            open.push(held(watching, &held_there.path));
        }
    }
    making.done()
}

/// What a directory holds that concerns us.
struct Held {
    path: HostPath,
    /// `None`: it is not watched itself.
    entry: Option<Entry>,
    /// It is a directory, and something below it may be watched.
    is_kept: bool,
}

/// What `directory` holds, sorted; nothing where it cannot be read. The directory is closed again: a deep tree needs no more
/// open files than a flat one.
fn held(watching: &Watching<'_>, directory: &HostPath) -> vec::IntoIter<Held> {
    let all = walk::list(directory).into_iter().flatten();
    let all = all.filter_map(|found| {
        // Asked of the open directory, which is cheaper than by its path.
        let look = || Some(entry(&found.path, &found.entry.metadata().ok()?));
        let watched = watching.watches(&found.path);
        let held = Held {
            entry: watched.then(look).flatten(),
            is_kept: found.is_dir && watching.keeps_directory(&found.path),
            path: found.path,
        };
        (held.entry.is_some() || held.is_kept).then_some(held)
    });
    let mut all: Vec<Held> = all.collect();
    all.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    all.into_iter()
}

fn add(making: &mut Making, path: &HostPath, found: io::Result<fs::Metadata>) {
    if let Ok(found) = found {
        making.push(path, entry(path, &found));
    }
}
