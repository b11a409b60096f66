//! Makes files, links and directories in a directory that somebody else may own and write to at the same moment: whatever is
//! set on them is set on what was made, by its descriptor, never by a name.

use super::Ahead;
use super::attributes::Attributes;
use crate::failure;
use crate::path::{self, Status};
use crate::protocol::Time;
use crate::rights::Rights;
use crate::way::Directory;
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, RenameFlags, Timespec, Timestamps, Uid, fchmod,
    futimens,
};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::OwnedFd;

/// The set-group-ID bit: what is made in such a directory gets its group.
pub const SETGID: u32 = 0o2000;
/// The bits that have a program run with the rights of its file's owner or group.
pub const SET_IDS: u32 = 0o6000;

/// What was made, and what it still gets once its content is there: before, the kernel would take bits of the mode away again.
#[derive(Debug)]
pub struct Made<T> {
    pub it: T,
    mode: Option<u32>,
    rights: Rights,
    attributes: Attributes,
}

impl Made<File> {
    /// Content in the helper's own directory, which nobody else sees.
    pub fn content(file: File) -> Self {
        Self {
            it: file,
            mode: None,
            rights: Rights::Own,
            attributes: Attributes::default(),
        }
    }

    /// It gets these in the end.
    pub fn with(self, attributes: Attributes) -> Self {
        Self { attributes, ..self }
    }

    /// The last byte has come.
    pub fn finish(&self, mtime: Time) -> Result<(), Errno> {
        self.rights.assume()?;
        // While its owner may still write to it, and after the last write, which takes rights away.
        self.attributes.give(&self.it)?;
        if let Some(mode) = self.mode {
            fchmod(&self.it, Mode::from_raw_mode(mode))?;
        }
        futimens(&self.it, &timestamps(mtime))
    }
}

/// A new file under a name that nothing had: with the content that was sent ahead, or empty. It is closed to others until
/// [`Made::finish`]. It gets the owner of what it is to replace, or the directory's.
pub fn file(
    at: &Directory,
    name: &[u8],
    mode: u32,
    replaces: Option<Status>,
    is_roots: bool,
    ahead: Option<&Ahead>,
) -> Result<Made<File>, Errno> {
    let moved = ahead.and_then(|ahead| moved(at, name, ahead).transpose());
    let file = match moved.transpose()? {
        Some(file) => file,
        None => created(at, name, ahead)?,
    };
    let mut mode = mode;
    if at.rights == Rights::Own {
        let owner = replaces.map_or((at.status.uid, at.status.gid), |old| (old.uid, old.gid));
        if owner != made_owner(at) {
            give(&file, owner)?;
        }
        mode = without_set_ids(mode, owner, is_roots);
    }
    Ok(Made {
        it: File::from(file),
        mode: Some(mode),
        rights: at.rights,
        attributes: Attributes::default(),
    })
}

/// The content that was sent ahead under its new name. `None`: it lies in another file system, or the directory is one
/// where our own rights are not lent.
fn moved(at: &Directory, name: &[u8], ahead: &Ahead) -> Result<Option<OwnedFd>, Errno> {
    if at.rights != Rights::Own {
        return Ok(None);
    }
    at.rights.assume()?;
    let flags = RenameFlags::NOREPLACE;
    match rustix::fs::renameat_with(CWD, &ahead.path, &at.fd, name, flags) {
        Ok(()) => {}
        Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::PERM) => return Ok(None),
        Err(errno) => return Err(errno),
    }
    let file = ahead.file.try_clone();
    file.map(|file| Some(file.into()))
        .map_err(|error| failure::errno(&error))
}

fn created(at: &Directory, name: &[u8], ahead: Option<&Ahead>) -> Result<OwnedFd, Errno> {
    at.rights.assume()?;
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&at.fd, name, flags, Mode::from_raw_mode(0o600))?;
    if let Some(ahead) = ahead {
        let file = File::from(file.try_clone().map_err(|error| failure::errno(&error))?);
        std::io::copy(&mut &ahead.file, &mut &file).map_err(|error| failure::errno(&error))?;
    }
    Ok(file)
}

/// The mode of a file that gets this owner. A program that runs as root, or in root's group, is not put where somebody other
/// than root has a say in what the names on its way stand for.
pub fn without_set_ids(mode: u32, (uid, gid): (u32, u32), is_roots: bool) -> u32 {
    let mut mode = mode;
    if !is_roots && uid == 0 {
        mode &= !SET_IDS;
    }
    if !is_roots && gid == 0 {
        mode &= !SETGID;
    }
    mode
}

/// A new link. It gets the directory's owner.
pub fn link(at: &Directory, name: &[u8], target: &[u8], mtime: Time) -> Result<(), Errno> {
    at.rights.assume()?;
    rustix::fs::symlinkat(target, &at.fd, name)?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let link = rustix::fs::openat(&at.fd, name, flags, Mode::empty())?;
    if path::status(&link, b"", false)?.kind != FileType::Symlink {
        return Err(Errno::STALE);
    }
    let owner = (at.status.uid, at.status.gid);
    if at.rights == Rights::Own && owner != made_owner(at) {
        give(&link, owner)?;
    }
    match rustix::fs::utimensat(&link, "", &timestamps(mtime), AtFlags::EMPTY_PATH) {
        // Kernels before 5.8 cannot; a link's own time is worth no more.
        Err(Errno::INVAL | Errno::NOENT) => Ok(()),
        set => set,
    }
}

/// A new directory with the directory's owner, the host's mode and the directory's set-group-ID bit; answers what it is.
pub fn directory(at: &Directory, name: &[u8], mode: u32) -> Result<Status, Errno> {
    at.rights.assume()?;
    rustix::fs::mkdirat(&at.fd, name, Mode::from_raw_mode(0o700))?;
    let fresh = readable(at, name)?;
    let status = path::status(&fresh, b"", false)?;
    if !at.is_ours_alone() {
        // Another directory may stand there by now. An empty one of our own is as good as the one that was made: whoever put
        // it there could have made one himself.
        let is_ours = at.rights != Rights::Own
            || status.uid == rustix::process::geteuid().as_raw()
                && status.mode & 0o777 == 0o700
                && !status.mount_point
                && is_empty(&fresh)?;
        if !is_ours {
            return Err(Errno::STALE);
        }
    }
    if at.rights == Rights::Own && (at.status.uid, at.status.gid) != made_owner(at) {
        give(&fresh, (at.status.uid, at.status.gid))?;
    }
    let inherited = at.status.mode & SETGID;
    fchmod(&fresh, Mode::from_raw_mode(mode | inherited))?;
    Ok(status)
}

/// A directory's mode where that is nobody's gain: it belongs to whoever decides what its name stands for, or loses rights.
/// `None`: it is another's, and stays as it is.
pub fn mode(at: &Directory, name: &[u8], mode: u32) -> Result<Option<()>, Errno> {
    /// What the container gave a directory beyond permissions stays: the set-group-ID and the sticky bit.
    const STAYS: u32 = 0o3000;
    at.rights.assume()?;
    let there = readable(at, name)?;
    let status = path::status(&there, b"", false)?;
    let mode = mode | status.mode & STAYS;
    let is_safe = at.rights != Rights::Own
        || at.is_ours_alone()
        || status.uid == at.status.uid && !at.is_shared()
        || mode & !status.mode == 0;
    if !is_safe || status.mount_point {
        return Ok(None);
    }
    fchmod(&there, Mode::from_raw_mode(mode)).map(Some)
}

/// The directory of that name itself, open for reading.
pub fn readable(at: &Directory, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags =
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat(&at.fd, name, flags, Mode::empty())
}

fn is_empty(directory: &OwnedFd) -> Result<bool, Errno> {
    for entry in Dir::read_from(directory)? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Who owns what root makes in `at` without further ado.
fn made_owner(at: &Directory) -> (u32, u32) {
    let gid = if at.status.mode & SETGID != 0 {
        at.status.gid
    } else {
        rustix::process::getegid().as_raw()
    };
    (rustix::process::geteuid().as_raw(), gid)
}

fn give(it: &OwnedFd, (uid, gid): (u32, u32)) -> Result<(), Errno> {
    let owner = (Uid::from_raw(uid), Gid::from_raw(gid));
    // By the descriptor, which may be of a link.
    rustix::fs::chownat(it, "", Some(owner.0), Some(owner.1), AtFlags::EMPTY_PATH)
}

pub fn timestamps(mtime: Time) -> Timestamps {
    let mtime = Timespec {
        tv_sec: mtime.seconds,
        tv_nsec: mtime.nanos.into(),
    };
    Timestamps {
        last_access: mtime,
        last_modification: mtime,
    }
}
