//! The helper's own directory: which directories may hold temporary names, and content on its way into an existing inode.
//! Without it (the directory was removed, or is read-only by now) batches work all the same; only a killed helper then leaves
//! its temporary names.

use crate::rights::Rights;
use crate::way::{Directory, Ways};
use crate::{path, sweep, wire};
use rustix::fs::{AtFlags, Dir, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Others may pass through, as the container's own user starts its process there; what is in it is nobody else's matter.
const HOME_MODE: u32 = 0o711;
const JOURNAL: &str = "journal-";
const CONTENT: &str = "content-";

/// The journal of this helper.
pub struct Journal {
    home: PathBuf,
    file: Option<OwnedFd>,
    noted: bool,
}

impl Journal {
    /// A journal in `home`, not begun yet.
    pub fn new(home: &Path) -> Self {
        Self {
            home: home.to_owned(),
            file: None,
            noted: false,
        }
    }

    /// Begins, after cleaning up behind helpers that left their journals here and are gone: one of them may have had the number
    /// of this process.
    pub fn begin(&mut self, ways: &Ways) {
        clean_up_after_the_dead(&self.home, ways);
        let own = self.home.join(format!("{JOURNAL}{}", std::process::id()));
        let flags = OFlags::CREATE
            | OFlags::TRUNC
            | OFlags::WRONLY
            | OFlags::APPEND
            | OFlags::NOFOLLOW
            | OFlags::CLOEXEC;
        self.file = rustix::fs::open(own, flags, Mode::from_raw_mode(0o600)).ok();
    }

    /// A temporary name is about to be made in this directory.
    pub fn note(&mut self, directory: &[u8]) {
        if let Some(file) = &self.file {
            let line = [directory, b"\0"].concat();
            self.noted = wire::write_all(file, &line).is_ok() || self.noted;
        }
    }

    /// No temporary name is left anywhere.
    pub fn clear(&mut self) {
        if let Some(file) = &self.file
            && self.noted
        {
            let _ = rustix::fs::ftruncate(file, 0);
            self.noted = false;
        }
    }

    /// The helper leaves for good.
    pub fn end(self) {
        drop(std::fs::remove_file(
            self.home.join(format!("{JOURNAL}{}", std::process::id())),
        ));
    }

    fn content(&self, number: u32) -> PathBuf {
        self.home
            .join(format!("{CONTENT}{}-{number}", std::process::id()))
    }

    pub fn create_content(&self, number: u32) -> Result<File, Errno> {
        let flags =
            OFlags::CREATE | OFlags::TRUNC | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let create = || rustix::fs::open(self.content(number), flags, Mode::from_raw_mode(0o600));
        match create() {
            // Somebody in the container has tidied up.
            Err(Errno::NOENT) => {
                rustix::fs::mkdir(&self.home, Mode::from_raw_mode(HOME_MODE))?;
                create()
            }
            created => created,
        }
        .map(File::from)
    }

    pub fn open_content(&self, number: u32) -> Result<File, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::open(self.content(number), flags, Mode::empty()).map(File::from)
    }

    pub fn remove_content(&self, number: u32) {
        drop(std::fs::remove_file(self.content(number)));
    }
}

/// Removes what helpers that were killed in the middle of a batch left behind.
fn clean_up_after_the_dead(home: &Path, ways: &Ways) {
    let Ok(entries) = std::fs::read_dir(home) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let is_dead = |pid: &str| {
            pid.parse()
                .is_ok_and(|pid: u32| pid == std::process::id() || !lives(pid, home))
        };
        if let Some(pid) = name.strip_prefix(JOURNAL).filter(|pid| is_dead(pid)) {
            let directories = path::small_file(entry.path());
            for directory in directories
                .split(|byte| *byte == 0)
                .filter(|path| !path.is_empty())
            {
                remove_temporary_names(directory, pid, ways);
            }
            drop(std::fs::remove_file(entry.path()));
        } else if let Some(rest) = name.strip_prefix(CONTENT)
            && rest.split('-').next().is_some_and(is_dead)
        {
            drop(std::fs::remove_file(entry.path()));
        }
    }
}

/// Whether a helper of `home` has that number. After a restart of the container it may be anybody's.
fn lives(pid: u32, home: &Path) -> bool {
    match std::fs::read_link(format!("/proc/{pid}/exe")) {
        Ok(executable) => executable.parent() == Some(home),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

fn remove_temporary_names(directory: &[u8], pid: &str, ways: &Ways) {
    let own = [path::TEMPORARY, pid.as_bytes(), b"-"].concat();
    let Some(at) = path::clean(directory)
        .ok()
        .and_then(|directory| ways.directory(&directory).ok())
    else {
        return;
    };
    for name in names(&at, &own) {
        // A directory says what it is.
        if rustix::fs::unlinkat(&at.fd, name.as_slice(), AtFlags::empty()) == Err(Errno::ISDIR) {
            sweep::remove(&at, &name, None);
            let _ = at.rights.assume();
        }
    }
    let _ = Rights::Own.assume();
}

/// The temporary names in a directory that begin like this.
fn names(at: &Directory, own: &[u8]) -> Vec<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let entries = rustix::fs::openat(&at.fd, ".", flags, Mode::empty()).and_then(Dir::new);
    let Ok(entries) = entries else {
        return Vec::new();
    };
    entries
        .flatten()
        .map(|entry| entry.file_name().to_bytes().to_vec())
        .filter(|name| name.starts_with(own) && path::is_temporary(name))
        .collect()
}
