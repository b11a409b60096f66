//! What is at a path: kind, mode, length, content hash, link target. Changes nothing.

use crate::failure::{number, words};
use crate::path::{self, Status};
use crate::protocol::{Kind, Reply, Sought};
use crate::rights::Rights;
use crate::way::{Directory, Ways};
use crate::wire::{Hangup, Output};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::AsFd;
use xxhash_rust::xxh3::Xxh3;

/// How much of a file is read at once.
const READ: usize = 64 * 1024;

/// A run of questions, and the directory that the last one was about: the next one mostly is about the same.
#[derive(Default)]
pub struct Describer {
    last: Option<(Vec<u8>, Directory)>,
}

impl Describer {
    /// Describes one path, as the host wants to know it.
    pub fn describe(
        &mut self,
        path: &[u8],
        sought: Sought,
        ways: &Ways,
        output: &mut Output<impl AsFd>,
    ) -> Result<(), Hangup> {
        let described = match self.enter(path, ways) {
            Ok((at, name)) => entry(at, &name, path, sought, output),
            Err(errno) => unreadable(path, errno, output),
        };
        let _ = Rights::Own.assume();
        described
    }

    /// The directory that a path lies in, and its name there.
    fn enter(&mut self, path: &[u8], ways: &Ways) -> Result<(&Directory, Vec<u8>), Errno> {
        let clean = path::clean(path)?;
        // The root lies in itself.
        let (parent, name) = path::split(&clean).unwrap_or((b"/", b"."));
        if self.last.as_ref().is_none_or(|(known, _)| known != parent) {
            let at = ways.directory(parent).map_err(|closed| closed.errno())?;
            self.last = Some((parent.to_vec(), at));
        }
        let (_, at) = self.last.as_ref().ok_or(Errno::NOENT)?;
        at.rights.assume()?;
        Ok((at, name.to_vec()))
    }
}

fn entry(
    at: &Directory,
    name: &[u8],
    path: &[u8],
    sought: Sought,
    output: &mut Output<impl AsFd>,
) -> Result<(), Hangup> {
    output.beat()?;
    let (status, target) = match found(at, name, sought) {
        Ok(found) => found,
        Err(errno) => return unreadable(path, errno, output),
    };
    let kind = kind(status.kind);
    let hash = match (kind, sought) {
        (Kind::File, Sought::File { most }) => match digest(at, name, most, output)? {
            Ok(hash) => hash,
            Err(errno) => return unreadable(path, errno, output),
        },
        _ => 0,
    };
    output.add(&Reply::Entry {
        path,
        kind,
        mode: status.mode,
        hash,
        target: &target,
    })
}

/// What stands there, and the target of a link.
fn found(at: &Directory, name: &[u8], sought: Sought) -> Result<(Status, Vec<u8>), Errno> {
    let status = path::status(&at.fd, name, false)?;
    if status.kind != FileType::Symlink {
        return Ok((status, Vec::new()));
    }
    // As a batch decides whether a directory has to be made there.
    if sought == Sought::Directory
        && let Ok(there) = path::status(&at.fd, name, true)
        && there.kind == FileType::Directory
    {
        return Ok((there, Vec::new()));
    }
    let target = rustix::fs::readlinkat(&at.fd, name, Vec::new())?.into_bytes();
    Ok((status, target))
}

fn kind(kind: FileType) -> Kind {
    match kind {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        _ => Kind::Other,
    }
}

/// The hash of a file's content; 0 where that is longer than `most`. The outer error is that nobody waits for it any more.
fn digest(
    at: &Directory,
    name: &[u8],
    most: u64,
    output: &mut Output<impl AsFd>,
) -> Result<Result<u128, Errno>, Hangup> {
    // Not blocking: a FIFO may have taken the file's place by now.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(&at.fd, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(errno) => return Ok(Err(errno)),
    };
    // Its length first: a file that is longer than the host's is another one, whatever is in it.
    match path::status(&file, b"", false) {
        Ok(found) if found.size > most => return Ok(Ok(0)),
        Ok(_) => {}
        Err(errno) => return Ok(Err(errno)),
    }
    let mut buffer = vec![0; READ];
    let mut hash = Xxh3::new();
    let mut size = 0;
    loop {
        output.beat()?;
        match rustix::io::read(&file, buffer.as_mut_slice()) {
            Ok(0) => return Ok(Ok(hash.digest128())),
            Ok(read) => {
                hash.update(&buffer[..read]);
                size += read as u64;
                if size > most {
                    return Ok(Ok(0));
                }
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Ok(Err(errno)),
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
