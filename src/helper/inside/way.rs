//! The way to a directory, name by name and by descriptors. A link on it is followed with no more rights than those have who
//! could have put it there, and a mount is entered only where the host says that it belongs to the sync. Changes nothing.
//!
//! Who owns a directory decides what its names are. So a name that root wrote there yesterday may be a link to somebody else's
//! files today, and a directory may have been moved with a mount inside it. What is opened once is that directory, whatever
//! becomes of its name: whoever works in it keeps its descriptor.

use crate::failure::{Failure, words};
use crate::path::{self, Status};
use crate::protocol::Code;
use crate::rights::{NOBODY, Rights};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::cell::{Cell, OnceCell};
use std::collections::VecDeque;
use std::os::fd::{AsRawFd as _, OwnedFd};

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

/// The names of a path; `..` is one, `.` is none.
fn names(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    path.split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
        .map(<[u8]>::to_vec)
}

enum Step {
    Directory {
        mounted: bool,
    },
    /// A link, and what it says.
    Link(Vec<u8>),
}

/// How far a way has been gone.
struct Walk {
    fd: OwnedFd,
    status: Status,
    place: Vec<u8>,
    /// The directories above, for `..`: what is above one by the time it is asked may be another.
    above: Vec<(OwnedFd, Status, Vec<u8>)>,
    rights: Rights,
    links: usize,
    /// The last step has led into a mount.
    entered: bool,
    /// The link that took rights away, in words.
    lowered_by: Option<String>,
    /// The mount that took rights away, in words.
    through: Option<String>,
    is_root: bool,
}

impl Walk {
    fn from(ways: &Ways) -> Result<Self, Closed> {
        let fd = rustix::io::fcntl_dupfd_cloexec(&ways.root, 0)?;
        Ok(Self {
            status: path::status(&fd, b"", false)?,
            fd,
            place: b"/".to_vec(),
            above: Vec::new(),
            rights: Rights::Own,
            links: 0,
            entered: false,
            lowered_by: None,
            through: None,
            is_root: ways.is_root,
        })
    }

    fn back_to_root(&mut self, ways: &Ways) -> Result<(), Closed> {
        let root = Self::from(ways)?;
        self.fd = root.fd;
        self.status = root.status;
        self.place = root.place;
        self.above.clear();
        Ok(())
    }

    /// One name further.
    fn step(&mut self, name: &[u8]) -> Result<Step, Closed> {
        if name == b".." {
            if let Some((fd, status, place)) = self.above.pop() {
                (self.fd, self.status, self.place) = (fd, status, place);
            }
            return Ok(Step::Directory { mounted: false });
        }
        self.rights.assume()?;
        let opened = rustix::fs::openat(&self.fd, name, HOW, Mode::empty());
        let fd = opened.map_err(|errno| self.refused(errno))?;
        let status = path::status(&fd, b"", false).map_err(|errno| self.refused(errno))?;
        match status.kind {
            FileType::Directory => {
                let mounted = is_mounted(&fd, &status, &self.fd, &self.status);
                let place = path::join(&self.place, name);
                let above = (
                    std::mem::replace(&mut self.fd, fd),
                    std::mem::replace(&mut self.status, status),
                    std::mem::replace(&mut self.place, place),
                );
                self.above.push(above);
                Ok(Step::Directory { mounted })
            }
            FileType::Symlink => {
                self.links += 1;
                if self.links > LINKS {
                    return Err(self.refused(Errno::LOOP));
                }
                let target = rustix::fs::readlinkat(&fd, "", Vec::new())?.into_bytes();
                self.follow(name, &status, &target)?;
                Ok(Step::Link(target))
            }
            _ => Err(self.refused(Errno::NOTDIR)),
        }
    }

    /// From here on with no more rights than those had who could have put this link here.
    fn follow(&mut self, name: &[u8], link: &Status, target: &[u8]) -> Result<(), Closed> {
        if !self.is_root {
            return Ok(());
        }
        let rights = self.rights.and(maker(link, &self.status));
        if rights != self.rights {
            let whose = match rights {
                Rights::User(NOBODY) => "of somebody who is not root".to_owned(),
                Rights::User(uid) => format!("of user {uid}"),
                Rights::Own => String::new(),
            };
            self.lowered_by = Some(format!(
                "leads through the link `{}` -> `{}` {whose}",
                String::from_utf8_lossy(&path::join(&self.place, name)),
                String::from_utf8_lossy(target)
            ));
            self.rights = rights;
            rights.assume()?;
        }
        Ok(())
    }

    /// The rights of those who could have moved what stands here to where it is.
    fn movers(&self) -> Rights {
        let above = self.above.iter().map(|(_, status, _)| status);
        let owners = above.map(|status| match status {
            _ if !self.is_root => Rights::Own,
            status if is_shared(status) => Rights::User(NOBODY),
            status if status.uid != 0 => Rights::User(status.uid),
            _ => Rights::Own,
        });
        owners.fold(Rights::Own, Rights::and)
    }

    /// Into the mount that stands here. A mount below a user's directory may be another one than was mounted there: whoever
    /// can rename a directory on the way has it change places with its neighbour, and the mount in it goes along.
    fn enter(&mut self) -> Result<(), Closed> {
        self.entered = true;
        let rights = self.rights.and(self.movers());
        if rights != self.rights {
            self.through.get_or_insert_with(|| {
                format!(
                    "lies in what is mounted at `{}`, below a directory that is not root's",
                    String::from_utf8_lossy(&self.place)
                )
            });
            self.rights = rights;
            rights.assume()?;
        }
        Ok(())
    }

    /// The kernel's no. Behind a link of somebody's it is a no to what that one wanted.
    fn refused(&self, errno: Errno) -> Closed {
        match self.lowered_by.as_ref().or(self.through.as_ref()) {
            Some(through) => Closed::Unsafe(format!("{through}: {}", words(errno))),
            None => Closed::System(errno),
        }
    }

    fn end(self) -> Directory {
        Directory {
            fd: self.fd,
            rights: self.rights,
            status: self.status,
            place: self.place,
            linked: self.links > 0,
            through: self.lowered_by.or(self.through),
        }
    }
}

/// The least trusted of those who could have put a link there: its owner, and whoever may take names out of its directory and
/// put others in.
fn maker(link: &Status, directory: &Status) -> Rights {
    let rights = |uid: u32| match uid {
        0 => Rights::Own,
        uid => Rights::User(uid),
    };
    let shared = if is_shared(directory) {
        Rights::User(NOBODY)
    } else {
        Rights::Own
    };
    rights(link.uid).and(rights(directory.uid)).and(shared)
}

fn is_shared(directory: &Status) -> bool {
    const OTHERS_WRITE: u32 = 0o022;
    const STICKY: u32 = 0o1000;
    directory.mode & OTHERS_WRITE != 0 && directory.mode & STICKY == 0
}

/// Whether a directory is the root of a mount. Kernels before 5.8 do not say so themselves.
fn is_mounted(fd: &OwnedFd, status: &Status, above: &OwnedFd, status_above: &Status) -> bool {
    if status.mount_is_told {
        return status.mount_point;
    }
    match (mount_of(fd), mount_of(above)) {
        (Some(one), Some(other)) => one != other,
        _ => status.device != status_above.device,
    }
}

/// The mount that a descriptor is of.
fn mount_of(fd: &OwnedFd) -> Option<u64> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("mnt_id:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(uid: u32, mode: u32) -> Status {
        Status {
            kind: FileType::Symlink,
            mode,
            uid,
            gid: 0,
            size: 0,
            links: 1,
            device: (0, 0),
            inode: 0,
            mount_point: false,
            mount_is_told: true,
        }
    }

    #[test]
    fn a_link_has_the_rights_of_the_least_trusted_who_could_have_made_it() {
        let made = |link, directory, mode| maker(&status(link, 0o777), &status(directory, mode));
        let user = Rights::User;
        assert_eq!(made(0, 0, 0o755), Rights::Own);
        assert_eq!(made(1000, 0, 0o755), user(1000));
        assert_eq!(made(0, 1000, 0o755), user(1000));
        assert_eq!(made(1000, 1000, 0o755), user(1000));
        assert_eq!(made(1000, 1001, 0o755), user(NOBODY));
        // Where others may write, any of them may have moved a link of root's there.
        assert_eq!(made(0, 0, 0o777), user(NOBODY));
        assert_eq!(made(0, 0, 0o775), user(NOBODY));
        // But not where nobody may take away what is another's.
        assert_eq!(made(0, 0, 0o1777), Rights::Own);
        assert_eq!(made(1000, 0, 0o1777), user(1000));
    }

    #[test]
    fn a_path_is_its_names() {
        let words = |path: &str| -> Vec<String> {
            names(path.as_bytes())
                .map(|name| String::from_utf8(name).unwrap())
                .collect()
        };
        assert_eq!(words("/a//b/./../c/"), ["a", "b", "..", "c"]);
        assert!(words("/").is_empty());
    }
}
