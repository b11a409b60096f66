//! One batch of changes: all of it staged beside its targets, then renamed over them; or nothing.
//! Knows what the host wants where, not why.
//!
//! A file is staged as `.liveupdate-<pid>-<n>~` in its target's directory. A new directory is staged under such a name as
//! well, what belongs into it is made inside at once, and one rename shows the whole tree. A file that is to keep its inode
//! is staged in the helper's own directory. The journal names every directory that may hold such names, so that the next
//! helper can clean up after one that was killed.
//!
//! Whoever owns a directory may put links, directories and files of his own in the place of ours at any moment. So a
//! directory is opened once and kept by its descriptor from the staging to the rename; owner, mode and times are set on
//! descriptors; and a path whose way is not safe is left out and said, without holding up the others.

mod attributes;
mod commit;
mod journal;
mod make;
mod modes;
mod removes;
mod stage;
mod there;

use journal::Ahead;
pub use journal::Journal;
pub use make::readable;
use removes::Removes;
use there::There;

use crate::failure::Failure;
use crate::path::Status;
use crate::protocol::Code;
use crate::way::{Directory, Ways};
use std::fs::File;
use std::rc::Rc;

/// So many directories are kept open until the commit; of others it is made sure that they are still the same.
const KEPT: usize = 200;

/// What is staged under a temporary name, and how it gets to its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Staged {
    /// A file or link to be renamed. It may have to replace an empty directory.
    Entry,
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

/// A directory that holds temporary names.
struct Held {
    /// As the host names it.
    wanted: Vec<u8>,
    /// Itself, unless there are too many of them.
    open: Option<Rc<Directory>>,
    status: Status,
}

/// A new directory, which has a temporary name so far.
struct Fresh {
    /// As it is to be named.
    wanted: Vec<u8>,
    /// What it lies in: an index into `Batch::directories`.
    directory: u32,
    /// The number in its temporary name.
    number: u32,
    /// What was made.
    status: Status,
}

/// The directory that the last items went to, kept open.
struct Current {
    /// As the host names it.
    wanted: Vec<u8>,
    directory: Rc<Directory>,
    /// Below a temporary name: nobody looks for it yet.
    fresh: bool,
    /// Its index in `Batch::directories`, once something was staged in it.
    index: Option<u32>,
}

/// A file whose content is arriving.
struct Open {
    path: Vec<u8>,
    /// `None`: its content is read and let go.
    file: Option<make::Made<File>>,
    /// What stands there, as long as that is the same.
    there: Option<There>,
    remaining: u64,
    mtime: crate::protocol::Time,
}

/// A batch that is being staged.
pub struct Batch<'a> {
    journal: &'a mut Journal,
    ways: &'a Ways,
    removes: Removes,
    places: Vec<Place>,
    names: Vec<u8>,
    directories: Vec<Held>,
    /// How many of these are open.
    kept: usize,
    fresh: Vec<Fresh>,
    /// Directories that a file or a link is to replace, if they are empty by then.
    over_directories: Vec<Vec<u8>>,
    /// Directories that get a mode in the end.
    modes: Vec<(Vec<u8>, u32)>,
    current: Option<Current>,
    open: Option<Open>,
    failure: Option<Failure>,
    /// What is left out, and why.
    left_out: Vec<Failure>,
    /// Files that were there already.
    same: Vec<Vec<u8>>,
}

impl<'a> Batch<'a> {
    pub fn new(journal: &'a mut Journal, ways: &'a Ways) -> Self {
        Self {
            journal,
            ways,
            removes: Removes::default(),
            places: Vec::new(),
            names: Vec::new(),
            directories: Vec::new(),
            kept: 0,
            fresh: Vec::new(),
            over_directories: Vec::new(),
            modes: Vec::new(),
            current: None,
            open: None,
            failure: None,
            left_out: Vec::new(),
            same: Vec::new(),
        }
    }

    /// Runs a step of the staging, unless an earlier one failed; if this one fails, what was staged goes away at once. A path
    /// that must not be touched is only left out itself.
    fn step(&mut self, path: &[u8], step: impl FnOnce(&mut Self) -> Result<(), Failure>) {
        if self.failure.is_some() {
            return;
        }
        match step(self) {
            Ok(()) => {}
            // By the name that the host knows, not by that of a directory on its way.
            Err(failure) if failure.code == Code::Unsafe => self.left_out.push(Failure {
                path: path.to_vec(),
                ..failure
            }),
            Err(failure) => self.fail(failure),
        }
    }

    /// Gives the batch up.
    pub fn fail(&mut self, failure: Failure) {
        self.open = None;
        self.roll_back();
        self.failure.get_or_insert(failure);
    }

    /// What is left out of it, and why.
    pub fn take_left_out(&mut self) -> Vec<Failure> {
        std::mem::take(&mut self.left_out)
    }

    /// What of it was there already.
    pub fn take_same(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.same)
    }

    /// The directory with that index, which is the one that was staged in, or nothing is done there.
    fn held(&self, index: u32) -> Result<Rc<Directory>, Failure> {
        let held = &self.directories[index as usize];
        if let Some(directory) = &held.open {
            return Ok(Rc::clone(directory));
        }
        let directory = self.ways.directory(&held.wanted);
        let directory = directory.map_err(|closed| closed.failure(&held.wanted))?;
        if !directory.status.is_same(&held.status) {
            return Err(moved(&held.wanted));
        }
        Ok(Rc::new(directory))
    }

    fn name(&self, place: &Place) -> &[u8] {
        let (start, length) = (place.name.0 as usize, usize::from(place.name.1));
        &self.names[start..start + length]
    }

    /// The path a place is to have in the end.
    fn path(&self, place: &Place) -> Vec<u8> {
        crate::path::join(
            &self.directories[place.directory as usize].wanted,
            self.name(place),
        )
    }
}

/// Somebody in the container was at it in the same moment.
fn moved(path: &[u8]) -> Failure {
    let text = "something else was put in its place while it was updated";
    Failure::new(Code::Unsafe, path, text)
}

fn temporary(number: u32) -> Vec<u8> {
    let mut name = crate::path::TEMPORARY.to_vec();
    name.extend_from_slice(format!("{}-{number}", std::process::id()).as_bytes());
    name.extend_from_slice(crate::path::TEMPORARY_END);
    name
}
