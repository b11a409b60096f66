//! The rule that keeps a path from being watched or synced, in words for `explain`. Pure.

use std::fmt;

use crate::harmless::value;
use crate::paths::HostPath;
use crate::plain_file::Odd;

/// The line or rule that leaves a path out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IgnoredBy {
    /// A line of an ignore file.
    IgnoreFile {
        /// The ignore file's path.
        file: HostPath,
        /// Its line, from 1.
        line: usize,
        /// The pattern, as written.
        pattern: String,
    },
    /// A pattern of the block's `ignore`.
    BlockIgnore {
        /// The service whose block it is.
        service: String,
        /// The pattern's position in the list, from 1.
        place: usize,
        /// The pattern, as written.
        pattern: String,
    },
    /// The block's `only` names something else.
    Only {
        /// The service whose block it is.
        service: String,
    },
    /// Git's own files are never watched.
    Git,
    /// This session's own output: watching it would never end.
    OwnOutput,
    /// An editor's temporary file.
    Editor {
        /// The name pattern it matches.
        pattern: &'static str,
    },
}

impl fmt::Display for IgnoredBy {
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

/// An ignore rule that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadIgnore {
    /// One bad pattern.
    #[error("{} {} of {list}: {bad}", if matches!(list, PatternList::File(_)) { "line" } else { "pattern" }, bad.line)]
    Pattern {
        /// The file or list it is in.
        list: PatternList,
        /// The line, the pattern, what is wrong with it, and what to write instead.
        bad: crate::dockerignore::BadPattern,
    },
    /// A whole ignore file.
    #[error("the ignore file `{file}` {odd}\nhint: {}", odd.hint())]
    File {
        /// The ignore file's path.
        file: HostPath,
        /// What is there instead of a regular file.
        odd: Odd,
    },
}

/// Where a bad pattern is written. The pattern's own `line` is the line of the file or the position in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternList {
    /// In this ignore file.
    File(HostPath),
    /// In `ignore` of this service's block.
    BlockIgnore(String),
    /// In `only` of this service's block.
    BlockOnly(String),
}

impl fmt::Display for PatternList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "`{file}`"),
            Self::BlockIgnore(service) => write!(f, "`ignore` of service `{}`", value(service)),
            Self::BlockOnly(service) => write!(f, "`only` of service `{}`", value(service)),
        }
    }
}
