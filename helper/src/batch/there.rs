//! Whether a file that arrives is the one that stands there already: held against it piece by piece, as it comes.

use crate::path::{self, Status};
use crate::way::Directory;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;

/// How much of it is read at once.
const READ: usize = 16 * 1024;

/// A file that may be the one that arrives: so far all of it was the same.
#[derive(Debug)]
pub struct There(File);

impl There {
    /// The file of that name, if its kind, mode and length are those of the one that arrives.
    pub fn open(
        at: &Directory,
        name: &[u8],
        target: Option<Status>,
        mode: u32,
        length: u64,
    ) -> Option<Self> {
        let alike = |status: &Status| {
            status.kind == FileType::RegularFile
                && status.size == length
                && status.mode & 0o7777 == mode & 0o7777
        };
        target.as_ref().filter(|target| alike(target))?;
        // Not waiting: a FIFO may have taken the file's place by now.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&at.fd, name, flags, Mode::empty()).ok()?;
        let is_alike = path::status(&file, b"", false).is_ok_and(|status| alike(&status));
        is_alike.then(|| Self(File::from(file)))
    }

    /// Whether these bytes come next in it.
    pub fn goes_on_with(&self, mut bytes: &[u8]) -> bool {
        let mut buffer = [0; READ];
        while !bytes.is_empty() {
            let most = bytes.len().min(READ);
            match rustix::io::read(&self.0, &mut buffer[..most]) {
                Ok(read @ 1..) if buffer[..read] == bytes[..read] => bytes = &bytes[read..],
                Err(Errno::INTR) => {}
                Ok(_) | Err(_) => return false,
            }
        }
        true
    }
}
