//! Walks directories, but only those that a filter keeps; links are never followed. Knows nothing of ignore rules.

use std::fs;
use std::io;

use crate::paths::HostPath;

/// An entry of a directory.
#[derive(Debug)]
pub struct WalkEntry {
    /// Its full path.
    pub path: HostPath,
    /// Whether it is a directory; a link to one is not.
    pub is_dir: bool,
    /// For asking the system about it.
    pub entry: fs::DirEntry,
}

/// A directory that is skipped because it cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The directory's full path.
    pub path: HostPath,
    /// The system's error text.
    pub why: String,
}

/// The entries of `directory`, in the file system's order.
pub fn list(directory: &HostPath) -> io::Result<impl Iterator<Item = WalkEntry> + use<>> {
    let directory = directory.clone();
    Ok(fs::read_dir(&directory)?.filter_map(move |entry| {
        // An entry that cannot be read is gone by now.
        let entry = entry.ok()?;
        Some(WalkEntry {
            path: directory.child(&entry.file_name()),
            is_dir: entry.file_type().is_ok_and(|kind| kind.is_dir()),
            entry,
        })
    }))
}

/// Calls `visit` for everything below `start` in the directories that `keeps` accepts, a directory before its content. Directories
/// that cannot be read are skipped and returned.
pub fn walk(
    start: &HostPath,
    keeps: impl Fn(&HostPath) -> bool,
    mut visit: impl FnMut(WalkEntry),
) -> Vec<Unreadable> {
    let mut problems = Vec::new();
    let mut pending = vec![start.clone()];
    while let Some(directory) = pending.pop() {
        match list(&directory) {
            Ok(entries) => {
                for found in entries {
                    if found.is_dir && keeps(&found.path) {
                        pending.push(found.path.clone());
                    }
                    visit(found);
                }
            }
            Err(error) => problems.extend(Unreadable::new(directory, &error)),
        }
    }
    problems
}

impl Unreadable {
    /// `None` when the directory is gone or is no directory any more.
    pub(super) fn new(path: HostPath, error: &io::Error) -> Option<Self> {
        let gone = matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        );
        (!gone).then(|| Self {
            path,
            why: error.to_string(),
        })
    }
}
