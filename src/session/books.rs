//! The books after an update: what each container has now, what it is still owed, and what is said of it.

use std::time::{Duration, Instant};

use crate::compose::block::OnFailure;
use crate::engine::{ContainerId, Engine, EngineError, State};
use crate::plan::Because;
use crate::report::{Done, Event, Failure, Failures, Outcome};
use crate::update::{Landed, Ledger, Loaded};

use super::settle::{Part, Round, Why};
use super::telling::{Telling, waits_for};
use super::worker::Worker;

impl<E: Engine> Worker<E> {
    /// Writes down what landed where; the answer is what is to be done next.
    pub(super) fn write_down(
        &mut self,
        parts: &[Part],
        landed: &[Landed],
        loaded: &Loaded,
        begun: Instant,
        wait: Duration,
        why: Why,
    ) -> Round {
        let may_build = self.may_build() && !self.rebuilt_in_vain && !self.is_stopped();
        let mut told = Telling::new(wait);
        told.updated.catching_up = why == Why::Containers;
        told.updated.after = self.hold.was_for();
        let mut next = Round::Settled;
        for (part, landed) in parts.iter().zip(landed) {
            let Some(ledger) = self.ledgers.get_mut(&part.id) else {
                continue;
            };
            told.containers.push(ledger.container.name.clone());
            match &landed.files {
                Ok(_) => told.brought(ledger, part, landed, loaded),
                Err(error) => {
                    owe_all_steps(ledger, part);
                    // Half of it may be there: nothing is known until it has been brought again (trap 2).
                    ledger.forget();
                    match error {
                        EngineError::Gone(_) | EngineError::NotRunning(_) => {
                            next = Round::LookAgain;
                        }
                        EngineError::Refused(why) => {
                            if may_build {
                                return Round::Rebuild(Because::Refused(why.clone()));
                            }
                            told.failures.push(Failure::Refused {
                                container: ledger.container.name.clone(),
                                why: why.clone(),
                            });
                        }
                        EngineError::InVain(why) => told.failures.push(Failure::InVain {
                            container: ledger.container.name.clone(),
                            why: why.clone(),
                        }),
                        EngineError::Unreachable(reason) | EngineError::Unreadable(_, reason) => {
                            self.again.later(Instant::now(), why);
                            told.failures.push(Failure::TriedAgain {
                                container: ledger.container.name.clone(),
                                why: reason.clone(),
                            });
                        }
                    }
                }
            }
            if let Some(failure) = &landed.run_failure {
                if failure.on_failure == OnFailure::Rebuild && may_build {
                    return Round::Rebuild(Because::RunFailed {
                        step: failure.what.step.clone(),
                    });
                }
                told.failures.push(Failure::Run(failure.what.clone()));
            }
        }
        // A container that somebody is just making: its next state brings the rest, and that is what is worth a line.
        let nothing_to_say =
            told.waits.is_some() && why == Why::Containers && told.failures.is_empty();
        if nothing_to_say || (matches!(next, Round::LookAgain) && told.is_empty()) {
            return next;
        }
        // What happens to a container is no news of a failure that was told.
        let failure = (!told.failures.is_empty()).then(|| Failures(told.failures.clone()));
        let was_told = failure.is_some() && failure == self.told_failure;
        self.told_failure = failure;
        if was_told && why == Why::Containers {
            return next;
        }
        self.advise_on_stop(parts, landed);
        self.say_ways(std::mem::take(&mut told.ways));
        let ids: Vec<ContainerId> = parts.iter().map(|part| part.id.clone()).collect();
        self.say_stopped(&ids);
        told.took.total = begun.elapsed();
        let via = told.via.take();
        let (done, containers, took, result) = told.done();
        if let Done::Updated(_) = done {
            for part in parts {
                self.ends.updated(&part.id, &done);
            }
        }
        self.reporter.say(Event::Outcome(Outcome {
            service: self.service.name.clone(),
            done,
            containers,
            via,
            result,
            took,
        }));
        next
    }
}

impl Telling {
    /// What arrived: the container is owed it no more.
    fn brought(&mut self, ledger: &mut Ledger, part: &Part, landed: &Landed, loaded: &Loaded) {
        let applied = landed.files.as_ref().ok().and_then(Option::as_ref);
        if let Some(applied) = applied {
            self.via(ledger, landed, &applied.via);
            self.closed(ledger, &applied.closed);
        }
        owe_steps(ledger, part, landed);
        let awaited = if ledger.awaits_whole_files(&part.update) {
            landed.unread()
        } else {
            &[]
        };
        ledger.settle_as(&part.update, loaded, landed.unread(), landed.deletes_wait);
        for (path, _) in applied.iter().flat_map(|applied| &applied.closed) {
            ledger.lose(path);
        }
        if landed.deletes_wait && !ledger.is_settled() {
            self.waits = Some(waits_for(ledger));
        }
        self.add(part, landed, loaded, awaited);
    }
}

/// C7: what failed or was skipped stays owed, as does what waits for the end of a burst; what ran is not.
fn owe_steps(ledger: &mut Ledger, part: &Part, landed: &Landed) {
    let standing = &mut ledger.standing;
    for due in &part.update.runs {
        if landed.ran.contains(&due.index) {
            standing.owed_runs.remove(&due.index);
        } else {
            standing.owed_runs.insert(due.index);
        }
    }
    let reached = matches!(landed.restarted, Some(Ok(_)));
    let begun_after = landed.revived && landed.ran.is_empty() && landed.run_failure.is_none();
    // A stopped one begins with its files, and so does without the restart for those; not without those of before.
    let update = &part.update;
    let begins_with_it = ledger.container.state == State::Stopped
        && update.runs.is_empty()
        && update.removes.is_empty()
        && !standing.owed_restart;
    standing.owed_restart = update.restart.is_some() && !reached && !begun_after && !begins_with_it;
}

fn owe_all_steps(ledger: &mut Ledger, part: &Part) {
    ledger
        .standing
        .owed_runs
        .extend(part.update.runs.iter().map(|due| due.index));
    ledger.standing.owed_restart |= part.update.restart.is_some();
}
