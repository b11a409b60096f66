//! The way to a directory, name by name and by descriptors. A link on it is followed with no more rights than those have who
//! could have put it there, and a mount is entered only where the host says that it belongs to the sync. Changes nothing.
//!
//! Who owns a directory decides what its names are. So a name that root wrote there yesterday may be a link to somebody else's
//! files today, and a directory may have been moved with a mount inside it. What is opened once is that directory, whatever
//! becomes of its name: whoever works in it keeps its descriptor.

mod walk;

use crate::failure::{Failure, words};
use crate::path::{self, Status};
use crate::protocol::Code;
use crate::rights::{NOBODY, Rights};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::cell::{Cell, OnceCell};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use walk::{Step, Walk, is_shared, names};

/// As many links as the kernel follows.
const LINKS: usize = 40;

/// A directory that was reached.
#[derive(Debug)]
pub struct Directory {
    /// It. Open for its name alone: not for reading.
    pub fd: OwnedFd,
    /// With which what is in it is touched.
    pub rights: Rights,
    pub status: Status,
    /// Where it is, with all links followed.
    pub place: Vec<u8>,
    /// A link was followed on the way.
    linked: bool,
    /// The link or the mount that took rights away, in words.
    through: Option<String>,
}

impl Directory {
    /// Whether somebody else than its owner may take its names away.
    pub fn is_shared(&self) -> bool {
        is_shared(&self.status)
    }

    /// Whether nobody but the helper's own user decides what its names are.
    pub fn is_ours_alone(&self) -> bool {
        self.rights == Rights::Own
            && self.status.uid == rustix::process::geteuid().as_raw()
            && !self.is_shared()
    }

    /// The kernel's no to something in it. Behind a link of somebody's it is a no to what that one wanted.
    pub fn refused(&self, errno: Errno, path: &[u8]) -> Failure {
        match (errno, &self.through) {
            (Errno::ACCESS | Errno::PERM, Some(link)) => {
                Failure::new(Code::Unsafe, path, format!("{link}: {}", words(errno)))
            }
            _ => Failure::system(errno, path),
        }
    }

    /// The rights of whoever decides what its names are.
    pub fn owners_rights(&self) -> Rights {
        let shared = Rights::User(NOBODY);
        match (self.rights, self.status.uid) {
            (Rights::Own, _) if self.is_shared() => shared,
            (Rights::Own, uid) if uid != rustix::process::geteuid().as_raw() => Rights::User(uid),
            (rights, _) => rights,
        }
    }

    /// A directory in it, by its own name.
    pub fn child(&self, name: &[u8]) -> Result<Self, Closed> {
        self.rights.assume()?;
        let fd = rustix::fs::openat(&self.fd, name, HOW | OFlags::DIRECTORY, Mode::empty())?;
        let status = path::status(&fd, b"", false)?;
        let place = path::join(&self.place, name);
        if status.mount_point {
            return Err(Closed::mounted(&place, self.through.as_ref()));
        }
        Ok(Self {
            fd,
            rights: self.rights,
            status,
            place,
            linked: self.linked,
            through: self.through.clone(),
        })
    }
}

/// Opens what a name stands for itself, be it a link.
const HOW: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Why a directory was not reached.
#[derive(Debug)]
pub enum Closed {
    /// The kernel said no.
    System(Errno),
    /// We do not go there, for this reason.
    Unsafe(String),
}

impl From<Errno> for Closed {
    fn from(errno: Errno) -> Self {
        Self::System(errno)
    }
}

impl Closed {
    /// As the answer to a request about `path`.
    pub fn failure(self, path: &[u8]) -> Failure {
        match self {
            Self::System(errno) => Failure::system(errno, path),
            Self::Unsafe(text) => Failure::new(Code::Unsafe, path, text),
        }
    }

    /// The kernel's number.
    pub fn errno(&self) -> Errno {
        match self {
            Self::System(errno) => *errno,
            Self::Unsafe(_) => Errno::XDEV,
        }
    }

    fn mounted(place: &[u8], through: Option<&String>) -> Self {
        let way = through.map_or("leads", String::as_str);
        Self::Unsafe(format!(
            "{way} into what is mounted at `{}`, which is no part of the sync",
            String::from_utf8_lossy(place)
        ))
    }
}

/// A mount of the container that syncs may write to, as its configuration names it.
#[derive(Debug)]
struct Mount {
    path: Vec<u8>,
    /// It is entered by its own name alone, through no link.
    plainly: bool,
}

/// Finds directories.
pub struct Ways {
    root: OwnedFd,
    mounts: Vec<Mount>,
    /// Where these are, with the links of the image followed; looked up when first needed.
    places: OnceCell<Vec<Mount>>,
    /// The kernel can be asked for a whole way at once.
    at_once: Cell<bool>,
    /// Root alone can have the rights of others.
    is_root: bool,
}

impl Ways {
    pub fn new() -> Result<Self, Errno> {
        let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            root: rustix::fs::open("/", how, Mode::empty())?,
            mounts: Vec::new(),
            places: OnceCell::new(),
            at_once: Cell::new(true),
            is_root: rustix::process::geteuid().is_root(),
        })
    }

    /// The mounts that may be entered, each with whether by its own name alone.
    pub fn enter_mounts<'a>(&mut self, mounts: impl Iterator<Item = (&'a [u8], bool)>) {
        let clean = |(path, plainly)| {
            let path = path::clean(path).ok()?;
            Some(Mount { path, plainly })
        };
        self.mounts = mounts.filter_map(clean).collect();
        self.look_anew();
    }

    /// Somebody may have moved things: what was found out about mounts is found out again.
    pub fn look_anew(&mut self) {
        self.places.take();
    }

    /// Opens the directory at a clean path. Afterwards the rights in force are those that belong to it.
    pub fn directory(&self, path: &[u8]) -> Result<Directory, Closed> {
        Rights::Own.assume()?;
        if self.at_once.get()
            && let Some(directory) = self.straight(path)?
        {
            return Ok(directory);
        }
        let may_enter = |walk: &Walk| self.may_enter(&walk.place, walk.links > 0);
        let walked = self.walk(path, may_enter)?;
        let directory = walked.end();
        directory.rights.assume()?;
        Ok(directory)
    }

    /// Whether nobody but root decides what any name on the way to this path stands for, as far as it is there.
    pub fn is_roots(&self, path: &[u8]) -> bool {
        let mut path = path;
        let walked = loop {
            let walked = self.walk(path, |_| true);
            match (walked, path::split(path)) {
                (Err(Closed::System(Errno::NOENT)), Some((parent, _))) => path = parent,
                (walked, _) => break walked,
            }
        };
        let _ = Rights::Own.assume();
        let own = rustix::process::geteuid().as_raw();
        walked.is_ok_and(|walk| {
            walk.rights.and(walk.movers()) == Rights::Own
                && walk.status.uid == own
                && !is_shared(&walk.status)
        })
    }

    /// Whether what is mounted at `name` in `directory` belongs to the sync.
    pub fn is_part(&self, directory: &Directory, name: &[u8]) -> bool {
        self.may_enter(&path::join(&directory.place, name), directory.linked)
    }

    /// The usual case, without link and mount, is one question to the kernel. `None`: it is another one.
    fn straight(&self, path: &[u8]) -> Result<Option<Directory>, Closed> {
        let below = match path.strip_prefix(b"/") {
            None | Some(b"") => b".",
            Some(below) => below,
        };
        let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let only = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        match rustix::fs::openat2(&self.root, below, how, Mode::empty(), only) {
            Ok(fd) => Ok(Some(Directory {
                status: path::status(&fd, b"", false)?,
                fd,
                rights: Rights::Own,
                place: path.to_vec(),
                linked: false,
                through: None,
            })),
            Err(Errno::LOOP | Errno::XDEV | Errno::AGAIN) => Ok(None),
            // An old kernel, or a profile that knows no such call.
            Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => {
                self.at_once.set(false);
                Ok(None)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    fn may_enter(&self, place: &[u8], linked: bool) -> bool {
        let places = self.places.get_or_init(|| {
            let as_it_lies = |mount: &Mount| {
                // On the way to one mount another may have to be passed.
                let walk = self.walk(&mount.path, |_| true).ok()?;
                // What a user's link leads to is not what the engine mounted.
                (walk.entered && walk.lowered_by.is_none()).then_some(Mount {
                    path: walk.place,
                    plainly: mount.plainly,
                })
            };
            let places = self.mounts.iter().filter_map(as_it_lies).collect();
            let _ = Rights::Own.assume();
            places
        });
        places
            .iter()
            .any(|mount| mount.path == place && !(mount.plainly && linked))
    }

    /// Name by name.
    fn walk(&self, path: &[u8], may_enter: impl Fn(&Walk) -> bool) -> Result<Walk, Closed> {
        let mut walk = Walk::from(self)?;
        let mut ahead: VecDeque<Vec<u8>> = names(path).collect();
        while let Some(name) = ahead.pop_front() {
            walk.entered = false;
            match walk.step(&name)? {
                Step::Directory { mounted: false } => {}
                Step::Directory { mounted: true } if may_enter(&walk) => {
                    // Looking mounts up has walked elsewhere meanwhile.
                    walk.rights.assume()?;
                    walk.enter()?;
                }
                Step::Directory { mounted: true } => {
                    return Err(Closed::mounted(&walk.place, walk.lowered_by.as_ref()));
                }
                Step::Link(target) => {
                    for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
                        ahead.push_front(name);
                    }
                    if target.starts_with(b"/") {
                        walk.back_to_root(self)?;
                    }
                }
            }
        }
        Ok(walk)
    }
}
