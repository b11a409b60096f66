//! Puts a staged batch in force, or takes every trace of it away.

use super::{Applied, Batch, Place, Staged, stage, temporary};
use crate::failure::{self, Failure};
use crate::path;
use crate::protocol::Code;
use crate::wire;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// What to do with a place for now.
enum Step {
    Placed,
    /// A directory is in the way; perhaps no longer once the batch's removes are done.
    Later,
}

impl Batch<'_> {
    /// Puts the batch in force.
    pub fn commit(mut self) -> Result<Applied, Failure> {
        self.step(|batch| match &batch.open {
            Some(open) => Err(Failure::new(
                Code::Protocol,
                &open.path,
                "content is missing",
            )),
            None => batch.nothing_is_wiped(),
        });
        if let Some(failure) = self.failure {
            self.journal.clear();
            return Err(failure);
        }
        let result = self.rename_and_remove();
        if result.is_err() {
            self.roll_back();
        }
        self.journal.clear();
        result
    }

    /// New names appear before old ones vanish: a reader that follows a move always finds one of them.
    fn rename_and_remove(&mut self) -> Result<Applied, Failure> {
        let mut directory = None;
        let mut later = Vec::new();
        // What was put in place is forgotten one by one, so that a roll back touches only the rest.
        let places = std::mem::take(&mut self.places);
        let mut in_force = 0;
        let mut broken = None;
        for place in &places {
            if broken.is_some() {
                self.places.push(*place);
                continue;
            }
            match self.put(place, &mut directory) {
                Ok(Step::Placed) => in_force += 1,
                Ok(Step::Later) => later.push(*place),
                Err(errno) => {
                    broken = Some(Failure::system(errno, &self.path(place)));
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
        let mut applied = Applied {
            placed: self.placed,
            ..Applied::default()
        };
        let mut broken = self.remove_all(&mut applied).err();
        for place in later {
            if let Err(errno) = self.put_over_directory(&place) {
                self.places.push(place);
                broken.get_or_insert(Failure::system(errno, &self.path(&place)));
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
            None => Ok(applied),
        }
    }

    fn put(&self, place: &Place, directory: &mut Option<(u32, OwnedFd)>) -> Result<Step, Errno> {
        if let Staged::Content { mode } = place.staged {
            return self.copy_into(place, mode).map(|()| Step::Placed);
        }
        if directory
            .as_ref()
            .is_none_or(|(index, _)| *index != place.directory)
        {
            let fd = stage::open_directory(&self.directories[place.directory as usize])?;
            *directory = Some((place.directory, fd));
        }
        let Some((_, directory)) = directory.as_ref() else {
            return Err(Errno::BADF);
        };
        let (from, to) = (temporary(place.number), self.name(place));
        match rustix::fs::renameat(directory, from.as_slice(), directory, to) {
            Ok(()) => Ok(Step::Placed),
            Err(Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST)
                if place.staged != Staged::Directory =>
            {
                Ok(Step::Later)
            }
            // A file or a link stands where a directory is to be.
            Err(Errno::NOTDIR) if place.staged == Staged::Directory => {
                rustix::fs::unlinkat(directory, to, AtFlags::empty())?;
                rustix::fs::renameat(directory, from.as_slice(), directory, to)?;
                Ok(Step::Placed)
            }
            Err(errno) => Err(errno),
        }
    }

    /// A file or link takes the place of a directory.
    fn put_over_directory(&self, place: &Place) -> Result<(), Errno> {
        let directory = &self.directories[place.directory as usize];
        let target = path::join(directory, self.name(place));
        let from = path::join(directory, &temporary(place.number));
        match rustix::fs::unlinkat(CWD, target.as_slice(), AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::NOTEMPTY | Errno::EXIST)
                if place.staged == (Staged::Entry { replace_tree: true }) =>
            {
                std::fs::remove_dir_all(as_path(&target))
                    .map_err(|error| failure::errno(&error))?;
            }
            Err(errno) => return Err(errno),
        }
        rustix::fs::rename(from.as_slice(), target.as_slice())
    }

    /// Writes staged content into the inode that is there.
    fn copy_into(&self, place: &Place, mode: u32) -> Result<(), Errno> {
        let target = self.path(place);
        let staged = self.journal.open_content(place.number)?;
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let target = File::from(rustix::fs::open(target.as_slice(), flags, Mode::empty())?);
        // Over the old content and cut afterwards: at no time is there an empty file.
        let mut length = 0;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match rustix::io::read(&staged, buffer.as_mut_slice()) {
                Ok(0) => break,
                Ok(read) => {
                    wire::write_all(&target, &buffer[..read])?;
                    length += read as u64;
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        rustix::fs::ftruncate(&target, length)?;
        rustix::fs::fchmod(&target, Mode::from_raw_mode(mode))?;
        let times = rustix::fs::fstat(&staged)?;
        rustix::fs::futimens(
            &target,
            &stage::timestamps(crate::protocol::Time {
                seconds: times.st_mtime,
                nanos: u32::try_from(times.st_mtime_nsec).unwrap_or(0),
            }),
        )?;
        self.journal.remove_content(place.number);
        Ok(())
    }

    /// Removes what is to be removed, what is below a directory before the directory. One failure does not stop the others.
    fn remove_all(&mut self, applied: &mut Applied) -> Result<(), Failure> {
        let mut result = Ok(());
        for remove in self.removes.in_order() {
            let remove = remove.as_slice();
            let outcome = match rustix::fs::unlinkat(CWD, remove, AtFlags::empty()) {
                Err(Errno::ISDIR) => rustix::fs::unlinkat(CWD, remove, AtFlags::REMOVEDIR),
                other => other,
            };
            match outcome {
                Ok(()) => applied.removed += 1,
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(Errno::NOTEMPTY | Errno::EXIST) => applied.kept += 1,
                Err(errno) => result = result.and_then(|()| Err(Failure::system(errno, remove))),
            }
        }
        result
    }

    /// Where a file or a link is to replace a directory, the directory must be empty once the batch's removes are done.
    fn nothing_is_wiped(&mut self) -> Result<(), Failure> {
        for target in std::mem::take(&mut self.over_directories) {
            if let Some(kept) = self.first_kept(&target) {
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

    /// Something below `directory` that this batch does not remove.
    fn first_kept(&mut self, directory: &[u8]) -> Option<Vec<u8>> {
        for entry in std::fs::read_dir(as_path(directory)).ok()? {
            let Ok(entry) = entry else { continue };
            let below = path::join(directory, entry.file_name().as_bytes());
            if !self.removes.contains(&below) {
                return Some(below);
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir())
                && let Some(kept) = self.first_kept(&below)
            {
                return Some(kept);
            }
        }
        None
    }

    /// Removes everything that is staged.
    pub(super) fn roll_back(&mut self) {
        self.current = None;
        for place in std::mem::take(&mut self.places) {
            let directory = &self.directories[place.directory as usize];
            let staged = path::join(directory, &temporary(place.number));
            match place.staged {
                Staged::Content { .. } => self.journal.remove_content(place.number),
                Staged::Entry { .. } => {
                    let _ = rustix::fs::unlink(staged.as_slice());
                }
                Staged::Directory => drop(std::fs::remove_dir_all(as_path(&staged))),
            }
        }
    }
}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}
