//! One way, gone name by name: how far it has come, and with whose rights. Knows nothing of what may be entered.

use super::{Closed, Directory, HOW, LINKS, Ways};
use crate::failure::words;
use crate::path::{self, Status};
use crate::rights::{NOBODY, Rights};
use rustix::fs::{FileType, Mode};
use rustix::io::Errno;
use std::os::fd::{AsRawFd as _, OwnedFd};

/// The names of a path; `..` is one, `.` is none.
pub(super) fn names(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    path.split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
        .map(<[u8]>::to_vec)
}

pub(super) enum Step {
    Directory {
        mounted: bool,
    },
    /// A link, and what it says.
    Link(Vec<u8>),
}

/// How far a way has been gone.
pub(super) struct Walk {
    fd: OwnedFd,
    pub(super) status: Status,
    pub(super) place: Vec<u8>,
    /// The directories above, for `..`: what is above one by the time it is asked may be another.
    above: Vec<(OwnedFd, Status, Vec<u8>)>,
    pub(super) rights: Rights,
    pub(super) links: usize,
    /// The last step has led into a mount.
    pub(super) entered: bool,
    /// The link that took rights away, in words.
    pub(super) lowered_by: Option<String>,
    /// The mount that took rights away, in words.
    through: Option<String>,
    is_root: bool,
}

impl Walk {
    pub(super) fn from(ways: &Ways) -> Result<Self, Closed> {
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

    pub(super) fn back_to_root(&mut self, ways: &Ways) -> Result<(), Closed> {
        let root = Self::from(ways)?;
        self.fd = root.fd;
        self.status = root.status;
        self.place = root.place;
        self.above.clear();
        Ok(())
    }

    /// One name further.
    pub(super) fn step(&mut self, name: &[u8]) -> Result<Step, Closed> {
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
    pub(super) fn movers(&self) -> Rights {
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
    pub(super) fn enter(&mut self) -> Result<(), Closed> {
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

    pub(super) fn end(self) -> Directory {
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

pub(super) fn is_shared(directory: &Status) -> bool {
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
