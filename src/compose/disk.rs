//! The only access that the reader and the checks have to the disk: a trait, and its implementation on the real disk.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;

use crate::paths::HostPath;
use crate::plain_file;

/// The only access that the reader and the checks have to the disk.
pub trait Files {
    /// The whole content; a [`plain_file::Odd`] error for anything but a regular file.
    fn read(&self, path: &HostPath) -> io::Result<Vec<u8>>;
    /// What is at `path`, links followed; `None` when there is nothing or it cannot be looked at.
    fn kind(&self, path: &HostPath) -> Option<FileKind>;
}

/// Whether a path is a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A directory, or a link to one.
    Directory,
    /// Everything else: files, sockets, devices.
    File,
}

/// The host's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &HostPath) -> io::Result<Vec<u8>> {
        plain_file::read(path)
    }

    fn kind(&self, path: &HostPath) -> Option<FileKind> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(if metadata.is_dir() {
            FileKind::Directory
        } else {
            FileKind::File
        })
    }
}

/// The host's file system, recording the paths it was asked for: a change of one of them may change the result (E7).
#[derive(Debug, Default)]
pub struct Asked {
    paths: RefCell<BTreeSet<HostPath>>,
}

impl Asked {
    /// Every path that was asked for, existing or not.
    pub fn paths(self) -> Vec<HostPath> {
        self.paths.into_inner().into_iter().collect()
    }

    fn note(&self, path: &HostPath) {
        self.paths.borrow_mut().insert(path.clone());
    }
}

impl Files for Asked {
    fn read(&self, path: &HostPath) -> io::Result<Vec<u8>> {
        self.note(path);
        Disk.read(path)
    }

    fn kind(&self, path: &HostPath) -> Option<FileKind> {
        self.note(path);
        Disk.kind(path)
    }
}
