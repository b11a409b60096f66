//! What the watched roots and sync sources were when last looked at. A directory that vanishes as a whole is no deletion (C5).

use std::fs;
use std::sync::Mutex;

use crate::paths::HostPath;

/// The watched roots and sync sources of one service.
#[derive(Debug, Default)]
pub(super) struct LastSeen {
    paths: Vec<SeenPath>,
}

#[derive(Debug)]
struct SeenPath {
    path: HostPath,
    seen: Mutex<Seen>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Seen {
    #[default]
    Never,
    Directory {
        device: u64,
    },
    Other,
}

impl LastSeen {
    pub(super) fn new(paths: impl Iterator<Item = HostPath>) -> Self {
        let mut kept: Vec<SeenPath> = Vec::new();
        for path in paths {
            if !kept.iter().any(|known| known.path == path) {
                kept.push(SeenPath {
                    path,
                    seen: Mutex::default(),
                });
            }
        }
        Self { paths: kept }
    }

    /// Takes over what `before` knows about the paths that both have.
    pub(super) fn remember(&self, before: &Self) {
        for seen_path in &self.paths {
            let mut known = before.paths.iter().filter(|old| old.path == seen_path.path);
            let known = known.next().and_then(|old| Some(*old.seen.lock().ok()?));
            if let (Some(known), Ok(mut seen)) = (known, seen_path.seen.lock())
                && known != Seen::Never
            {
                *seen = known;
            }
        }
    }

    /// Looks at every source; returns the directories that existed at the last look and do not now.
    pub(super) fn vanished(&self) -> Vec<&HostPath> {
        let vanished = |seen_path: &&SeenPath| seen_path.look() == Presence::Vanished;
        self.paths
            .iter()
            .filter(vanished)
            .map(|it| &it.path)
            .collect()
    }

    /// Whether `path` is or lies below a source that has never existed since the start: its files cannot have been deleted.
    pub(super) fn never_seen(&self, path: &HostPath) -> bool {
        self.paths.iter().any(|seen_path| {
            (seen_path.path == *path || path.below(&seen_path.path).is_some())
                && matches!(seen_path.seen.lock().as_deref(), Ok(Seen::Never))
        })
    }
}

#[derive(PartialEq, Eq)]
enum Presence {
    There,
    Vanished,
    /// A deleted file, or something that never existed.
    Missing,
}

impl SeenPath {
    fn look(&self) -> Presence {
        let Ok(mut seen) = self.seen.lock() else {
            return Presence::There;
        };
        let now = match fs::metadata(&self.path) {
            Ok(found) if found.is_dir() => Seen::Directory {
                device: device(&found),
            },
            Ok(_) => Seen::Other,
            // A dangling link exists, as a link.
            Err(_) if fs::symlink_metadata(&self.path).is_ok() && *seen != Seen::Never => {
                if matches!(*seen, Seen::Directory { .. }) {
                    return Presence::Vanished;
                }
                Seen::Other
            }
            Err(_) => Seen::Never,
        };
        match (*seen, now) {
            (Seen::Directory { .. }, Seen::Never) => Presence::Vanished,
            (_, Seen::Never) => Presence::Missing,
            // It was unmounted: the empty mount point remains, on another device.
            (Seen::Directory { device: before }, Seen::Directory { device })
                if before != device && is_empty(&self.path) =>
            {
                Presence::Vanished
            }
            _ => {
                *seen = now;
                Presence::There
            }
        }
    }
}

/// Whether the directory or file exists; links are followed. An empty directory exists.
pub fn is_there(root: &HostPath) -> bool {
    fs::metadata(root).is_ok()
}

fn is_empty(path: &HostPath) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

#[cfg(unix)]
fn device(found: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::dev(found)
}

#[cfg(not(unix))]
fn device(_: &fs::Metadata) -> u64 {
    0
}
