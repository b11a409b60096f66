//! What is said of one settling: the plan, what came of it in one line, and advice that is given once. Decides nothing.

use std::time::{Duration, Instant};

use crate::compose::block::RestartKind;
use crate::engine::{Container, ContainerId, Engine, State, Via};
use crate::paths::ContainerPath;
use crate::plan::{Copy, LiveUpdate, Plan};
use crate::report::{
    Done, Ended, Event, Failure, Failures, Later, Notice, Outcome, Rest, Restarted, StopRemedy,
    Took, Updated, Waits,
};
use crate::update::{Landed, Ledger, Loaded};

use super::hold::later;
use super::settle::Part;
use super::worker::Worker;

impl<E: Engine> Worker<E> {
    pub(super) fn say_plan(&self, parts: &[Part], whole: &LiveUpdate) {
        let update = parts.first().map_or(whole, |part| &part.update);
        for left_out in &whole.left_out {
            let notice = Notice::LeftOut(left_out.clone());
            self.reporter.notice(Some(&self.service.name), notice);
        }
        self.reporter.say(Event::Plan {
            service: self.service.name.clone(),
            plan: Plan::LiveUpdate(update.clone()),
        });
    }

    pub(super) fn say_same(&self, whole: &LiveUpdate, begun: Instant, wait: Duration) {
        if whole.touches_container() {
            let took = Took {
                wait,
                total: begun.elapsed(),
                ..Took::default()
            };
            self.say(Done::Same, &[], took, Ended::Well);
        }
    }

    /// C9: said once, with what would help.
    pub(super) fn advise_on_stop(&mut self, parts: &[Part], landed: &[Landed]) {
        let killed = landed
            .iter()
            .any(|landed| matches!(landed.restarted, Some(Ok(restarted)) if restarted.killed));
        if killed && !self.advised_on_stop {
            self.advised_on_stop = true;
            let part = parts.first();
            let container = part.and_then(|part| Some(&self.ledgers.get(&part.id)?.container));
            let restart = part.and_then(|part| Some(&part.update.restart.as_ref()?.kind));
            if let (Some(container), Some(restart)) = (container, restart) {
                let advice = advice_on_stop(container, restart);
                self.reporter.notice(Some(&self.service.name), advice);
            }
        }
    }

    /// Which way updates take: with a container's first update, and when that has changed.
    pub(super) fn say_ways(&mut self, ways: Vec<(String, Via)>) {
        let mut news: Vec<(Via, Vec<String>)> = Vec::new();
        for (container, via) in ways {
            if self.told_ways.get(&container) == Some(&via) {
                continue;
            }
            self.told_ways.insert(container.clone(), via.clone());
            match news.iter_mut().find(|(known, _)| *known == via) {
                Some((_, containers)) => containers.push(container),
                None => news.push((via, vec![container])),
            }
        }
        for (via, mut containers) in news {
            containers.sort();
            let notice = Notice::Ways { containers, via };
            self.reporter.notice(Some(&self.service.name), notice);
        }
    }

    /// What becomes of edits while a container is stopped: once for each time that it is.
    pub(super) fn say_stopped(&mut self, ids: &[ContainerId]) {
        for id in ids {
            let Some(ledger) = self.ledgers.get(id) else {
                continue;
            };
            if ledger.container.state == State::Stopped && self.told_stops.insert(id.clone()) {
                let notice = Notice::LeftStopped {
                    service: self.service.name.clone(),
                    container: ledger.container.name.clone(),
                };
                self.reporter.notice(Some(&self.service.name), notice);
            }
        }
    }

    pub(super) fn say(&self, done: Done, containers: &[String], took: Took, result: Ended) {
        self.reporter.say(Event::Outcome(Outcome {
            service: self.service.name.clone(),
            done,
            containers: containers.to_vec(),
            via: None,
            result,
            took,
        }));
    }
}

/// What would help a process that is killed at each restart; nothing that it has already.
fn advice_on_stop(container: &Container, restart: &RestartKind) -> Notice {
    let (signal, remedy) = match restart {
        RestartKind::Process {
            signal: Some(signal),
            ..
        } => (signal, StopRemedy::AnotherSignal),
        RestartKind::Process { .. } => (&container.stop_signal, StopRemedy::ItsOwnSignal),
        _ if container.init => (&container.stop_signal, StopRemedy::StopSignal),
        _ => (&container.stop_signal, StopRemedy::Init),
    };
    Notice::StopIgnored {
        signal: signal.clone(),
        remedy,
    }
}

pub(super) fn waits_for(ledger: &Ledger) -> Waits {
    Waits::NotRunning {
        container: ledger.container.name.clone(),
        rest: match ledger.container.state {
            State::Paused => Rest::Paused,
            State::Stopped => Rest::Stopped,
            State::Exited { .. } | State::Restarting => Rest::Ended,
            _ => Rest::NeverStarted,
        },
    }
}

/// Gathers what is to be said of one update.
#[derive(Default)]
pub(super) struct Telling {
    pub(super) updated: Updated,
    pub(super) containers: Vec<String>,
    pub(super) via: Option<Via>,
    /// The way of each container that was running.
    pub(super) ways: Vec<(String, Via)>,
    pub(super) took: Took,
    pub(super) waits: Option<Waits>,
    pub(super) failures: Vec<Failure>,
    any: bool,
}

impl Telling {
    pub(super) fn new(wait: Duration) -> Self {
        Self {
            took: Took {
                wait,
                ..Took::default()
            },
            ..Self::default()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.any && self.failures.is_empty()
    }

    /// What was not touched for safety's sake. It is brought with the next change to it, or by a rebuild: to try again by
    /// itself would only give whoever closed the way another chance.
    pub(super) fn closed(&mut self, ledger: &Ledger, closed: &[(ContainerPath, String)]) {
        const SHOWN: usize = 5;
        let name = &ledger.container.name;
        for (path, why) in closed.iter().take(SHOWN) {
            self.failures.push(Failure::Closed {
                container: name.clone(),
                path: path.clone(),
                why: why.clone(),
            });
        }
        if let Some(more) = closed.len().checked_sub(SHOWN + 1) {
            self.failures.push(Failure::MoreClosed {
                container: name.clone(),
                more: more + 1,
            });
        }
    }

    /// Of several containers the way that is not the helper's is the one worth telling.
    pub(super) fn via(&mut self, ledger: &Ledger, landed: &Landed, via: &Via) {
        if !matches!(self.via, Some(Via::Archive(_))) {
            self.via = Some(via.clone());
        }
        // Nothing else than the engine can reach into one that does not run: no news.
        if ledger.container.state == State::Running && !landed.revived {
            let name = ledger.container.name.clone();
            self.ways.push((name, via.clone()));
        }
    }

    /// Counts are of one container, the fullest; times are of the slowest. What is `awaited` changed while it was copied.
    pub(super) fn add(
        &mut self,
        part: &Part,
        landed: &Landed,
        loaded: &Loaded,
        awaited: &[ContainerPath],
    ) {
        self.any = true;
        let update = &part.update;
        let mut copied: Vec<&Copy> = update.copies.iter().collect();
        copied.retain(|copy| loaded.get(&copy.from).is_some() && !awaited.contains(&copy.to));
        let first = copied.first().copied();
        let copied = copied.len().saturating_sub(part.live);
        if let Some(broken_off) = awaited.first() {
            if copied + part.live + update.removes.len() == 0 {
                self.waits = Some(Waits::StillWritten(broken_off.clone()));
            } else {
                self.updated.later = Some(Later::StillWritten(broken_off.clone()));
            }
        }
        if copied + part.live + update.removes.len()
            >= self.updated.copied + self.updated.live + self.updated.removed
        {
            self.updated.copied = copied;
            self.updated.live = part.live;
            self.updated.removed = update.removes.len();
            self.updated.first = first
                .map(|copy| (copy.from.clone(), Some(copy.to.clone())))
                .or_else(|| {
                    update
                        .removes
                        .first()
                        .map(|remove| (remove.path.clone(), None))
                });
        }
        if let Some(later) = part.held.and_then(|held| later(update, held)) {
            self.updated.later = Some(later);
        }
        self.updated.ran = self.updated.ran.max(landed.ran.len());
        self.updated.revived += usize::from(landed.revived);
        match (&landed.restarted, &update.restart) {
            (Some(Ok(restarted)), Some(restart)) => {
                self.updated.restarted = Some(match &restart.kind {
                    RestartKind::Container { .. } => Restarted::Container,
                    RestartKind::Process { .. } if restarted.whole_container => {
                        Restarted::ContainerForProcess
                    }
                    RestartKind::Process { .. } => Restarted::Process,
                    RestartKind::Signal { name } => Restarted::Signal(name.clone()),
                });
            }
            (Some(Err(error)), _) => self.failures.push(Failure::LastStep(error.clone())),
            _ => {}
        }
        self.took.copy = self.took.copy.max(landed.copy);
        self.took.run = self.took.run.max(landed.run);
        self.took.restart = self.took.restart.max(landed.restart);
    }

    pub(super) fn done(self) -> (Done, Vec<String>, Took, Ended) {
        let result = if self.failures.is_empty() {
            Ended::Well
        } else {
            Ended::Failed(Failures(self.failures))
        };
        let done = match self.waits {
            Some(why) if result == Ended::Well => Done::Waits(why),
            _ => Done::Updated(self.updated),
        };
        (done, self.containers, self.took, result)
    }
}
