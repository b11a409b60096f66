//! Paths as the wire has them, and what the kernel says of one.

use rustix::fs::{AtFlags, FileType, Mode, OFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;
use std::io::Read as _;
use std::os::fd::AsFd;

/// The beginning of every temporary name; with [`TEMPORARY_END`] it is also an editor's backup file to most tools' ignore rules.
pub const TEMPORARY: &[u8] = b".liveupdate-";
/// The end of every temporary name.
pub const TEMPORARY_END: &[u8] = b"~";

/// Whether a file name is one of our temporary ones.
pub fn is_temporary(name: &[u8]) -> bool {
    name.starts_with(TEMPORARY) && name.ends_with(TEMPORARY_END)
}

/// The path without doubled and trailing slashes. Fails on a relative path and on `.` and `..`.
pub fn clean(path: &[u8]) -> Result<Vec<u8>, Errno> {
    if path.first() != Some(&b'/') || path.contains(&0) {
        return Err(Errno::INVAL);
    }
    let mut clean = Vec::with_capacity(path.len());
    for part in path
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty())
    {
        if part == b"." || part == b".." {
            return Err(Errno::INVAL);
        }
        clean.push(b'/');
        clean.extend_from_slice(part);
    }
    if clean.is_empty() {
        clean.push(b'/');
    }
    Ok(clean)
}

/// A clean path's directory and name. `None` for the root.
pub fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = path.iter().rposition(|byte| *byte == b'/')?;
    let name = &path[slash + 1..];
    let directory = if slash == 0 { b"/" } else { &path[..slash] };
    (!name.is_empty()).then_some((directory, name))
}

/// `name` below `directory`.
pub fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(directory.len() + 1 + name.len());
    path.extend_from_slice(directory);
    if directory != b"/" {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// The content of a small file such as `/etc/passwd`; nothing of what is no file, cannot be read, or is larger than such a file
/// ever is.
pub fn small_file(path: impl AsRef<std::path::Path>) -> Vec<u8> {
    const LARGEST: u64 = 16 * 1024 * 1024;
    let read = || -> std::io::Result<Vec<u8>> {
        // A FIFO in its place is not waited for.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = std::fs::File::from(rustix::fs::open(path.as_ref(), flags, Mode::empty())?);
        let mut content = Vec::new();
        if file.metadata()?.is_file() {
            file.take(LARGEST).read_to_end(&mut content)?;
        }
        Ok(content)
    };
    read().unwrap_or_default()
}

/// What the kernel says of a path.
#[derive(Debug, Clone, Copy)]
pub struct Status {
    pub kind: FileType,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    /// How many names it has.
    pub links: u64,
    pub device: (u32, u32),
    pub inode: u64,
    pub mount_point: bool,
    /// Whether this kernel says what is a mount point.
    pub mount_is_told: bool,
}

impl Status {
    /// Whether it is the very same thing.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// The status of `name` in `directory`, not following a link at the end unless `follow`.
pub fn status(directory: impl AsFd, name: &[u8], follow: bool) -> Result<Status, Errno> {
    let mut flags = AtFlags::empty();
    flags.set(AtFlags::SYMLINK_NOFOLLOW, !follow);
    flags.set(AtFlags::EMPTY_PATH, name.is_empty());
    match rustix::fs::statx(&directory, name, flags, StatxFlags::BASIC_STATS) {
        Ok(found) => Ok(Status {
            kind: FileType::from_raw_mode(found.stx_mode.into()),
            mode: u32::from(found.stx_mode) & 0o7777,
            uid: found.stx_uid,
            gid: found.stx_gid,
            size: found.stx_size,
            links: found.stx_nlink.into(),
            device: (found.stx_dev_major, found.stx_dev_minor),
            inode: found.stx_ino,
            mount_point: found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT),
            mount_is_told: found
                .stx_attributes_mask
                .contains(StatxAttributes::MOUNT_ROOT),
        }),
        // Old kernels and old seccomp profiles. A mount point then shows when the rename fails.
        Err(Errno::NOSYS | Errno::PERM) => {
            let found = rustix::fs::statat(&directory, name, flags)?;
            #[allow(clippy::useless_conversion, reason = "it has another width elsewhere")]
            let links = u64::try_from(found.st_nlink).unwrap_or(1);
            Ok(Status {
                kind: FileType::from_raw_mode(found.st_mode),
                mode: found.st_mode & 0o7777,
                uid: found.st_uid,
                gid: found.st_gid,
                size: u64::try_from(found.st_size).unwrap_or(0),
                links,
                device: (
                    rustix::fs::major(found.st_dev),
                    rustix::fs::minor(found.st_dev),
                ),
                inode: found.st_ino,
                mount_point: false,
                mount_is_told: false,
            })
        }
        Err(errno) => Err(errno),
    }
}
