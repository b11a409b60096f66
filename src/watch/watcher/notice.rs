//! What a user should know about the watching. Pure.

use std::fmt;

use crate::harmless::value;
use crate::paths::HostPath;
use crate::watch::walk::Unreadable;

/// One remark; its Display has the hint on a separate line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The system allows no more watches; the rest is polled.
    WatchLimit {
        /// How many are allowed; `None` where that cannot be read.
        limit: Option<u64>,
        /// How many directories are polled instead.
        polled: usize,
    },
    /// The system allows no more watchers; everything is polled.
    InstanceLimit {
        /// How many are allowed; `None` where that cannot be read.
        limit: Option<u64>,
    },
    /// The system offers no events; everything is polled.
    NoWatcher {
        /// The system's error text.
        why: String,
    },
    /// A file system that gives no events; what lies on it is polled.
    NoEvents {
        /// A root, or a mount point inside one.
        path: HostPath,
        /// The kind of file system, such as `nfs`.
        file_system: String,
    },
    /// A root that is also watched under another name; this one is polled.
    TwoNames {
        /// The polled name.
        path: HostPath,
        /// The name that has the watch.
        other: HostPath,
    },
    /// A directory that is skipped because it cannot be read.
    Unreadable(Unreadable),
    /// A watched root that does not exist yet; it is waited for.
    MissingRoot(HostPath),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WatchLimit { limit, polled } => {
                write!(
                    f,
                    "the system's limit of{} watches is reached; {polled} {} polled instead, which is slower\n\
                     hint: `sudo sysctl fs.inotify.max_user_watches={}`, or leave directories out with `.dockerignore`",
                    number(*limit),
                    if *polled == 1 {
                        "directory is"
                    } else {
                        "directories are"
                    },
                    suggestion(*limit, 524_288)
                )
            }
            Self::InstanceLimit { limit } => write!(
                f,
                "the system's limit of{} watchers is reached; all directories are polled instead, which is slower\n\
                 hint: `sudo sysctl fs.inotify.max_user_instances={}`, or end other programs that watch files",
                number(*limit),
                suggestion(*limit, 1024)
            ),
            Self::NoWatcher { why } => write!(
                f,
                "the system offers no file events ({}); all directories are polled instead, which is slower",
                value(why)
            ),
            Self::NoEvents { path, file_system } => write!(
                f,
                "`{path}` is on {}, which gives no file events; it is polled instead, which is slower\n\
                 hint: keep the project on a local file system",
                value(file_system)
            ),
            Self::TwoNames { path, other } => write!(
                f,
                "`{path}` is watched as `{other}` too; it is polled instead, which is slower\n\
                 hint: name it by one path only, the one without a link"
            ),
            Self::Unreadable(Unreadable { path, why }) => write!(
                f,
                "`{path}` cannot be read and is not watched: {}\n\
                 hint: give yourself permission to read it, or leave it out with `.dockerignore`",
                value(why)
            ),
            Self::MissingRoot(path) => {
                write!(
                    f,
                    "`{path}` does not exist; it is watched as soon as it does"
                )
            }
        }
    }
}

fn number(limit: Option<u64>) -> String {
    limit.map(|limit| format!(" {limit}")).unwrap_or_default()
}

/// Twice the limit, or the usual value if that is larger.
fn suggestion(limit: Option<u64>, usual: u64) -> u64 {
    limit.map_or(usual, |limit| limit.saturating_mul(2).max(usual))
}
