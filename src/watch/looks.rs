//! Walks whole trees: once for all services that watch the same root by the same rules, when the first of them asks (`spec.md` E8).

use std::collections::HashMap;
use std::fs;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Instant;
use std::vec;

use crate::paths::HostPath;

use super::change::Entry;
use super::entries::{Entries, EntriesBuilder};
use super::look::{entry, is_there};
use super::scope::{Scope, Watching};
use super::walk;

/// Walks that began at one moment: each root is walked when the first service asks for it.
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
    /// The moment they began: everything that happened before it is seen.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Everything that `scope` watches, root by root; a path may be in several. A root that is missing as a whole is left out: it was
    /// unmounted or moved, its files were not deleted (C5). Blocks for the length of the walk, also when another thread walks.
    pub fn at(&self, scope: &Scope) -> Vec<Arc<Entries>> {
        let vanished = scope.last_seen().vanished();
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
        // Single files that are watched although their directory is not.
        let mut always = EntriesBuilder::default();
        for path in scope.always() {
            add(&mut always, path, fs::symlink_metadata(path));
        }
        seen.push(Arc::new(always.done()));
        seen
    }
}

/// Everything in the root, in the order of the paths: each directory is followed by what is in it.
fn walk(watching: &Watching<'_>) -> Entries {
    let root = watching.root();
    let mut builder = EntriesBuilder::by(Some(watching.key()));
    if watching.watches(root) {
        add(&mut builder, root, fs::metadata(root));
    }
    let mut parts = Vec::new();
    if watching.keeps_directory(root) && root.as_path().is_dir() {
        divide(watching, root, LEVELS, &mut parts);
    }
    let trees = parts.iter().filter_map(|part| match part {
        Part::Below(directory) => Some(directory),
        Part::Itself(..) => None,
    });
    let mut trees = side_by_side(watching, &trees.collect::<Vec<_>>()).into_iter();
    let more: usize = trees.as_slice().iter().map(Entries::len).sum();
    builder.reserve(more + parts.len());
    for part in parts {
        match part {
            Part::Itself(path, entry) => builder.push(&path, entry),
            Part::Below(_) => trees.next().into_iter().for_each(|it| builder.append(it)),
        }
    }
    builder.done()
}

/// The levels below the root that are walked first. What is below them is divided among threads ..
const LEVELS: usize = 2;
/// .. of which there are no more than this.
const MOST_THREADS: usize = 4;

/// A part of a walk's result; the parts are in order.
enum Part {
    Itself(HostPath, Entry),
    /// The content of a directory, walked separately.
    Below(HostPath),
}

fn divide(watching: &Watching<'_>, directory: &HostPath, levels: usize, parts: &mut Vec<Part>) {
    for held in held(watching, directory) {
        if let Some(entry) = held.entry {
            parts.push(Part::Itself(held.path.clone(), entry));
        }
        if !held.is_kept {
            continue;
        }
        if levels > 1 {
            divide(watching, &held.path, levels - 1, parts);
        } else {
            parts.push(Part::Below(held.path));
        }
    }
}

/// The content of each of `directories`, in their order.
fn side_by_side(watching: &Watching<'_>, directories: &[&HostPath]) -> Vec<Entries> {
    let found: Vec<OnceLock<Entries>> = directories.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let (Some(directory), Some(found)) = (directories.get(at), found.get(at)) else {
                return;
            };
            found.get_or_init(|| below(watching, directory));
        }
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let threads = processors.min(MOST_THREADS).min(directories.len());
    thread::scope(|scope| {
        for _ in 1..threads {
            // If no further thread can be started, the existing ones do all the work.
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    let found = found.into_iter().map(OnceLock::into_inner);
    found.map(Option::unwrap_or_default).collect()
}

fn below(watching: &Watching<'_>, directory: &HostPath) -> Entries {
    let mut builder = EntriesBuilder::default();
    let mut open = vec![held(watching, directory)];
    while let Some(directory) = open.last_mut() {
        let Some(held_there) = directory.next() else {
            open.pop();
            continue;
        };
        if let Some(entry) = held_there.entry {
            builder.push(&held_there.path, entry);
        }
        if held_there.is_kept {
            open.push(held(watching, &held_there.path));
        }
    }
    builder.done()
}

/// A watched path in a directory, or a subdirectory to be walked.
struct Held {
    path: HostPath,
    /// `None` when the path itself is not watched.
    entry: Option<Entry>,
    /// It is a directory, and something below it may be watched.
    is_kept: bool,
}

/// What `directory` holds, sorted; empty when it cannot be read. The directory is closed before its subdirectories are walked, so
/// a deep tree needs no more open files than a flat one.
fn held(watching: &Watching<'_>, directory: &HostPath) -> vec::IntoIter<Held> {
    let all = walk::list(directory).into_iter().flatten();
    let all = all.filter_map(|found| {
        // Asking relative to the open directory is cheaper than by path.
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

fn add(builder: &mut EntriesBuilder, path: &HostPath, found: io::Result<fs::Metadata>) {
    if let Ok(found) = found {
        builder.push(path, entry(path, &found));
    }
}
