//! What one look at the disk says of one path. The kind of event that led to the look is not part of it (C5).

use std::path::PathBuf;
use std::time::SystemTime;

use crate::paths::HostPath;

/// One path of a batch, as the disk had it when the batch closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is there.
    Written(HostPath, Entry),
    /// It is not there.
    Removed(HostPath),
}

impl Change {
    /// The path that changed.
    pub fn path(&self) -> &HostPath {
        match self {
            Self::Written(path, _) | Self::Removed(path) => path,
        }
    }
}

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// File, directory, link, or what cannot be synced.
    pub kind: Kind,
    /// Permission bits, as `chmod` takes them; 0o644 or 0o755 where the host has none.
    pub mode: u32,
    /// Modification time.
    pub modified: SystemTime,
    /// Which file it is, of a regular file.
    pub inode: Inode,
}

/// A file, whatever its names are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Inode {
    /// Its number on its file system; 0 where there is none.
    pub number: u64,
    /// How many names it has; 0 where nobody says.
    pub names: u32,
}

impl Inode {
    /// Whether a write through one name changes what stands at others.
    pub fn has_other_names(self) -> bool {
        self.names > 1
    }
}

/// The kinds of thing on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file of that many bytes.
    File {
        /// Its size when looked at.
        len: u64,
    },
    /// A directory.
    Directory,
    /// A symbolic link, never followed; dangling or not.
    Link {
        /// Where it points, as written.
        target: PathBuf,
    },
    /// A socket, FIFO or device: never synced.
    Special,
    /// It is there, but may not be read; the system's own words.
    Unreadable {
        /// For people.
        why: String,
    },
}
