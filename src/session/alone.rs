//! One `up` per project and engine: a second one is told about the first, instead of both bringing the same files.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::PathBuf;

use crate::docker::own_folder;

/// Held for as long as the session runs; the system lets go of it even when the process is killed.
#[derive(Debug)]
pub struct Alone {
    _file: File,
}

/// Why there is no such lock.
#[derive(Debug)]
pub enum NotAlone {
    /// Another session runs; its process ID, where it could be read.
    Another(Option<u32>),
    /// The lock file cannot be used; the system's own words.
    Unknown(io::Error),
}

impl Alone {
    /// Takes the lock of `project` on the engine that `engine` names.
    pub fn of(project: &str, engine: &str) -> Result<Self, NotAlone> {
        let path = place(project, engine).map_err(NotAlone::Unknown)?;
        let mut options = File::options();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(NotAlone::Unknown)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Whoever holds it wrote its number there; a number is all that is missing without it.
                let _ = file.read_to_string(&mut holder);
                return Err(NotAlone::Another(holder.trim().parse().ok()));
            }
            Err(TryLockError::Error(error)) => return Err(NotAlone::Unknown(error)),
        }
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "{}", std::process::id()))
            .and_then(|()| file.flush());
        written.map_err(NotAlone::Unknown)?;
        Ok(Self { _file: file })
    }
}

/// A file in the user's own folder, named after what it locks.
fn place(project: &str, engine: &str) -> io::Result<PathBuf> {
    let which = xxhash_rust::xxh3::xxh3_64(engine.as_bytes());
    Ok(own_folder()?.join(format!("{project}-{which:016x}.lock")))
}
