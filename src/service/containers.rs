//! Containers come and go (E1): what each of them is owed.

use std::time::Instant;

use crate::engine::{Container, EngineError, State};
use crate::report::{self, Ended, Notice, Problem, Took};

use super::LiveService;
use super::action::{AT_ONCE, Action, Admission, Comparing, Find, Occasion, Step, Trigger};
use super::compare::{About, Comparison};
use super::ledger::Ledger;

impl LiveService {
    /// The service's containers as they are now; a new one is owed what changed since its image was built.
    pub(super) fn found(
        &mut self,
        find: Find,
        found: Result<Vec<Container>, EngineError>,
        now: Instant,
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        if let Some(rebuilt) = find.rebuilt {
            let containers = found.as_deref().unwrap_or_default();
            actions.push(self.rebuilt(rebuilt, containers));
        }
        let containers = match found {
            Ok(containers) => containers,
            Err(error) => {
                // That the engine is away, and when it is back, the stream of events says.
                if !matches!(error, EngineError::Unreachable(_)) {
                    actions.push(self.problem(Problem::ContainersUnknown(error)));
                }
                self.retry.later(now, Trigger::Containers);
                return actions;
            }
        };
        let gone = self.replicas.forget_all_but(&containers);
        if !gone.is_empty() {
            self.said.stops.retain(|id| !gone.contains(id));
            actions.push(Action::Forget(gone));
        }
        let mut admissions = Vec::new();
        for container in containers {
            if container.state == State::Gone {
                continue;
            }
            if !matches!(container.state, State::Exited { .. } | State::Stopped) {
                self.said.stops.remove(&container.id);
            }
            if let Some(ledger) = self.replicas.get_mut(&container.id) {
                ledger.container = container;
            } else {
                let is_preexisting = self.replicas.is_preexisting(&container.id);
                admissions.push(self.view().admission(container, is_preexisting));
            }
        }
        if !admissions.is_empty() {
            actions.push(Action::Admit(admissions));
        }
        actions.push(Action::Continue(Step::Wake(find.begun)));
        actions
    }

    /// New containers have said what they hold.
    pub(super) fn admitted(
        &mut self,
        answers: Vec<(Admission, Vec<Result<Comparison, EngineError>>)>,
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        for (admission, answers) in answers {
            let Admission {
                container,
                owed,
                about,
            } = admission;
            let mut ledger = Ledger::new(container, owed);
            for (about, answer) in about.into_iter().zip(answers) {
                match answer {
                    Ok(comparison) => comparison.note_in(&mut ledger),
                    Err(error) => {
                        if about == About::Everything && !matches!(error, EngineError::Gone(_)) {
                            let container = ledger.container.name.clone();
                            actions.push(self.problem(Problem::NotCompared { container, error }));
                        }
                        ledger.owed.extend(self.view().owed_unasked(&about));
                    }
                }
            }
            self.replicas.admit(ledger);
        }
        actions
    }

    /// After a look at the containers: what a start has emptied is filled, and who is owed something is brought in step.
    pub(super) fn wake(&mut self, begun: Instant, now: Instant) -> Vec<Action> {
        let refill = self.refill(begun);
        if !refill.is_empty() {
            let mut actions = refill;
            actions.push(Action::Continue(Step::Wake(begun)));
            return actions;
        }
        let mut actions = Vec::new();
        let containers = self.replicas.containers();
        let running = containers.filter(|container| container.state == State::Running);
        let running: Vec<Container> = running.cloned().collect();
        if !running.is_empty() && !self.config.rules.block().always_rebuilds() {
            actions.push(Action::WarmUp(running));
        }
        let rests = |ledger: &Ledger| {
            let state = ledger.container.state;
            matches!(state, State::Exited { .. } | State::Stopped)
        };
        let is_woken = |ledger: &Ledger| !ledger.is_settled() && !rests(ledger);
        if self.replicas.iter().any(is_woken) {
            actions.extend(self.reconcile(Occasion::containers(begun), now));
        }
        actions
    }

    /// Containers have said what they hold.
    pub(super) fn compared(
        &mut self,
        answers: Vec<(Container, About, Result<Comparison, EngineError>)>,
        what_for: Comparing,
        now: Instant,
    ) -> Vec<Action> {
        let Comparing::Verify(begun) = what_for else {
            for (container, about, answer) in answers {
                let unasked = self.view().owed_unasked(&about);
                if let Some(ledger) = self.replicas.get_mut(&container.id) {
                    match answer {
                        Ok(comparison) => comparison.note_in(ledger),
                        Err(_) => ledger.owed.extend(unasked),
                    }
                }
            }
            return Vec::new();
        };
        let mut actions = Vec::new();
        let mut names = Vec::new();
        let mut drifted = 0;
        for (container, _, answer) in answers {
            match answer {
                Ok(comparison) => {
                    drifted += comparison.drift().count();
                    if let Some(ledger) = self.replicas.get_mut(&container.id) {
                        ledger.forget();
                        comparison.note_in(ledger);
                    }
                    names.push(container.name);
                }
                Err(error) => {
                    let container = container.name;
                    actions.push(self.problem(Problem::NotVerified { container, error }));
                }
            }
        }
        // What waits for the user, or for the engine, is not in step either, whatever the comparison saw: it sees no deletion.
        let is_owed = self.replicas.owed().next().is_some();
        if drifted == 0 && !is_owed {
            let took = Took {
                total: now.saturating_duration_since(begun),
                ..Took::default()
            };
            actions.push(self.conclude(report::Done::Verified, names, took, Ended::Well));
            return actions;
        }
        if drifted > 0 {
            actions.push(self.notice(Notice::Drifted { paths: drifted }));
        }
        actions.extend(self.reconcile(Occasion::change(begun, AT_ONCE), now));
        actions
    }
}
