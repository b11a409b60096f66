//! The only seam to the disk: what the reader and the checks ask of it, and the real one.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;

use crate::paths::HostPath;
use crate::plain_file;

/// The only seam to the disk: what the reader and the checks ask of it.
pub trait Files {
    /// The whole content; a [`plain_file::Odd`] error for what is no file.
    fn read(&self, path: &HostPath) -> io::Result<Vec<u8>>;
    /// What is there, links followed; `None` for nothing.
    fn kind(&self, path: &HostPath) -> Option<FileKind>;
}

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A directory.
    Directory,
    /// Anything else.
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

/// The host's file system, and what was asked of it: with something else there the answer may be another (E7).
#[derive(Debug, Default)]
pub struct Asked {
    paths: RefCell<BTreeSet<HostPath>>,
}

impl Asked {
    /// Every path it was asked for, also where there is nothing.
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
