//! What is at a path of a container: kind, owner and mode, from an archive or from `stat`.

use tar::EntryType;

use super::read::Member;

/// The owner of a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Numeric user ID.
    pub uid: u64,
    /// Numeric group ID.
    pub gid: u64,
}

/// What is at a path; links are not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// File, link or directory.
    pub kind: Kind,
    /// Its user and group, as the container numbers them.
    pub owner: Owner,
    /// Its permission bits.
    pub mode: u32,
}

impl Seen {
    /// Whether it is a directory in which only root can add or remove names.
    pub fn is_roots_alone(&self) -> bool {
        self.kind == Kind::Directory && self.owner.uid == 0 && !self.is_shared()
    }

    /// Whether it is a directory from which users other than its owner may remove names.
    pub fn is_shared(&self) -> bool {
        const OTHERS_WRITE: u32 = 0o022;
        const STICKY: u32 = 0o1000;
        self.mode & OTHERS_WRITE != 0 && self.mode & STICKY == 0
    }
}

/// The kinds that a copy distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory, which is written into.
    Directory,
    /// A symbolic link, followed or replaced depending on what is written.
    Link,
    /// Everything else, which is replaced.
    File,
}

/// Parses a line of the form `MODE(hex) UID GID NAME`.
pub(super) fn stat_line(line: &str) -> Option<(&str, Seen)> {
    let mut parts = line.splitn(4, ' ');
    let mode = u32::from_str_radix(parts.next()?, 16).ok()?;
    let (uid, gid) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let kind = match mode & 0o170_000 {
        0o040_000 => Kind::Directory,
        0o120_000 => Kind::Link,
        _ => Kind::File,
    };
    let owner = Owner { uid, gid };
    let mode = mode & 0o7777;
    Some((parts.next()?, Seen { kind, owner, mode }))
}

pub(super) fn seen(member: &Member) -> Seen {
    Seen {
        kind: match member.kind {
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Link,
            _ => Kind::File,
        },
        owner: Owner {
            uid: member.uid,
            gid: member.gid,
        },
        mode: member.mode,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat_tells_kind_and_owner_and_the_name_may_have_spaces() {
        let (name, seen) = stat_line("a1ff 5 6 /a b  c").unwrap();
        assert_eq!((name, seen.kind), ("/a b  c", Kind::Link));
        assert_eq!((seen.owner.uid, seen.owner.gid), (5, 6));
        assert_eq!(stat_line("stat: can't stat '/x'"), None);
    }
}
