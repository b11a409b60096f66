//! What a look at the disk says that is news: what was touched and is the same asks for nothing, and what was written through
//! one name of a file is changed at its others.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use crate::paths::HostPath;
use crate::plan::Rules;
use crate::report::Event;
use crate::watch::{Change, Kind};

use super::action::{AT_ONCE, Action, Occasion, Step};
use super::disk::Disk;
use super::told::Heard;
use super::{LiveService, find};

/// Paths that are looked at, and what for.
#[derive(Debug)]
pub struct Looking {
    /// What is looked at.
    pub asked: BTreeSet<HostPath>,
    /// What a look has found already.
    pub seen: Vec<Change>,
    /// What it means for those that `told` does not name.
    pub(super) heard: Heard,
    /// What the system told of the paths.
    pub(super) told: HashMap<HostPath, Heard>,
    pub(super) purpose: LookedFor,
}

/// What is done with what a look finds.
#[derive(Debug)]
pub(super) enum LookedFor {
    /// It is brought.
    Batch {
        occasion: Occasion,
        /// When the first and the last of the batch's paths were touched.
        span: Option<(Instant, Instant)>,
    },
    /// It belongs to the news of a batch, for it is the same files by other names.
    OtherNames {
        news: BTreeSet<HostPath>,
        occasion: Occasion,
        span: Option<(Instant, Instant)>,
    },
    /// Another service has seen the files change.
    Elsewhere(Occasion),
    /// Events were lost; it was heard of then.
    Rescan(Instant),
}

impl Looking {
    pub(super) fn heard(&self, path: &HostPath) -> Heard {
        self.told.get(path).copied().unwrap_or(self.heard)
    }
}

/// The files whose content decides by itself whether something is asked for, as far as the rules name them; how the image is
/// built comes first.
pub fn named(rules: &Rules, disk: &Disk) -> Vec<HostPath> {
    let mut named = Vec::new();
    for root in rules.named() {
        let below = disk.present_below(root);
        let files = below
            .filter(|(_, entry)| matches!(entry.kind, Kind::File { .. }))
            .map(|(path, _)| path)
            .filter(|path| rules.decides_by_content(path));
        named.extend(files);
    }
    named
}

impl LiveService {
    /// Whether a file is read to find out whether it is another: no container has it, or none that could be asked.
    pub fn decides_by_content(&self, change: &Change) -> bool {
        matches!(change, Change::Written(_, entry) if matches!(entry.kind, Kind::File { .. }))
            && self.config.rules.decides_by_content(change.path())
    }

    /// What was found; `same` hold what they held.
    pub(super) fn looked(
        &mut self,
        looking: Looking,
        changes: Vec<Change>,
        same: &BTreeSet<HostPath>,
        now: Instant,
    ) -> Vec<Action> {
        let oldest = self.images.oldest();
        let found = self.seen.note(&looking, changes, same, oldest);
        match looking.purpose {
            LookedFor::Batch { occasion, span } => {
                let (inodes, names) = self.seen.other_names(&found);
                let mut actions = Vec::new();
                if !inodes.is_empty() {
                    actions.push(Action::TellOtherNames(Arc::new(inodes)));
                }
                if names.is_empty() {
                    actions.extend(self.batch_noted(&found, occasion, span, now));
                    return actions;
                }
                actions.push(Action::Look(Looking {
                    asked: names,
                    seen: Vec::new(),
                    heard: Heard::Written,
                    told: HashMap::new(),
                    purpose: LookedFor::OtherNames {
                        news: found,
                        occasion,
                        span,
                    },
                }));
                actions
            }
            LookedFor::OtherNames {
                mut news,
                occasion,
                span,
            } => {
                news.extend(found);
                self.batch_noted(&news, occasion, span, now)
            }
            LookedFor::Elsewhere(_) if found.is_empty() => Vec::new(),
            LookedFor::Elsewhere(occasion) => self.bring(&found, occasion),
            LookedFor::Rescan(begun) => self.rescan_noted(&found, begun, now),
        }
    }

    /// What a batch brought is known.
    fn batch_noted(
        &mut self,
        news: &BTreeSet<HostPath>,
        occasion: Occasion,
        span: Option<(Instant, Instant)>,
        now: Instant,
    ) -> Vec<Action> {
        let rescanned = self.seen.was_rescanned();
        if news.is_empty() {
            return if rescanned {
                self.reconcile(occasion, now)
            } else {
                Vec::new()
            };
        }
        // The user's own quiet time is over when a batch is there.
        if self.config.rules.block().debounce.is_none() {
            self.hold.note_burst(news, span);
        }
        self.bring(news, occasion)
    }

    /// What changed is said, owed and brought.
    fn bring(&mut self, news: &BTreeSet<HostPath>, occasion: Occasion) -> Vec<Action> {
        self.replicas.owe(news);
        let mut actions = vec![
            Action::Say(Event::Change {
                service: self.name().to_owned(),
                paths: news.iter().cloned().collect(),
            }),
            Action::TellDeletions,
        ];
        if self.replicas.is_empty() {
            actions.push(find(occasion.begun));
        }
        actions.push(Action::Continue(Step::Reconcile(occasion)));
        actions
    }

    fn rescan_noted(
        &mut self,
        news: &BTreeSet<HostPath>,
        begun: Instant,
        now: Instant,
    ) -> Vec<Action> {
        self.replicas.owe(news);
        let mut actions = vec![Action::TellDeletions];
        // What is being gathered belongs to the same state of the disk: its batch settles both.
        if !self.seen.is_gathering() {
            let occasion = if news.is_empty() {
                Occasion::containers(begun)
            } else {
                Occasion::change(begun, AT_ONCE)
            };
            actions.extend(self.reconcile(occasion, now));
        }
        actions
    }
}
