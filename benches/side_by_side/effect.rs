//! What is to be seen in a container, and the watch for it: one thread that looks, and lets others run. Knows no tool.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::{sleep, yield_now};
use std::time::{Duration, Instant};

use super::tools::{Result, interrupt};

/// While the end may be near every look counts; later, a look each tenth of a millisecond leaves the processor alone.
const KEEN: Duration = Duration::from_millis(30);

/// Something to be seen.
pub enum Effect {
    /// This file has this content.
    Content(PathBuf, Vec<u8>),
    /// These files (here, and what they must equal) have this size; that they are equal is checked off the clock.
    Files(Vec<(PathBuf, PathBuf)>, u64),
    /// Nothing is left of this directory.
    Gone(PathBuf),
}

impl Effect {
    /// That `names` below `source` are below `target` as well, each of `size` bytes.
    pub fn files(source: &Path, target: &Path, names: &[String], size: usize) -> Self {
        let pairs = names
            .iter()
            .map(|name| (target.join(name), source.join(name)));
        Self::Files(pairs.collect(), size as u64)
    }

    /// Waits for it. `None` when it did not come within `limit`.
    pub fn awaited(&self, since: Instant, limit: Duration) -> Result<Option<Duration>> {
        let mut seen = 0;
        loop {
            if self.look(&mut seen) {
                let took = since.elapsed();
                self.check_content()?;
                return Ok(Some(took));
            }
            let waited = since.elapsed();
            if waited > limit {
                return Ok(None);
            }
            if waited < KEEN {
                yield_now();
            } else {
                interrupt::check()?;
                sleep(Duration::from_micros(50));
            }
        }
    }

    /// Whether it is there; `seen` counts the files that need no second look.
    fn look(&self, seen: &mut usize) -> bool {
        match self {
            Self::Content(path, content) => fs::read(path).is_ok_and(|found| found == *content),
            Self::Files(pairs, size) => {
                while let Some((path, _)) = pairs.get(*seen) {
                    if fs::symlink_metadata(path).is_ok_and(|found| found.len() == *size) {
                        *seen += 1;
                    } else {
                        return false;
                    }
                }
                true
            }
            Self::Gone(directory) => is_without_files(directory),
        }
    }

    fn check_content(&self) -> Result<()> {
        let Self::Files(pairs, _) = self else {
            return Ok(());
        };
        for (path, original) in pairs {
            if fs::read(path)? != fs::read(original)? {
                return Err(format!("`{}` has the right size only", path.display()).into());
            }
        }
        Ok(())
    }
}

/// Compose may leave empty directories behind; no file is what counts.
fn is_without_files(directory: &Path) -> bool {
    let Ok(entries) = fs::read_dir(directory) else {
        return !directory.exists();
    };
    entries.flatten().all(|entry| {
        entry.file_type().is_ok_and(|kind| kind.is_dir()) && is_without_files(&entry.path())
    })
}
