//! Takes all traps away again, as root, so that the container is as its image made it but for plain files. By their names it is
//! known what things are to be: `f..` are files, everything else is a directory.

use super::{Place, planted, traps};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;

/// The owner of the target.
const OWNER: u32 = 1000;
/// Marks that the test has put into what is mounted.
const OF_VOLUME: &str = "is-the-volume";
const OF_BIND: &str = "is-the-hosts";

pub fn tidy(place: &Place) {
    for name in planted::NAMES {
        give_back(name);
    }
    put_mounts_back(&place.app);
    traps::remove(&place.app.join("bin"));
    for root in [&place.app, &place.in_place] {
        let _ = fs::set_permissions(root, fs::Permissions::from_mode(0o755));
        clean(root, true);
    }
    let conf = place.app.join("conf");
    if fs::read_link(&conf).is_err() {
        traps::remove(&conf);
        let _ = symlink("/shared/conf", &conf);
    }
    // The helper's directory goes with the last helper; what stood there instead is nobody's.
    if !fs::symlink_metadata("/.liveupdate").is_ok_and(|found| found.is_dir()) {
        let _ = fs::remove_file("/.liveupdate");
    }
    let _ = fs::remove_dir_all("/.liveupdate-away");
}

/// A program of the image takes its place again.
pub fn give_back(name: &str) {
    let to = Path::new("/bin").join(name);
    let own = fs::metadata("/adversary/adversary").map_or(0, |found| found.len());
    if fs::metadata(&to).is_ok_and(|found| found.len() == own) {
        let beside = to.with_extension("new");
        let _ = fs::copy("/adversary/busybox", &beside);
        let _ = fs::rename(&beside, &to);
    }
}

fn put_mounts_back(app: &Path) {
    for _ in 0..4 {
        let Ok(entries) = fs::read_dir(app) else {
            return;
        };
        for entry in entries.flatten() {
            let found = entry.path();
            for (mark, name) in [(OF_VOLUME, "x"), (OF_BIND, "y")] {
                let wanted = app.join(name);
                if found != wanted && !is_link(&found) && found.join("vol").join(mark).exists() {
                    // What holds the other mount makes room.
                    let _ = fs::rename(&wanted, app.join(format!("{name}-meanwhile")));
                    let _ = fs::remove_file(&wanted);
                    let _ = fs::rename(&found, &wanted);
                }
            }
        }
    }
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink())
}

fn clean(directory: &Path, is_target: bool) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let Ok(found) = fs::symlink_metadata(&path) else {
            continue;
        };
        let is_hosts = name == "calm" || is_target && matches!(&*name, "x" | "y" | "roots");
        let is_roots_link = is_target && name == "conf" && found.uid() == 0;
        if is_hosts && found.is_dir() || is_roots_link && found.is_symlink() {
            continue;
        }
        let is_file = name.starts_with('f');
        let is_directory = matches!(name.as_bytes(), [b'd' | b'e' | b'n', ..]);
        let fits =
            is_file && found.is_file() && found.len() < 1 << 30 || is_directory && found.is_dir();
        if !fits {
            traps::remove(&path);
        } else if found.is_dir() {
            let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o755));
            let _ = chown(&path, Some(OWNER), Some(OWNER));
            clean(&path, false);
        }
    }
}
