//! What the system says about itself: its limits on watches, and which file systems give no events.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::paths::HostPath;

/// How many watches one user may have; `None` where that cannot be read.
pub(super) fn watch_limit() -> Option<u64> {
    smallest(&[
        "/proc/sys/fs/inotify/max_user_watches",
        "/proc/sys/user/max_inotify_watches",
    ])
}

/// How many watchers one user may have; `None` where that cannot be read.
pub(super) fn instance_limit() -> Option<u64> {
    smallest(&[
        "/proc/sys/fs/inotify/max_user_instances",
        "/proc/sys/user/max_inotify_instances",
    ])
}

/// The smallest value of these files: a user namespace has limits of its own below the system's.
fn smallest(files: &[&str]) -> Option<u64> {
    files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok())
        .min()
}

/// The file systems without events that `root` lies on or that are mounted inside it, each with its kind.
pub(super) fn without_events(root: &HostPath) -> Vec<(HostPath, String)> {
    let mut found: Vec<(HostPath, String)> = own_kind(root)
        .map(|kind| (root.clone(), kind.to_owned()))
        .into_iter()
        .collect();
    if found.is_empty() {
        let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
        let within = mounts_without_events(&mounts)
            .into_iter()
            .filter(|(place, _)| place != root && place.below(root).is_some());
        found.extend(within);
    }
    found
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn own_kind(root: &HostPath) -> Option<&'static str> {
    let found = rustix::fs::statfs(root.as_path()).ok()?;
    // The kernel's magic numbers have 32 bits, whatever the field's type on this architecture.
    let magic = u32::try_from(i128::from(found.f_type) & 0xFFFF_FFFF).ok()?;
    kind_of(magic)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn own_kind(_: &HostPath) -> Option<&'static str> {
    None
}

/// The name of a file system without events: from the kernel's `magic.h`, and those by which virtual machines share folders.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn kind_of(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x0102_1997 => "9p",
        0x6969 => "NFS",
        0x6573_5546 => "FUSE",
        0x517B | 0xFE53_4D42 => "SMB",
        0xFF53_4D42 => "CIFS",
        0x786F_4256 => "VirtualBox shared folders",
        0x7C7C_6673 => "Parallels shared folders",
        0xBACB_ACBC => "VMware shared folders",
        0x00C3_6400 => "Ceph",
        0x5346_414F | 0x6B41_4653 => "AFS",
        0x7375_7245 => "Coda",
        _ => return None,
    })
}

/// A mounted file system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mount {
    pub(super) place: HostPath,
    /// The mount's ID, which tells it from an earlier mount at the same place.
    number: u64,
}

/// The mounts at the places for which `matter` is true; empty where the system has no mount table.
pub(super) fn mounts(matter: impl Fn(&HostPath) -> bool) -> BTreeSet<Mount> {
    let table = fs::read("/proc/self/mountinfo").unwrap_or_default();
    mounts_in(&table)
        .into_iter()
        .filter(|mount| matter(&mount.place))
        .collect()
}

fn mounts_in(mountinfo: &[u8]) -> Vec<Mount> {
    let text = String::from_utf8_lossy(mountinfo);
    let mounts = text.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let number = fields.next()?.parse().ok()?;
        let place = HostPath::new(unescape(fields.nth(3)?))?;
        Some(Mount { place, number })
    });
    mounts.collect()
}

/// Reads the kernel's mount table: `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`.
fn mounts_without_events(mountinfo: &[u8]) -> Vec<(HostPath, String)> {
    let mut found = Vec::new();
    for line in String::from_utf8_lossy(mountinfo).lines() {
        let Some((place, kind)) = line.split_once(" - ") else {
            continue;
        };
        let (Some(place), Some(kind)) = (place.split(' ').nth(4), kind.split(' ').next()) else {
            continue;
        };
        let shared = matches!(
            kind,
            "9p" | "nfs" | "nfs4" | "cifs" | "smb3" | "virtiofs" | "vboxsf" | "prl_fs" | "ceph"
        );
        if (shared || kind == "fuse" || kind.starts_with("fuse."))
            && let Some(place) = HostPath::new(unescape(place))
        {
            found.push((place, kind.to_owned()));
        }
    }
    found
}

/// Decodes a mount point, in which the kernel writes space, tab, newline and backslash as `\040` and the like.
fn unescape(text: &str) -> PathBuf {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let code = after.get(..3);
        if let Some(code) = code.and_then(|code| u8::from_str_radix(code, 8).ok()) {
            out.push(char::from(code));
            rest = &after[3..];
        } else {
            out.push('\\');
            rest = after;
        }
    }
    out.push_str(rest);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn file_systems_without_events_are_known_by_their_type() {
        assert_eq!(kind_of(0x0102_1997), Some("9p"));
        assert_eq!(kind_of(0xEF53), None);
    }

    #[test]
    fn file_systems_without_events_are_known_by_their_mount() {
        let table = b"36 35 98:0 / / rw master:1 - ext4 /dev/root rw\n\
            40 36 0:50 / /mnt/my\\040files rw - 9p share rw\n\
            41 36 0:51 / /home/me/sshfs rw - fuse.sshfs host: rw\n\
            42 36 0:52 / /tmp rw - tmpfs tmpfs rw\n\
            torn line\n";
        let found: Vec<String> = mounts_without_events(table)
            .iter()
            .map(|(place, kind)| format!("{place}: {kind}"))
            .collect();
        assert_eq!(found, ["/mnt/my files: 9p", "/home/me/sshfs: fuse.sshfs"]);
    }

    #[test]
    fn mounts_are_known_by_place_and_number() {
        let table = b"36 35 98:0 / / rw master:1 - ext4 /dev/root rw\n\
            40 36 0:50 / /mnt/my\\040files rw - 9p share rw\n\
            41 40 0:51 / /mnt/my\\040files rw - tmpfs none rw\n\
            torn line\n";
        let found: Vec<String> = mounts_in(table)
            .iter()
            .map(|mount| format!("{} {}", mount.number, mount.place))
            .collect();
        assert_eq!(found, ["36 /", "40 /mnt/my files", "41 /mnt/my files"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn limits_are_read_from_the_system() {
        assert!(watch_limit().is_some_and(|limit| limit > 0));
        assert!(instance_limit().is_some_and(|limit| limit > 0));
    }
}
