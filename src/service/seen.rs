//! What is known of the disk: what it held, what the system told since, and the touches that are no batch yet.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use crate::paths::HostPath;
use crate::watch::{Change, Debouncer, Inode, Quiet, Touch};

use super::action::{AT_ONCE, Occasion, Scanned};
use super::disk::{Disk, Revision};
use super::news::{LookedFor, Looking};
use super::told::{Heard, Told};

/// What one service knows of the disk.
#[derive(Debug)]
pub(super) struct Seen {
    pub disk: Disk,
    told: Told,
    debouncer: Debouncer,
    /// When the first touch of the next batch was heard.
    first_touch: Option<Instant>,
    /// When the latest touch was: only a build that began later is sure to have all in it.
    pub last_touch: Instant,
    /// What a comparison of the trees found is settled with the batch that is being gathered.
    rescanned: bool,
}

impl Seen {
    /// The disk as it was looked at, and nothing told since.
    pub fn new(disk: Disk, quiet: Quiet, now: Instant) -> Self {
        Self {
            disk,
            told: Told::new(now),
            debouncer: Debouncer::new(quiet),
            first_touch: None,
            last_touch: now,
            rescanned: false,
        }
    }

    pub fn set_quiet(&mut self, quiet: Quiet) {
        self.debouncer.set_quiet(quiet);
    }

    /// When the touches so far are a batch.
    pub fn due(&self) -> Option<Instant> {
        self.debouncer.deadline()
    }

    /// A watched path was touched.
    pub fn touch(&mut self, touch: &Touch) {
        self.first_touch.get_or_insert(touch.at);
        self.heard(touch.at);
        self.told.hear(touch);
        self.debouncer.touch(touch);
    }

    /// Something was written by `now`.
    pub fn heard(&mut self, now: Instant) {
        self.last_touch = self.last_touch.max(now);
    }

    /// A build has ended: it may have got anything that stood there meanwhile.
    pub fn built(&mut self, now: Instant) {
        self.told.built(now);
    }

    /// Whether something was told of the path that nobody has looked at yet.
    pub fn waits_for_a_look(&self, path: &HostPath) -> bool {
        self.told.waits(path)
    }

    /// The batch that is complete at `now`, if one is: its paths are looked at, and what stood below them before.
    pub fn close_batch(&mut self, now: Instant) -> Option<Looking> {
        self.due().filter(|due| *due <= now)?;
        let batch = self.debouncer.take(now)?;
        let begun = self.first_touch.take().unwrap_or(now);
        let mut paths = batch.paths;
        paths.extend(batch.fleeting);
        let told = self.told.take(&paths);
        let below: Vec<HostPath> = paths
            .iter()
            .flat_map(|path| self.disk.present_below(path))
            .map(|(below, _)| below)
            .collect();
        Some(Looking {
            asked: paths.into_iter().chain(below).collect(),
            seen: Vec::new(),
            heard: Heard::Written,
            told,
            purpose: LookedFor::Batch {
                occasion: Occasion::change(begun, now.saturating_duration_since(begun)),
                span: batch.span,
            },
        })
    }

    /// Names of files that another service has seen change; `None` where none of them is watched here.
    pub fn named_elsewhere(&mut self, inodes: &BTreeSet<Inode>, now: Instant) -> Option<Looking> {
        let names = self.disk.named(inodes);
        if names.is_empty() {
            return None;
        }
        self.heard(now);
        Some(Looking {
            asked: names,
            seen: Vec::new(),
            heard: self.told.at(now),
            told: HashMap::new(),
            purpose: LookedFor::Elsewhere(Occasion::change(now, AT_ONCE)),
        })
    }

    /// A look at everything is held against what is known. Not seen is not yet gone: a root that vanished as a whole is no
    /// deletion (C5), and a look knows that.
    pub fn differs_from(&self, scanned: &Scanned) -> Looking {
        let (changes, missing) = self.disk.compare(&scanned.seen);
        // What was written within one step of the clock could be told by nobody but the lost events.
        let heard = match self.told.at(scanned.since) {
            Heard::Written => Heard::Attributes,
            other => other,
        };
        Looking {
            asked: missing.into_iter().collect(),
            seen: changes,
            heard,
            told: HashMap::new(),
            purpose: LookedFor::Rescan(scanned.begun),
        }
    }

    /// Writes down what a look has found, and answers what of it is news; `same` hold what they held. Of states of the disk
    /// before `oldest` nobody asks any more.
    pub fn note(
        &mut self,
        looking: &Looking,
        changes: Vec<Change>,
        same: &BTreeSet<HostPath>,
        oldest: Option<Revision>,
    ) -> BTreeSet<HostPath> {
        let mut others = Vec::new();
        for change in changes {
            match change {
                Change::Written(path, entry)
                    if same.contains(&path) && looking.heard(&path) != Heard::WhileBuilding =>
                {
                    self.disk.refresh(path, Some(entry));
                }
                change => others.push(change),
            }
        }
        self.disk.forget_before(oldest);
        self.disk.note(others, |path| looking.heard(path))
    }

    /// What was written through one name of a file is changed at the others: which files have some, and their names here.
    pub fn other_names(
        &mut self,
        news: &BTreeSet<HostPath>,
    ) -> (BTreeSet<Inode>, BTreeSet<HostPath>) {
        let inodes = news.iter().filter_map(|path| self.disk.inode(path));
        let inodes: BTreeSet<Inode> = inodes.filter(|inode| inode.has_other_names()).collect();
        if inodes.is_empty() {
            return (inodes, BTreeSet::new());
        }
        let names = self.disk.other_names(news.iter());
        (inodes, names)
    }

    /// What a comparison of the trees found waits for the batch that is being gathered, if one is: they are of one state.
    pub fn is_gathering(&mut self) -> bool {
        self.rescanned |= !self.debouncer.is_empty();
        self.rescanned
    }

    /// Whether a comparison of the trees waited for this batch.
    pub fn was_rescanned(&mut self) -> bool {
        std::mem::take(&mut self.rescanned)
    }
}
