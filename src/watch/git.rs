//! Whether git is writing the working tree: its index lock says so, and a rebase that makes progress. Looks at names and times
//! only; runs no git, and reads nothing but the file that says where a worktree's repository is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::paths::HostPath;
use crate::plain_file;

/// The lock that git holds while it writes the index and the working tree.
const LOCK: &str = "index.lock";
/// Directories that exist while a rebase or a series of picks is under way, also while a person resolves a conflict: so they
/// count only while git makes progress. (`MERGE_HEAD` appears only once the files are written.)
const SEQUENCES: [&str; 3] = ["rebase-merge", "rebase-apply", "sequencer"];
/// Files that git writes with each step of such a sequence.
const STEPS: [&str; 4] = ["index", "HEAD", "rebase-merge/done", "rebase-apply/next"];
/// When git has written nothing for this long, it is waiting for a person.
const MOVES: Duration = Duration::from_secs(1);
/// A lock is ignored once no watched file was written for this long: `git commit -a` holds it while the message is being edited,
/// and a git that was killed leaves it behind.
const IDLE: Duration = Duration::from_secs(3);
/// A lock older than this is ignored too.
const OLD: Duration = Duration::from_secs(60);
/// The repositories are looked up again after this.
const LOOKED: Duration = Duration::from_secs(5);

/// The git repositories that some directories belong to.
#[derive(Debug, Default)]
pub struct Git {
    folders: Option<(Instant, BTreeSet<PathBuf>)>,
    locks: Locks,
}

/// Whether git is writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writes {
    /// It is not writing here.
    No,
    /// It is writing the working tree.
    Yes,
    /// This lock is no longer waited for. Reported once for each lock.
    NotAwaited(PathBuf),
}

impl Git {
    /// Forgets the repositories, because other directories are watched now.
    pub fn forget(&mut self) {
        self.folders = None;
    }

    /// Whether git is writing a working tree that holds one of `roots`; a file in them was last touched at that time.
    pub fn writes<'a>(
        &mut self,
        roots: impl Iterator<Item = &'a HostPath>,
        touched: Instant,
        now: Instant,
    ) -> Writes {
        let fresh = |(at, _): &(Instant, _)| now.saturating_duration_since(*at) < LOOKED;
        let (_, folders) = if let Some(known) = self.folders.take().filter(fresh) {
            self.folders.insert(known)
        } else {
            let found = roots.filter_map(|root| folder_of(root.as_path())).collect();
            self.folders.insert((now, found))
        };
        let wall = SystemTime::now();
        let quiet = now.saturating_duration_since(touched);
        let mut locks = BTreeMap::new();
        for folder in &*folders {
            let lock = folder.join(LOCK);
            if let Some(made) = modified(&lock) {
                locks.insert(lock, made);
            } else if is_in_a_sequence(folder)
                && moved_last(folder).is_some_and(|at| is_recent(at, wall))
            {
                return Writes::Yes;
            }
        }
        self.locks.say(&locks, quiet, now, wall)
    }
}

fn is_recent(at: SystemTime, wall: SystemTime) -> bool {
    wall.duration_since(at).is_ok_and(|since| since < MOVES)
}

/// The locks seen so far. Pure.
#[derive(Debug, Default)]
struct Locks {
    seen: BTreeMap<PathBuf, Lock>,
}

#[derive(Debug)]
struct Lock {
    /// When git made it, which tells one lock from the next.
    made: SystemTime,
    first_seen: Instant,
    awaited: bool,
}

impl Locks {
    /// What the existing locks mean, each given with its time, when no watched file was touched for `quiet`.
    fn say(
        &mut self,
        locks: &BTreeMap<PathBuf, SystemTime>,
        quiet: Duration,
        now: Instant,
        wall: SystemTime,
    ) -> Writes {
        self.seen
            .retain(|path, lock| locks.get(path) == Some(&lock.made));
        let mut writes = Writes::No;
        for (path, made) in locks {
            let lock = self.seen.entry(path.clone()).or_insert(Lock {
                made: *made,
                first_seen: now,
                awaited: true,
            });
            if !lock.awaited {
                continue;
            }
            let seen_for = now.saturating_duration_since(lock.first_seen);
            let age = wall.duration_since(*made).unwrap_or_default().max(seen_for);
            if age < OLD && quiet < IDLE {
                writes = Writes::Yes;
                continue;
            }
            lock.awaited = false;
            if writes == Writes::No {
                writes = Writes::NotAwaited(path.clone());
            }
        }
        writes
    }
}

/// The directory in which git keeps the index of the working tree that `path` is in.
fn folder_of(path: &Path) -> Option<PathBuf> {
    path.ancestors().find_map(|directory| {
        let git = directory.join(".git");
        let found = fs::metadata(&git).ok()?;
        if found.is_dir() {
            return Some(git);
        }
        // In a worktree or submodule, `.git` is a file that names the directory.
        let text = plain_file::read(&git).ok()?;
        let text = String::from_utf8(text).ok()?;
        let folder = text.strip_prefix("gitdir:")?.trim();
        Some(directory.join(folder))
    })
}

fn is_in_a_sequence(folder: &Path) -> bool {
    SEQUENCES.iter().any(|name| folder.join(name).is_dir())
}

fn moved_last(folder: &Path) -> Option<SystemTime> {
    STEPS
        .iter()
        .filter_map(|name| modified(&folder.join(name)))
        .max()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::symlink_metadata(path).ok()?.modified().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with a repository's own folder in it.
    fn repository() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("repo/.git")).unwrap();
        fs::create_dir_all(dir.path().join("repo/src/deep")).unwrap();
        dir
    }

    fn look(git: &mut Git, dir: &Path) -> Writes {
        let root = HostPath::new(dir).unwrap();
        let now = Instant::now();
        git.writes([&root].into_iter(), now, now)
    }

    #[test]
    fn git_writes_while_it_holds_its_index_lock() {
        let dir = repository();
        let (root, lock) = (
            dir.path().join("repo/src"),
            dir.path().join("repo/.git/index.lock"),
        );
        let mut git = Git::default();
        assert_eq!(look(&mut git, &root), Writes::No);
        fs::write(&lock, "").unwrap();
        assert_eq!(look(&mut git, &root), Writes::Yes);
        fs::remove_file(&lock).unwrap();
        assert_eq!(look(&mut git, &root), Writes::No);
    }

    #[test]
    fn a_worktree_s_lock_is_where_its_git_file_says() {
        let dir = repository();
        let own = dir.path().join("repo/.git/worktrees/other");
        fs::create_dir_all(&own).unwrap();
        let other = dir.path().join("other");
        fs::create_dir(&other).unwrap();
        for says in [
            own.display().to_string(),
            "../repo/.git/worktrees/other".into(),
        ] {
            fs::write(other.join(".git"), format!("gitdir: {says}\n")).unwrap();
            let mut git = Git::default();
            assert_eq!(look(&mut git, &other), Writes::No);
            fs::write(own.join(LOCK), "").unwrap();
            assert_eq!(look(&mut git, &other), Writes::Yes);
            fs::remove_file(own.join(LOCK)).unwrap();
        }
        fs::write(other.join(".git"), "nothing of git's").unwrap();
        assert_eq!(look(&mut Git::default(), &other), Writes::No);
    }

    #[test]
    fn a_rebase_counts_while_it_moves_and_not_while_a_person_resolves_a_conflict() {
        let dir = repository();
        let (root, folder) = (dir.path().join("repo"), dir.path().join("repo/.git"));
        let index = fs::File::create(folder.join("index")).unwrap();
        let mut git = Git::default();
        assert_eq!(look(&mut git, &root), Writes::No);
        fs::create_dir(folder.join("rebase-merge")).unwrap();
        index.set_modified(SystemTime::now()).unwrap();
        assert_eq!(look(&mut git, &root), Writes::Yes);
        for at in [SystemTime::now() - MOVES, SystemTime::now() + OLD] {
            index.set_modified(at).unwrap();
            assert_eq!(look(&mut git, &root), Writes::No);
        }
        fs::write(folder.join("MERGE_HEAD"), "").unwrap();
        fs::remove_dir(folder.join("rebase-merge")).unwrap();
        index.set_modified(SystemTime::now()).unwrap();
        assert_eq!(look(&mut git, &root), Writes::No);
    }

    /// What is said of one lock made `age` ago, when the last file was touched `quiet` ago; looked at twice.
    fn said(locks: &mut Locks, age: Duration, quiet: Duration) -> [Writes; 2] {
        let (now, wall) = (Instant::now(), SystemTime::now());
        let lock = BTreeMap::from([(PathBuf::from(LOCK), wall - age)]);
        [(); 2].map(|()| locks.say(&lock, quiet, now, wall))
    }

    #[test]
    fn a_lock_that_was_left_holds_nobody_back_for_long_and_that_is_said_once() {
        let left = || Writes::NotAwaited(LOCK.into());
        let (some, none) = (Duration::from_secs(1), Duration::ZERO);
        let yes = [Writes::Yes, Writes::Yes];
        for (age, quiet, expected) in [
            (some, none, yes.clone()),
            (IDLE, some, yes.clone()),
            (IDLE * 10, some, yes),
            (OLD, none, [left(), Writes::No]),
            (some, IDLE, [left(), Writes::No]),
        ] {
            assert_eq!(said(&mut Locks::default(), age, quiet), expected);
        }
        // The next lock is another one.
        let mut locks = Locks::default();
        assert_eq!(said(&mut locks, OLD, none)[0], left());
        assert_eq!(said(&mut locks, none, none)[0], Writes::Yes);
    }

    #[test]
    fn a_lock_from_the_future_is_as_old_as_we_know_it() {
        let (now, wall) = (Instant::now(), SystemTime::now());
        let lock = BTreeMap::from([(PathBuf::from(LOCK), wall + OLD * 100)]);
        let mut locks = Locks::default();
        let mut at = |since: Duration| locks.say(&lock, Duration::ZERO, now + since, wall + since);
        assert_eq!(at(Duration::ZERO), Writes::Yes);
        assert_eq!(at(OLD / 2), Writes::Yes);
        assert!(matches!(at(OLD), Writes::NotAwaited(_)));
    }
}
