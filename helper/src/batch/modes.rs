//! Modes for directories that are there already. A directory that is only passed on the way keeps its own.

use super::{Batch, make, stage};
use crate::failure::Failure;
use crate::path;
use crate::protocol::Code;
use crate::way::Closed;
use rustix::io::Errno;

impl Batch<'_> {
    /// A directory is to have this mode, once all is in place.
    pub fn mode(&mut self, path: &[u8], mode: u32) {
        self.step(path, |batch| {
            batch.modes.push((stage::clean(path)?, mode));
            Ok(())
        });
    }

    /// The last thing of a batch. What is no directory by then is left alone, a link to one as well.
    pub(super) fn set_modes(&mut self) -> Result<(), Failure> {
        let mut result = Ok(());
        for (path, mode) in std::mem::take(&mut self.modes) {
            match self.set_mode(&path, mode) {
                Ok(()) => {}
                Err(failure) if failure.code == Code::Unsafe => self.left_out.push(failure),
                Err(failure) => result = result.and(Err(failure)),
            }
        }
        result
    }

    fn set_mode(&self, path: &[u8], mode: u32) -> Result<(), Failure> {
        let Some((parent, name)) = path::split(path) else {
            return Ok(());
        };
        let at = match self.ways.directory(parent) {
            Ok(at) => at,
            Err(Closed::System(Errno::NOENT | Errno::NOTDIR)) => return Ok(()),
            Err(closed) => return Err(closed.failure(path)),
        };
        match make::mode(&at, name, mode) {
            Ok(Some(())) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(()),
            Ok(None) => Err(Failure::new(
                Code::Unsafe,
                path,
                "keeps its mode: it belongs to another user than the directory that it lies in",
            )),
            Err(errno) => Err(stage::refused(&at, errno, path)),
        }
    }
}
