//! The one look at the disk, when a batch closes: what is there now, whatever the events said (`spec.md` C5).

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
#[cfg(unix)]
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use crate::paths::HostPath;

use super::change::{Change, Entry, Inode, Kind};
use super::scope::{Scope, Verdict};
use super::walk;

pub use super::last_seen::is_there;

#[cfg(test)]
#[cfg(unix)]
mod tests;

/// What the disk says about those of `paths` that `scope` watches, in their order.
///
/// Links are not followed: nothing exists below a link to a directory. When a watched root or a sync's source directory is missing
/// as a whole, nothing below it is reported, since it was unmounted or moved rather than emptied. Nothing is reported either about
/// paths in a directory that may not be searched: without permission to look, a missing file cannot be told from a present one.
/// Directories are not expanded: the watcher names each file of a new directory, and [`below`] does so for others.
pub fn look(scope: &Scope, paths: &[HostPath]) -> Vec<Change> {
    let vanished = scope.last_seen().vanished();
    let mut directories = Directories::default();
    let mut changes = Vec::new();
    for path in paths {
        let Verdict::Watched { root } = scope.verdict(path) else {
            continue;
        };
        match directories.entry(path, &root) {
            Ok(Some(entry)) => {
                changes.push(Change::Written(path.clone(), entry));
                continue;
            }
            Ok(None) => {}
            Err(Unknowable) => continue,
        }
        let with_a_source = vanished
            .iter()
            .any(|source| path.below(source).is_some() || source.below(path).is_some());
        if !with_a_source && !scope.last_seen().never_seen(path) {
            changes.push(Change::Removed(path.clone()));
        }
    }
    changes
}

/// Whether the file that was at `path` is unchanged in all but its content. Used when an event only reported new times or
/// attributes: then the content is the same too. Costs one `stat`.
pub fn still_is(path: &HostPath, entry: &Entry) -> bool {
    let Kind::File { len } = entry.kind else {
        return false;
    };
    fs::symlink_metadata(path).is_ok_and(|found| {
        found.is_file()
            && (found.len(), mode(&found)) == (len, entry.mode)
            && inode(&found).number == entry.inode.number
            && found.modified().is_ok_and(|time| time == entry.modified)
    })
}

/// What is cheap to compare; when it is equal, the content is taken to be equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    len: u64,
    mode: u32,
    modified: SystemTime,
    changed: Duration,
    inode: u64,
}

impl Signature {
    /// Whether it is the same directory with the same mode, whatever it holds.
    pub(super) fn same_place(&self, other: &Self) -> bool {
        self.inode == other.inode && self.mode == other.mode
    }
}

/// `path` and, when it is a directory, everything watched below it, sorted: for `plan src/` and the like.
pub fn below(scope: &Scope, path: &HostPath) -> Vec<HostPath> {
    let mut paths = Vec::new();
    if scope.watches(path) {
        paths.push(path.clone());
    }
    let is_directory = fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    if is_directory && scope.keeps_directory(path) {
        walk::walk(
            path,
            |directory| scope.keeps_directory(directory),
            |found| {
                if scope.watches(&found.path) {
                    paths.push(found.path);
                }
            },
        );
    }
    paths.sort_unstable();
    paths
}

/// Which directories on the way to a path are real ones and not links; each is looked at once per look.
#[derive(Default)]
struct Directories {
    real: HashMap<HostPath, Result<bool, Unknowable>>,
}

/// Permissions forbid to tell whether a path exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unknowable;

fn if_there(found: io::Result<Metadata>) -> Result<Option<Metadata>, Unknowable> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
            _ => Err(Unknowable),
        },
    }
}

impl Directories {
    /// What is at `path`; all directories from `root` on must be real ones.
    fn entry(&mut self, path: &HostPath, root: &HostPath) -> Result<Option<Entry>, Unknowable> {
        let found = if path == root {
            fs::metadata(path).or_else(|_| fs::symlink_metadata(path))
        } else {
            let Some(parent) = path.parent() else {
                return Ok(None);
            };
            if !self.is_real(&parent, root)? {
                return Ok(None);
            }
            fs::symlink_metadata(path)
        };
        Ok(if_there(found)?.map(|found| entry(path, &found)))
    }

    fn is_real(&mut self, directory: &HostPath, root: &HostPath) -> Result<bool, Unknowable> {
        let is_directory =
            |found| Ok(if_there(found)?.is_some_and(|found: Metadata| found.is_dir()));
        // The root may be a link, because the user named it.
        if directory == root || directory.below(root).is_none() {
            return is_directory(fs::metadata(directory));
        }
        if let Some(known) = self.real.get(directory) {
            return *known;
        }
        let real = match (
            is_directory(fs::symlink_metadata(directory)),
            directory.parent(),
        ) {
            (Ok(true), Some(parent)) => self.is_real(&parent, root),
            (Ok(_), _) => Ok(false),
            // Nothing exists behind a link or below a file, whatever the permissions.
            (Err(unknowable), Some(parent)) => match self.is_real(&parent, root) {
                Ok(true) => Err(unknowable),
                other => other,
            },
            (Err(unknowable), None) => Err(unknowable),
        };
        self.real.insert(directory.clone(), real);
        real
    }
}

pub(super) fn entry(path: &HostPath, found: &Metadata) -> Entry {
    Entry {
        kind: kind(path, found),
        mode: mode(found),
        modified: found.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        inode: if found.is_file() {
            inode(found)
        } else {
            Inode::default()
        },
    }
}

#[cfg(unix)]
pub(super) fn inode(found: &Metadata) -> Inode {
    use std::os::unix::fs::MetadataExt;
    Inode {
        number: found.ino(),
        names: u32::try_from(found.nlink()).unwrap_or(u32::MAX),
    }
}

#[cfg(not(unix))]
pub(super) fn inode(_: &Metadata) -> Inode {
    Inode::default()
}

fn kind(path: &HostPath, found: &Metadata) -> Kind {
    if found.is_dir() {
        return Kind::Directory;
    }
    if found.is_file() {
        return match unreadable(path, found) {
            Some(why) => Kind::Unreadable { why },
            None => Kind::File { len: found.len() },
        };
    }
    if found.is_symlink() {
        return match fs::read_link(path) {
            Ok(target) => Kind::Link { target },
            Err(error) => Kind::Unreadable {
                why: error.to_string(),
            },
        };
    }
    Kind::Special
}

#[cfg(unix)]
fn unreadable(path: &HostPath, found: &Metadata) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;

    use rustix::fs::{Access, AtFlags, CWD, accessat};
    // The mode bits of one's own files tell whether they are readable, whatever ACLs exist: most files need no second system call.
    static US: OnceLock<u32> = OnceLock::new();
    let us = *US.get_or_init(|| rustix::process::geteuid().as_raw());
    if cfg!(target_os = "linux") && found.uid() == us && mode(found) & 0o400 != 0 {
        return None;
    }
    accessat(CWD, path.as_path(), Access::READ_OK, AtFlags::EACCESS)
        .err()
        .map(|error| std::io::Error::from(error).to_string())
}

#[cfg(not(unix))]
fn unreadable(path: &HostPath, _: &Metadata) -> Option<String> {
    fs::File::open(path).err().map(|error| error.to_string())
}

#[cfg(unix)]
pub(crate) fn mode(found: &Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    found.permissions().mode() & 0o7777
}

#[cfg(not(unix))]
pub(crate) fn mode(found: &Metadata) -> u32 {
    if found.is_dir() { 0o755 } else { 0o644 }
}

/// The signature of a file with this metadata.
pub(super) fn signature(found: &Metadata) -> Signature {
    #[cfg(unix)]
    let (changed, inode) = {
        use std::os::unix::fs::MetadataExt;
        let seconds = u64::try_from(found.ctime()).unwrap_or_default();
        let nanos = u32::try_from(found.ctime_nsec()).unwrap_or_default();
        (Duration::new(seconds, nanos), found.ino())
    };
    #[cfg(not(unix))]
    let (changed, inode) = (Duration::ZERO, 0);
    Signature {
        // A directory's size says nothing that its time does not.
        len: if found.is_dir() { 0 } else { found.len() },
        mode: mode(found),
        modified: found.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        changed,
        inode,
    }
}
