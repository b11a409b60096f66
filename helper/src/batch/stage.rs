//! Takes the items of a batch in, one by one, and puts each under a temporary name.

use super::attributes::Attributes;
use super::make::{self, Made};
use super::{
    Ahead, Batch, Current, Fresh, Held, KEPT, Open, Place, Staged, There, moved, temporary,
};
use crate::failure::Failure;
use crate::path::{self, Status};
use crate::protocol::{COMPARE, Code, IN_PLACE, Time};
use crate::rights::Rights;
use crate::way::{Closed, Directory};
use crate::wire;
use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;
use std::fs::File;
use std::hash::{BuildHasher as _, Hasher as _};
use std::rc::Rc;

/// So many names are tried where somebody has taken ours.
const NAMES: usize = 16;

impl Batch<'_> {
    pub fn remove(&mut self, path: &[u8]) {
        self.step(path, |batch| {
            let path = clean(path)?;
            let added = batch.removes.insert(&path);
            added.ok_or_else(|| too_large(&path))
        });
    }

    pub fn directory(&mut self, path: &[u8], mode: u32) {
        self.step(path, |batch| {
            let path = clean(path)?;
            let Some((parent, name)) = path::split(&path) else {
                return Ok(());
            };
            let was_removed = batch.removes.contains(&path);
            batch.removes.forget(&path);
            batch.enter(parent)?;
            let (at, fresh) = batch.here()?;
            if fresh {
                match make::directory(&at, name, mode) {
                    Ok(_) => {}
                    // Made on the way to something below it, with a mode of our own choice.
                    Err(Errno::EXIST) => {
                        make::mode(&at, name, mode).map_err(|errno| refused(&at, errno, &path))?;
                    }
                    Err(errno) => return Err(refused(&at, errno, &path)),
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
        let before = self.left_out.len();
        self.step(path, |batch| {
            if batch.open.is_some() {
                return Err(out_of_turn(path));
            }
            let path = clean(path)?;
            let (file, there) = batch.begin_file(&path, mode, length, flags, None)?;
            batch.open = Some(Open {
                path,
                file: Some(file),
                there,
                remaining: length,
                mtime,
            });
            batch.close_if_complete()
        });
        // Its content comes all the same.
        if self.left_out.len() > before && length > 0 {
            self.open = Some(Open {
                path: path.to_vec(),
                file: None,
                there: None,
                remaining: length,
                mtime,
            });
        }
    }

    /// A file whose content is here already.
    pub fn ahead(&mut self, path: &[u8], mode: u32, mtime: Time, flags: u8, name: &[u8]) {
        let opened = Rights::Own
            .assume()
            .and_then(|()| self.journal.open_ahead(name));
        // It is let go, whatever comes of it.
        self.step(path, |batch| {
            if batch.open.is_some() {
                return Err(out_of_turn(path));
            }
            let path = clean(path)?;
            let ahead = opened.map_err(|errno| {
                Failure::new(Code::NotThere, &path, crate::failure::words(errno))
            })?;
            let (file, _) = batch.begin_file(&path, mode, 0, flags, Some(&ahead))?;
            file.finish(mtime)
                .map_err(|errno| Failure::system(errno, &path))
        });
    }

    fn begin_file(
        &mut self,
        path: &[u8],
        mode: u32,
        length: u64,
        flags: u8,
        ahead: Option<&Ahead>,
    ) -> Result<(Made<File>, Option<There>), Failure> {
        let Some((parent, name)) = path::split(path) else {
            return Err(Failure::system(Errno::ISDIR, path));
        };
        self.removes.forget(path);
        self.enter(parent)?;
        let target = self.target(path, name)?;
        let in_place = flags & IN_PLACE != 0
            && target.is_some_and(|target| target.kind == FileType::RegularFile);
        if target.is_some_and(|target| target.mount_point) {
            let (at, _) = self.here()?;
            if !self.ways.is_part(&at, name) {
                let text = "is mounted there, and is no part of the sync";
                return Err(Failure::new(Code::Unsafe, path, text));
            }
            if !in_place {
                return Err(Failure::new(Code::MountPoint, path, "is a mount point"));
            }
        }
        let there = if flags & COMPARE != 0 {
            let (at, _) = self.here()?;
            There::open(&at, name, target, mode, length)
        } else {
            None
        };
        let file = if in_place {
            let number = self.add(name, Staged::Content { mode })?;
            let content = Rights::Own.assume().and_then(|()| match ahead {
                Some(ahead) => {
                    self.journal.adopt(ahead, number)?;
                    Ok(ahead
                        .file
                        .try_clone()
                        .map_err(|error| crate::failure::errno(&error))?)
                }
                None => self.journal.create_content(number),
            });
            content
                .map(Made::content)
                .map_err(|errno| Failure::system(errno, path))
        } else {
            // Asked for the few that have such a bit at all.
            let is_roots = mode & make::SET_IDS == 0 || self.ways.is_roots(parent);
            let kept = self.kept(parent, name, target)?;
            let file = self.make(path, name, Staged::Entry, |at, name| {
                make::file(at, name, mode, target, is_roots, ahead)
            });
            file.map(|file| file.with(kept))
        };
        Ok((file?, there))
    }

    /// What stays with the name. Rights of root's are treated as a set-ID bit of root's is.
    fn kept(
        &self,
        parent: &[u8],
        name: &[u8],
        target: Option<Status>,
    ) -> Result<Attributes, Failure> {
        let Some(old) = target.filter(|old| old.kind == FileType::RegularFile) else {
            return Ok(Attributes::default());
        };
        let (at, _) = self.here()?;
        let kept = Attributes::of(&at, name, &old);
        let may_lend = || at.rights == Rights::Own && self.ways.is_roots(parent);
        Ok(if kept.lend_rights() && !may_lend() {
            kept.without_rights()
        } else {
            kept
        })
    }

    pub fn data(&mut self, bytes: &[u8]) {
        self.step(b"", |batch| {
            let Some(open) = &mut batch.open else {
                return Err(out_of_turn(b""));
            };
            let length = bytes.len() as u64;
            if length > open.remaining {
                return Err(out_of_turn(&open.path));
            }
            if let Some(file) = &open.file {
                wire::write_all(&file.it, bytes)
                    .map_err(|errno| Failure::system(errno, &open.path))?;
            }
            let there = open.there.take();
            open.there = there.filter(|there| there.goes_on_with(bytes));
            open.remaining -= length;
            batch.close_if_complete()
        });
    }

    pub fn symlink(&mut self, path: &[u8], link: &[u8], mtime: Time) {
        self.step(path, |batch| {
            let path = clean(path)?;
            let Some((parent, name)) = path::split(&path) else {
                return Err(Failure::system(Errno::ISDIR, &path));
            };
            batch.removes.forget(&path);
            batch.enter(parent)?;
            let target = batch.target(&path, name)?;
            if target.is_some_and(|target| target.kind == FileType::Symlink) {
                // What was "below" it is the link's business: removing it would follow the link.
                batch.removes.forget_below(&path);
            }
            if target.is_some_and(|target| target.mount_point) {
                return Err(Failure::new(Code::MountPoint, &path, "is a mount point"));
            }
            batch.make(&path, name, Staged::Entry, |at, name| {
                make::link(at, name, link, mtime)
            })?;
            Ok(())
        });
    }

    /// The last data of a file has come: nothing is written to it any more.
    fn close_if_complete(&mut self) -> Result<(), Failure> {
        let Some(open) = self.open.take_if(|open| open.remaining == 0) else {
            return Ok(());
        };
        if open.there.is_some() {
            // The last that was staged.
            drop(open.file);
            self.take_back_last();
            self.same.push(open.path);
            return Ok(());
        }
        open.file
            .map_or(Ok(()), |file| file.finish(open.mtime))
            .map_err(|errno| Failure::system(errno, &open.path))
    }

    /// What is at the target now.
    fn target(&mut self, path: &[u8], name: &[u8]) -> Result<Option<Status>, Failure> {
        let (at, fresh) = self.here()?;
        if fresh {
            return Ok(None);
        }
        match path::status(&at.fd, name, false) {
            Ok(status) => {
                if status.kind == FileType::Directory {
                    self.over_directories.push(path.to_vec());
                }
                Ok(Some(status))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(refused(&at, errno, path)),
        }
    }

    /// Makes something in the current directory: under a temporary name, or under its own where nobody sees the directory yet.
    fn make<T>(
        &mut self,
        path: &[u8],
        name: &[u8],
        staged: Staged,
        make: impl Fn(&Directory, &[u8]) -> Result<T, Errno>,
    ) -> Result<T, Failure> {
        let (at, fresh) = self.here()?;
        if fresh {
            // The same path twice in one batch: the last one counts.
            let again = at.rights.assume();
            let _ = again.and_then(|()| rustix::fs::unlinkat(&at.fd, name, AtFlags::empty()));
            return make(&at, name).map_err(|errno| refused(&at, errno, path));
        }
        let mut number = self.add(name, staged)?;
        for _ in 0..NAMES {
            match make(&at, &temporary(number)) {
                // Somebody was there first, or an earlier helper of that number was killed.
                Err(Errno::EXIST) => {
                    number = random();
                    if let Some(place) = self.places.last_mut() {
                        place.number = number;
                    }
                }
                outcome => {
                    return outcome.map_err(|errno| {
                        let failure = refused(&at, errno, path);
                        if failure.code == Code::Unsafe {
                            // The batch goes on without it.
                            self.take_back_last();
                        }
                        failure
                    });
                }
            }
        }
        self.places.pop();
        Err(Failure::system(Errno::EXIST, path))
    }

    pub(super) fn add(&mut self, name: &[u8], staged: Staged) -> Result<u32, Failure> {
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
        self.journal.note(&current.wanted);
        let index =
            u32::try_from(self.directories.len()).map_err(|_| too_large(&current.wanted))?;
        let open = (self.kept < KEPT).then(|| Rc::clone(&current.directory));
        self.kept += usize::from(open.is_some());
        self.directories.push(Held {
            wanted: current.wanted.clone(),
            open,
            status: current.directory.status,
        });
        current.index = Some(index);
        Ok(index)
    }

    /// The current directory, and whether nobody looks for it yet. Its rights are in force.
    fn here(&self) -> Result<(Rc<Directory>, bool), Failure> {
        let current = self.current.as_ref().ok_or_else(|| out_of_turn(b""))?;
        let rights = current.directory.rights.assume();
        rights.map_err(|errno| Failure::system(errno, &current.wanted))?;
        Ok((Rc::clone(&current.directory), current.fresh))
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
        let (reached, fresh) = match self.fresh_directory(wanted)? {
            Some(reached) => (reached, true),
            None => (self.ways.directory(wanted), false),
        };
        match reached {
            Ok(directory) => {
                self.current = Some(Current {
                    wanted: wanted.to_vec(),
                    directory: Rc::new(directory),
                    fresh,
                    index: None,
                });
                Ok(())
            }
            Err(Closed::System(Errno::NOENT)) => {
                let Some((parent, name)) = path::split(wanted) else {
                    return Err(Failure::system(Errno::NOENT, wanted));
                };
                // A dangling link is in the way of a directory: the kernel would not make one through it either.
                self.enter(parent)?;
                let (at, fresh) = self.here()?;
                if fresh {
                    make::directory(&at, name, 0o755)
                        .map_err(|errno| refused(&at, errno, wanted))?;
                } else if path::status(&at.fd, name, false).is_ok() {
                    return Err(Failure::system(Errno::NOTDIR, wanted));
                } else {
                    self.stage_directory(wanted, name, 0o755)?;
                }
                self.enter(wanted)
            }
            Err(closed) => Err(closed.failure(wanted)),
        }
    }

    /// A directory that is new, or below a new one, is where that is meanwhile. `None`: it is neither.
    fn fresh_directory(&self, wanted: &[u8]) -> Result<Option<Result<Directory, Closed>>, Failure> {
        let below = |fresh: &Fresh| {
            let below = wanted.strip_prefix(fresh.wanted.as_slice())?;
            (below.is_empty() || below.starts_with(b"/")).then(|| below.to_vec())
        };
        let Some((fresh, below)) = self
            .fresh
            .iter()
            .find_map(|fresh| Some((fresh, below(fresh)?)))
        else {
            return Ok(None);
        };
        let at = self.held(fresh.directory)?;
        let mut reached = at.child(&temporary(fresh.number));
        if let Ok(directory) = &reached
            && !directory.status.is_same(&fresh.status)
        {
            return Err(moved(&fresh.wanted));
        }
        for name in below
            .split(|byte| *byte == b'/')
            .filter(|name| !name.is_empty())
        {
            reached = reached.and_then(|directory| directory.child(name));
        }
        // What we made belongs to whom the directory belongs.
        if let Ok(directory) = &reached
            && at.rights == Rights::Own
            && directory.status.uid != at.status.uid
        {
            return Err(moved(wanted));
        }
        Ok(Some(reached))
    }

    /// Makes a new directory under a temporary name in the current one.
    fn stage_directory(&mut self, wanted: &[u8], name: &[u8], mode: u32) -> Result<(), Failure> {
        let status = self.make(wanted, name, Staged::Directory, |at, name| {
            make::directory(at, name, mode)
        })?;
        if let Some(place) = self.places.last() {
            self.fresh.push(Fresh {
                wanted: wanted.to_vec(),
                directory: place.directory,
                number: place.number,
                status,
            });
        }
        Ok(())
    }
}

/// Why something in `at` could not be done.
pub(super) fn refused(at: &Directory, errno: Errno, path: &[u8]) -> Failure {
    if errno == Errno::STALE {
        moved(path)
    } else {
        at.refused(errno, path)
    }
}

/// A number that nobody knows beforehand.
fn random() -> u32 {
    let state = std::collections::hash_map::RandomState::new();
    let [a, b, c, d, ..] = state.build_hasher().finish().to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
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
