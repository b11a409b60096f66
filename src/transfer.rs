//! What travels into a container and out of it: files and removes, commands, questions about paths, and what came of each.
//! Each of these has one type, which the plan's executor, the engine and the helper's side all use. Knows none of them.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::harmless;
use crate::paths::ContainerPath;
use crate::source::Source;

pub use crate::protocol::{Sought, Stream};

/// Files to put into a container and to take out of it, in one go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// What to write; a directory stands before what lies in it.
    pub put: Vec<Outgoing>,
    /// Files and links to remove; one that is not there is no error.
    pub remove: Vec<ContainerPath>,
    /// Directories to remove if they are empty by then, deepest first: files that only the container has are kept (E4).
    pub remove_dirs: Vec<ContainerPath>,
}

impl Delta {
    /// Nothing to do.
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.remove.is_empty() && self.remove_dirs.is_empty()
    }

    /// Tells of a path whether it lies below a file or a link that is put: it goes with the directory that is replaced, and
    /// by its name is the link's business from then on.
    pub fn goes_with_what_is_put(&self) -> impl Fn(&ContainerPath) -> bool {
        let puts = self.put.iter();
        let puts: HashSet<&ContainerPath> = puts
            .filter(|put| !put.body.is_directory())
            .map(|put| &put.to)
            .collect();
        move |path| {
            let mut above = std::iter::successors(path.parent(), ContainerPath::parent);
            !puts.is_empty() && above.any(|above| puts.contains(&above))
        }
    }
}

/// One thing to write into a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its path in the container.
    pub to: ContainerPath,
    /// Permission bits.
    pub mode: u32,
    /// Modification time.
    pub modified: SystemTime,
    /// What is written there.
    pub body: Body,
    /// Write into the same inode instead of replacing the file.
    pub in_place: bool,
    /// Whether it may stand there already.
    pub there: There,
}

/// Whether a file may stand in the container already. It is left as it is then, and told in [`Applied::same`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum There {
    /// Another one stands there, or none.
    #[default]
    No,
    /// Nobody knows. It is this one if it stands there; to find out may cost nothing worth the name.
    Perhaps(Fingerprint),
    /// Most likely. To find out is worth a question.
    Probably(Fingerprint),
}

impl There {
    /// What would stand there.
    pub fn fingerprint(&self) -> Option<&Fingerprint> {
        match self {
            Self::No => None,
            Self::Perhaps(fingerprint) | Self::Probably(fingerprint) => Some(fingerprint),
        }
    }
}

/// The content of an [`Outgoing`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A small file, read once for all containers.
    Bytes(Bytes),
    /// A large file, streamed from the host; `len` is what the receiver was promised.
    File {
        /// Where it is read from.
        from: Source,
        /// Its size when looked at; the size that counts is taken again from the opened file.
        len: u64,
    },
    /// A symbolic link with that target.
    Link(Vec<u8>),
    /// A directory: made when missing.
    Directory {
        /// Give one that is there this mode; otherwise it stays as it is (trap 4).
        set_mode: bool,
    },
}

impl Body {
    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self, Self::Directory { .. })
    }
}

/// The way an update took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// The in-container helper.
    Helper,
    /// The plain Engine API, and why not the helper.
    EngineApi(String),
}

impl Via {
    /// The same way, which was taken because an earlier one could not be.
    #[must_use]
    pub fn because(self, why: String) -> Self {
        match self {
            Self::Helper => Self::Helper,
            Self::EngineApi(_) => Self::EngineApi(why),
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Helper => f.write_str("the helper inside the container"),
            Self::EngineApi(why) => {
                write!(f, "the plain Engine API: {}", harmless::message(why))
            }
        }
    }
}

/// What came of a [`Delta`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The way it took.
    pub via: Via,
    /// Files that vanished or changed while they were read: not in the container, a later batch brings them.
    pub unread: Vec<ContainerPath>,
    /// Paths that were not touched, and why: somebody in the container has made a way there on which he would have been lent
    /// root's rights.
    pub closed: Vec<(ContainerPath, String)>,
    /// Files that stood there already: the container is what it was for them.
    pub same: Vec<ContainerPath>,
}

/// The paths of a container that are to be described, and what the host has there: a file that is longer than the host's is
/// another one, and is not read.
pub type Wanted = BTreeMap<ContainerPath, Sought>;

/// A command for a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exec {
    /// What is executed, no shell added.
    pub argv: Vec<String>,
    /// Working directory; the container's own when empty.
    pub workdir: String,
    /// User; the container's own when `None`.
    pub user: Option<String>,
    /// With all rights of the host's root, as `docker exec --privileged`.
    pub privileged: bool,
    /// Additional environment.
    pub environment: Vec<(String, String)>,
    /// Ended with its process tree after this time.
    pub timeout: Option<Duration>,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with that code (127: no such program; 126: not executable; 128+N: signal N).
    Exit(i64),
    /// By its timeout; its process tree is gone.
    TimedOut,
}

/// What is at some paths of a container; paths at which nothing is are missing.
pub type Fingerprints = BTreeMap<ContainerPath, Fingerprint>;

/// What stands at a path in a container, for comparisons (`verify`, `initial_sync`, catching up).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fingerprint {
    /// A file: permission bits and xxh3-128 of the content.
    File {
        /// Permission bits.
        mode: u32,
        /// xxh3-128; 0 where it is longer than was asked for, and so another one.
        hash: u128,
    },
    /// A directory with these permission bits.
    Directory {
        /// Permission bits.
        mode: u32,
    },
    /// A link.
    Link {
        /// Its target's bytes.
        target: Vec<u8>,
    },
    /// Something else.
    Other,
}

/// How a container's restart went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restarted {
    /// The process ignored the signal until it was killed (C9).
    pub killed: bool,
    /// The container was restarted although only its process should have been: it does not run under the helper.
    pub whole_container: bool,
}
