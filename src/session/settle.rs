//! Brings a service's containers in step with the disk: plans for each what it is owed, and applies it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::compose::block::{Restart, RestartKind};
use crate::engine::{ContainerId, End, Engine, State};
use crate::paths::{ContainerPath, HostPath};
use crate::plan::rules::Mapping;
use crate::plan::{self, Because, LiveUpdate, Plan};
use crate::report::{Done, Ended, Event, Problem, Took, Waits};
use crate::update::{self, Job, Landed, Ledger, Loaded, Unread};
use crate::watch::{Change, Held};

use super::worker::Worker;

/// The coarsest step of the clocks that files are stamped with, with room to spare.
const CLOCK_STEP: Duration = Duration::from_millis(50);
/// How often one settling may find that the containers are others than it thought.
const ROUNDS: usize = 3;

/// The plan for one container, and the job it makes.
pub(super) struct Part {
    pub(super) id: ContainerId,
    pub(super) update: LiveUpdate,
    /// How many copies the container sees through its bind mount (E6).
    pub(super) live: usize,
    /// What it comes from.
    pub(super) changes: Vec<Change>,
    /// What its commands and restart wait for.
    pub(super) held: Option<Held>,
}

/// What woke the settling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// A change: it revives what has exited (E2).
    Change,
    /// The containers themselves: one that exited stays so until the next change.
    Containers,
}

/// What one round of settling came to.
pub(super) enum Round {
    /// Nothing more to do now.
    Settled,
    /// A container was not what we thought: look and try again.
    LookAgain,
    /// The answer is a rebuild.
    Rebuild(Because),
}

impl<E: Engine> Worker<E> {
    /// Applies what is owed, until nothing is, or until it has to wait for something that will wake us.
    pub(super) async fn settle(&mut self, begun: Instant, wait: Duration, why: Why) {
        // An owed build waits for a change, not for something to happen to a container.
        if self.build_owed && why == Why::Containers {
            return self.update_in_place(begun, wait, why).await;
        }
        if why == Why::Change {
            self.rebuilt_in_vain = false;
        }
        for _ in 0..ROUNDS {
            match self.round(begun, wait, why).await {
                Round::Settled => {
                    self.rebuilt_in_vain &= !self.ledgers.values().all(Ledger::is_settled);
                    return;
                }
                Round::LookAgain => self.look_at_containers(begun).await,
                Round::Rebuild(because) if self.rebuild_waits(&because, begun, why) => return,
                Round::Rebuild(because) => {
                    self.rebuilt_in_vain |= because.is_failure();
                    self.rebuild(because, begun, wait).await;
                    if self.build_owed {
                        self.update_in_place(begun, wait, Why::Change).await;
                    }
                    return;
                }
            }
        }
        // It came and went too fast for us to see: in a moment it is what it is.
        self.again.later(Instant::now(), why);
    }

    /// C11: the old containers keep running when a build fails, and get what can be put into them; the rest stays owed.
    async fn update_in_place(&mut self, begun: Instant, wait: Duration, why: Why) {
        self.in_place_only = true;
        if !self.ledgers.is_empty() {
            let _ = self.round(begun, wait, why).await;
        }
        self.in_place_only = false;
    }

    /// Whether a rebuild is an answer now.
    pub(super) fn may_build(&self) -> bool {
        self.can_build && !self.in_place_only
    }

    async fn round(&mut self, begun: Instant, wait: Duration, why: Why) -> Round {
        if self.ledgers.values().all(Ledger::is_settled)
            && !(self.build_owed && self.ledgers.is_empty())
        {
            return Round::Settled;
        }
        if self.holds_back() {
            self.say_what_waits(Took {
                wait,
                total: begun.elapsed(),
                ..Took::default()
            });
            return Round::Settled;
        }
        if self.ledgers.is_empty() {
            return self.without_containers(begun, wait, why);
        }
        if self.build_owed && !self.in_place_only && why == Why::Change {
            return self.rebuild_unless_stopped(Because::BuildOwed, begun, wait);
        }
        if !self.can_build {
            self.leave_out_what_only_a_build_brings();
        }
        self.leave_out_what_a_mount_hides();
        if self.ledgers.values().all(Ledger::is_settled) {
            return Round::Settled;
        }
        let owed: BTreeSet<HostPath> = self
            .ledgers
            .values()
            .flat_map(|ledger| ledger.owed.iter().cloned())
            .collect();
        let (built, owed): (BTreeSet<HostPath>, BTreeSet<HostPath>) = owed
            .into_iter()
            .partition(|path| self.was_built_with(&self.disk.change(path)));
        for ledger in self.ledgers.values_mut() {
            ledger.owed.retain(|path| !built.contains(path));
        }
        let changes: Vec<Change> = owed
            .iter()
            .map(|path| self.disk.change(path))
            .filter(|change| !self.in_place_only || self.rules.syncs(change.path()))
            .collect();
        let whole = match self.plan(&changes) {
            Plan::Rebuild(because) if self.may_build() => {
                return self.rebuild_unless_stopped(because, begun, wait);
            }
            Plan::LiveUpdate(update) => update,
            Plan::Nothing(_) if self.in_place_only => return Round::Settled,
            plan @ (Plan::Nothing(_) | Plan::Rebuild(_)) => {
                self.reporter.say(Event::Plan {
                    service: self.service.name.clone(),
                    plan,
                });
                self.ledgers
                    .values_mut()
                    .for_each(|ledger| ledger.owed.clear());
                return Round::Settled;
            }
        };
        let copies = whole.copies.clone();
        let (loaded, unread) = if copies.len() < 16 {
            update::load(&copies)
        } else {
            tokio::task::spawn_blocking(move || update::load(&copies))
                .await
                .unwrap_or_default()
        };
        self.drop_unread(&unread);
        let mut parts = self.parts(&changes, &loaded, &unread, why);
        if parts.is_empty() {
            self.say_same(&whole, begun, wait);
            return Round::Settled;
        }
        self.hold_back(&mut parts, begun, why);
        if parts.is_empty() {
            return Round::Settled;
        }
        // A plan that failed, and is only tried again, was told.
        if why == Why::Change || self.told_failure.is_none() {
            self.say_plan(&parts, &whole);
        }
        let _under_way = self.ends.begin(&self.service.name);
        let Some(landed) = self.apply(&mut parts, &loaded).await else {
            return Round::LookAgain;
        };
        let nothing =
            |(part, landed): (&Part, &Landed)| part.update.is_empty() && landed.files.is_ok();
        if parts.iter().zip(&landed).all(nothing) {
            self.hold.was_for();
            self.say_same(&whole, begun, wait);
            return Round::Settled;
        }
        self.write_down(&parts, &landed, &loaded, begun, wait, why)
    }

    /// Brings the parts to their containers; what stood there already is no part of them any more.
    async fn apply(&mut self, parts: &mut [Part], loaded: &Loaded) -> Option<Vec<Landed>> {
        let mut jobs: Vec<Job> = parts
            .iter()
            .filter_map(|part| self.job(part, loaded))
            .collect();
        let left = |index: usize, same: &[ContainerPath]| {
            let left = self.left_of(&parts[index], same)?;
            // What is held back is not done now, whatever is left of it.
            let steps = parts[index].held.is_none();
            let steps = steps.then_some((left.runs, left.restart));
            Some(steps.unwrap_or_default())
        };
        let landed = update::apply(&*self.engine, &mut jobs, &left, &self.reporter).await;
        self.listen_for_crashes(&jobs, &landed);
        self.hold.restarted(parts, &landed, Instant::now());
        if self.set_aside(parts, &landed).await {
            return None;
        }
        self.settle_same(parts, &landed, loaded);
        Some(landed)
    }

    /// A rebuild starts the service, which its owner may not want.
    fn rebuild_unless_stopped(
        &mut self,
        because: Because,
        begun: Instant,
        wait: Duration,
    ) -> Round {
        if !self.is_stopped() {
            return Round::Rebuild(because);
        }
        let ids: Vec<ContainerId> = self.ledgers.keys().cloned().collect();
        self.say_stopped(&ids);
        let took = Took {
            wait,
            total: begun.elapsed(),
            ..Took::default()
        };
        self.say(Done::Waits(Waits::Stopped(because)), &[], took, Ended::Well);
        Round::Settled
    }

    /// Whether its owner has stopped all of it.
    pub(super) fn is_stopped(&self) -> bool {
        let mut ledgers = self.ledgers.values();
        !self.ledgers.is_empty() && ledgers.all(|ledger| ledger.container.state == State::Stopped)
    }

    /// A process that was restarted may crash at once, in a container that waits for the next change then.
    fn listen_for_crashes(&mut self, jobs: &[Job], landed: &[Landed]) {
        for (job, landed) in jobs.iter().zip(landed) {
            let by_process =
                |restart: &Restart| matches!(restart.kind, RestartKind::Process { .. });
            if let Some(Ok(restarted)) = &landed.restarted
                && !restarted.whole_container
                && job.restart.as_ref().is_some_and(by_process)
            {
                let (engine, container) = (Arc::clone(&self.engine), job.container.clone());
                self.crashes
                    .spawn(async move { engine.crash(&container).await });
            }
        }
    }

    /// A process crashed after an update: its container waits, and the next change starts it.
    pub(super) async fn hear_of_crash(&mut self, end: End) {
        if let Some(ledger) = self.ledgers.get_mut(&end.id) {
            ledger.crashed = true;
        }
        Arc::clone(&self.ends).tell(end, true).await;
    }

    /// Whether a change that only asks for a build had its build already: edits during builds coalesce (C11), and the last
    /// events of an edit may come when it has long been built.
    fn was_built_with(&self, change: &Change) -> bool {
        let Some((then, at)) = self.last_build else {
            return false;
        };
        if matches!(self.rules.mapping(change.path()), Mapping::To(_))
            || !self.disk.is_as_it_was(change.path(), then)
        {
            return false;
        }
        match change {
            // File systems tell times in steps: what was written about when the build began may not be in it.
            Change::Written(_, entry) => entry.modified + CLOCK_STEP < at,
            Change::Removed(_) => true,
        }
    }

    fn plan(&self, changes: &[Change]) -> Plan {
        let mut asking = changes
            .iter()
            .filter(|change| self.rules.asks_for_rebuild(change.path()).is_some());
        if asking.all(|change| self.is_built(change.path())) {
            plan::in_place(&self.rules, changes, &self.all_standing())
        } else {
            plan::plan(&self.rules, changes, &self.all_standing())
        }
    }

    fn all_standing(&self) -> plan::Standing {
        let mut all = plan::Standing::default();
        for ledger in self.ledgers.values() {
            all.owed_runs.extend(&ledger.standing.owed_runs);
            all.owed_restart |= ledger.standing.owed_restart;
        }
        all
    }

    /// E3, "an edit while there is no container".
    fn without_containers(&self, begun: Instant, wait: Duration, why: Why) -> Round {
        if why == Why::Containers {
            return Round::Settled;
        }
        if self.build_owed {
            return Round::Rebuild(Because::BuildOwed);
        }
        let took = Took {
            wait,
            total: begun.elapsed(),
            ..Took::default()
        };
        self.say(Done::Waits(Waits::NoContainer), &[], took, Ended::Well);
        Round::Settled
    }

    /// What vanished while it was read has an event of its own on the way; what may not be read is said.
    fn drop_unread(&mut self, unread: &[(HostPath, Unread)]) {
        for (path, why) in unread {
            for ledger in self.ledgers.values_mut() {
                ledger.owed.remove(path);
            }
            if let Unread::Refused(why) = why {
                let (path, why) = (path.clone(), why.clone());
                let problem = Problem::Unreadable { path, why };
                self.reporter.problem(Some(&self.service.name), problem);
            }
        }
    }

    /// Each container's own plan: what it is owed, less what it has already.
    fn parts(
        &mut self,
        changes: &[Change],
        loaded: &Loaded,
        unread: &[(HostPath, Unread)],
        why: Why,
    ) -> Vec<Part> {
        let mut parts = Vec::new();
        let rules = &self.rules;
        for (id, ledger) in &mut self.ledgers {
            let sleeps = match ledger.container.state {
                State::Exited { .. } | State::Restarting | State::Stopped => why == Why::Containers,
                State::Gone => true,
                State::Created | State::Running | State::Paused => false,
            };
            if sleeps {
                continue;
            }
            let (there, mine): (Vec<&Change>, Vec<&Change>) = changes
                .iter()
                .filter(|change| ledger.owed.contains(change.path()))
                .filter(|change| !unread.iter().any(|(path, _)| path == change.path()))
                .partition(|change| has_already(rules, ledger, change, loaded));
            for change in there {
                ledger.owed.remove(change.path());
            }
            let mine: Vec<Change> = mine.into_iter().cloned().collect();
            // Whatever its trigger says: as a container that ended, it is revived by the next change (E2).
            ledger.standing.owed_restart |= !mine.is_empty() && std::mem::take(&mut ledger.crashed);
            match plan::in_place(rules, &mine, &ledger.standing) {
                Plan::LiveUpdate(update) => {
                    let live = update
                        .copies
                        .iter()
                        .filter(|copy| ledger.sees_live(copy))
                        .count();
                    parts.push(Part {
                        id: id.clone(),
                        update,
                        live,
                        changes: mine,
                        held: None,
                    });
                }
                // A rebuild is decided for the service as a whole, before the parts.
                Plan::Nothing(_) | Plan::Rebuild(_) => {
                    for change in &mine {
                        ledger.owed.remove(change.path());
                    }
                }
            }
        }
        parts
    }

    fn job(&self, part: &Part, loaded: &Loaded) -> Option<Job> {
        let ledger = self.ledgers.get(&part.id)?;
        let now = part.held.is_none().then_some(&part.update);
        Some(Job {
            container: ledger.container.clone(),
            delta: ledger.delta(
                &part.update,
                loaded,
                |path| self.disk.was_directory(path),
                |path| self.disk.doubt(path),
            ),
            awaits_whole_files: ledger.awaits_whole_files(&part.update),
            runs: now.map(|update| update.runs.clone()).unwrap_or_default(),
            restart: now.and_then(|update| update.restart.clone()),
        })
    }
}

impl<E: Engine> Worker<E> {
    /// What is left of an update where these of its files stood in the container already: a change without a difference asks
    /// for no command and no restart. `None`: nothing.
    fn left_of(&self, part: &Part, same: &[ContainerPath]) -> Option<LiveUpdate> {
        let copies = &part.update.copies;
        let another: BTreeSet<&HostPath> = copies
            .iter()
            .filter(|copy| !same.contains(&copy.to))
            .map(|copy| &copy.from)
            .collect();
        let all: BTreeSet<&HostPath> = copies.iter().map(|copy| &copy.from).collect();
        let changes: Vec<Change> = part
            .changes
            .iter()
            .filter(|change| !all.contains(change.path()) || another.contains(change.path()))
            .cloned()
            .collect();
        let standing = &self.ledgers.get(&part.id)?.standing;
        match plan::in_place(&self.rules, &changes, standing) {
            Plan::LiveUpdate(update) => Some(update),
            Plan::Nothing(_) | Plan::Rebuild(_) => None,
        }
    }

    /// Writes down what stood there already, and leaves in `parts` what is left without that.
    fn settle_same(&mut self, parts: &mut [Part], landed: &[Landed], loaded: &Loaded) {
        for (part, landed) in parts.iter_mut().zip(landed) {
            let Ok(Some(applied)) = &landed.files else {
                continue;
            };
            if applied.same.is_empty() {
                continue;
            }
            let left = self.left_of(part, &applied.same);
            let Some(ledger) = self.ledgers.get_mut(&part.id) else {
                continue;
            };
            ledger.settle_same(&part.update, loaded, &applied.same);
            if left.is_none() {
                for change in &part.changes {
                    ledger.owed.remove(change.path());
                }
            }
            part.update = left.unwrap_or_default();
        }
    }
}

/// A change whose content is in the container already asks for nothing there.
fn has_already(rules: &plan::Rules, ledger: &Ledger, change: &Change, loaded: &Loaded) -> bool {
    let (Change::Written(path, _), Mapping::To(targets)) = (change, rules.mapping(change.path()))
    else {
        return false;
    };
    loaded.get(path).is_some_and(|(_, fingerprint)| {
        let mut targets = targets.iter();
        targets.all(|target| ledger.has(&target.to, fingerprint))
    })
}
