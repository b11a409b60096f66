//! Containers come and go (E1): what each of them is owed.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::compose::MountKind;
use crate::engine::{Container, ContainerId, EngineError, State};
use crate::paths::{ContainerPath, HostPath};
use crate::report::{self, Ended, Notice, Problem, Took};

use super::LiveService;
use super::action::{Action, Admission, Comparing, Find, Occasion, Step, Trigger};
use super::batch::AT_ONCE;
use super::compare::{About, Comparison, synced};
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
        actions.extend(self.forget_all_but(&containers));
        let mut admissions = Vec::new();
        for container in containers {
            if container.state == State::Gone {
                continue;
            }
            if !matches!(container.state, State::Exited { .. } | State::Stopped) {
                self.said.stops.remove(&container.id);
            }
            if let Some(ledger) = self.ledgers.get_mut(&container.id) {
                ledger.container = container;
            } else {
                admissions.push(self.admission(container));
            }
        }
        if !admissions.is_empty() {
            actions.push(Action::Admit(admissions));
        }
        actions.push(Action::Continue(Step::Wake(find.begun)));
        actions
    }

    /// What was known of containers that are gone, and what was open to them.
    fn forget_all_but(&mut self, containers: &[Container]) -> Option<Action> {
        let gone: Vec<ContainerId> = self
            .ledgers
            .keys()
            .filter(|id| containers.iter().all(|container| container.id != **id))
            .cloned()
            .collect();
        for id in &gone {
            self.ledgers.remove(id);
            self.said.stops.remove(id);
        }
        (!gone.is_empty()).then_some(Action::Forget(gone))
    }

    /// What a container that was not seen before is owed, and has to be asked.
    fn admission(&mut self, container: Container) -> Admission {
        let is_preexisting = self.preexisting.remove(&container.id);
        let baseline = if is_preexisting {
            None
        } else {
            self.images.baseline(&container.image_id)
        };
        let since_build = baseline.map(|baseline| self.disk.changed_since(baseline));
        let block = self.config.rules.block();
        let initial_sync = block.initial_sync.is_some() || block.syncs.iter().any(|it| it.initial);
        let (owed, mut about) = match since_build {
            // A container of an image of ours: it has what was built, unless the Dockerfile copies less than the syncs do.
            Some(owed) if !initial_sync => {
                let about = About::Paths(self.doubtful(&container, &owed));
                (owed, vec![about])
            }
            // E5, and an image that this session did not build: the container is asked what it holds.
            since_build => (
                since_build.unwrap_or_default(),
                vec![About::Gone, About::Everything],
            ),
        };
        about.push(About::Paths(self.built_and_synced()));
        about.retain(|about| *about != About::Paths(Vec::new()));
        Admission {
            container,
            owed,
            about,
        }
    }

    /// What a new container may be without, though its image was built here: what only a sync had put into the container before
    /// it must not be lost by a rebuild, and what lies in a volume is older than all.
    fn doubtful(&self, container: &Container, owed: &BTreeSet<HostPath>) -> Vec<HostPath> {
        let rules = &self.config.rules;
        let changed = self.disk.ever_changed();
        let changed = changed.map(|(path, _)| path.clone());
        let all = changed.chain(self.in_a_volume(container));
        let doubtful: BTreeSet<HostPath> = all
            // How the image is built is no content of the container, wherever the file lies (C3.2).
            .filter(|path| !owed.contains(path) && rules.asks_for_rebuild(path).is_none())
            .collect();
        doubtful.into_iter().collect()
    }

    /// What a container has in a volume, which may be left from one before it.
    fn in_a_volume(&self, container: &Container) -> Vec<HostPath> {
        let volumes: Vec<&ContainerPath> = container
            .mounts
            .iter()
            .filter(|mount| matches!(mount.kind, MountKind::Volume(_)))
            .map(|mount| &mount.target)
            .collect();
        if volumes.is_empty() {
            return Vec::new();
        }
        let lies_in_one = |path: &HostPath| {
            let mut targets = self.config.rules.targets(path);
            targets.any(|target| volumes.iter().any(|volume| target.to.is_within(volume)))
        };
        let synced = synced(&self.config.rules, &self.disk).map(|(path, _)| path);
        synced.filter(lies_in_one).collect()
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
                        ledger.owed.extend(self.owed_unasked(&about));
                    }
                }
            }
            self.ledgers.insert(ledger.container.id.clone(), ledger);
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
        let ledgers = self.ledgers.values();
        let running = ledgers.filter(|ledger| ledger.container.state == State::Running);
        let running: Vec<Container> = running.map(|ledger| ledger.container.clone()).collect();
        if !running.is_empty() && !self.config.rules.block().always_rebuilds() {
            actions.push(Action::WarmUp(running));
        }
        let rests = |ledger: &Ledger| {
            let state = ledger.container.state;
            matches!(state, State::Exited { .. } | State::Stopped)
        };
        let mut ledgers = self.ledgers.values();
        if ledgers.any(|ledger| !ledger.is_settled() && !rests(ledger)) {
            actions.extend(self.reconcile(Occasion::containers(begun), now));
        }
        actions
    }

    /// The user wants to know: every container is compared by content, and what drifted is repaired.
    pub fn verify(&self, now: Instant) -> Vec<Action> {
        let asked = self.containers().cloned();
        let asked = asked.map(|container| (container, About::Everything));
        vec![Action::Compare(asked.collect(), Comparing::Verify(now))]
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
                let unasked = self.owed_unasked(&about);
                if let Some(ledger) = self.ledgers.get_mut(&container.id) {
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
                    if let Some(ledger) = self.ledgers.get_mut(&container.id) {
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
        let is_owed = self.ledgers.values().any(|ledger| !ledger.owed.is_empty());
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
