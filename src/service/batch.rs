//! Touches to batches: what queued up is one batch, and one look at the disk.

use std::time::{Duration, Instant};

use crate::paths::HostPath;
use crate::watch::{Gatherer, Quiet, Touch};

use super::LiveService;
use super::action::{Action, Occasion};
use super::news::{LookedFor, Looking};
use super::told::Heard;

/// The batch that is being gathered.
#[derive(Debug)]
pub(super) struct Batches {
    gatherer: Gatherer,
    /// When the first touch of the next batch was heard.
    first_touch: Option<Instant>,
    /// When the latest touch was: only a build that began later is sure to have all in it.
    pub last_touch: Instant,
    /// What a comparison of the trees found is settled with the batch that is being gathered.
    pub rescanned: bool,
}

impl Batches {
    pub fn new(quiet: Quiet, now: Instant) -> Self {
        Self {
            gatherer: Gatherer::new(quiet),
            first_touch: None,
            last_touch: now,
            rescanned: false,
        }
    }

    pub fn set_quiet(&mut self, quiet: Quiet) {
        self.gatherer.set_quiet(quiet);
    }

    /// Something was written by `now`.
    pub fn heard(&mut self, now: Instant) {
        self.last_touch = self.last_touch.max(now);
    }

    pub fn is_empty(&self) -> bool {
        self.gatherer.is_empty()
    }

    pub fn due(&self) -> Option<Instant> {
        self.gatherer.deadline()
    }
}

impl LiveService {
    /// A watched path was touched.
    pub fn touch(&mut self, touch: &Touch) {
        self.batches.first_touch.get_or_insert(touch.at);
        self.batches.heard(touch.at);
        self.told.hear(touch);
        self.batches.gatherer.touch(touch);
    }

    /// Whether something was told of the path that nobody has looked at yet.
    pub fn waits_for_a_look(&self, path: &HostPath) -> bool {
        self.told.waits(path)
    }

    /// The batch that is complete at `now`, if one is: its paths are looked at, and what stood below them before.
    pub(super) fn close_batch(&mut self, now: Instant) -> Option<Vec<Action>> {
        self.batches.due().filter(|due| *due <= now)?;
        let batch = self.batches.gatherer.take(now)?;
        let begun = self.batches.first_touch.take().unwrap_or(now);
        let wait = now.saturating_duration_since(begun);
        let mut paths = batch.paths;
        paths.extend(batch.fleeting);
        let told = self.told.take(&paths);
        let below: Vec<HostPath> = paths
            .iter()
            .flat_map(|path| self.disk.present_below(path))
            .map(|(below, _)| below)
            .collect();
        Some(vec![Action::Look(Looking {
            asked: paths.into_iter().chain(below).collect(),
            seen: Vec::new(),
            heard: Heard::Written,
            told,
            purpose: LookedFor::Batch {
                occasion: Occasion::change(begun, wait),
                span: batch.span,
            },
        })])
    }

    /// Whether the rest of a batch was noted before, by a comparison of the trees.
    pub(super) fn was_rescanned(&mut self) -> bool {
        std::mem::take(&mut self.batches.rescanned)
    }
}

/// How long an update waits by itself: not at all.
pub(super) const AT_ONCE: Duration = Duration::ZERO;
