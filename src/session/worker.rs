//! One service's own queue: gathers its touches into batches and keeps its containers in step. A slow command or build
//! here never delays another service (C13).

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::compose::block::TriggerMode;
use crate::compose::{Project, Service};
use crate::engine::{ContainerId, End, Engine, Via};
use crate::paths::HostPath;
use crate::plan::rules::Mapping;
use crate::plan::{Because, Rules};
use crate::report::{Done, Event, Failures, HowToGoOn, Outcome, Reporter, Took, Waits};
use crate::update::Ledger;
use crate::watch::{Entries, Gatherer, Inode, Looks, Quiet, Scope, Touch, look};

use super::again::Again;
use super::builder::Builder;
use super::contents::Contents;
use super::disk::{Disk, Look};
use super::ends::Ends;
use super::hold::Hold;
use super::news::Seen;
use super::order::Target;
use super::settle::Why;
use super::stops::Stops;
use super::told::{Heard, Told};
use super::unpaid::{Owed, Unpaid, first_of};

/// How many images' snapshots are kept: the running one, and a few that somebody may go back to.
const BASELINES: usize = 4;

/// What a worker hears.
#[derive(Debug)]
pub enum Message {
    /// A watched path was touched.
    Touched(Touch),
    /// Files that have several names changed for another service: the names that are watched here were not told.
    OtherNames(Arc<BTreeSet<Inode>>),
    /// Events were lost: compare the trees (E4), by a look that serves all services.
    Rescan(Arc<Looks>),
    /// Something happened to a container of the service: look at them again (E1).
    Containers,
    /// The engine was away: look again, and try again what is owed.
    EngineIsBack,
    /// Build and recreate now.
    Rebuild(Because),
    /// Apply what waits (`trigger_mode: manual`, or paused).
    ApplyNow,
    /// Hold changes back, or go on.
    Pause(bool),
    /// Compare the containers with the disk by content.
    Verify,
    /// New rules after a reload (E7).
    Configure(Box<Configuration>, Arc<Looks>),
    /// Its containers were started in a way that they cannot run: they are made anew, and now run as they are.
    StartAnew,
    /// What a reload brought into the project could not be started: the next change builds it (E3).
    StartFailed,
}

/// What of the project one worker needs; replaced as a whole by a reload.
#[derive(Debug)]
pub struct Configuration {
    /// The project it is of.
    pub project: Arc<Project>,
    /// The service.
    pub service: Service,
    /// Its rules.
    pub rules: Rules,
    /// What is watched for it.
    pub scope: Arc<Scope>,
    /// What is built when it is rebuilt: its bases first, then itself.
    pub targets: Vec<Target>,
    /// Whether a rebuild can be done at all (B9).
    pub can_build: bool,
}

/// Files with several names that changed for one service.
#[derive(Debug)]
pub struct Linked {
    /// Whose names of them were told.
    pub service: String,
    /// Which.
    pub inodes: Arc<BTreeSet<Inode>>,
}

/// One service's worker.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own: what is owed, what was told, what the user holds back"
)]
pub struct Worker<E> {
    pub(super) engine: Arc<E>,
    pub(super) builder: Arc<Builder<E>>,
    pub(super) reporter: Reporter,
    pub(super) ends: Arc<Ends>,
    how_to_apply: Arc<str>,
    /// Who tells the other services.
    pub(super) linked: mpsc::UnboundedSender<Linked>,
    unpaid: Unpaid,
    pub(super) project: Arc<Project>,
    pub(super) service: Service,
    pub(super) rules: Rules,
    pub(super) scope: Arc<Scope>,
    pub(super) targets: Vec<Target>,
    pub(super) can_build: bool,
    pub(super) disk: Disk,
    pub(super) contents: Contents,
    pub(super) told: Told,
    pub(super) ledgers: BTreeMap<ContainerId, Ledger>,
    /// The disk's state when an image of this session's builds was begun, by image ID.
    pub(super) baselines: HashMap<String, Look>,
    baseline_order: VecDeque<String>,
    /// Containers that were there before this session's first start: what they hold has to be found out.
    pub(super) strangers: BTreeSet<ContainerId>,
    /// The disk's state when the last good build began, and when that was.
    pub(super) last_build: Option<(Look, SystemTime)>,
    /// F1: files that asked for a build and are synced as well: the containers of that build are brought them.
    pub(super) built_and_synced: BTreeSet<HostPath>,
    /// The last build failed; the next change tries again (C11, E3).
    pub(super) build_owed: bool,
    /// The build just failed: only what can be put into the old containers is done.
    pub(super) in_place_only: bool,
    /// The last change had its rebuild for what was refused or failed. One more would be the same again: the next change
    /// may have another.
    pub(super) rebuilt_in_vain: bool,
    /// C9's advice is given once.
    pub(super) advised_on_stop: bool,
    /// The way that updates take, by container, as it was told.
    pub(super) told_ways: HashMap<String, Via>,
    /// What somebody has stopped on purpose, and of what that was said.
    pub(super) stops: Arc<Stops>,
    pub(super) told_stops: BTreeSet<ContainerId>,
    /// The failure of the last update, as it was told.
    pub(super) told_failure: Option<Failures>,
    /// What the engine did not take is tried again by itself.
    pub(super) again: Again,
    /// What waits for the end of a burst.
    pub(super) hold: Hold,
    pub(super) gatherer: Gatherer,
    /// Processes that were restarted just now.
    pub(super) crashes: JoinSet<Option<End>>,
    inbox: mpsc::UnboundedReceiver<Message>,
    /// When the first touch of the next batch was heard.
    first_touch: Option<Instant>,
    /// When the latest touch was: only a build that began later is sure to have all in it.
    pub(super) last_touch: Instant,
    /// What a comparison of the trees found is settled with the batch that is being gathered.
    rescanned: bool,
    /// Events were lost: by what the trees are compared.
    pub(super) rescan_by: Option<Arc<Looks>>,
    paused: bool,
    pub(super) apply_now: bool,
}

/// What a worker starts from.
pub struct Start<E> {
    /// Docker.
    pub engine: Arc<E>,
    /// Builds, one at a time where they must be.
    pub builder: Arc<Builder<E>>,
    /// Who is told.
    pub reporter: Reporter,
    /// Who tells of the containers' ends.
    pub ends: Arc<Ends>,
    /// What the user does to apply what waits, such as a key.
    pub how_to_apply: Arc<str>,
    /// Who tells the other services of files that they may have another name of.
    pub linked: mpsc::UnboundedSender<Linked>,
    /// Where it is told what stays owed.
    pub unpaid: Unpaid,
    /// The service.
    pub configuration: Configuration,
    /// The disk as it was when the first build began.
    pub seen: Seen,
    /// The image of the first build, if it was built now.
    pub built: Option<String>,
    /// The first build failed (E3).
    pub build_failed: bool,
    /// Containers that were there before.
    pub strangers: BTreeSet<ContainerId>,
    /// What somebody stops on purpose.
    pub stops: Arc<Stops>,
}

impl<E: Engine> Worker<E> {
    /// A worker, and the way to talk to it.
    pub fn new(start: Start<E>) -> (Self, mpsc::UnboundedSender<Message>) {
        let (sender, inbox) = mpsc::unbounded_channel();
        let Configuration {
            project,
            service,
            rules,
            scope,
            targets,
            can_build,
        } = start.configuration;
        let quiet = Quiet {
            debounce: rules.block().debounce,
        };
        let mut worker = Self {
            engine: start.engine,
            builder: start.builder,
            reporter: start.reporter,
            ends: start.ends,
            how_to_apply: start.how_to_apply,
            linked: start.linked,
            unpaid: start.unpaid,
            project,
            service,
            rules,
            scope,
            targets,
            can_build,
            ledgers: BTreeMap::new(),
            baselines: HashMap::new(),
            baseline_order: VecDeque::new(),
            strangers: start.strangers,
            last_build: None,
            built_and_synced: BTreeSet::new(),
            build_owed: start.build_failed,
            in_place_only: false,
            rebuilt_in_vain: false,
            advised_on_stop: false,
            told_ways: HashMap::new(),
            stops: start.stops,
            told_stops: BTreeSet::new(),
            told_failure: None,
            again: Again::default(),
            hold: Hold::default(),
            gatherer: Gatherer::new(quiet),
            crashes: JoinSet::new(),
            inbox,
            first_touch: None,
            last_touch: Instant::now(),
            rescanned: false,
            rescan_by: None,
            paused: false,
            apply_now: false,
            disk: start.seen.disk,
            contents: start.seen.contents,
            told: Told::new(),
        };
        if let Some(image) = start.built {
            worker.remember_baseline(image, worker.disk.now());
        }
        (worker, sender)
    }

    /// Works until the session drops its end of the queue; `in_step` hears when the containers that are there have been
    /// brought in step.
    pub async fn work(mut self, in_step: oneshot::Sender<()>) {
        self.look_at_containers(Instant::now()).await;
        // A session that is ending does not listen.
        let _ = in_step.send(());
        self.tell_unpaid();
        loop {
            let due = self.gatherer.deadline();
            let again = self.again.due();
            let held = self.hold.due();
            tokio::select! {
                // The queue first: what is in it already belongs to the batch.
                biased;
                message = self.inbox.recv() => match message {
                    Some(message) => self.hear(message).await,
                    None => return,
                },
                () = sleep_until(due), if due.is_some() => {}
                () = sleep_until(again), if again.is_some() => {}
                crash = self.crashes.join_next(), if !self.crashes.is_empty() => {
                    if let Some(Ok(Some(end))) = crash {
                        self.hear_of_crash(end).await;
                    }
                }
                () = sleep_until(held), if held.is_some() => {}
            }
            // What queued up during an update is one batch with what comes next, not one update each.
            while let Ok(message) = self.inbox.try_recv() {
                self.hear(message).await;
            }
            if let Some(looks) = self.rescan_by.take() {
                self.rescan(&looks, Instant::now()).await;
            }
            if self
                .gatherer
                .deadline()
                .is_some_and(|due| due <= Instant::now())
            {
                self.close_batch().await;
                self.tell_unpaid();
            }
            if let Some((begun, why)) = self.hold.begin(Instant::now()) {
                self.settle(begun, begun.elapsed(), why).await;
                self.hold.end();
            }
            if let Some(why) = self.again.take(Instant::now()) {
                let now = Instant::now();
                self.look_at_containers(now).await;
                // While the engine does not even say what there is, nothing else is asked of it.
                if self.again.due().is_none() {
                    self.settle(now, Duration::ZERO, why).await;
                }
                self.again.rest();
                self.tell_unpaid();
            }
        }
    }

    async fn hear(&mut self, message: Message) {
        let now = Instant::now();
        match message {
            Message::Touched(touch) if self.is_no_news(&touch) => {}
            Message::Touched(touch) => {
                self.first_touch.get_or_insert(touch.at);
                self.last_touch = self.last_touch.max(touch.at);
                self.told.hear(&touch);
                self.gatherer.touch(&touch);
                return;
            }
            Message::OtherNames(inodes) => self.hear_of_other_names(&inodes, now).await,
            // The latest sees what the others would.
            Message::Rescan(looks) => self.rescan_by = Some(looks),
            Message::Containers => self.look_at_containers(now).await,
            Message::EngineIsBack => {
                self.look_at_containers(now).await;
                self.settle(now, Duration::ZERO, Why::Change).await;
            }
            Message::Rebuild(because) => self.rebuild(because, now, Duration::ZERO).await,
            Message::ApplyNow => {
                self.apply_now = true;
                self.settle(now, Duration::ZERO, Why::Change).await;
                self.apply_now = false;
            }
            Message::Pause(paused) => {
                self.paused = paused;
                if !paused {
                    self.settle(now, Duration::ZERO, Why::Change).await;
                }
            }
            Message::Verify => self.verify().await,
            Message::Configure(configuration, looks) => {
                self.configure(*configuration, looks).await;
            }
            Message::StartAnew => self.start_anew(now).await,
            Message::StartFailed => {
                self.look_at_containers(now).await;
                self.build_owed |= self.ledgers.is_empty();
            }
        }
        self.tell_unpaid();
    }

    async fn close_batch(&mut self) {
        let closed = Instant::now();
        let Some(batch) = self.gatherer.take(closed) else {
            return;
        };
        let begun = self.first_touch.take().unwrap_or(closed);
        let wait = closed.saturating_duration_since(begun);
        let span = batch.span;
        let mut paths = batch.paths;
        paths.extend(batch.fleeting);
        let told = self.told.take(&paths);
        let heard = |path: &HostPath| told.get(path).copied().unwrap_or(Heard::Written);
        let mut news = self.note(&paths, heard).await;
        news.extend(self.note_other_names(&news).await);
        let rescanned = std::mem::take(&mut self.rescanned);
        if news.is_empty() {
            if rescanned {
                self.settle(begun, wait, Why::Change).await;
            }
            return;
        }
        self.note_burst(&news, span);
        self.bring(&news, begun, wait).await;
    }

    /// What changed is said, owed and brought.
    pub(super) async fn bring(
        &mut self,
        news: &BTreeSet<HostPath>,
        begun: Instant,
        wait: Duration,
    ) {
        self.reporter.say(Event::Change {
            service: self.service.name.clone(),
            paths: news.iter().cloned().collect(),
        });
        self.owe(news);
        if self.ledgers.is_empty() {
            self.look_at_containers(begun).await;
        }
        self.settle(begun, wait, Why::Change).await;
    }

    /// E4: events were lost, so every watched path is looked at again.
    pub(super) async fn rescan(&mut self, looks: &Arc<Looks>, now: Instant) {
        self.last_touch = now;
        let seen = look_at(looks, &self.scope).await;
        let (mut changes, missing) = self.disk.compare(&seen);
        drop(seen);
        let scope = Arc::clone(&self.scope);
        // Not seen is not yet gone: a root that vanished as a whole is no deletion (C5), and `look` knows that.
        let gone = tokio::task::spawn_blocking(move || look::look(&scope, &missing))
            .await
            .unwrap_or_default();
        changes.extend(gone);
        // What was written within one step of the clock could be told by nobody but the lost events.
        let heard = match self.told.at(looks.since()) {
            Heard::Written => Heard::Attributes,
            other => other,
        };
        let news = self.take_note(changes, |_| heard).await;
        self.owe(&news);
        // What is being gathered belongs to the same state of the disk: its batch settles both.
        if self.gatherer.is_empty() {
            let why = if news.is_empty() {
                Why::Containers
            } else {
                Why::Change
            };
            self.settle(now, Duration::ZERO, why).await;
        } else {
            self.rescanned = true;
        }
    }

    /// Every container is owed these paths until it has them.
    fn owe(&mut self, news: &BTreeSet<HostPath>) {
        for ledger in self.ledgers.values_mut() {
            ledger.owed.extend(news.iter().cloned());
        }
        self.tell_unpaid();
    }

    /// What is gone on the host and a container may still have is told beside the session, for as long as it is so.
    fn tell_unpaid(&self) {
        let is_deletion = |path: &&HostPath| {
            !self.disk.has(path) && matches!(self.rules.mapping(path), Mapping::To(_))
        };
        let owed = self.ledgers.iter().filter_map(|(id, ledger)| {
            let paths = first_of(ledger.owed.iter().filter(is_deletion));
            (!paths.is_empty()).then(|| (id.clone(), paths))
        });
        let owed: Owed = owed.collect();
        self.unpaid.tell(&self.service.name, owed);
    }

    /// Whether changes wait for the user.
    pub(super) fn holds_back(&self) -> bool {
        let manual = self.rules.block().trigger_mode == TriggerMode::Manual;
        (manual || self.paused) && !self.apply_now
    }

    /// Says how many changes wait for the user.
    pub(super) fn say_what_waits(&self, took: Took) {
        let paths: BTreeSet<&HostPath> = self
            .ledgers
            .values()
            .flat_map(|ledger| &ledger.owed)
            .collect();
        if paths.is_empty() {
            return;
        }
        let changes = paths.len();
        self.reporter.say(Event::Outcome(Outcome {
            service: self.service.name.clone(),
            done: Done::Waits(Waits::ForTheUser {
                changes,
                how: if self.paused {
                    HowToGoOn::Resume
                } else {
                    HowToGoOn::Apply(Arc::clone(&self.how_to_apply))
                },
            }),
            took,
            ..Outcome::default()
        }));
    }

    pub(super) fn remember_baseline(&mut self, image: String, then: Look) {
        if self.baselines.insert(image.clone(), then).is_none() {
            self.baseline_order.push_back(image);
        }
        while self.baseline_order.len() > BASELINES {
            if let Some(oldest) = self.baseline_order.pop_front() {
                self.baselines.remove(&oldest);
            }
        }
    }
}

/// A look at everything that `scope` watches, which may be another one's already.
pub async fn look_at(looks: &Arc<Looks>, scope: &Arc<Scope>) -> Vec<Arc<Entries>> {
    let (looks, scope) = (Arc::clone(looks), Arc::clone(scope));
    tokio::task::spawn_blocking(move || looks.at(&scope))
        .await
        .unwrap_or_default()
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
