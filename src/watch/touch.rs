//! One sign of life of one path, as the operating system told it. What it means is decided later, by a look at the disk.

use std::time::Instant;

use crate::paths::HostPath;

/// Something happened at `path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Where.
    pub path: HostPath,
    /// When the watcher heard of it.
    pub at: Instant,
    /// How far the change is.
    pub stage: Stage,
}

/// How far a change is, which tells how long to wait for more. It never decides between copy and delete (C5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A new file, not yet closed by its writer.
    Created,
    /// Written to, not yet closed by its writer.
    Writing,
    /// Closed after writing, renamed into place, or changed in one go: complete now.
    Complete,
    /// Its times, mode or attributes were set, or it was closed by somebody who could have written and did not: complete now,
    /// and most likely what it was.
    Attributes,
    /// Removed or renamed away. Often the first half of a save, so it waits a little longer for the second.
    Gone,
    /// A directory that is new here, or may be another one than before. Everything in it is touched as well; what was
    /// there before and is not now is gone without a touch of its own. It waits a little longer, for its files.
    Renewed,
}

impl Stage {
    pub(super) fn finished(self) -> bool {
        matches!(
            self,
            Self::Complete | Self::Attributes | Self::Gone | Self::Renewed
        )
    }
}

impl Touch {
    /// A touch that was just heard of.
    pub fn now(path: HostPath, stage: Stage) -> Self {
        Self {
            path,
            at: Instant::now(),
            stage,
        }
    }

    /// Whether nothing more need come for this path.
    pub fn finished(&self) -> bool {
        self.stage.finished()
    }
}
