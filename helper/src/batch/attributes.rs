//! Extended attributes of a file that is replaced: what somebody in the container gave to a name stays with it.

use crate::path::{self, Status};
use crate::way::Directory;
use rustix::fs::{Mode, OFlags, XattrFlags, fgetxattr, flistxattr, fsetxattr, llistxattr};
use rustix::io::Errno;
use std::os::fd::{AsFd, AsRawFd as _};

/// What gives a program rights of root's.
const CAPABILITY: &[u8] = b"security.capability";
const ACCESS_LIST: &[u8] = b"system.posix_acl_access";
const USERS: &[u8] = b"user.";
/// As much as a kernel lists; a file with more has none.
const LIST: usize = 64 * 1024;
/// Of one file, values and names together.
const MOST: usize = 256 * 1024;

/// Names and values.
#[derive(Debug, Default)]
pub struct Attributes(Vec<(Vec<u8>, Vec<u8>)>);

impl Attributes {
    /// Those of `replaced`, which stands there by that name, as far as the rights in force reach.
    pub fn of(at: &Directory, name: &[u8], replaced: &Status) -> Self {
        if has_none(at, name) {
            return Self::default();
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(&at.fd, name, flags, Mode::empty()) else {
            return Self::default();
        };
        let kept = Self::of_file(&file);
        // Most have none, and then it does not matter whose they are.
        let is_it = || path::status(&file, b"", false).is_ok_and(|it| it.is_same(replaced));
        if kept.0.is_empty() || is_it() {
            kept
        } else {
            Self::default()
        }
    }

    /// Those of an open file.
    pub fn of_file(file: impl AsFd) -> Self {
        let mut few = [0; 256];
        let mut many = Vec::new();
        let listed = match flistxattr(&file, &mut few[..]) {
            Ok(length) => &few[..length],
            Err(Errno::RANGE) => {
                many.resize(LIST, 0);
                match flistxattr(&file, many.as_mut_slice()) {
                    Ok(length) => &many[..length],
                    Err(_) => return Self::default(),
                }
            }
            Err(_) => return Self::default(),
        };
        let mut kept = Self::default();
        let mut held = 0;
        for name in listed.split(|byte| *byte == 0) {
            let stays = name == CAPABILITY || name == ACCESS_LIST || name.starts_with(USERS);
            if !stays {
                continue;
            }
            let mut value = vec![0; LIST];
            let Ok(length) = fgetxattr(&file, name, value.as_mut_slice()) else {
                continue;
            };
            value.truncate(length);
            value.shrink_to_fit();
            held += name.len() + length;
            if held > MOST {
                break;
            }
            kept.0.push((name.to_vec(), value));
        }
        kept
    }

    /// Whether a program with them has more rights than who starts it.
    pub fn lend_rights(&self) -> bool {
        self.0.iter().any(|(name, _)| name == CAPABILITY)
    }

    /// Without what lends rights.
    pub fn without_rights(mut self) -> Self {
        self.0.retain(|(name, _)| name != CAPABILITY);
        self
    }

    /// What lends rights alone: the kernel takes it from whatever is written to.
    pub fn rights_alone(mut self) -> Self {
        self.0.retain(|(name, _)| name == CAPABILITY);
        self
    }

    /// The file has them from now on. A file system or a container that allows none is no error; one that has no room is.
    pub fn give(&self, file: impl AsFd) -> Result<(), Errno> {
        for (name, value) in &self.0 {
            let given = fsetxattr(&file, name.as_slice(), value, XattrFlags::empty());
            if let Err(full @ (Errno::NOSPC | Errno::DQUOT)) = given {
                return Err(full);
            }
        }
        Ok(())
    }
}

/// Whether the file of that name has none at all, as nearly every one: to ask is a third of what it takes to open it as well.
/// Where `/proc` does not answer, nothing is known.
fn has_none(at: &Directory, name: &[u8]) -> bool {
    let mut path = format!("/proc/self/fd/{}/", at.fd.as_fd().as_raw_fd()).into_bytes();
    path.extend_from_slice(name);
    let mut few = [0; 256];
    matches!(
        llistxattr(path.as_slice(), &mut few[..]),
        Ok(0) | Err(Errno::NOTSUP)
    )
}
