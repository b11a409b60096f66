//! Sets a watch on each directory it is given, or polls it where that is not possible: file systems without events, limits.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;

use notify::event::EventKindMask;
use notify::{
    Config, ErrorKind, PathOp, RecommendedWatcher, RecursiveMode, WatchPathConfig, Watcher as _,
};

use crate::paths::HostPath;
use crate::watch::walk::Unreadable;

use super::interest::Interest;
use super::listener::Listener;
use super::poller::Poller;
use super::{Count, Notice, system};

/// The directories that are watched or polled.
#[derive(Default)]
pub(super) struct Watches {
    /// `None` when the system offers none: then everything is polled.
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<HostPath>,
    /// The name by which each watched directory is reported.
    names: HashMap<Identity, HostPath>,
    pub(super) poller: Poller,
    /// Places below which there are no events, with the kind of file system.
    without_events: BTreeMap<HostPath, String>,
    limit_reached: bool,
    notices: Vec<Notice>,
}

impl Watches {
    /// Replaces the watcher by a new one without watches.
    pub(super) fn open(&mut self, listener: Listener) {
        // The old watcher's watches count against the limit until it is dropped.
        self.watcher = None;
        self.watched.clear();
        self.names.clear();
        self.poller.clear();
        // Opens and reads are not reported: a build that reads the context would flood the queue.
        let config = Config::default()
            .with_event_kinds(EventKindMask::CORE | EventKindMask::ACCESS_CLOSE)
            .with_follow_symlinks(false);
        match RecommendedWatcher::new(listener, config) {
            Ok(watcher) => self.watcher = Some(watcher),
            Err(error) => self.notices.push(match &error.kind {
                ErrorKind::Io(io) if is_too_many_files(io) => Notice::InstanceLimit {
                    limit: system::instance_limit(),
                },
                _ => Notice::NoWatcher {
                    why: error.to_string(),
                },
            }),
        }
    }

    /// Looks for file systems without events below the roots.
    pub(super) fn find_file_systems(&mut self, interest: &Interest) {
        let mut found = BTreeMap::new();
        for root in interest.roots() {
            found.extend(system::without_events(root));
        }
        for (path, file_system) in &found {
            if !self.without_events.contains_key(path) {
                self.notices.push(Notice::NoEvents {
                    path: path.clone(),
                    file_system: file_system.clone(),
                });
            }
        }
        self.without_events = found;
    }

    /// Watches each of `directories` that is not watched yet, or polls it. Returns those that cannot be read.
    pub(super) fn add(&mut self, interest: &Interest, directories: &[HostPath]) -> Vec<Unreadable> {
        let mut operations = Vec::new();
        for directory in directories {
            if self.watched.contains(directory) || self.poller.contains(directory) {
                continue;
            }
            if self.watcher.is_none()
                || self.is_without_events(directory)
                || self.has_another_name(interest, directory)
            {
                self.poller.add(directory.clone(), interest);
                continue;
            }
            if let Some(config) = watch_config(directory, interest) {
                operations.push(PathOp::Watch(directory.as_path().to_path_buf(), config));
                self.watched.insert(directory.clone());
            }
        }
        let Some(watcher) = &mut self.watcher else {
            return Vec::new();
        };
        let mut failed = Vec::new();
        let mut refused = Vec::new();
        while !operations.is_empty() {
            let Err(error) = watcher.update_paths(operations) else {
                break;
            };
            operations = error.remaining;
            if matches!(error.source.kind, ErrorKind::MaxFilesWatch) {
                refused.extend(error.origin);
                refused.append(&mut operations);
            } else {
                failed.extend(error.origin.map(|origin| (origin, error.source)));
            }
        }
        let mut unreadable = Vec::new();
        for (operation, error) in failed {
            let Some(directory) = HostPath::new(operation.into_path()) else {
                continue;
            };
            self.watched.remove(&directory);
            // A directory that only leads to a root need not be readable. One that is gone is reported by its name in the directory above.
            if interest.keeps(&directory)
                && let ErrorKind::Io(io) = &error.kind
                && let Some(problem) = Unreadable::new(directory, io)
            {
                unreadable.push(problem);
            }
        }
        self.poll_instead(interest, refused);
        unreadable
    }

    /// Whether it is watched under another name already, because a link to it is a root of its own: the system reports a directory
    /// under one name only.
    fn has_another_name(&mut self, interest: &Interest, directory: &HostPath) -> bool {
        let Some(identity) = identity(directory) else {
            return false;
        };
        let other = self.names.get(&identity).filter(|other| {
            *other != directory
                && self.watched.contains(*other)
                && self::identity(other) == Some(identity)
        });
        let Some(other) = other.cloned() else {
            self.names.insert(identity, directory.clone());
            return false;
        };
        if interest.roots().any(|root| root == directory) {
            let path = directory.clone();
            self.notice(Notice::TwoNames { path, other });
        }
        true
    }

    fn poll_instead(&mut self, interest: &Interest, refused: Vec<PathOp>) {
        if refused.is_empty() {
            return;
        }
        let polled = refused.len();
        for operation in refused {
            if let Some(directory) = HostPath::new(operation.into_path()) {
                self.watched.remove(&directory);
                self.poller.add(directory, interest);
            }
        }
        self.no_more_watches(polled);
    }

    /// Records that the limit is reached and how many directories are polled since; reported once.
    fn no_more_watches(&mut self, more: usize) {
        let said = self.notices.iter_mut().find_map(|notice| match notice {
            Notice::WatchLimit { polled, .. } => Some(polled),
            _ => None,
        });
        if let Some(polled) = said {
            *polled += more;
        } else if !self.limit_reached {
            self.notices.push(Notice::WatchLimit {
                limit: system::watch_limit(),
                polled: more,
            });
        }
        self.limit_reached = true;
    }

    /// Drops `path` and everything below it.
    pub(super) fn remove(&mut self, path: &HostPath) {
        let below = self.watched.range(path.clone()..);
        let stale: Vec<HostPath> = below
            .take_while(|watched| watched.below(path).is_some())
            .cloned()
            .collect();
        self.unwatch(stale);
        self.poller.forget(path);
    }

    /// Drops everything but `directories`.
    pub(super) fn retain(&mut self, directories: &BTreeSet<HostPath>) {
        let old: Vec<HostPath> = self.watched.difference(directories).cloned().collect();
        self.unwatch(old);
        let watched = &self.watched;
        self.names.retain(|_, name| watched.contains(name));
        self.poller
            .retain(|directory| directories.contains(directory));
    }

    fn unwatch(&mut self, directories: Vec<HostPath>) {
        let mut operations = Vec::with_capacity(directories.len());
        for directory in directories {
            self.watched.remove(&directory);
            operations.push(PathOp::unwatch(directory.as_path()));
        }
        if let Some(watcher) = &mut self.watcher {
            while !operations.is_empty() {
                // A watch that is gone went with its directory.
                match watcher.update_paths(operations) {
                    Ok(()) => break,
                    Err(error) => operations = error.remaining,
                }
            }
        }
    }

    pub(super) fn is_without_events(&self, path: &HostPath) -> bool {
        let within = |place: &HostPath| path.below(place).is_some();
        self.watcher.is_none() || self.without_events.keys().any(within)
    }

    pub(super) fn count(&self, interest: &Interest) -> Count {
        let kept = self.watched.iter().filter(|path| interest.keeps(path));
        let watched = kept.count();
        Count {
            watched,
            leading: self.watched.len() - watched,
            polled: self.poller.count(),
        }
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        if !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
    }

    pub(super) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }
}

/// The device and inode number of a directory.
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(directory: &HostPath) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    let found = fs::metadata(directory).ok()?;
    Some((found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn identity(_: &HostPath) -> Option<Identity> {
    None
}

/// One watch for each directory.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "elsewhere not each directory has a watch"
)]
fn watch_config(directory: &HostPath, interest: &Interest) -> Option<WatchPathConfig> {
    let config = WatchPathConfig::new(RecursiveMode::NonRecursive);
    Some(config.with_dereference_symlinks(interest.leads(directory)))
}

/// One recursive watch for each root, which covers all directories in it (ignored ones cost nothing there), and one for the
/// directory that each root or single file lies in.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn watch_config(directory: &HostPath, interest: &Interest) -> Option<WatchPathConfig> {
    let mode = if interest.roots().any(|root| root == directory) {
        RecursiveMode::Recursive
    } else if !interest.keeps(directory) && interest.holds_an_end(directory) {
        RecursiveMode::NonRecursive
    } else {
        return None;
    };
    Some(WatchPathConfig::new(mode))
}

#[cfg(unix)]
fn is_too_many_files(error: &std::io::Error) -> bool {
    let code = error.raw_os_error();
    let is = |errno: rustix::io::Errno| code == Some(errno.raw_os_error());
    is(rustix::io::Errno::MFILE) || is(rustix::io::Errno::NFILE)
}

#[cfg(not(unix))]
fn is_too_many_files(_: &std::io::Error) -> bool {
    false
}
