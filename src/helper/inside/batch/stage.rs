//! Takes the items of a batch in, one by one, and puts each under a temporary name.

use super::{Batch, Current, Open, Place, Staged, temporary};
use crate::failure::Failure;
use crate::path::{self, Status};
use crate::protocol::{Code, IN_PLACE, REPLACE_TREE, Time};
use crate::wire;
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

/// The set-group-ID bit: what is made in such a directory gets its group.
const SETGID: u32 = 0o2000;

impl Batch<'_> {
    pub fn remove(&mut self, path: &[u8]) {
        self.step(|batch| {
            let path = clean(path)?;
            let added = batch.removes.insert(&path);
            added.ok_or_else(|| too_large(&path))
        });
    }

    pub fn directory(&mut self, path: &[u8], mode: u32) {
        self.step(|batch| {
            let path = clean(path)?;
            let Some((parent, name)) = path::split(&path) else {
                return Ok(());
            };
            let was_removed = batch.removes.contains(&path);
            batch.removes.forget(&path);
            batch.enter(parent)?;
            let at = batch.here()?;
            if at.fresh {
                match make_directory(&at.fd, name, mode, at) {
                    Ok(()) => batch.placed += 1,
                    // Made on the way to something below it, with a mode of our own choice.
                    Err(Errno::EXIST) => {
                        set_mode(&at.fd, name, mode | inherited(at))
                            .map_err(|errno| Failure::system(errno, &path))?;
                    }
                    Err(errno) => return Err(Failure::system(errno, &path)),
                }
                return Ok(());
            }
            // A link to a directory is one, unless it is removed by its name: then a directory takes its place.
            match path::status(&at.fd, name, !was_removed) {
                Ok(there) if there.kind == FileType::Directory => Ok(()),
                _ => batch.stage_directory(&path, name, mode),
            }
        });
    }

    pub fn file(&mut self, path: &[u8], mode: u32, mtime: Time, length: u64, flags: u8) {
        self.step(|batch| {
            if batch.open.is_some() {
                return Err(out_of_turn(path));
            }
            let path = clean(path)?;
            let Some((parent, name)) = path::split(&path) else {
                return Err(Failure::system(Errno::ISDIR, &path));
            };
            batch.removes.forget(&path);
            batch.enter(parent)?;
            let target = batch.target(&path, name, flags)?;
            let in_place = flags & IN_PLACE != 0
                && target.is_some_and(|target| target.kind == FileType::RegularFile);
            if target.is_some_and(|target| target.mount_point) && !in_place {
                return Err(Failure::new(Code::MountPoint, &path, "is a mount point"));
            }
            let file = if in_place {
                let number = batch.add(name, Staged::Content { mode })?;
                batch.journal.create_content(number)
            } else {
                batch.create(name, mode, target, flags & REPLACE_TREE != 0)?
            };
            let file = file.map_err(|errno| Failure::system(errno, &path))?;
            batch.placed += 1;
            batch.open = Some(Open {
                path,
                file,
                remaining: length,
                mtime,
            });
            batch.close_if_complete()
        });
    }

    pub fn data(&mut self, bytes: &[u8]) {
        self.step(|batch| {
            let Some(open) = &mut batch.open else {
                return Err(out_of_turn(b""));
            };
            let length = bytes.len() as u64;
            if length > open.remaining {
                return Err(out_of_turn(&open.path));
            }
            wire::write_all(&open.file, bytes)
                .map_err(|errno| Failure::system(errno, &open.path))?;
            open.remaining -= length;
            batch.close_if_complete()
        });
    }

    pub fn symlink(&mut self, path: &[u8], link: &[u8], mtime: Time, flags: u8) {
        self.step(|batch| {
            let path = clean(path)?;
            let Some((parent, name)) = path::split(&path) else {
                return Err(Failure::system(Errno::ISDIR, &path));
            };
            batch.removes.forget(&path);
            batch.enter(parent)?;
            let target = batch.target(&path, name, flags)?;
            if target.is_some_and(|target| target.kind == FileType::Symlink) {
                // What was "below" it is the link's business: removing it would follow the link.
                batch.removes.forget_below(&path);
            }
            if target.is_some_and(|target| target.mount_point) {
                return Err(Failure::new(Code::MountPoint, &path, "is a mount point"));
            }
            let temporary = batch.begin(
                name,
                Staged::Entry {
                    replace_tree: flags & REPLACE_TREE != 0,
                },
            )?;
            let at = batch.here()?;
            let made = rustix::fs::symlinkat(link, &at.fd, temporary.as_slice())
                .and_then(|()| own(&at.fd, &temporary, at, target))
                .and_then(|()| {
                    let times = timestamps(mtime);
                    rustix::fs::utimensat(
                        &at.fd,
                        temporary.as_slice(),
                        &times,
                        AtFlags::SYMLINK_NOFOLLOW,
                    )
                });
            made.map_err(|errno| Failure::system(errno, &path))?;
            batch.placed += 1;
            Ok(())
        });
    }

    /// The last data of a file has come: nothing is written to it any more.
    fn close_if_complete(&mut self) -> Result<(), Failure> {
        let Some(open) = self.open.take_if(|open| open.remaining == 0) else {
            return Ok(());
        };
        rustix::fs::futimens(&open.file, &timestamps(open.mtime))
            .map_err(|errno| Failure::system(errno, &open.path))
    }

    /// What is at the target now.
    fn target(&mut self, path: &[u8], name: &[u8], flags: u8) -> Result<Option<Status>, Failure> {
        let at = self.here()?;
        if at.fresh {
            return Ok(None);
        }
        match path::status(&at.fd, name, false) {
            Ok(status) => {
                if status.kind == FileType::Directory && flags & REPLACE_TREE == 0 {
                    self.over_directories.push(path.to_vec());
                }
                Ok(Some(status))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Failure::system(errno, path)),
        }
    }

    /// Opens a new file in the current directory, under a temporary name unless nobody sees the directory yet.
    fn create(
        &mut self,
        name: &[u8],
        mode: u32,
        target: Option<Status>,
        replace_tree: bool,
    ) -> Result<Result<File, Errno>, Failure> {
        let temporary = self.begin(name, Staged::Entry { replace_tree })?;
        let at = self.here()?;
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Closed to others until owner and mode are right.
        let created = rustix::fs::openat(
            &at.fd,
            temporary.as_slice(),
            flags,
            Mode::from_raw_mode(0o600),
        );
        Ok(created.and_then(|file| {
            let (uid, gid) = owner(at, target);
            if (uid, gid) != own_owner(at) {
                rustix::fs::fchown(&file, Some(uid), Some(gid))?;
            }
            rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
            Ok(File::from(file))
        }))
    }

    /// Notes the coming entry, and says under which name it is to be made.
    fn begin(&mut self, name: &[u8], staged: Staged) -> Result<Vec<u8>, Failure> {
        let at = self.here()?;
        if at.fresh {
            // The same path twice in one batch: the last one counts.
            if rustix::fs::unlinkat(&at.fd, name, AtFlags::empty()).is_ok() {
                self.placed = self.placed.saturating_sub(1);
            }
            return Ok(name.to_vec());
        }
        self.add(name, staged).map(temporary)
    }

    fn add(&mut self, name: &[u8], staged: Staged) -> Result<u32, Failure> {
        let directory = self.index()?;

        let number = u32::try_from(self.places.len()).map_err(|_| too_large(name))?;
        let start = u32::try_from(self.names.len()).map_err(|_| too_large(name))?;
        let length =
            u16::try_from(name.len()).map_err(|_| Failure::system(Errno::NAMETOOLONG, name))?;
        self.names.extend_from_slice(name);
        self.places.push(Place {
            directory,
            name: (start, length),
            number,
            staged,
        });
        Ok(number)
    }

    /// The current directory's place in the list, and in the journal.
    fn index(&mut self) -> Result<u32, Failure> {
        let Some(current) = &mut self.current else {
            return Err(out_of_turn(b""));
        };
        if let Some(index) = current.index {
            return Ok(index);
        }
        self.journal.note(&current.real);
        let index =
            u32::try_from(self.directories.len()).map_err(|_| too_large(&current.wanted))?;
        self.directories.push(current.real.clone());
        current.index = Some(index);
        Ok(index)
    }

    fn here(&self) -> Result<&Current, Failure> {
        self.current.as_ref().ok_or_else(|| out_of_turn(b""))
    }

    /// Makes `wanted` the current directory; what is missing of it is staged.
    fn enter(&mut self, wanted: &[u8]) -> Result<(), Failure> {
        if self
            .current
            .as_ref()
            .is_some_and(|current| current.wanted == wanted)
        {
            return Ok(());
        }
        let real = self.real(wanted);
        let fresh = real.is_some();
        let real = real.unwrap_or_else(|| wanted.to_vec());
        match open_directory(&real) {
            Ok(fd) => self.set_current(wanted, real, fd, fresh),
            Err(Errno::NOENT) => {
                let Some((parent, name)) = path::split(wanted) else {
                    return Err(Failure::system(Errno::NOENT, wanted));
                };
                // A dangling link is in the way of a directory: the kernel would not make one through it either.
                self.enter(parent)?;
                let at = self.here()?;
                if at.fresh {
                    make_directory(&at.fd, name, 0o755, at)
                        .map_err(|errno| Failure::system(errno, wanted))?;
                    self.placed += 1;
                } else if path::status(&at.fd, name, false).is_ok() {
                    return Err(Failure::system(Errno::NOTDIR, wanted));
                } else {
                    self.stage_directory(wanted, name, 0o755)?;
                }
                self.enter(wanted)
            }
            Err(errno) => Err(Failure::system(errno, wanted)),
        }
    }

    fn set_current(
        &mut self,
        wanted: &[u8],
        real: Vec<u8>,
        fd: OwnedFd,
        fresh: bool,
    ) -> Result<(), Failure> {
        let status =
            path::status(&fd, b"", true).map_err(|errno| Failure::system(errno, wanted))?;
        self.current = Some(Current {
            wanted: wanted.to_vec(),
            real,
            fd,
            fresh,
            uid: status.uid,
            gid: status.gid,
            setgid: status.mode & SETGID != 0,
            index: None,
        });
        Ok(())
    }

    /// Where a path that is new, or below a new directory, is meanwhile.
    fn real(&self, wanted: &[u8]) -> Option<Vec<u8>> {
        self.fresh.iter().find_map(|(root, real)| {
            let below = wanted.strip_prefix(root.as_slice())?;
            if below.is_empty() {
                return Some(real.clone());
            }
            below
                .starts_with(b"/")
                .then(|| [real.as_slice(), below].concat())
        })
    }

    /// Makes a new directory under a temporary name in the current one.
    fn stage_directory(&mut self, wanted: &[u8], name: &[u8], mode: u32) -> Result<(), Failure> {
        let temporary = self.begin(name, Staged::Directory)?;
        let at = self.here()?;
        make_directory(&at.fd, &temporary, mode, at)
            .map_err(|errno| Failure::system(errno, wanted))?;
        let real = path::join(&at.real, &temporary);
        self.fresh.push((wanted.to_vec(), real));
        self.placed += 1;
        Ok(())
    }
}

pub(super) fn open_directory(path: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty())
}

pub(super) fn timestamps(mtime: Time) -> Timestamps {
    let mtime = Timespec {
        tv_sec: mtime.seconds,
        tv_nsec: mtime.nanos.into(),
    };
    Timestamps {
        last_access: mtime,
        last_modification: mtime,
    }
}

pub(super) fn clean(path: &[u8]) -> Result<Vec<u8>, Failure> {
    path::clean(path).map_err(|_| {
        Failure::new(
            Code::Protocol,
            path,
            "is not an absolute path without `.` and `..`",
        )
    })
}

fn too_large(path: &[u8]) -> Failure {
    Failure::new(Code::Protocol, path, "the batch is too large")
}

fn out_of_turn(path: &[u8]) -> Failure {
    Failure::new(Code::Protocol, path, "content out of turn")
}

/// A new directory: its parent's owner, the host's mode, and the parent's set-group-ID bit.
fn make_directory(parent: &OwnedFd, name: &[u8], mode: u32, at: &Current) -> Result<(), Errno> {
    rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o700))?;
    own(parent, name, at, None)?;
    set_mode(parent, name, mode | inherited(at))
}

fn inherited(at: &Current) -> u32 {
    if at.setgid { SETGID } else { 0 }
}

fn set_mode(parent: &OwnedFd, name: &[u8], mode: u32) -> Result<(), Errno> {
    rustix::fs::chmodat(parent, name, Mode::from_raw_mode(mode), AtFlags::empty())
}

/// Who is to own what replaces `target` in `at`: the old one's owner, or the directory's.
fn owner(at: &Current, target: Option<Status>) -> (Uid, Gid) {
    let (uid, gid) = target.map_or((at.uid, at.gid), |target| (target.uid, target.gid));
    (Uid::from_raw(uid), Gid::from_raw(gid))
}

/// Who owns what we make in `at` without further ado.
fn own_owner(at: &Current) -> (Uid, Gid) {
    let gid = if at.setgid {
        Gid::from_raw(at.gid)
    } else {
        rustix::process::getegid()
    };
    (rustix::process::geteuid(), gid)
}

fn own(parent: impl AsFd, name: &[u8], at: &Current, target: Option<Status>) -> Result<(), Errno> {
    let (uid, gid) = owner(at, target);
    if (uid, gid) == own_owner(at) {
        return Ok(());
    }
    rustix::fs::chownat(
        parent,
        name,
        Some(uid),
        Some(gid),
        AtFlags::SYMLINK_NOFOLLOW,
    )
}
