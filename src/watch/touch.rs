//! One event about one path, as the operating system reported it. What it means is decided later, by a look at the disk.

use std::time::Instant;

use crate::paths::HostPath;

/// Something happened at `path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Below a watched root, or one of the single files that are watched.
    pub path: HostPath,
    /// When the watcher received the event.
    pub at: Instant,
    /// Whether more is to be expected.
    pub stage: Stage,
}

/// How far a change has come, which decides how long to wait for more. It never decides between copy and delete (C5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A new file, not yet closed by its writer.
    Created,
    /// Written to, not yet closed by its writer.
    Writing,
    /// Closed after writing, renamed into place, or changed in one step: complete.
    Complete,
    /// Its times, mode or attributes were set, or it was closed by a process that could have written and did not. It is complete, and
    /// most likely has the same content as before.
    Attributes,
    /// Removed or renamed away. Often the first half of a save, so it waits a little longer for the second half.
    Gone,
    /// A directory that is new, or may be another one than before. Everything in it is touched as well; what was in the old one and
    /// is not in the new one is gone without a touch of its own. It waits a little longer, for its files.
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
    /// A touch at the present moment.
    pub fn now(path: HostPath, stage: Stage) -> Self {
        Self {
            path,
            at: Instant::now(),
            stage,
        }
    }

    /// Whether no further event need come for this path.
    pub fn finished(&self) -> bool {
        self.stage.finished()
    }
}
