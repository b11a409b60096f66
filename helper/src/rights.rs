//! Whose rights the kernel is asked with when it opens, makes, renames and removes. Nothing else of the process changes: its
//! signals, its children and its memory stay root's.

use crate::{path, user};
use rustix::fs::Gid;
use rustix::io::Errno;
use std::cell::Cell;

/// The user who owns nothing, and its group.
pub const NOBODY: u32 = 65534;

/// Whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// The helper's own: root's.
    Own,
    /// Those of a user of the container.
    User(u32),
}

thread_local! {
    /// Those in force; `None` where a change of them failed half-way.
    static CURRENT: Cell<Option<Rights>> = const { Cell::new(Some(Rights::Own)) };
    /// The helper's own groups.
    static GROUPS: Vec<Gid> = rustix::process::getgroups().unwrap_or_default();
}

impl Rights {
    /// Files are touched with these rights from now on. Fails where the container does not let root be anybody else: nothing
    /// must be touched then.
    pub fn assume(self) -> Result<(), Errno> {
        let current = CURRENT.get();
        if current == Some(self) {
            return Ok(());
        }
        // First asked for while they are still our own.
        GROUPS.with(|own| {
            // Should it fail half-way, the next one begins anew, and takes nothing for granted.
            CURRENT.set(None);
            if current != Some(Self::Own) {
                let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
                become_user(uid.as_raw(), gid.as_raw(), own)?;
            }
            if let Self::User(uid) = self {
                let (gid, groups) = groups_of(uid);
                become_user(uid, gid, &groups)?;
            }
            CURRENT.set(Some(self));
            Ok(())
        })
    }

    /// No more than both of them may.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Own, other) => other,
            (this, Self::Own) => this,
            (this, other) if this == other => this,
            // Nobody's rights are what two strangers surely have in common.
            _ => Self::User(NOBODY),
        }
    }
}

/// The groups of a user, as the container's own files have them.
fn groups_of(uid: u32) -> (u32, Vec<Gid>) {
    let passwd = path::small_file("/etc/passwd");
    // Whom the files do not know has no group either: the engine would say root's.
    if user::home(uid, &passwd).is_none() {
        return (NOBODY, Vec::new());
    }
    match user::find(&uid.to_string(), &passwd, &path::small_file("/etc/group")) {
        Ok(user) => (
            user.gid,
            user.groups.into_iter().map(Gid::from_raw).collect(),
        ),
        Err(_) => (NOBODY, Vec::new()),
    }
}

#[expect(unsafe_code, reason = "rustix has no setfsuid and no setfsgid")]
fn become_user(uid: u32, gid: u32, groups: &[Gid]) -> Result<(), Errno> {
    // SAFETY: both take a number and answer the number that was in force before; u32::MAX changes nothing.
    let in_force = unsafe {
        libc::setfsgid(gid);
        libc::setfsuid(uid);
        (
            libc::setfsuid(u32::MAX).cast_unsigned(),
            libc::setfsgid(u32::MAX).cast_unsigned(),
        )
    };
    // They do not say whether they failed.
    if in_force != (uid, gid) {
        return Err(Errno::PERM);
    }
    rustix::thread::set_thread_groups(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_that_could_not_be_had_are_refused_again() {
        // Of this thread alone; whoever is not root cannot be anybody else in the first place.
        let mut sets = rustix::thread::capabilities(None).unwrap();
        sets.effective.remove(rustix::thread::CapabilitySet::SETUID);
        rustix::thread::set_capabilities(None, sets).unwrap();
        let stranger = Rights::User(54321);
        assert_eq!(stranger.assume(), Err(Errno::PERM));
        assert_eq!(stranger.assume(), Err(Errno::PERM));
        assert_eq!(Rights::Own.assume(), Ok(()));
    }

    #[test]
    fn two_strangers_have_nobodys_rights_in_common() {
        let (one, two) = (Rights::User(1000), Rights::User(1001));
        assert_eq!(Rights::Own.and(Rights::Own), Rights::Own);
        assert_eq!(Rights::Own.and(one), one);
        assert_eq!(one.and(Rights::Own), one);
        assert_eq!(one.and(one), one);
        assert_eq!(one.and(two), Rights::User(NOBODY));
    }
}
