//! Puts a staged batch in force, or takes every trace of it away.

use super::attributes::Attributes;
use super::{Batch, Place, Staged, moved, stage, temporary};
use crate::failure::Failure;
use crate::path;
use crate::protocol::{Code, Time};
use crate::rights::Rights;
use crate::sweep;
use crate::way::{Closed, Directory};
use crate::wire::{self, Hangup};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::rc::Rc;

use super::make;

/// Called again and again while a batch is put in force; an error is nobody's matter here: what is begun is ended.
pub type Beat<'a> = &'a mut dyn FnMut() -> Result<(), Hangup>;

/// What to do with a place for now.
enum Step {
    Placed,
    /// A directory is in the way; perhaps no longer once the batch's removes are done.
    Later,
}

impl Batch<'_> {
    /// Puts the batch in force. What was left out of it is told by [`Batch::take_left_out`].
    pub fn commit(&mut self, beat: Beat) -> Result<(), Failure> {
        self.step(b"", |batch| match &batch.open {
            Some(open) => Err(Failure::new(
                Code::Protocol,
                &open.path,
                "content is missing",
            )),
            None => batch.nothing_is_wiped(),
        });
        let result = match self.failure.take() {
            Some(failure) => Err(failure),
            None => self.rename_and_remove(beat),
        };
        if result.is_err() {
            self.roll_back();
        }
        self.journal.clear();
        let _ = Rights::Own.assume();
        result
    }

    /// New names appear before old ones vanish: a reader that follows a move always finds one of them.
    fn rename_and_remove(&mut self, beat: Beat) -> Result<(), Failure> {
        let mut directory = None;
        let mut later = Vec::new();
        // What was put in place is forgotten one by one, so that a roll back touches only the rest.
        let places = std::mem::take(&mut self.places);
        let mut in_force = 0;
        let mut broken = None;
        for place in &places {
            let _ = beat();
            if broken.is_some() {
                self.places.push(*place);
                continue;
            }
            match self.put(place, &mut directory) {
                Ok(Step::Placed) => in_force += 1,
                Ok(Step::Later) => later.push(*place),
                Err(failure) if failure.code == Code::Unsafe => self.leave_out(place, failure),
                Err(failure) => {
                    broken = Some(failure);
                    self.places.push(*place);
                }
            }
        }
        if let Some(failure) = broken {
            self.places.extend(later);
            return Err(Failure {
                partly: in_force > 0,
                ..failure
            });
        }
        let mut broken = self.remove_all(beat).err();
        for place in later {
            match self.put_over_directory(&place) {
                Ok(()) => {}
                Err(failure) if failure.code == Code::Unsafe => self.leave_out(&place, failure),
                Err(failure) => {
                    self.places.push(place);
                    broken.get_or_insert(failure);
                }
            }
        }
        if broken.is_none() {
            broken = self.set_modes().err();
        }
        match broken {
            Some(failure) => Err(Failure {
                partly: true,
                ..failure
            }),
            None => Ok(()),
        }
    }

    /// The rest of the batch goes on without this one.
    fn leave_out(&mut self, place: &Place, failure: Failure) {
        self.take_back(place);
        self.left_out.push(failure);
    }

    fn put(&self, place: &Place, last: &mut Option<(u32, Rc<Directory>)>) -> Result<Step, Failure> {
        if last
            .as_ref()
            .is_none_or(|(index, _)| *index != place.directory)
        {
            *last = Some((place.directory, self.held(place.directory)?));
        }
        let Some((_, at)) = last else {
            return Err(moved(&self.path(place)));
        };
        let refused = |errno| stage::refused(at, errno, &self.path(place));
        if let Staged::Content { mode } = place.staged {
            return self.copy_into(at, place, mode).map(|()| Step::Placed);
        }
        at.rights.assume().map_err(refused)?;
        let (from, to) = (temporary(place.number), self.name(place));
        match rustix::fs::renameat(&at.fd, from.as_slice(), &at.fd, to) {
            Ok(()) => Ok(Step::Placed),
            Err(Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST)
                if place.staged != Staged::Directory =>
            {
                Ok(Step::Later)
            }
            // A file or a link stands where a directory is to be.
            Err(Errno::NOTDIR) if place.staged == Staged::Directory => {
                let put = rustix::fs::unlinkat(&at.fd, to, AtFlags::empty())
                    .and_then(|()| rustix::fs::renameat(&at.fd, from.as_slice(), &at.fd, to));
                put.map(|()| Step::Placed).map_err(refused)
            }
            // What was staged is gone from there: somebody took it away.
            Err(Errno::NOENT) => Err(moved(&self.path(place))),
            Err(errno) => Err(refused(errno)),
        }
    }

    /// A file or link takes the place of a directory, which is empty by now.
    fn put_over_directory(&self, place: &Place) -> Result<(), Failure> {
        let at = self.held(place.directory)?;
        let (from, to) = (temporary(place.number), self.name(place));
        let put = || {
            at.rights.assume()?;
            match rustix::fs::unlinkat(&at.fd, to, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno),
            }
            rustix::fs::renameat(&at.fd, from.as_slice(), &at.fd, to)
        };
        put().map_err(|errno| stage::refused(&at, errno, &self.path(place)))
    }

    /// Writes staged content into the inode that is there.
    fn copy_into(&self, at: &Directory, place: &Place, mode: u32) -> Result<(), Failure> {
        let path = self.path(place);
        let system = |errno| Failure::system(errno, &path);
        Rights::Own.assume().map_err(system)?;
        let staged = self.journal.open_content(place.number).map_err(system)?;
        at.rights.assume().map_err(system)?;
        // Not waiting: a FIFO may have taken the file's place by now.
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let target = match rustix::fs::openat(&at.fd, self.name(place), flags, Mode::empty()) {
            Ok(target) => target,
            Err(Errno::LOOP | Errno::NXIO | Errno::NODEV | Errno::NOENT | Errno::ISDIR) => {
                return Err(moved(&path));
            }
            Err(errno) => return Err(stage::refused(at, errno, &path)),
        };
        let status = path::status(&target, b"", false).map_err(system)?;
        if status.kind != FileType::RegularFile {
            return Err(moved(&path));
        }
        // Its other name may lie where whoever gave it this one must not write.
        let is_its_own = status.links == 1
            || at.rights != Rights::Own
            || at.is_ours_alone()
            || status.uid == at.status.uid && !at.is_shared();
        if !is_its_own {
            let text =
                "has another name, and belongs to another user than the directory it lies in";
            return Err(Failure::new(Code::Unsafe, &path, text));
        }
        let held = &self.directories[place.directory as usize].wanted;
        let is_roots = mode & make::SET_IDS == 0 || self.ways.is_roots(held);
        let mode = make::without_set_ids(mode, (status.uid, status.gid), is_roots);
        let kept = Attributes::of_file(&target).rights_alone();
        let may_lend = kept.lend_rights() && at.rights == Rights::Own && self.ways.is_roots(held);
        let target = File::from(target);
        at.rights.assume().map_err(system)?;
        pour(&staged, &target, mode).map_err(system)?;
        if may_lend {
            kept.give(&target).map_err(system)?;
        }
        self.journal.remove_content(place.number);
        Ok(())
    }

    /// Removes what is to be removed, what is below a directory before the directory. One failure does not stop the others.
    fn remove_all(&mut self, beat: Beat) -> Result<(), Failure> {
        let mut result = Ok(());
        let mut last: Option<(Vec<u8>, Result<Directory, Closed>)> = None;
        let mut removes = std::mem::take(&mut self.removes);
        for remove in removes.in_order() {
            let _ = beat();
            let remove = remove.as_slice();
            let Some((parent, name)) = path::split(remove) else {
                continue;
            };
            if last.as_ref().is_none_or(|(known, _)| known != parent) {
                last = Some((parent.to_vec(), self.ways.directory(parent)));
            }
            let at = match &last {
                Some((_, Ok(at))) => at,
                Some((_, Err(Closed::System(Errno::NOENT | Errno::NOTDIR)))) | None => continue,
                Some((_, Err(Closed::System(errno)))) => {
                    let errno = *errno;
                    result = result.and_then(|()| Err(Failure::system(errno, remove)));
                    continue;
                }
                Some((_, Err(Closed::Unsafe(text)))) => {
                    let failure = Failure::new(Code::Unsafe, remove, text.clone());
                    self.left_out.push(failure);
                    continue;
                }
            };
            let outcome = at.rights.assume().and_then(|()| {
                match rustix::fs::unlinkat(&at.fd, name, AtFlags::empty()) {
                    Err(Errno::ISDIR) => rustix::fs::unlinkat(&at.fd, name, AtFlags::REMOVEDIR),
                    other => other,
                }
            });
            match outcome {
                // A directory stays for what only the container has in it.
                Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::NOTEMPTY | Errno::EXIST) => {}
                Err(errno) => match stage::refused(at, errno, remove) {
                    failure if failure.code == Code::Unsafe => self.left_out.push(failure),
                    failure => result = result.and(Err(failure)),
                },
            }
        }
        result
    }

    /// Where a file or a link is to replace a directory, the directory must be empty once the batch's removes are done.
    fn nothing_is_wiped(&mut self) -> Result<(), Failure> {
        for target in std::mem::take(&mut self.over_directories) {
            let Some((parent, name)) = path::split(&target) else {
                continue;
            };
            let kept = match self.ways.directory(parent) {
                Ok(at) => self.first_kept(&at, name, &target),
                Err(_) => None,
            };
            if let Some(kept) = kept {
                return Err(Failure::new(
                    Code::NotEmpty,
                    &target,
                    format!(
                        "is a directory that holds `{}`",
                        String::from_utf8_lossy(&kept)
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Something below the directory `name` in `at` that this batch does not remove.
    fn first_kept(&mut self, at: &Directory, name: &[u8], wanted: &[u8]) -> Option<Vec<u8>> {
        let directory = at.child(name).ok()?;
        let entries = Dir::read_from(make::readable(at, name).ok()?).ok()?;
        for entry in entries.flatten() {
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let below = path::join(wanted, name);
            // So deep as the batch's own removes go, and no deeper.
            if !self.removes.contains(&below) {
                return Some(below);
            }
            if let Some(kept) = self.first_kept(&directory, name, &below) {
                return Some(kept);
            }
        }
        None
    }

    /// Removes everything that is staged.
    pub(super) fn roll_back(&mut self) {
        self.current = None;
        for place in std::mem::take(&mut self.places) {
            self.take_back(&place);
        }
        let _ = Rights::Own.assume();
    }

    /// Removes the place that was added last.
    pub(super) fn take_back_last(&mut self) {
        if let Some(place) = self.places.pop() {
            self.take_back(&place);
        }
    }

    fn take_back(&self, place: &Place) {
        if let Staged::Content { .. } = place.staged {
            if Rights::Own.assume().is_ok() {
                self.journal.remove_content(place.number);
            }
            return;
        }
        let Ok(at) = self.held(place.directory) else {
            return;
        };
        if at.rights.assume().is_err() {
            return;
        }
        let staged = temporary(place.number);
        if place.staged == Staged::Directory {
            let made = self
                .fresh
                .iter()
                .find(|fresh| (fresh.directory, fresh.number) == (place.directory, place.number));
            sweep::remove(&at, &staged, made.map(|fresh| &fresh.status));
        } else {
            let _ = rustix::fs::unlinkat(&at.fd, staged.as_slice(), AtFlags::empty());
        }
    }
}

/// Over the old content, and cut afterwards: at no time is there an empty file.
fn pour(staged: &File, target: &File, mode: u32) -> Result<(), Errno> {
    let mut length = 0;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match rustix::io::read(staged, buffer.as_mut_slice()) {
            Ok(0) => break,
            Ok(read) => {
                wire::write_all(target, &buffer[..read])?;
                length += read as u64;
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    rustix::fs::ftruncate(target, length)?;
    rustix::fs::fchmod(target, Mode::from_raw_mode(mode))?;
    let times = rustix::fs::fstat(staged)?;
    let mtime = Time {
        seconds: times.st_mtime,
        nanos: u32::try_from(times.st_mtime_nsec).unwrap_or(0),
    };
    rustix::fs::futimens(target, &make::timestamps(mtime))
}
