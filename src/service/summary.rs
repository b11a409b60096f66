//! What is said of an update: what came of it in one line, and advice that is given once. Decides nothing.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::compose::block::LastStep;
use crate::engine::{Container, ContainerId, State, Via};
use crate::paths::ContainerPath;
use crate::plan::Copy;
use crate::report::{
    self, Ended, Event, Failure, Failures, LastDone, Later, Notice, Outcome, Problem, Rest,
    StopRemedy, Took, Updated, Waits,
};

use super::LiveService;
use super::action::{Action, Occasion};
use super::ledger::Ledger;
use super::update::{Landed, Loaded, Part};

/// What was told, and is not told again.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// C9's advice is given once.
    advised_on_stop: bool,
    /// The way that updates take, by container.
    ways: HashMap<String, Via>,
    /// Of which containers it was said that somebody has stopped them.
    pub stops: BTreeSet<ContainerId>,
    /// The failure of the last update.
    pub failure: Option<Failures>,
}

impl LiveService {
    pub(super) fn notice(&self, notice: Notice) -> Action {
        Action::Say(Event::Notice {
            service: Some(self.name().to_owned()),
            notice,
        })
    }

    pub(super) fn problem(&self, problem: Problem) -> Action {
        Action::Say(Event::Problem {
            service: Some(self.name().to_owned()),
            problem,
        })
    }

    pub(super) fn conclude(
        &self,
        done: report::Done,
        containers: Vec<String>,
        took: Took,
        result: Ended,
    ) -> Action {
        let outcome = Outcome {
            service: self.name().to_owned(),
            done,
            containers,
            via: None,
            result,
            took,
        };
        Action::Conclude(outcome, Vec::new())
    }

    /// Every content was there already.
    pub(super) fn same(&self, occasion: Occasion, now: Instant) -> Action {
        let took = occasion.took(now);
        self.conclude(report::Done::Same, Vec::new(), took, Ended::Well)
    }
}

impl Said {
    /// C9: said once, with what would help.
    pub fn advice_on_stop(&mut self, parts: &[Part]) -> Option<Notice> {
        let is_killed = |part: &Part| {
            let done = part.landed.last_done();
            done.is_some_and(|(_, restarted)| restarted.is_some_and(|it| it.killed))
        };
        if !parts.iter().any(is_killed) || std::mem::replace(&mut self.advised_on_stop, true) {
            return None;
        }
        let part = parts.first()?;
        let last = part.plan.last()?.last()?;
        Some(advice_on_stop(&part.container, last))
    }

    /// Which way updates take: with a container's first update, and when that has changed.
    pub fn new_ways(&mut self, ways: Vec<(String, Via)>) -> Vec<Notice> {
        let mut news: Vec<(Via, Vec<String>)> = Vec::new();
        for (container, via) in ways {
            if self.ways.get(&container) == Some(&via) {
                continue;
            }
            self.ways.insert(container.clone(), via.clone());
            match news.iter_mut().find(|(known, _)| *known == via) {
                Some((_, containers)) => containers.push(container),
                None => news.push((via, vec![container])),
            }
        }
        let news = news.into_iter().map(|(via, mut containers)| {
            containers.sort_unstable();
            Notice::Ways { containers, via }
        });
        news.collect()
    }

    /// What becomes of edits while a container is stopped: once for each time that it is.
    pub fn left_stopped(&mut self, container: &Container) -> Option<Notice> {
        let is_news = container.state == State::Stopped && self.stops.insert(container.id.clone());
        is_news.then(|| Notice::LeftStopped {
            service: container.service.clone(),
            container: container.name.clone(),
        })
    }
}

/// What would help a process that is killed at each restart; nothing that it has already.
fn advice_on_stop(container: &Container, last: &LastStep) -> Notice {
    let (signal, remedy) = match last {
        LastStep::RestartProcess {
            signal: Some(signal),
            ..
        } => (signal, StopRemedy::AnotherSignal),
        LastStep::RestartProcess { .. } => (&container.stop_signal, StopRemedy::ItsOwnSignal),
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
pub(super) struct Summary {
    pub(super) updated: Updated,
    pub(super) containers: Vec<String>,
    pub(super) via: Option<Via>,
    /// The way of each container that was running.
    pub(super) ways: Vec<(String, Via)>,
    pub(super) took: Took,
    pub(super) waits: Option<Waits>,
    pub(super) failures: Vec<Failure>,
    /// The engine did not answer: it is tried again by itself.
    pub(super) is_unreachable: bool,
    any: bool,
}

impl Summary {
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
        if !matches!(self.via, Some(Via::EngineApi(_))) {
            self.via = Some(via.clone());
        }
        // Nothing else than the engine can reach into one that does not run: no news.
        if ledger.container.state == State::Running && !landed.revived {
            let name = ledger.container.name.clone();
            self.ways.push((name, via.clone()));
        }
    }

    /// Counts are of one container, the fullest; times are of the slowest. What is `awaited` changed while it was copied.
    pub(super) fn add(&mut self, part: &Part, loaded: &Loaded, awaited: &[ContainerPath]) {
        self.any = true;
        let (update, landed) = (&part.plan, &part.landed);
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
        if let Some(later) = part.held.and_then(|held| Later::steps(&update.steps, held)) {
            self.updated.later = Some(later);
        }
        self.updated.ran = self.updated.ran.max(landed.ran());
        self.updated.revived += usize::from(landed.revived);
        if let Some((due, restarted)) = landed.last_done() {
            self.updated.restarted = due.work.last().map(|step| LastDone {
                step: step.clone(),
                whole_container: restarted.is_some_and(|it| it.whole_container),
            });
        }
        self.took.copy = self.took.copy.max(landed.copy);
        self.took.run = self.took.run.max(landed.time(false));
        self.took.restart = self.took.restart.max(landed.time(true));
    }

    pub(super) fn outcome(self, service: &str) -> Outcome {
        let result = if self.failures.is_empty() {
            Ended::Well
        } else {
            Ended::Failed(Failures(self.failures))
        };
        let done = match self.waits {
            Some(why) if result == Ended::Well => report::Done::Waits(why),
            _ => report::Done::Updated(self.updated),
        };
        Outcome {
            service: service.to_owned(),
            done,
            containers: self.containers,
            via: self.via,
            result,
            took: self.took,
        }
    }
}
