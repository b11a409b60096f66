//! One live-updated service, as a value: what its disk held, what each of its containers has and is owed, what was built, what
//! the user holds back. No engine, no clock, no terminal: an event comes in with its time, actions go out, each with its
//! reason; what came of an action comes in again.
//!
//! | file | what it does |
//! |---|---|
//! | `config` | what of the project one service needs |
//! | `disk`, `present`, `linked`, `told` | what the disk held, what of it is there, files with several names, what the system told |
//! | `batch` | touches to batches |
//! | `news` | what of a look is news |
//! | `ledger`, `mounts` | what one container has and is owed |
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
//! | `action`, `describe` | what is to be done, and what came of it |

pub mod action;
mod batch;
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
mod misplaced;
pub mod mounts;
mod news;
mod present;
mod rebuild;
mod reconcile;
mod reconfigure;
mod record;
mod refill;
mod retry;
pub mod stages;
mod summary;
#[cfg(test)]
mod tests;
mod told;
pub mod update;

pub use action::{Action, Done};
pub use config::{Configuration, configuration_of, scope_of};
pub use ledger::{Doubt, Ledger};
pub use mounts::{Bound, below, bound, is_hidden, is_live};
pub use news::{Looking, named};
pub use rebuild::Rebuild;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use crate::compose::block::TriggerMode;
use crate::engine::{Container, ContainerId, End};
use crate::paths::HostPath;
use crate::plan::Because;
use crate::plan::rules::Mapping;
use crate::watch::{Entry, Looks, Quiet};

use action::{Occasion, Step};
use batch::Batches;
use disk::Disk;
use hold::Hold;
use images::Images;
use retry::Retry;
use summary::Told as ToldSoFar;
use told::Told;

/// One live-updated service.
#[derive(Debug)]
pub struct LiveService {
    /// What the project says of it.
    pub config: Configuration,
    disk: Disk,
    told: Told,
    batches: Batches,
    ledgers: BTreeMap<ContainerId, Ledger>,
    /// Containers that were there before this session's first start: what they hold has to be found out.
    preexisting: BTreeSet<ContainerId>,
    images: Images,
    hold: Hold,
    retry: Retry,
    said: ToldSoFar,
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
            told: Told::new(now),
            batches: Batches::new(Quiet { debounce }, now),
            config: start.config,
            disk: start.disk,
            ledgers: BTreeMap::new(),
            preexisting: start.preexisting,
            images,
            hold: Hold::default(),
            retry: Retry::default(),
            said: ToldSoFar::default(),
            user: User {
                paused: false,
                how_to_apply: start.how_to_apply,
            },
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.config.service.name
    }

    /// What stands at `path`, as far as it is known.
    pub fn entry(&self, path: &HostPath) -> Option<&Entry> {
        self.disk.entry(path)
    }

    /// When the latest touch was.
    pub fn last_touch(&self) -> Instant {
        self.batches.last_touch
    }

    /// The containers that are known.
    pub fn containers(&self) -> impl Iterator<Item = &Container> {
        self.ledgers.values().map(|ledger| &ledger.container)
    }

    /// Something happened to a container of the service, or nobody knows: look at them again (E1).
    pub fn look_at_containers(&self, now: Instant) -> Vec<Action> {
        vec![find(now)]
    }

    /// The engine was away: look again, and try again what is owed.
    pub fn engine_is_back(&self, now: Instant) -> Vec<Action> {
        let occasion = Occasion::change(now, std::time::Duration::ZERO);
        vec![find(now), Action::Continue(Step::Reconcile(occasion))]
    }

    /// The user wants what waits to be applied, whatever holds it back.
    pub fn apply_now(&mut self, now: Instant) -> Vec<Action> {
        let occasion = Occasion {
            by_hand: true,
            ..Occasion::change(now, std::time::Duration::ZERO)
        };
        self.reconcile(occasion, now)
    }

    /// The user holds changes back, or goes on.
    pub fn pause(&mut self, paused: bool, now: Instant) -> Vec<Action> {
        self.user.paused = paused;
        if paused {
            return Vec::new();
        }
        self.reconcile(Occasion::change(now, std::time::Duration::ZERO), now)
    }

    /// Somebody wants it built.
    pub fn rebuild_now(&mut self, because: Because, now: Instant) -> Vec<Action> {
        self.rebuild(
            because,
            Occasion::change(now, std::time::Duration::ZERO),
            true,
        )
    }

    /// The containers were started in a way that they cannot run: they are made anew, and now run as they are.
    pub fn start_anew(&self) -> Vec<Action> {
        vec![Action::Recreate(None)]
    }

    /// What a reload brought into the project could not be started: the next change builds it (E3).
    pub fn start_failed(&self, now: Instant) -> Vec<Action> {
        vec![find(now), Action::Continue(Step::StartFailed)]
    }

    /// Events were lost: the trees are compared (E4).
    pub fn scan(&mut self, looks: Arc<Looks>, now: Instant) -> Vec<Action> {
        self.batches.heard(now);
        vec![Action::Scan(looks, now)]
    }

    /// A process crashed after an update: its container waits, and the next change starts it.
    pub fn crashed(&mut self, end: End) -> Vec<Action> {
        if let Some(ledger) = self.ledgers.get_mut(&end.id) {
            ledger.crashed = true;
        }
        vec![Action::TellEnd(end)]
    }

    /// When something is due by itself.
    pub fn due(&self) -> Option<Instant> {
        let due = [self.batches.due(), self.hold.due(), self.retry.due()];
        due.into_iter().flatten().min()
    }

    /// What is due at `now`; asked until there is nothing more.
    pub fn on_time(&mut self, now: Instant) -> Option<Vec<Action>> {
        if let Some(actions) = self.close_batch(now) {
            return Some(actions);
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
            ..Occasion::change(now, std::time::Duration::ZERO)
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
            Done::Compared(answers, for_what) => self.compared(answers, for_what, now),
            Done::Looked(looking, changes, same) => self.looked(looking, changes, &same, now),
            Done::Scanned(scanned) => self.scanned(&scanned),
            Done::GitSaid(costly, writes) => self.git_said(costly, writes, now),
            Done::Read(update, loaded, unread) => self.read(update, loaded, &unread, now),
            Done::Copied(update) => self.copied(update, now),
            Done::Located(update, found) => self.located(update, &found, now),
            Done::Started(update) => self.started(update),
            Done::Finished(update) => self.finished(update, now),
            Done::IgnoreFilesRead(rebuild, scope) => self.ignore_files_read(rebuild, scope),
            Done::Built(rebuild, build) => self.built(rebuild, build, now),
            Done::Identified(rebuild, image, containers) => {
                self.identified(rebuild, image, &containers, now)
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
                self.images.build_owed |= self.ledgers.is_empty();
                Vec::new()
            }
        }
    }

    /// Every container is owed these paths until it has them.
    fn owe(&mut self, news: &BTreeSet<HostPath>) -> Action {
        for ledger in self.ledgers.values_mut() {
            ledger.owed.extend(news.iter().cloned());
        }
        Action::TellDeletions
    }

    /// What is gone on the host and containers may still have, the first `most` of each.
    pub fn owed_deletions(&self, most: usize) -> BTreeMap<ContainerId, Vec<HostPath>> {
        let is_deletion = |path: &&HostPath| {
            !self.disk.has(path) && matches!(self.config.rules.mapping(path), Mapping::To(_))
        };
        let owed = self.ledgers.iter().filter_map(|(id, ledger)| {
            let paths = ledger.owed.iter().filter(is_deletion).take(most);
            let paths: Vec<HostPath> = paths.cloned().collect();
            (!paths.is_empty()).then(|| (id.clone(), paths))
        });
        owed.collect()
    }

    fn all_settled(&self) -> bool {
        self.ledgers.values().all(Ledger::is_settled)
    }

    /// Whether changes wait for the user.
    fn holds_back(&self, by_hand: bool) -> bool {
        let manual = self.config.rules.block().trigger_mode == TriggerMode::Manual;
        (manual || self.user.paused) && !by_hand
    }
}

fn find(begun: Instant) -> Action {
    Action::Find(action::Find {
        begun,
        rebuilt: None,
    })
}
