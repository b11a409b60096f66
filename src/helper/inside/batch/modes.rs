//! Modes for directories that are there already. A directory that is only passed on the way keeps its own.

use super::{Batch, stage};
use crate::failure::Failure;
use crate::path::{self, Status};
use rustix::fs::{CWD, FileType, Mode};
use rustix::io::Errno;

/// What the container gave a directory beyond permissions stays: the set-group-ID and the sticky bit.
const KEPT: u32 = 0o3000;

impl Batch<'_> {
    /// A directory is to have this mode, once all is in place.
    pub fn mode(&mut self, path: &[u8], mode: u32) {
        self.step(|batch| {
            batch.modes.push((stage::clean(path)?, mode));
            Ok(())
        });
    }

    /// The last thing of a batch. What is no directory by then is left alone, a link to one as well.
    pub(super) fn set_modes(&mut self) -> Result<(), Failure> {
        let mut result = Ok(());
        for (path, mode) in std::mem::take(&mut self.modes) {
            let outcome = match path::status(CWD, &path, false) {
                Ok(Status {
                    kind: FileType::Directory,
                    mode: there,
                    ..
                }) => {
                    let mode = Mode::from_raw_mode(mode | there & KEPT);
                    rustix::fs::chmod(path.as_slice(), mode)
                }
                Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
                Err(errno) => Err(errno),
            };
            result = result.and(outcome.map_err(|errno| Failure::system(errno, &path)));
        }
        result
    }
}
