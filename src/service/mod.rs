//! One live-updated service, as a value: what its disk held, what each of its containers has and is owed, what was built, what
//! the user holds back. No engine, no clock, no terminal: an event comes in with its time, actions go out, each with its
//! reason; what came of an action comes in again.
//!
//! | file | what it does |
//! |---|---|
//! | `config` | what of the project one service needs |
//! | `seen`: `disk`, `present`, `linked`, `told` | what the disk held, what of it is there, files with several names, what the system told; touches to batches |
//! | `news` | what of a look is news |
//! | `replicas`: `ledger`, `mounts` | the containers; what one has and is owed |
//! | `view` | what can be asked of configuration, disk and images together |
//! | `compare` | what it should have |
//! | `containers` | containers come and go: what each is owed |
//! | `reconcile` | from what is owed to an update or a rebuild |
//! | `leave_out` | what no update can bring |
//! | `update`, `carry` | one update, from its plan to the last step |
//! | `hold` | commands, restarts and rebuilds wait for the end of a burst |
//! | `misplaced` | what cannot stand where its sync says |
//! | `record`, `summary` | what each container has after that, and what is said of it |
//! | `rebuild`, `images`, `stages` | the full way |
//! | `refill` | a tmpfs is filled after a start |
//! | `reconfigure` | new rules (E7) |
//! | `retry` | when what the engine did not take is tried again |
//! | `message` | what a service is told |
//! | `action`, `describe` | what is to be done, and what came of it |

pub mod action;
mod carry;
pub mod compare;
pub mod config;
mod containers;
mod describe;
pub mod disk;
mod hold;
mod images;
mod leave_out;
pub mod ledger;
mod linked;
mod message;
mod misplaced;
pub mod mounts;
mod news;
mod present;
mod rebuild;
mod reconcile;
mod reconfigure;
mod record;
mod refill;
mod replicas;
mod retry;
mod seen;
pub mod stages;
mod summary;
#[cfg(test)]
mod tests;
mod told;
pub mod update;
mod view;

pub use action::{Action, Done};
pub use config::{Configuration, configuration_of, scope_of};
pub use ledger::{Doubt, Ledger};
pub use message::Message;
pub use mounts::{Bound, below, bound, is_hidden, is_live};
pub use news::{Looking, named};
pub use rebuild::Rebuild;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use crate::compose::block::TriggerMode;
use crate::engine::{Container, ContainerId};
use crate::paths::HostPath;
use crate::plan::rules::Mapping;
use crate::watch::{Entry, Quiet};

use action::{AT_ONCE, Comparing, Occasion, Step};
use compare::{About, Wanted};
use disk::Disk;
use hold::Hold;
use images::Images;
use replicas::Replicas;
use retry::Retry;
use seen::Seen;
use summary::Said;
use view::View;

/// One live-updated service.
#[derive(Debug)]
pub struct LiveService {
    config: Configuration,
    seen: Seen,
    replicas: Replicas,
    images: Images,
    hold: Hold,
    retry: Retry,
    said: Said,
    user: User,
}

/// What the user holds back.
#[derive(Debug)]
struct User {
    paused: bool,
    /// What he does to apply what waits, such as a key.
    how_to_apply: Arc<str>,
}

/// What a service begins with.
#[derive(Debug)]
pub struct Start {
    /// What the project says of it.
    pub config: Configuration,
    /// The disk as it was when the first build began.
    pub disk: Disk,
    /// The image of the first build, if it was built now.
    pub built: Option<String>,
    /// The first build failed (E3).
    pub build_failed: bool,
    /// Containers that were there before.
    pub preexisting: BTreeSet<ContainerId>,
    /// What the user does to apply what waits, such as a key.
    pub how_to_apply: Arc<str>,
}

impl LiveService {
    /// A service as it is at `now`, the first build being over.
    pub fn new(start: Start, now: Instant) -> Self {
        let debounce = start.config.rules.block().debounce;
        let mut images = Images::new(start.build_failed);
        if let Some(image) = start.built {
            images.remember(image, start.disk.now());
        }
        Self {
            seen: Seen::new(start.disk, Quiet { debounce }, now),
            config: start.config,
            replicas: Replicas::new(start.preexisting),
            images,
            hold: Hold::default(),
            retry: Retry::default(),
            said: Said::default(),
            user: User {
                paused: false,
                how_to_apply: start.how_to_apply,
            },
        }
    }

    /// What the project says of it.
    pub fn config(&self) -> &Configuration {
        &self.config
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.config.service.name
    }

    /// Whether something was told of the path that nobody has looked at yet.
    pub fn waits_for_a_look(&self, path: &HostPath) -> bool {
        self.seen.waits_for_a_look(path)
    }

    /// What stands at `path`, as far as it is known.
    pub fn entry(&self, path: &HostPath) -> Option<&Entry> {
        self.seen.disk.entry(path)
    }

    /// When the latest touch was.
    pub fn last_touch(&self) -> Instant {
        self.seen.last_touch
    }

    /// What `container` has to be asked.
    pub fn wanted(&self, about: &About, container: &Container) -> Wanted {
        self.view().wanted(about, container)
    }

    /// What is gone on the host and containers may still have, the first `most` of each.
    pub fn owed_deletions(&self, most: usize) -> BTreeMap<ContainerId, Vec<HostPath>> {
        let is_deletion = |path: &HostPath| {
            let is_synced = || matches!(self.config.rules.mapping(path), Mapping::To(_));
            !self.seen.disk.has(path) && is_synced()
        };
        self.replicas.owed_of(is_deletion, most)
    }

    /// Takes note of what it is told at `now`; the answer is what is to be done about it.
    pub fn on(&mut self, message: Message, now: Instant) -> Vec<Action> {
        match message {
            Message::Touched(touch) => {
                self.seen.touch(&touch);
                Vec::new()
            }
            Message::OtherNames(inodes) => {
                let looking = self.seen.named_elsewhere(&inodes, now);
                looking.map(Action::Look).into_iter().collect()
            }
            Message::Rescan(looks) => {
                self.seen.heard(now);
                vec![Action::Scan(looks, now)]
            }
            Message::Containers => vec![find(now)],
            Message::EngineIsBack => {
                let occasion = Occasion::change(now, AT_ONCE);
                vec![find(now), Action::Continue(Step::Reconcile(occasion))]
            }
            Message::Rebuild(because) => {
                self.rebuild(because, Occasion::change(now, AT_ONCE), true)
            }
            Message::ApplyNow => {
                let occasion = Occasion {
                    by_hand: true,
                    ..Occasion::change(now, AT_ONCE)
                };
                self.reconcile(occasion, now)
            }
            Message::Pause(true) => {
                self.user.paused = true;
                Vec::new()
            }
            Message::Pause(false) => {
                self.user.paused = false;
                self.reconcile(Occasion::change(now, AT_ONCE), now)
            }
            Message::Verify => {
                let asked = self.replicas.containers().cloned();
                let asked = asked.map(|container| (container, About::Everything));
                vec![Action::Compare(asked.collect(), Comparing::Verify(now))]
            }
            Message::Configure(config, looks) => self.reconfigure(*config, looks, now),
            Message::StartAnew => vec![Action::Recreate(None)],
            Message::StartFailed => vec![find(now), Action::Continue(Step::StartFailed)],
            Message::Crashed(end) => {
                if let Some(ledger) = self.replicas.get_mut(&end.id) {
                    ledger.crashed = true;
                }
                vec![Action::TellEnd(end)]
            }
        }
    }

    /// When something is due by itself.
    pub fn due(&self) -> Option<Instant> {
        let due = [self.seen.due(), self.hold.due(), self.retry.due()];
        due.into_iter().flatten().min()
    }

    /// What is due at `now`; asked until there is nothing more.
    pub fn on_time(&mut self, now: Instant) -> Option<Vec<Action>> {
        if let Some(looking) = self.seen.close_batch(now) {
            return Some(vec![Action::Look(looking)]);
        }
        if let Some((begun, trigger)) = self.hold.begin(now) {
            let occasion = Occasion {
                trigger,
                ..Occasion::change(begun, now.saturating_duration_since(begun))
            };
            return Some(self.reconcile(occasion, now));
        }
        let trigger = self.retry.take(now)?;
        let occasion = Occasion {
            trigger,
            ..Occasion::change(now, AT_ONCE)
        };
        Some(vec![find(now), Action::Continue(Step::Retry(occasion))])
    }

    /// All that was to be done is done.
    pub fn rest(&mut self) {
        self.hold.end();
        self.retry.rest();
    }

    /// Takes note of what came of an action; the answer is what is to be done for it, before anything else.
    pub fn record(&mut self, done: Done, now: Instant) -> Vec<Action> {
        match done {
            Done::Found(find, found) => self.found(find, found, now),
            Done::Admitted(answers) => self.admitted(answers),
            Done::Compared(answers, what_for) => self.compared(answers, what_for, now),
            Done::Looked(looking, changes, same) => self.looked(looking, changes, &same, now),
            Done::Scanned(scanned) => vec![Action::Look(self.seen.differs_from(&scanned))],
            Done::GitSaid(costly, writes) => self.git_said(costly, writes, now),
            Done::Read(update, loaded, unread) => self.read(update, loaded, &unread, now),
            Done::Copied(update) => self.copied(update, now),
            Done::Located(update, found) => self.located(update, &found, now),
            Done::Started(update) => update.started(),
            Done::Finished(update) => self.finished(&update, now),
            Done::IgnoreFilesRead(rebuild, scope) => self.ignore_files_read(rebuild, scope),
            Done::Built(rebuild, build) => self.built(rebuild, build, now),
            Done::Identified(rebuild, image, containers) => {
                self.identified(rebuild, image.as_deref(), &containers, now)
            }
            Done::Recreated(rebuild, result, took) => self.recreated(rebuild, result, took, now),
            Done::Reached(step) => self.go_on(step, now),
        }
    }

    fn go_on(&mut self, step: Step, now: Instant) -> Vec<Action> {
        match step {
            // While the engine does not even say what there is, nothing else is asked of it.
            Step::Retry(_) if self.retry.due().is_some() => Vec::new(),
            Step::Reconcile(occasion) | Step::Retry(occasion) => self.reconcile(occasion, now),
            Step::Wake(begun) => self.wake(begun, now),
            Step::StartFailed => {
                self.images.build_owed |= self.replicas.is_empty();
                Vec::new()
            }
        }
    }

    fn view(&self) -> View<'_> {
        view(&self.config, &self.seen, &self.images)
    }

    /// Whether changes wait for the user.
    fn holds_back(&self, by_hand: bool) -> bool {
        let manual = self.config.rules.block().trigger_mode == TriggerMode::Manual;
        (manual || self.user.paused) && !by_hand
    }
}

/// What a decision is made from, where the containers are changed by it.
fn view<'a>(config: &'a Configuration, seen: &'a Seen, images: &'a Images) -> View<'a> {
    View {
        config,
        disk: &seen.disk,
        images,
    }
}

fn find(begun: Instant) -> Action {
    Action::Find(action::Find {
        begun,
        rebuilt: None,
    })
}
