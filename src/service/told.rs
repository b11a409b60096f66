//! What the system told of each path since it was looked at last. What changed the disk says, but for one thing: whether the
//! content of a file that looks the same may be another. Pure.

use std::collections::HashMap;
use std::time::Instant;

use crate::paths::HostPath;
use crate::watch::{Stage, Touch};

/// The most that was told of one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Heard {
    /// Its times, mode or attributes were set, or it was closed by somebody who wrote nothing.
    Attributes,
    /// It was written, made or renamed; or nobody knows.
    Written,
    /// The same, while an image was built: that may have got anything that stood there meanwhile.
    WhileBuilding,
}

/// What was told of the paths that wait to be looked at.
#[derive(Debug)]
pub(super) struct Told {
    paths: HashMap<HostPath, Heard>,
    /// The last build was over by then.
    built: Instant,
}

impl Told {
    /// Nothing yet; the first build was over then.
    pub fn new(built: Instant) -> Self {
        Self {
            paths: HashMap::new(),
            built,
        }
    }

    /// A build has ended.
    pub fn built(&mut self, now: Instant) {
        self.built = now;
    }

    pub fn hear(&mut self, touch: &Touch) {
        let heard = match touch.stage {
            Stage::Attributes => Heard::Attributes,
            _ => self.at(touch.at),
        };
        let known = self.paths.entry(touch.path.clone()).or_insert(heard);
        *known = heard.max(*known);
    }

    /// Whether something was told of it that nobody has looked at yet.
    pub fn waits(&self, path: &HostPath) -> bool {
        self.paths.contains_key(path)
    }

    /// What it means that a path may have been written up to `then`.
    pub fn at(&self, then: Instant) -> Heard {
        if then <= self.built {
            Heard::WhileBuilding
        } else {
            Heard::Written
        }
    }

    /// What was told of these: of one that was not named, that it may have been written.
    pub fn take(&mut self, paths: &[HostPath]) -> HashMap<HostPath, Heard> {
        let told = paths
            .iter()
            .filter_map(|path| self.paths.remove_entry(path));
        told.collect()
    }
}
