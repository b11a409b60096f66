//! What is known of the images that were built in this session.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::SystemTime;

use crate::paths::HostPath;

use super::disk::Revision;

/// How many images' snapshots are kept: the running one, and a few that somebody may go back to.
const BASELINES: usize = 4;

/// The builds of one service.
#[derive(Debug)]
pub(super) struct Images {
    /// The disk's state when an image of this session's builds was begun, by image ID.
    baselines: HashMap<String, Revision>,
    /// The oldest first.
    order: VecDeque<String>,
    /// The disk's state when the last good build began, and when that was.
    pub last_build: Option<(Revision, SystemTime)>,
    /// F1: files that asked for a build and are synced as well: the containers of that build are brought them.
    pub built_and_synced: BTreeSet<HostPath>,
    /// The last build failed; the next change tries again (C11, E3).
    pub build_owed: bool,
    /// The last failure was already answered by a rebuild: no other one before the next change.
    pub rebuilt_in_vain: bool,
}

impl Images {
    pub fn new(build_failed: bool) -> Self {
        Self {
            baselines: HashMap::new(),
            order: VecDeque::new(),
            last_build: None,
            built_and_synced: BTreeSet::new(),
            build_owed: build_failed,
            rebuilt_in_vain: false,
        }
    }

    /// The disk as it was when the build of `image` began, if it was built here.
    pub fn baseline(&self, image: &str) -> Option<Revision> {
        self.baselines.get(image).copied()
    }

    /// `image` has what the disk held then.
    pub fn remember(&mut self, image: String, then: Revision) {
        if self.baselines.insert(image.clone(), then).is_none() {
            self.order.push_back(image);
        }
        while self.order.len() > BASELINES {
            if let Some(oldest) = self.order.pop_front() {
                self.baselines.remove(&oldest);
            }
        }
    }

    /// Of states of the disk before this one nobody asks any more.
    pub fn oldest(&self) -> Option<Revision> {
        let last = self.last_build.map(|(then, _)| then);
        self.baselines.values().copied().chain(last).min()
    }
}
