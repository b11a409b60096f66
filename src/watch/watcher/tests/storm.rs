//! Random storms of edits: what is built from touches, batches and looks alone ends up equal to the disk.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Instant;

use crate::watch::change::{Change, Entry, Kind};
use crate::watch::debounce::{Debouncer, Quiet};
use crate::watch::{Looks, look};

use super::*;

/// A small generator of its own, so that a failure's seed is all it takes to repeat it.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    /// A path of up to three of few names, so that operations meet.
    fn path(&mut self, root: &Path) -> PathBuf {
        let depth = 1 + self.roll(3);
        (0..depth).fold(root.to_owned(), |path, _| {
            path.join(["a", "b", "c", "node_modules"][usize::try_from(self.roll(4)).unwrap()])
        })
    }
}

/// One operation; most fail now and then, as in life.
fn operate(dice: &mut Dice, context: &Path, outside: &Path) {
    let path = dice.path(context);
    match dice.roll(12) {
        0..=2 => drop(fs::write(&path, dice.roll(1000).to_string())),
        3 => drop(fs::create_dir_all(&path)),
        4 => {
            drop(fs::create_dir(&path));
            drop(fs::write(path.join("f"), dice.roll(1000).to_string()));
        }
        5 => drop(fs::remove_file(&path)),
        6 => drop(fs::remove_dir_all(&path)),
        7 => drop(fs::rename(&path, dice.path(context))),
        8 => {
            let aside = outside.join("aside");
            drop(fs::rename(&path, &aside));
            drop(fs::rename(&aside, dice.path(context)));
            drop(fs::remove_dir_all(&aside));
            drop(fs::remove_file(&aside));
        }
        9 => {
            let mode = if dice.roll(2) == 0 { 0o755 } else { 0o700 };
            if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_symlink()) {
                drop(fs::set_permissions(&path, fs::Permissions::from_mode(mode)));
            }
        }
        10 => drop(symlink(
            ["a", "../b", "nowhere"][usize::try_from(dice.roll(3)).unwrap()],
            &path,
        )),
        _ => {
            let temporary = path.with_extension("tmp");
            drop(fs::write(&temporary, dice.roll(1000).to_string()));
            drop(fs::rename(&temporary, &path));
        }
    }
}

type Mirror = BTreeMap<HostPath, Entry>;

fn apply(mirror: &mut Mirror, changes: Vec<Change>) {
    for change in changes {
        let path = change.path().clone();
        let directory =
            matches!(&change, Change::Written(_, entry) if entry.kind == Kind::Directory);
        if !directory {
            mirror.retain(|known, _| known.below(&path).is_none());
        }
        if let Change::Written(path, entry) = change {
            mirror.insert(path, comparable(entry));
        }
    }
}

/// A directory's time changes with its entries, without an event of its own.
fn comparable(mut entry: Entry) -> Entry {
    if entry.kind == Kind::Directory {
        entry.modified = std::time::SystemTime::UNIX_EPOCH;
    }
    entry
}

fn truth(scope: &Scope) -> Mirror {
    let seen = Looks::default().at(scope);
    let entries = seen.iter().flat_map(|entries| entries.iter());
    entries
        .map(|(path, entry)| (path.clone(), comparable(entry.clone())))
        .collect()
}

pub(super) async fn storm(seed: u64, operations: u64) {
    let mut watched = Watched::after(|context| {
        fs::write(context.join(".dockerignore"), "**/node_modules\n").unwrap();
    });
    let scope = scope_of(watched.dir.path());
    let context = watched.dir.path().join("context");
    let outside = watched.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let mut mirror = truth(&scope);
    let storm = tokio::task::spawn_blocking(move || {
        let mut dice = Dice(seed);
        for _ in 0..operations {
            operate(&mut dice, &context, &outside);
        }
    });
    let mut debouncer = Debouncer::new(Quiet::default());
    let begun = Instant::now();
    loop {
        let deadline = debouncer.deadline();
        let soon = Instant::now() + Duration::from_millis(100);
        tokio::select! {
            event = watched.events.recv() => match event.expect("the watcher has ended") {
                WatchEvent::Touched(touch) => debouncer.touch(&touch),
                WatchEvent::Rescan { .. } => mirror = truth(&scope),
                WatchEvent::Linked(_) | WatchEvent::Notice(_) => {}
            },
            () = tokio::time::sleep_until(deadline.unwrap_or(soon).into()) => {
                if let Some(batch) = debouncer.take(Instant::now()) {
                    apply(&mut mirror, look::look(&scope, &batch.fleeting));
                    let mut paths = batch.paths.clone();
                    for directory in &batch.paths {
                        let known = mirror.keys().filter(|path| path.below(directory).is_some());
                        paths.extend(known.cloned());
                    }
                    apply(&mut mirror, look::look(&scope, &paths));
                } else if deadline.is_none() && storm.is_finished() {
                    let truth = truth(&scope);
                    if mirror == truth {
                        break;
                    }
                    let differing = truth
                        .iter()
                        .filter(|(path, entry)| mirror.get(*path) != Some(entry))
                        .map(|(path, _)| ("missed", path))
                        .chain(mirror.keys().filter(|path| !truth.contains_key(*path)).map(|path| ("left over", path)));
                    assert!(
                        begun.elapsed() < PATIENCE,
                        "seed {seed}: {:?}",
                        differing.collect::<Vec<_>>()
                    );
                }
            }
        }
    }
    storm.await.unwrap();
    let directories = truth(&scope)
        .values()
        .filter(|entry| entry.kind == Kind::Directory)
        .count();
    let count = watched.count();
    assert_eq!(count.watched + count.polled, directories, "seed {seed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_any_storm_of_edits_what_was_heard_equals_the_disk() {
    for seed in 1..=12 {
        storm(seed * 7919, 1500).await;
    }
}
