//! What the disk says about one path when it is looked at. The kind of event that led to the look is not part of it (C5).

use std::path::PathBuf;
use std::time::SystemTime;

use crate::paths::HostPath;

/// One path of a batch, as the disk had it when the batch closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It exists.
    Written(HostPath, Entry),
    /// It does not exist.
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

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// File, directory, link, or what cannot be synced.
    pub kind: Kind,
    /// Permission bits, as `chmod` takes them; 0o644 or 0o755 where the host has none.
    pub mode: u32,
    /// Modification time, as the file system has it.
    pub modified: SystemTime,
    /// Which file it is; all zero for anything but a regular file.
    pub inode: Inode,
}

#[cfg(test)]
impl Entry {
    /// One of which nothing but its kind matters.
    pub fn of(kind: Kind) -> Self {
        Self {
            kind,
            mode: 0o644,
            modified: SystemTime::UNIX_EPOCH,
            inode: Inode::default(),
        }
    }
}

/// A file's identity, whatever names it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Inode {
    /// The inode number on its file system; 0 where there is none.
    pub number: u64,
    /// The number of its hard links; 0 where the host does not tell.
    pub names: u32,
}

impl Inode {
    /// Whether it has other names, so that a write through one of them changes what is seen under this one.
    pub fn has_other_names(self) -> bool {
        self.names > 1
    }
}

/// The kinds of thing on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File {
        /// Its size in bytes when it was looked at.
        len: u64,
    },
    /// A directory; what it holds is looked at separately.
    Directory,
    /// A symbolic link, never followed; dangling or not.
    Link {
        /// Where it points, as written.
        target: PathBuf,
    },
    /// A socket, FIFO or device: never synced.
    Special,
    /// It exists, but may not be read.
    Unreadable {
        /// The system's error text.
        why: String,
    },
}
