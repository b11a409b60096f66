//! From what is owed to what is done about it: nothing, an update, or a rebuild, and why.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use crate::engine::State;
use crate::paths::HostPath;
use crate::plan::{Because, Debts, Plan};
use crate::report::{self, Ended, Event, HowToGoOn, Notice, Waits};
use crate::watch::Change;

use super::action::{Action, Costly, Occasion, Step, Trigger};
use super::ledger::Ledger;
use super::update::{Loaded, Part, Purpose, Update};
use super::{LiveService, view};

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
        if occasion.in_place && self.replicas.is_empty() {
            return Vec::new();
        }
        if occasion.trigger == Trigger::Change && occasion.round == 0 && !occasion.in_place {
            self.images.rebuilt_in_vain = false;
        }
        let start_is_owed = self.images.build_owed && self.replicas.is_empty();
        if self.replicas.are_settled() && !start_is_owed {
            return self.settled(occasion);
        }
        if self.holds_back(occasion.by_hand) {
            let waits = self.waits_for_the_user(occasion, now);
            return self.settled_with(occasion, waits.into_iter().collect());
        }
        if self.replicas.is_empty() {
            return self.without_containers(occasion, now);
        }
        if self.images.build_owed && !occasion.in_place && occasion.trigger == Trigger::Change {
            return self.rebuild_unless_stopped(Because::BuildOwed, occasion, now);
        }
        let mut actions = self.leave_out();
        let view = view(&self.config, &self.seen, &self.images);
        self.replicas.keep_owed(|path| !view.was_built_with(path));
        let next = match self.decide(occasion) {
            Decision::Rebuild(because) => self.rebuild_unless_stopped(because, occasion, now),
            Decision::Update(parts) => vec![Action::Read(Update::of(parts, occasion))],
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
            self.images.rebuilt_in_vain &= !self.replicas.are_settled();
        }
        said
    }

    /// Whether a rebuild is an answer now.
    pub(super) fn may_build(&self, occasion: Occasion) -> bool {
        self.config.can_build && !occasion.in_place
    }

    /// A rebuild starts the service, which its owner may not want; and a burst's rebuilds would be many.
    fn rebuild_unless_stopped(
        &mut self,
        because: Because,
        occasion: Occasion,
        now: Instant,
    ) -> Vec<Action> {
        if !self.replicas.are_stopped() {
            return self.rebuild_in_time(because, occasion);
        }
        let containers = self.replicas.containers();
        let notices: Vec<Notice> = containers
            .filter_map(|container| self.said.left_stopped(container))
            .collect();
        let notices = notices.into_iter().map(|notice| self.notice(notice));
        let mut said: Vec<Action> = notices.collect();
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
        let paths: BTreeSet<&HostPath> = self.replicas.owed().collect();
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

    /// The plan of each container, from what it is owed by itself.
    fn decide(&mut self, occasion: Occasion) -> Decision {
        let mut parts: Vec<Part> = Vec::new();
        let mut idle = None;
        // Containers of one service mostly owe the same.
        let mut last: Option<(&BTreeSet<HostPath>, &Debts, Vec<Change>, Plan)> = None;
        let mut done_with = Vec::new();
        let view = self.view();
        for ledger in self.replicas.iter().filter(|ledger| !ledger.is_settled()) {
            let (changes, plan) = match &last {
                Some((owed, debts, changes, plan))
                    if **owed == ledger.owed && **debts == ledger.debts =>
                {
                    (changes.clone(), plan.clone())
                }
                _ => {
                    let changes = view.changes_for(ledger, occasion.in_place);
                    let plan = view.plan(&changes, &ledger.debts);
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
                    done_with.push(ledger.container.id.clone());
                }
            }
        }
        for id in done_with {
            if let Some(ledger) = self.replicas.get_mut(&id) {
                ledger.owed.clear();
            }
        }
        if parts.is_empty() {
            Decision::Nothing(idle)
        } else {
            Decision::Update(parts)
        }
    }
}

impl Update {
    /// What is owed to containers.
    fn of(parts: Vec<Part>, occasion: Occasion) -> Self {
        let mut left_out = Vec::new();
        for one in parts.iter().flat_map(|part| &part.plan.left_out) {
            if !left_out.contains(one) {
                left_out.push(one.clone());
            }
        }
        Self {
            occasion,
            purpose: Purpose::Owed,
            touches: parts.iter().any(|part| part.plan.touches_container()),
            parts,
            loaded: Loaded::default(),
            left_out,
        }
    }
}

/// A container was not what it was thought to be: it is looked at, and tried again.
pub(super) fn look_again(occasion: Occasion) -> Vec<Action> {
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
pub(super) fn update_in_place(occasion: Occasion) -> Action {
    Action::Continue(Step::Reconcile(Occasion {
        in_place: true,
        trigger: Trigger::Change,
        ..occasion
    }))
}

/// Whether the container gets nothing on this occasion.
fn sleeps(ledger: &Ledger, trigger: Trigger) -> bool {
    match ledger.container.state {
        State::Exited { .. } | State::Restarting | State::Stopped => trigger == Trigger::Containers,
        State::Gone => true,
        State::Created | State::Running | State::Paused => false,
    }
}
