//! What a look at the disk says that is news: what was touched and is the same asks for nothing, and what was written through
//! one name of a file is changed at its others.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use crate::paths::HostPath;
use crate::plan::Rules;
use crate::report::Event;
use crate::watch::{Change, Inode, Kind};

use super::action::{Action, Occasion, Scanned, Step};
use super::batch::AT_ONCE;
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
    fn heard(&self, path: &HostPath) -> Heard {
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
        let found = self.note(&looking, changes, same);
        match looking.purpose {
            LookedFor::Batch { occasion, span } => {
                let (mut actions, names) = self.other_names(&found);
                if names.is_empty() {
                    actions.extend(self.batch_noted(found, occasion, span, now));
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
                self.batch_noted(news, occasion, span, now)
            }
            LookedFor::Elsewhere(_) if found.is_empty() => Vec::new(),
            LookedFor::Elsewhere(occasion) => self.bring(&found, occasion),
            LookedFor::Rescan(begun) => self.rescan_noted(&found, begun, now),
        }
    }

    /// Writes down what a look has found, and answers what of it is news.
    fn note(
        &mut self,
        looking: &Looking,
        changes: Vec<Change>,
        same: &BTreeSet<HostPath>,
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
        self.disk.forget_before(self.images.oldest());
        self.disk.note(others, |path| looking.heard(path))
    }

    /// What was written through one name of a file is changed at the others: here, and for other services.
    fn other_names(&mut self, news: &BTreeSet<HostPath>) -> (Vec<Action>, BTreeSet<HostPath>) {
        let inodes = news.iter().filter_map(|path| self.disk.inode(path));
        let inodes: BTreeSet<Inode> = inodes.filter(|inode| inode.has_other_names()).collect();
        if inodes.is_empty() {
            return (Vec::new(), BTreeSet::new());
        }
        let names = self.disk.other_names(news.iter());
        (vec![Action::TellOtherNames(Arc::new(inodes))], names)
    }

    /// What a batch brought is known.
    fn batch_noted(
        &mut self,
        news: BTreeSet<HostPath>,
        occasion: Occasion,
        span: Option<(Instant, Instant)>,
        now: Instant,
    ) -> Vec<Action> {
        let rescanned = self.was_rescanned();
        if news.is_empty() {
            return if rescanned {
                self.reconcile(occasion, now)
            } else {
                Vec::new()
            };
        }
        self.note_burst(&news, span);
        self.bring(&news, occasion)
    }

    /// What changed is said, owed and brought.
    fn bring(&mut self, news: &BTreeSet<HostPath>, occasion: Occasion) -> Vec<Action> {
        let mut actions = vec![
            Action::Say(Event::Change {
                service: self.name().to_owned(),
                paths: news.iter().cloned().collect(),
            }),
            self.owe(news),
        ];
        if self.ledgers.is_empty() {
            actions.push(find(occasion.begun));
        }
        actions.push(Action::Continue(Step::Reconcile(occasion)));
        actions
    }

    /// What another service's watched name was written through may have a name here.
    pub fn other_names_changed(&mut self, inodes: &BTreeSet<Inode>, now: Instant) -> Vec<Action> {
        let names = self.disk.named(inodes);
        if names.is_empty() {
            return Vec::new();
        }
        self.batches.heard(now);
        vec![Action::Look(Looking {
            asked: names,
            seen: Vec::new(),
            heard: self.told.at(now),
            told: HashMap::new(),
            purpose: LookedFor::Elsewhere(Occasion::change(now, AT_ONCE)),
        })]
    }

    /// A look at everything is held against what is known.
    pub(super) fn scanned(&mut self, scanned: &Scanned) -> Vec<Action> {
        // Not seen is not yet gone: a root that vanished as a whole is no deletion (C5), and a look knows that.
        let (changes, missing) = self.disk.compare(&scanned.seen);
        // What was written within one step of the clock could be told by nobody but the lost events.
        let heard = match self.told.at(scanned.since) {
            Heard::Written => Heard::Attributes,
            other => other,
        };
        vec![Action::Look(Looking {
            asked: missing.into_iter().collect(),
            seen: changes,
            heard,
            told: HashMap::new(),
            purpose: LookedFor::Rescan(scanned.begun),
        })]
    }

    fn rescan_noted(
        &mut self,
        news: &BTreeSet<HostPath>,
        begun: Instant,
        now: Instant,
    ) -> Vec<Action> {
        let mut actions = vec![self.owe(news)];
        // What is being gathered belongs to the same state of the disk: its batch settles both.
        if self.batches.is_empty() {
            let occasion = if news.is_empty() {
                Occasion::containers(begun)
            } else {
                Occasion::change(begun, AT_ONCE)
            };
            actions.extend(self.reconcile(occasion, now));
        } else {
            self.batches.rescanned = true;
        }
        actions
    }
}
