//! What is at a path: kind, mode, length, content hash, link target. Changes nothing.

use crate::failure::{number, words};
use crate::path::{self, is_temporary};
use crate::protocol::{Kind, Reply};
use crate::wire::{Hangup, Output};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use xxhash_rust::xxh3::Xxh3;

/// How much of a file is read at once.
const READ: usize = 64 * 1024;

/// Describes one path.
pub fn look(
    path: &[u8],
    content: bool,
    output: &mut Output<impl AsFd>,
) -> Result<Option<Kind>, Hangup> {
    match entry(path, content) {
        Ok((kind, mode, size, hash, target)) => {
            output.add(&Reply::Entry {
                path,
                kind,
                mode,
                size,
                hash,
                target: &target,
            })?;
            Ok(Some(kind))
        }
        Err(errno) => unreadable(path, errno, output).map(|()| None),
    }
}

/// Describes a path and all below it. `home`, the helper's own directory, and temporary names are left out.
pub fn walk(
    root: &[u8],
    content: bool,
    home: &Path,
    output: &mut Output<impl AsFd>,
) -> Result<(), Hangup> {
    let mut waiting = vec![root.to_vec()];
    while let Some(next) = waiting.pop() {
        let kind = look(&next, content, output)?;
        // A root that is a link to a directory is that directory: so the kernel takes it when files are put below it.
        let is_directory = kind == Some(Kind::Directory)
            || (next == root && kind == Some(Kind::Symlink) && as_path(&next).is_dir());
        if !is_directory {
            continue;
        }
        let entries = match std::fs::read_dir(as_path(&next)) {
            Ok(entries) => entries,
            Err(error) => {
                unreadable(&next, crate::failure::errno(&error), output)?;
                continue;
            }
        };
        for entry in entries {
            match entry {
                Ok(entry) if is_temporary(entry.file_name().as_bytes()) || entry.path() == home => {
                }
                Ok(entry) => waiting.push(path::join(&next, entry.file_name().as_bytes())),
                Err(error) => unreadable(&next, crate::failure::errno(&error), output)?,
            }
        }
    }
    Ok(())
}

type Found = (Kind, u32, u64, u128, Vec<u8>);

fn entry(path: &[u8], content: bool) -> Result<Found, Errno> {
    let status = path::status(CWD, path, false)?;
    let (kind, mut size, mut hash, mut target) = (kind(status.kind), 0, 0, Vec::new());
    match kind {
        Kind::File if content => (size, hash) = digest(path)?,
        Kind::File => size = status.size,
        Kind::Symlink => target = rustix::fs::readlink(path, Vec::new())?.into_bytes(),
        Kind::Directory | Kind::Other => {}
    }
    Ok((kind, status.mode, size, hash, target))
}

fn kind(kind: FileType) -> Kind {
    match kind {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        _ => Kind::Other,
    }
}

/// A file's length and hash, as it was read.
fn digest(path: &[u8]) -> Result<(u64, u128), Errno> {
    // Not blocking: a FIFO may have taken the file's place by now.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    let mut buffer = vec![0; READ];
    let mut hash = Xxh3::new();
    let mut size = 0;
    loop {
        match rustix::io::read(&file, buffer.as_mut_slice()) {
            Ok(0) => return Ok((size, hash.digest128())),
            Ok(read) => {
                hash.update(&buffer[..read]);
                size += read as u64;
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn unreadable(path: &[u8], errno: Errno, output: &mut Output<impl AsFd>) -> Result<(), Hangup> {
    output.add(&Reply::Unreadable {
        path,
        errno: number(errno),
        text: words(errno).as_bytes(),
    })
}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}
