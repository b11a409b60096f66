//! Why a path is not watched, or not part of a sync, in words for `explain`. Pure.

use std::fmt;

use crate::harmless::value;
use crate::paths::HostPath;
use crate::plain_file::Odd;

/// The line of the file that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// A line of an ignore file.
    IgnoreFile {
        /// The file.
        file: HostPath,
        /// Its line, from 1.
        line: usize,
        /// The pattern, as written.
        pattern: String,
    },
    /// The block's `ignore`.
    BlockIgnore {
        /// The service whose block it is.
        service: String,
        /// The pattern's place in the list, from 1.
        place: usize,
        /// The pattern, as written.
        pattern: String,
    },
    /// The block's `only` names something else.
    Only {
        /// The service whose block it is.
        service: String,
    },
    /// Git's own files.
    Git,
    /// This very session's own output: watching it would never end.
    OwnOutput,
    /// An editor's temporary file.
    Editor {
        /// The name pattern it matches.
        pattern: &'static str,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IgnoreFile {
                file,
                line,
                pattern,
            } => write!(f, "line {line} of `{file}`: `{}`", value(pattern)),
            Self::BlockIgnore {
                service,
                place,
                pattern,
            } => write!(
                f,
                "pattern {place} of `ignore` of service `{}`: `{}`",
                value(service),
                value(pattern)
            ),
            Self::Only { service } => {
                write!(f, "`only` of service `{}` does not name it", value(service))
            }
            Self::OwnOutput => f.write_str("this session's own output goes there"),
            Self::Git => f.write_str("git's own files are never watched"),
            Self::Editor { pattern } => {
                write!(f, "an editor's temporary file: `{pattern}`")
            }
        }
    }
}

/// What cannot be read of what says which paths are ignored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadIgnore {
    /// A pattern, with its place.
    #[error("{} {} of {place}: {bad}", if matches!(place, Place::File(_)) { "line" } else { "pattern" }, bad.line)]
    Pattern {
        /// Where it stands.
        place: Place,
        /// The line, the pattern, what is wrong with it, and what to write.
        bad: crate::dockerignore::BadPattern,
    },
    /// A whole ignore file.
    #[error("the ignore file `{file}` {odd}\nhint: {}", odd.hint())]
    File {
        /// Which.
        file: HostPath,
        /// What stands there.
        odd: Odd,
    },
}

/// Where a bad pattern stands; the pattern's own `line` is the line of the file or the place in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In an ignore file.
    File(HostPath),
    /// In `ignore` of a service's block.
    BlockIgnore(String),
    /// In `only` of a service's block.
    BlockOnly(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "`{file}`"),
            Self::BlockIgnore(service) => write!(f, "`ignore` of service `{}`", value(service)),
            Self::BlockOnly(service) => write!(f, "`only` of service `{}`", value(service)),
        }
    }
}
