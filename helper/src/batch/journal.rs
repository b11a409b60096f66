//! The helper's own directory: which directories may hold temporary names, and content on its way into an existing inode.
//! Without it (the directory was removed, or is read-only by now) batches work all the same; only a killed helper then leaves
//! its temporary names.

use crate::rights::Rights;
use crate::way::{Directory, Ways};
use crate::{path, sweep, wire};
use rustix::fs::{AtFlags, Dir, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
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
    /// The directory, or what lies in it, has a name.
    has_a_name: bool,
}

impl Journal {
    /// A journal in `home`, not begun yet.
    pub fn new(home: &Path) -> Self {
        Self {
            home: home.to_owned(),
            file: None,
            noted: false,
            has_a_name: true,
        }
    }

    /// Begins, after cleaning up behind helpers that left their journals here and are gone: one of them may have had the number
    /// of this process.
    pub fn begin(&mut self, ways: &Ways) {
        clean_up_after_the_dead(&self.home, ways);
        self.open();
    }

    fn open(&mut self) {
        // Asked in the middle of a batch, where a user's may be in force: whoever goes on has to assume his anyway.
        if Rights::Own.assume().is_err() {
            return;
        }
        let flags = OFlags::CREATE
            | OFlags::TRUNC
            | OFlags::WRONLY
            | OFlags::APPEND
            | OFlags::NOFOLLOW
            | OFlags::CLOEXEC;
        self.has_a_name = true;
        let own = self.own();
        let open = || rustix::fs::open(&own, flags, Mode::from_raw_mode(0o600));
        self.file = self.in_home(open).ok();
    }

    fn own(&self) -> PathBuf {
        self.home.join(format!("{JOURNAL}{}", std::process::id()))
    }

    /// Makes something in the directory, and that before it where it is gone: by our own rest, or because somebody in the
    /// container has tidied up.
    fn in_home<T>(&self, make: impl Fn() -> Result<T, Errno>) -> Result<T, Errno> {
        match make() {
            Err(Errno::NOENT) => {
                rustix::fs::mkdir(&self.home, Mode::from_raw_mode(HOME_MODE))?;
                make()
            }
            outcome => outcome,
        }
    }

    /// A temporary name is about to be made in this directory.
    pub fn note(&mut self, directory: &[u8]) {
        if self.file.is_none() {
            self.open();
        }
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

    /// Whether the directory would be found in a container that is stopped now.
    pub fn has_a_name(&self) -> bool {
        self.has_a_name
    }

    /// Takes all names away until the next batch: the journal's, and the directory's unless a supervisor or another helper
    /// lives there.
    pub fn rest(&mut self) {
        self.file = None;
        self.noted = false;
        self.has_a_name = false;
        drop(std::fs::remove_file(self.own()));
        drop(std::fs::remove_dir(&self.home));
    }

    fn content(&self, number: u32) -> PathBuf {
        self.home
            .join(format!("{CONTENT}{}-{number}", std::process::id()))
    }

    /// The helper leaves for good: what was sent ahead, or half of it, goes too.
    pub fn end(mut self) {
        for entry in std::fs::read_dir(&self.home)
            .into_iter()
            .flatten()
            .flatten()
        {
            if is_own_content(entry.file_name().as_encoded_bytes()) {
                drop(std::fs::remove_file(entry.path()));
            }
        }
        self.rest();
    }

    /// Content that the host has put here.
    pub fn open_ahead(&mut self, name: &[u8]) -> Result<Ahead, Errno> {
        if !is_own_content(name) {
            return Err(Errno::INVAL);
        }
        self.has_a_name = true;
        let path = self.home.join(OsStr::from_bytes(name));
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(&path, flags, Mode::empty())?);
        Ok(Ahead { path, file })
    }

    /// It is content like any other from now on.
    pub fn adopt(&mut self, ahead: &Ahead, number: u32) -> Result<(), Errno> {
        rustix::fs::rename(&ahead.path, self.content(number))
    }

    pub fn create_content(&mut self, number: u32) -> Result<File, Errno> {
        let flags =
            OFlags::CREATE | OFlags::TRUNC | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.has_a_name = true;
        let create = || rustix::fs::open(self.content(number), flags, Mode::from_raw_mode(0o600));
        self.in_home(create).map(File::from)
    }

    pub fn open_content(&self, number: u32) -> Result<File, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::open(self.content(number), flags, Mode::empty()).map(File::from)
    }

    pub fn remove_content(&self, number: u32) {
        drop(std::fs::remove_file(self.content(number)));
    }
}

/// Content that was sent ahead: gone from where it lay when it is let go.
pub struct Ahead {
    pub path: PathBuf,
    pub file: File,
}

impl Drop for Ahead {
    fn drop(&mut self) {
        if Rights::Own.assume().is_ok() {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

/// Whether a name says that it is content for this helper.
fn is_own_content(name: &[u8]) -> bool {
    let own = format!("{CONTENT}{}-", std::process::id());
    name.starts_with(own.as_bytes()) && !name.contains(&b'/')
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
