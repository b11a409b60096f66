//! Everything that was done, in order, so that a difference can be traced to what led to it.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

/// One thing that was done.
struct Entry {
    operation: usize,
    seconds: f64,
    what: String,
    /// The paths that it was done to; empty for what concerns all of them.
    paths: Vec<PathBuf>,
}

/// The log that the hands on files and on containers share.
pub struct History {
    began: Instant,
    entries: Mutex<Vec<Entry>>,
}

impl History {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            entries: Mutex::new(Vec::new()),
        }
    }

    /// Notes what was done to `paths` as (or, for a fault, during) operation number `operation`.
    pub fn note(&self, operation: usize, what: impl Into<String>, paths: &[&Path]) {
        let entry = Entry {
            operation,
            seconds: self.began.elapsed().as_secs_f64(),
            what: what.into(),
            paths: paths.iter().map(|path| path.to_path_buf()).collect(),
        };
        if let Ok(mut entries) = self.entries.lock() {
            entries.push(entry);
        }
    }

    /// Says more about what was noted last as operation number `operation`.
    pub fn amend(&self, operation: usize, more: &str) {
        if let Ok(mut entries) = self.entries.lock() {
            let last = entries
                .iter_mut()
                .rev()
                .find(|entry| entry.operation == operation && !entry.paths.is_empty());
            if let Some(entry) = last {
                entry.what.push(' ');
                entry.what.push_str(more);
            }
        }
    }

    /// What was done to `path`, to a directory above it or to anything below it, and to the containers meanwhile.
    pub fn of(&self, path: &Path) -> String {
        let mut text = String::new();
        let Ok(entries) = self.entries.lock() else {
            return text;
        };
        for entry in entries.iter() {
            let concerns = entry.paths.is_empty()
                || entry
                    .paths
                    .iter()
                    .any(|touched| path.starts_with(touched) || touched.starts_with(path));
            if concerns {
                let paths: Vec<_> = entry
                    .paths
                    .iter()
                    .map(|path| show(path.as_os_str()))
                    .collect();
                let _ = writeln!(
                    text,
                    "  {:>6}  {:>7.2} s  {} {}",
                    entry.operation,
                    entry.seconds,
                    entry.what,
                    paths.join(" -> ")
                );
            }
        }
        text
    }
}

/// A name in one line, whatever is in it.
pub fn show(name: &OsStr) -> String {
    format!("\"{}\"", name.as_bytes().escape_ascii())
}
