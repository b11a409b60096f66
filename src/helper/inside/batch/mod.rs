//! One batch of changes: all of it staged beside its targets, then renamed over them; or nothing.
//! Knows what the host wants where, not why.
//!
//! A file is staged as `.liveupdate-<pid>-<n>~` in its target's directory. A new directory is staged under such a name as
//! well, what belongs into it is made inside at once, and one rename shows the whole tree. A file that is to keep its inode
//! is staged in the helper's own directory. The journal names every directory that may hold such names, so that the next
//! helper can clean up after one that was killed.

mod commit;
mod journal;
mod modes;
mod removes;
mod stage;

pub use journal::Journal;
use removes::Removes;

use crate::failure::Failure;
use std::fs::File;
use std::os::fd::OwnedFd;

/// What is staged under a temporary name, and how it gets to its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Staged {
    /// A file or link to be renamed. It may have to replace an empty directory, or a tree.
    Entry { replace_tree: bool },
    /// A new directory to be renamed.
    Directory,
    /// Content in the helper's own directory, to be copied into the target's inode.
    Content { mode: u32 },
}

/// One temporary name. Small, for there may be a hundred thousand.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Index into `Batch::directories`.
    directory: u32,
    /// Where the name begins in `Batch::names`, and how long it is.
    name: (u32, u16),
    /// The number in the temporary name.
    number: u32,
    staged: Staged,
}

/// The directory that the last items went to, kept open.
struct Current {
    /// As the host names it.
    wanted: Vec<u8>,
    /// Where it is: below a temporary name if it is new.
    real: Vec<u8>,
    fd: OwnedFd,
    /// Below a temporary name: nobody sees it yet.
    fresh: bool,
    uid: u32,
    gid: u32,
    setgid: bool,
    /// Its index in `Batch::directories`, once something was staged in it.
    index: Option<u32>,
}

/// A file whose content is arriving.
struct Open {
    path: Vec<u8>,
    file: File,
    remaining: u64,
    mtime: crate::protocol::Time,
}

/// What came of a batch.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    pub placed: u32,
    pub removed: u32,
    pub kept: u32,
}

/// A batch that is being staged.
pub struct Batch<'a> {
    journal: &'a mut Journal,
    removes: Removes,
    places: Vec<Place>,
    names: Vec<u8>,
    directories: Vec<Vec<u8>>,
    /// New directories: wanted path, real path.
    fresh: Vec<(Vec<u8>, Vec<u8>)>,
    /// Directories that a file or a link is to replace, if they are empty by then.
    over_directories: Vec<Vec<u8>>,
    /// Directories that get a mode in the end.
    modes: Vec<(Vec<u8>, u32)>,
    current: Option<Current>,
    open: Option<Open>,
    failure: Option<Failure>,
    placed: u32,
}

impl<'a> Batch<'a> {
    pub fn new(journal: &'a mut Journal) -> Self {
        Self {
            journal,
            removes: Removes::default(),
            places: Vec::new(),
            names: Vec::new(),
            directories: Vec::new(),
            fresh: Vec::new(),
            over_directories: Vec::new(),
            modes: Vec::new(),
            current: None,
            open: None,
            failure: None,
            placed: 0,
        }
    }

    /// Runs a step of the staging, unless an earlier one failed; if this one fails, what was staged goes away at once.
    fn step(&mut self, step: impl FnOnce(&mut Self) -> Result<(), Failure>) {
        if self.failure.is_none()
            && let Err(failure) = step(self)
        {
            self.fail(failure);
        }
    }

    /// Gives the batch up.
    pub fn fail(&mut self, failure: Failure) {
        self.open = None;
        self.roll_back();
        self.failure.get_or_insert(failure);
    }

    fn name(&self, place: &Place) -> &[u8] {
        let (start, length) = (place.name.0 as usize, usize::from(place.name.1));
        &self.names[start..start + length]
    }

    /// The path a place is to have in the end.
    fn path(&self, place: &Place) -> Vec<u8> {
        crate::path::join(
            &self.directories[place.directory as usize],
            self.name(place),
        )
    }
}

fn temporary(number: u32) -> Vec<u8> {
    let mut name = crate::path::TEMPORARY.to_vec();
    name.extend_from_slice(format!("{}-{number}", std::process::id()).as_bytes());
    name.extend_from_slice(crate::path::TEMPORARY_END);
    name
}
