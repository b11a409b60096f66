//! Things to put where a file or a directory of the sync is, or is about to be.

use super::rng::Rng;
use super::{Place, SCRATCH, system};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

/// Directories that root alone may write to, the host's first, and ways that lead to them or nowhere.
pub const TARGETS: [&str; 15] = [
    "/host",
    "/host/sub",
    "/host/secret",
    "/host/tool",
    "/data",
    "/data/keep",
    "/rootdir",
    "/secret",
    "/proc/self/fd",
    "/proc/1/root/rootdir",
    "/proc/self/cwd/data",
    "/",
    "/etc",
    "/nowhere/at/all",
    "../../../../host",
];

pub fn target(rng: &mut Rng) -> &'static str {
    TARGETS[rng.below(TARGETS.len())]
}

/// Whatever is there, away with it; a link is not followed.
pub fn remove(path: &Path) {
    let Ok(found) = fs::symlink_metadata(path) else {
        return;
    };
    if found.is_dir() {
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o755));
        let _ = fs::remove_dir_all(path);
    } else {
        let _ = fs::remove_file(path);
    }
}

/// Puts something odd to a free path, and says what.
pub fn set(rng: &mut Rng, place: &Place, path: &Path) -> String {
    match rng.below(12) {
        0..=3 => {
            let to = target(rng);
            let _ = symlink(to, path);
            format!("link to {to}")
        }
        4 => {
            system::mkfifo(path);
            "fifo".into()
        }
        5 => {
            let _ = UnixListener::bind(path);
            "socket".into()
        }
        6 => {
            let _ = fs::create_dir(path);
            "directory".into()
        }
        7 => {
            let _ = symlink(format!("{SCRATCH}/missing-{}", rng.below(9)), path);
            "dangling link".into()
        }
        8 => {
            let of = ["/secret", "/host/secret", "/data/f0", "/rootdir/f0"];
            let of = of[rng.below(of.len())];
            if fs::hard_link(of, path).is_err() {
                // The kernel may protect root's files; then one of its own with two names.
                let other = Path::new(SCRATCH).join("twin");
                let _ = fs::write(&other, "mine");
                let _ = fs::hard_link(place.app.join("d0/twin"), path);
            }
            format!("hard link of {of}")
        }
        9 => {
            let made = fs::File::create(path).and_then(|file| file.set_len(4 << 40));
            format!("sparse file: {made:?}")
        }
        10 => {
            // A directory of root's.
            let _ = fs::rename(place.app.join("roots"), path);
            "root's directory".into()
        }
        _ => {
            let _ = fs::write(path, "mine");
            "file".into()
        }
    }
}
