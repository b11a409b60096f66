//! The container's files and processes, seen from the host as root. Whatever links the container has lead nowhere but to its
//! own files.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::process::{Pid, Signal, kill_process};

use crate::tools::docker::Docker;
use crate::tools::{Result, process};

/// A running container.
pub struct Container {
    pub id: String,
    /// Where its files are, for ways on which root alone can put links.
    pub root: PathBuf,
    open: OwnedFd,
}

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum There {
    File {
        mode: u32,
        content: Vec<u8>,
    },
    Link(PathBuf),
    Nothing,
    /// No plain file, or one that is far too long.
    Odd,
}

/// The builder keeps no more than these where it changes the owner.
const PERMISSIONS: u32 = 0o777;

/// No file of these tests is longer.
const LONGEST: u64 = 16 * 1024 * 1024;

impl Container {
    /// The one of the service. An error while there is none.
    pub fn of(docker: &Docker, project: &str) -> Result<Self> {
        let id = docker
            .containers(project, "web")?
            .pop()
            .ok_or("no container of the service runs")?;
        let root = docker.root_dir(&id)?;
        let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = rustix::fs::open(&root, how, Mode::empty())?;
        Ok(Self { id, root, open })
    }

    /// Whether its first process still is.
    pub fn is_running(&self) -> bool {
        self.root.join("proc").exists()
    }

    /// What is at a path, links in the directories above it followed as the container would.
    pub fn look(&self, path: &Path) -> There {
        let open = |how: OFlags| {
            rustix::fs::openat2(
                &self.open,
                path.strip_prefix("/").unwrap_or(path),
                how | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::empty(),
                ResolveFlags::IN_ROOT,
            )
        };
        let Ok(itself) = open(OFlags::PATH) else {
            return There::Nothing;
        };
        if let Ok(target) = rustix::fs::readlinkat(&itself, "", Vec::new()) {
            let target = target.to_string_lossy().into_owned();
            return There::Link(target.into());
        }
        let seen = rustix::fs::fstat(itself.as_fd()).map(|stat| stat.st_mode);
        if !seen.is_ok_and(|mode| mode & 0o170_000 == 0o100_000) {
            return There::Odd;
        }
        let Ok(file) = open(OFlags::RDONLY | OFlags::NONBLOCK).map(File::from) else {
            return There::Nothing;
        };
        match file.metadata() {
            Ok(found) if found.is_file() && found.len() <= LONGEST => {
                let mut content = Vec::new();
                let _ = file.take(LONGEST).read_to_end(&mut content);
                There::File {
                    mode: found.mode() & PERMISSIONS,
                    content,
                }
            }
            _ => There::Odd,
        }
    }

    /// Sends a signal to all processes that run this program, and says to how many. With their end those go on that they had
    /// stopped.
    pub fn signal_all(&self, program: &Path, signal: Signal) -> Result<usize> {
        let pid = self.root.parent().ok_or("no process")?;
        let Ok(namespace) = fs::read_link(pid.join("ns/pid")) else {
            return Ok(0);
        };
        let length = fs::metadata(program)?.len();
        let mut count = 0;
        for other in process::all() {
            let at = Path::new("/proc").join(other.to_string());
            if fs::read_link(at.join("ns/pid")).ok().as_ref() != Some(&namespace) {
                continue;
            }
            let is_its_own = fs::metadata(at.join("exe")).is_ok_and(|found| found.len() == length);
            let signal = match (is_its_own, signal) {
                (true, signal) => signal,
                (false, Signal::KILL) => Signal::CONT,
                (false, _) => continue,
            };
            if let Some(pid) = i32::try_from(other).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, signal);
                count += usize::from(is_its_own);
            }
        }
        Ok(count)
    }
}

/// What a file of the host is.
pub fn on_host(path: &Path) -> There {
    let Ok(found) = fs::symlink_metadata(path) else {
        return There::Nothing;
    };
    if found.is_symlink() {
        return fs::read_link(path).map_or(There::Nothing, There::Link);
    }
    if !found.is_file() {
        return There::Odd;
    }
    fs::read(path).map_or(There::Nothing, |content| There::File {
        mode: found.mode() & PERMISSIONS,
        content,
    })
}
