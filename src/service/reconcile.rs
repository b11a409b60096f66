//! From what is owed to what is done about it: nothing, an update, or a rebuild, and why.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::{ContainerId, State};
use crate::paths::HostPath;
use crate::plan::rules::Mapping;
use crate::plan::{self, Because, Debts, LiveUpdate, Plan};
use crate::report::{self, Ended, Event, HowToGoOn, Waits};
use crate::watch::Change;

use super::LiveService;
use super::action::{Action, Costly, Occasion, Step, Trigger};
use super::ledger::Ledger;
use super::update::{Loaded, Part, Purpose, Update};

/// The coarsest step of the clocks that files are stamped with, with room to spare.
const CLOCK_STEP: Duration = Duration::from_millis(50);
/// How often it may turn out that the containers are others than it was thought.
const ROUNDS: u32 = 3;

/// What the plans of all containers come to.
enum Decision {
    /// One of them asks for a rebuild, which is one of the service.
    Rebuild(Because),
    /// Each of these is updated.
    Update(Vec<Part>),
    /// None of them has anything to do; what one of them says.
    Nothing(Option<Plan>),
}

impl LiveService {
    /// What is to be done about what the containers are owed.
    pub(super) fn reconcile(&mut self, mut occasion: Occasion, now: Instant) -> Vec<Action> {
        if occasion.round == ROUNDS {
            // It came and went too fast for us to see: in a moment it is what it is.
            self.retry.later(now, occasion.trigger);
            return Vec::new();
        }
        // An owed build waits for a change, not for something to happen to a container.
        occasion.in_place |= self.images.build_owed && occasion.trigger == Trigger::Containers;
        if occasion.in_place && self.ledgers.is_empty() {
            return Vec::new();
        }
        if occasion.trigger == Trigger::Change && occasion.round == 0 && !occasion.in_place {
            self.images.rebuilt_in_vain = false;
        }
        let start_is_owed = self.images.build_owed && self.ledgers.is_empty();
        if self.all_settled() && !start_is_owed {
            return self.settled(occasion);
        }
        if self.holds_back(occasion.by_hand) {
            let waits = self.waits_for_the_user(occasion, now);
            return self.settled_with(occasion, waits.into_iter().collect());
        }
        if self.ledgers.is_empty() {
            return self.without_containers(occasion, now);
        }
        if self.images.build_owed && !occasion.in_place && occasion.trigger == Trigger::Change {
            return self.rebuild_unless_stopped(Because::BuildOwed, occasion, now);
        }
        let mut actions = self.leave_out();
        self.drop_what_was_built();
        let next = match self.decide(occasion) {
            Decision::Rebuild(because) => self.rebuild_unless_stopped(because, occasion, now),
            Decision::Update(parts) => vec![Action::Read(self.update(parts, occasion))],
            Decision::Nothing(plan) => {
                let plan = plan.map(|plan| {
                    let service = self.name().to_owned();
                    Action::Say(Event::Plan { service, plan })
                });
                self.settled_with(occasion, plan.into_iter().collect())
            }
        };
        actions.extend(next);
        actions
    }

    /// Nothing more is to be done now.
    pub(super) fn settled(&mut self, occasion: Occasion) -> Vec<Action> {
        self.settled_with(occasion, Vec::new())
    }

    pub(super) fn settled_with(&mut self, occasion: Occasion, said: Vec<Action>) -> Vec<Action> {
        if !occasion.in_place {
            self.images.rebuilt_in_vain &= !self.all_settled();
        }
        said
    }

    /// A container was not what it was thought to be: it is looked at, and tried again.
    pub(super) fn look_again(&self, occasion: Occasion) -> Vec<Action> {
        if occasion.in_place {
            return Vec::new();
        }
        let again = Occasion {
            round: occasion.round + 1,
            ..occasion
        };
        vec![
            super::find(occasion.begun),
            Action::Continue(Step::Reconcile(again)),
        ]
    }

    /// C11: the old containers keep running when a build fails, and get what can be put into them; the rest stays owed.
    pub(super) fn update_in_place(&self, occasion: Occasion) -> Action {
        Action::Continue(Step::Reconcile(Occasion {
            in_place: true,
            trigger: Trigger::Change,
            ..occasion
        }))
    }

    /// Whether a rebuild is an answer now.
    pub(super) fn may_build(&self, occasion: Occasion) -> bool {
        self.config.can_build && !occasion.in_place
    }

    /// Whether its owner has stopped all of it.
    pub(super) fn is_stopped(&self) -> bool {
        let mut containers = self.containers();
        !self.ledgers.is_empty() && containers.all(|container| container.state == State::Stopped)
    }

    /// A rebuild starts the service, which its owner may not want; and a burst's rebuilds would be many.
    fn rebuild_unless_stopped(
        &mut self,
        because: Because,
        occasion: Occasion,
        now: Instant,
    ) -> Vec<Action> {
        if !self.is_stopped() {
            return self.rebuild_in_time(because, occasion);
        }
        let ids: Vec<ContainerId> = self.ledgers.keys().cloned().collect();
        let mut said = self.say_stopped(&ids);
        said.push(self.waits(Waits::Stopped(because), occasion, now));
        self.settled_with(occasion, said)
    }

    /// Rebuilds, unless git is to be asked before whether it is the time for it.
    pub(super) fn rebuild_in_time(&mut self, because: Because, occasion: Occasion) -> Vec<Action> {
        // What answers a failure has been tried already.
        if because.is_failure() || occasion.by_hand {
            self.images.rebuilt_in_vain |= because.is_failure();
            return self.rebuild(because, occasion, false);
        }
        vec![Action::AskGit(Costly::Rebuild(because, occasion))]
    }

    /// E3, "an edit while there is no container".
    fn without_containers(&mut self, occasion: Occasion, now: Instant) -> Vec<Action> {
        if occasion.trigger == Trigger::Containers {
            return self.settled(occasion);
        }
        if self.images.build_owed {
            return self.rebuild_in_time(Because::BuildOwed, occasion);
        }
        let waits = self.waits(Waits::NoContainer, occasion, now);
        self.settled_with(occasion, vec![waits])
    }

    /// Says how many changes wait for the user.
    fn waits_for_the_user(&self, occasion: Occasion, now: Instant) -> Option<Action> {
        let owed = self.ledgers.values().flat_map(|ledger| &ledger.owed);
        let paths: BTreeSet<&HostPath> = owed.collect();
        if paths.is_empty() {
            return None;
        }
        let waits = Waits::ForTheUser {
            changes: paths.len(),
            how: if self.user.paused {
                HowToGoOn::Resume
            } else {
                HowToGoOn::Apply(Arc::clone(&self.user.how_to_apply))
            },
        };
        Some(self.waits(waits, occasion, now))
    }

    fn waits(&self, why: Waits, occasion: Occasion, now: Instant) -> Action {
        let done = report::Done::Waits(why);
        self.conclude(done, Vec::new(), occasion.took(now), Ended::Well)
    }

    /// Edits during builds coalesce (C11), and the last events of an edit may come when it has long been built.
    fn drop_what_was_built(&mut self) {
        let owed = self.ledgers.values().flat_map(|ledger| &ledger.owed);
        let built: BTreeSet<HostPath> = owed
            .filter(|path| self.was_built_with(&self.disk.change(path)))
            .cloned()
            .collect();
        if !built.is_empty() {
            for ledger in self.ledgers.values_mut() {
                ledger.owed.retain(|path| !built.contains(path));
            }
        }
    }

    /// Whether a change that only asks for a build had its build already.
    fn was_built_with(&self, change: &Change) -> bool {
        let Some((then, at)) = self.images.last_build else {
            return false;
        };
        if matches!(self.config.rules.mapping(change.path()), Mapping::To(_))
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

    /// The plan of each container, from what it is owed by itself.
    fn decide(&mut self, occasion: Occasion) -> Decision {
        let mut parts: Vec<Part> = Vec::new();
        let mut idle = None;
        // Containers of one service mostly owe the same.
        let mut last: Option<(&BTreeSet<HostPath>, &Debts, Vec<Change>, Plan)> = None;
        let mut done_with = Vec::new();
        for (id, ledger) in self.ledgers.iter().filter(|(_, it)| !it.is_settled()) {
            let (changes, plan) = match &last {
                Some((owed, debts, changes, plan))
                    if **owed == ledger.owed && **debts == ledger.debts =>
                {
                    (changes.clone(), plan.clone())
                }
                _ => {
                    let changes = self.changes_for(ledger, occasion);
                    let plan = self.plan(&changes, &ledger.debts);
                    last = Some((&ledger.owed, &ledger.debts, changes.clone(), plan.clone()));
                    (changes, plan)
                }
            };
            match plan {
                Plan::Rebuild(because) if self.may_build(occasion) => {
                    return Decision::Rebuild(because);
                }
                _ if sleeps(ledger, occasion.trigger) => {}
                Plan::LiveUpdate(update) => {
                    parts.push(Part::new(ledger.container.clone(), update, changes));
                }
                Plan::Nothing(_) if occasion.in_place => {}
                plan @ (Plan::Nothing(_) | Plan::Rebuild(_)) => {
                    idle = idle.or(Some(plan));
                    done_with.push(id.clone());
                }
            }
        }
        for id in done_with {
            if let Some(ledger) = self.ledgers.get_mut(&id) {
                ledger.owed.clear();
            }
        }
        if parts.is_empty() {
            Decision::Nothing(idle)
        } else {
            Decision::Update(parts)
        }
    }

    /// What a container is owed, as it stands on the disk now.
    fn changes_for(&self, ledger: &Ledger, occasion: Occasion) -> Vec<Change> {
        let owed = ledger.owed.iter();
        owed.filter(|path| !occasion.in_place || self.config.rules.syncs(path))
            .map(|path| self.disk.change(path))
            .collect()
    }

    fn plan(&self, changes: &[Change], debts: &Debts) -> Plan {
        let rules = &self.config.rules;
        let mut asking = changes
            .iter()
            .filter(|change| rules.asks_for_rebuild(change.path()).is_some());
        if asking.all(|change| self.is_built(change.path())) {
            plan::in_place(rules, changes, debts)
        } else {
            plan::plan(rules, changes, debts)
        }
    }

    fn update(&self, parts: Vec<Part>, occasion: Occasion) -> Update {
        let mut left_out = Vec::new();
        for part in &parts {
            for one in &part.plan.left_out {
                if !left_out.contains(one) {
                    left_out.push(one.clone());
                }
            }
        }
        Update {
            occasion,
            purpose: Purpose::Owed,
            touches: parts.iter().any(|part| part.plan.touches_container()),
            parts,
            loaded: Loaded::default(),
            left_out,
        }
    }

    /// What is left of an update for `part` where only these of its changes ask for it: a change without a difference asks for
    /// no command and no restart. `None`: nothing.
    pub(super) fn narrowed(&self, part: &Part, changes: &[Change]) -> Option<LiveUpdate> {
        let debts = &self.ledgers.get(&part.container.id)?.debts;
        match plan::in_place(&self.config.rules, changes, debts) {
            Plan::LiveUpdate(update) => Some(update),
            // A rebuild was decided before, for the service as a whole.
            Plan::Nothing(_) | Plan::Rebuild(_) => None,
        }
    }
}

/// Whether the container gets nothing on this occasion.
fn sleeps(ledger: &Ledger, trigger: Trigger) -> bool {
    match ledger.container.state {
        State::Exited { .. } | State::Restarting | State::Stopped => trigger == Trigger::Containers,
        State::Gone => true,
        State::Created | State::Running | State::Paused => false,
    }
}
