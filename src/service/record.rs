//! What each container has after an update, what it is still owed, and what is to be done next.

use std::time::Instant;

use crate::compose::block::OnFailure;
use crate::engine::{ContainerId, EngineError, State};
use crate::plan::{Because, DueStep};
use crate::report::{self, Failure, Failures, Notice};

use super::LiveService;
use super::action::{Action, Occasion, Trigger};
use super::ledger::Ledger;
use super::reconcile::look_again;
use super::summary::{Summary, waits_for};
use super::update::{Loaded, Part, Purpose, Update};

/// What an update leads to.
enum Next {
    /// Nothing more now.
    Settled,
    /// A container was not what it was thought to be.
    LookAgain,
    /// The answer is a rebuild.
    Rebuild(Because),
}

impl LiveService {
    /// Writes down what landed where; the answer is what is to be done next.
    pub(super) fn write_down(&mut self, update: &Update, now: Instant) -> Vec<Action> {
        let occasion = update.occasion;
        let may_build = self.may_build(occasion)
            && !self.images.rebuilt_in_vain
            && !self.replicas.are_stopped();
        let mut summary = Summary::new(occasion.wait);
        summary.updated.catching_up = occasion.trigger == Trigger::Containers;
        summary.updated.after = self.hold.was_for();
        let mut next = Next::Settled;
        for part in &update.parts {
            match self.write_down_part(update, part, may_build, &mut summary) {
                Next::Settled => {}
                // The first answer counts; a rebuild goes before all.
                _ if matches!(next, Next::Rebuild(_)) => {}
                other => next = other,
            }
        }
        if summary.is_unreachable {
            self.retry.later(now, occasion.trigger);
        }
        let mut actions = Vec::new();
        if !matches!(next, Next::Rebuild(_)) {
            let looks_again = matches!(next, Next::LookAgain);
            actions.extend(self.conclude_update(update, summary, looks_again, now));
        }
        actions.extend(self.next_after(update, next, occasion));
        actions
    }

    fn next_after(&mut self, update: &Update, next: Next, occasion: Occasion) -> Vec<Action> {
        match (update.purpose, next) {
            // What could not be filled is owed, and brought as such. A container that is not there any more is filled when it is.
            (Purpose::Refill, _) => Vec::new(),
            (Purpose::Owed, Next::Settled) => self.settled(occasion),
            (Purpose::Owed, Next::LookAgain) => look_again(occasion),
            (Purpose::Owed, Next::Rebuild(because)) => self.rebuild_in_time(because, occasion),
        }
    }

    /// One container's part of it.
    fn write_down_part(
        &mut self,
        update: &Update,
        part: &Part,
        may_build: bool,
        summary: &mut Summary,
    ) -> Next {
        let Some(ledger) = self.replicas.get_mut(&part.container.id) else {
            return Next::Settled;
        };
        let name = &ledger.container.name;
        summary.containers.push(name.clone());
        let mut next = Next::Settled;
        match &part.landed.files {
            Ok(_) => summary.brought(ledger, part, &update.loaded, update.purpose),
            Err(error) => {
                match error {
                    EngineError::Gone(_) | EngineError::NotRunning(_) => next = Next::LookAgain,
                    EngineError::Refused(why) if may_build => {
                        next = Next::Rebuild(Because::Refused(why.clone()));
                    }
                    EngineError::Refused(why) => summary.failures.push(Failure::Refused {
                        container: name.clone(),
                        why: why.clone(),
                    }),
                    EngineError::InVain(why) => summary.failures.push(Failure::InVain {
                        container: name.clone(),
                        why: why.clone(),
                    }),
                    EngineError::Unreachable(reason) | EngineError::Unreadable(_, reason) => {
                        summary.is_unreachable = true;
                        summary.failures.push(Failure::TriedAgain {
                            container: name.clone(),
                            why: reason.clone(),
                        });
                    }
                }
                owe_all(ledger, part, update.purpose, &next);
            }
        }
        if let Some((due, failure)) = part.landed.failed() {
            if failure.on_failure == OnFailure::Rebuild && may_build {
                let step = due.work.step.clone();
                return Next::Rebuild(Because::RunFailed { step });
            }
            summary.failures.push(failure.what.clone());
        }
        next
    }

    /// What is said of it.
    fn conclude_update(
        &mut self,
        update: &Update,
        mut summary: Summary,
        looks_again: bool,
        now: Instant,
    ) -> Vec<Action> {
        let is_catching_up = update.occasion.trigger == Trigger::Containers;
        // A container that somebody is just making: its next state brings the rest, and that is what is worth a line.
        let nothing_to_say =
            summary.waits.is_some() && is_catching_up && summary.failures.is_empty();
        if nothing_to_say || (looks_again && summary.is_empty()) {
            return Vec::new();
        }
        // What happens to a container is no news of a failure that was told.
        let failure = (!summary.failures.is_empty()).then(|| Failures(summary.failures.clone()));
        let was_told = failure.is_some() && failure == self.said.failure;
        self.said.failure = failure;
        if was_told && is_catching_up {
            return Vec::new();
        }
        let ids: Vec<ContainerId> = update.ids().collect();
        let mut notices: Vec<Notice> = self
            .said
            .advice_on_stop(&update.parts)
            .into_iter()
            .collect();
        notices.extend(self.said.new_ways(std::mem::take(&mut summary.ways)));
        let known = ids.iter().filter_map(|id| self.replicas.get(id));
        notices.extend(known.filter_map(|ledger| self.said.left_stopped(&ledger.container)));
        let notices = notices.into_iter().map(|notice| self.notice(notice));
        let mut actions: Vec<Action> = notices.collect();
        summary.took.total = now.saturating_duration_since(update.occasion.begun);
        let outcome = summary.outcome(self.name());
        let is_update = matches!(outcome.done, report::Done::Updated(_));
        let ids = if is_update { ids } else { Vec::new() };
        actions.push(Action::Conclude(outcome, ids));
        actions
    }
}

impl Summary {
    /// What arrived: the container is owed it no more.
    fn brought(&mut self, ledger: &mut Ledger, part: &Part, loaded: &Loaded, purpose: Purpose) {
        let landed = &part.landed;
        if let Some(applied) = landed.applied() {
            self.via(ledger, landed, &applied.via);
            self.closed(ledger, &applied.closed);
        }
        // Commands and restarts that are owed have nothing to do with a tmpfs.
        if purpose == Purpose::Owed {
            owe_steps(ledger, part);
        }
        let awaited = if ledger.awaits_whole_files(&part.plan) {
            landed.unread()
        } else {
            &[]
        };
        ledger.settle_as(&part.plan, loaded, landed.unread(), landed.deletes_wait);
        for (path, _) in landed.applied().iter().flat_map(|applied| &applied.closed) {
            ledger.lose(path);
        }
        if landed.deletes_wait && !ledger.is_settled() {
            self.waits = Some(waits_for(ledger));
        }
        self.add(part, loaded, awaited);
    }
}

/// C7: what failed or was skipped stays owed, as does what waits for the end of a burst; what was done is not.
fn owe_steps(ledger: &mut Ledger, part: &Part) {
    let (landed, plan, debts) = (&part.landed, &part.plan, &mut ledger.debts);
    let by_a_start = |step: &DueStep| step.work.is_done_by_a_start();
    let owed_before = plan
        .steps
        .iter()
        .any(|it| by_a_start(it) && debts.owed.contains(&it.index));
    // A stopped one begins with its files, and so does without the restart for those; not without those of before.
    let begins_with_it = ledger.container.state == State::Stopped
        && plan.steps.iter().all(by_a_start)
        && plan.removes.is_empty()
        && !owed_before;
    let has_begun = begins_with_it || (landed.revived && landed.turns.is_empty());
    for step in &plan.steps {
        if landed.has_done(step.index) || (has_begun && by_a_start(step)) {
            debts.owed.remove(&step.index);
        } else {
            debts.owed.insert(step.index);
        }
    }
}

/// Nothing of the part is sure to be there.
fn owe_all(ledger: &mut Ledger, part: &Part, purpose: Purpose, next: &Next) {
    let plan = &part.plan;
    let steps = plan.steps.iter().map(|due| due.index);
    ledger.debts.owed.extend(steps);
    // Half of it may be there: nothing is known until it has been brought again (trap 2).
    ledger.forget();
    if purpose == Purpose::Refill && !matches!(next, Next::LookAgain) {
        let paths = plan.copies.iter().map(|copy| copy.from.clone());
        ledger.owed.extend(paths);
    }
}
