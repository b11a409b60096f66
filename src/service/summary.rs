//! What is said of an update: what came of it in one line, and advice that is given once. Decides nothing.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::compose::block::RestartKind;
use crate::engine::{Container, ContainerId, State, Via};
use crate::harmless;
use crate::paths::ContainerPath;
use crate::plan::Copy;
use crate::report::{self, Ended, Event, Outcome, Took, Updated};

use super::LiveService;
use super::action::{Action, Occasion};
use super::hold::later;
use super::ledger::Ledger;
use super::update::{Landed, Loaded, Part};

/// What was told, and is not told again.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// C9's advice is given once.
    advised_on_stop: bool,
    /// The way that updates take, by container.
    ways: HashMap<String, Via>,
    /// Of which containers it was said that somebody has stopped them.
    pub stops: BTreeSet<ContainerId>,
    /// The failure of the last update.
    pub failure: Option<String>,
}

impl LiveService {
    pub(super) fn notice(&self, text: String) -> Action {
        Action::Say(Event::Notice {
            service: Some(self.name().to_owned()),
            text,
        })
    }

    pub(super) fn problem(&self, message: String, hint: Option<&str>) -> Action {
        Action::Say(Event::Problem {
            service: Some(self.name().to_owned()),
            message,
            hint: hint.map(str::to_owned),
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

    /// C9: said once, with what would help.
    pub(super) fn advise_on_stop(&mut self, parts: &[Part]) -> Option<Action> {
        let is_killed =
            |part: &Part| matches!(part.landed.restarted, Some(Ok(restarted)) if restarted.killed);
        if !parts.iter().any(is_killed) || std::mem::replace(&mut self.said.advised_on_stop, true) {
            return None;
        }
        let part = parts.first()?;
        let restart = part.plan.restart.as_ref()?;
        Some(self.notice(advice_on_stop(&part.container, &restart.kind)))
    }

    /// Which way updates take: with a container's first update, and when that has changed.
    pub(super) fn say_ways(&mut self, ways: Vec<(String, Via)>) -> Vec<Action> {
        let mut news: Vec<(Via, Vec<String>)> = Vec::new();
        for (container, via) in ways {
            if self.said.ways.get(&container) == Some(&via) {
                continue;
            }
            self.said.ways.insert(container.clone(), via.clone());
            match news.iter_mut().find(|(known, _)| *known == via) {
                Some((_, containers)) => containers.push(container),
                None => news.push((via, vec![container])),
            }
        }
        let news = news.into_iter().map(|(via, mut containers)| {
            containers.sort();
            // What this way cannot promise belongs to it.
            let but = match via {
                Via::Helper => "",
                Via::Archive(_) => {
                    "; that way cannot rule out that a process in the container turns a path elsewhere in that very moment (SECURITY.md)"
                }
            };
            self.notice(format!("updates of {} go through {via}{but}", containers.join(", ")))
        });
        news.collect()
    }
}

/// What would help a process that is killed at each restart; nothing that it has already.
fn advice_on_stop(container: &Container, restart: &RestartKind) -> String {
    let (signal, advice) = match restart {
        RestartKind::Process {
            signal: Some(signal),
            ..
        } => (
            signal,
            "handle it, or give `restart_process` another `signal` or a shorter `timeout`",
        ),
        RestartKind::Process { .. } => (
            &container.stop_signal,
            "handle it, or give `restart_process` a `signal` that it heeds, or a shorter `timeout`",
        ),
        _ if container.init => (
            &container.stop_signal,
            "set `stop_signal`, or use `restart_process`",
        ),
        _ => (
            &container.stop_signal,
            "set `init: true` or `stop_signal`, or use `restart_process`",
        ),
    };
    format!(
        "the process ignored {} until it was killed, which takes the whole grace period each time; {advice}",
        harmless::value(signal)
    )
}

pub(super) fn waits_for(ledger: &Ledger) -> String {
    let name = &ledger.container.name;
    match ledger.container.state {
        State::Paused => format!("{name} is paused; the rest follows when it goes on"),
        State::Stopped => format!("{name} is stopped; the rest follows when it is started"),
        State::Exited { .. } | State::Restarting => {
            format!("{name} ended again at once; the rest follows with the next change")
        }
        _ => format!("{name} was never started; the rest follows when it is"),
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
    pub(super) waits: Option<String>,
    pub(super) failure: Option<(String, Option<String>)>,
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
        !self.any && self.failure.is_none()
    }

    pub(super) fn fail(&mut self, what: String, hint: Option<&str>) {
        if let Some((said, _)) = &mut self.failure {
            said.push('\n');
            said.push_str(&what);
        } else {
            self.failure = Some((what, hint.map(str::to_owned)));
        }
    }

    /// What was not touched for safety's sake. It is brought with the next change to it, or by a rebuild: to try again by
    /// itself would only give whoever closed the way another chance.
    pub(super) fn closed(&mut self, ledger: &Ledger, closed: &[(ContainerPath, String)]) {
        const SHOWN: usize = 5;
        let name = &ledger.container.name;
        for (path, why) in closed.iter().take(SHOWN) {
            self.fail(
                format!("{name}: `{path}` was not touched: it {why}"),
                Some(
                    "root's rights are not lent to whoever made that; take it away in the container, or rebuild the service, then save the file again",
                ),
            );
        }
        if let Some(more) = closed.len().checked_sub(SHOWN + 1) {
            self.fail(format!("{name}: nor were {} others", more + 1), None);
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
    pub(super) fn add(&mut self, part: &Part, loaded: &Loaded, awaited: &[ContainerPath]) {
        self.any = true;
        let (update, landed) = (&part.plan, &part.landed);
        let mut copied: Vec<&Copy> = update.copies.iter().collect();
        copied.retain(|copy| loaded.get(&copy.from).is_some() && !awaited.contains(&copy.to));
        let first = copied.first().copied();
        let copied = copied.len().saturating_sub(part.live);
        if let Some(broken_off) = awaited.first() {
            let what = format!("`{broken_off}` when it is written: it changed while it was copied");
            if copied + part.live + update.removes.len() == 0 {
                self.waits = Some(what);
            } else {
                self.updated.later = Some(what);
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
                    RestartKind::Container { .. } => "restarted".to_owned(),
                    RestartKind::Process { .. } if restarted.whole_container => {
                        "restarted the container (its process does not run under the helper)"
                            .to_owned()
                    }
                    RestartKind::Process { .. } => "restarted the process".to_owned(),
                    RestartKind::Signal { name } => format!("sent {name}"),
                });
            }
            (Some(Err(error)), _) => self.fail(
                format!("the last step failed: {error}"),
                Some("it is done again with the next update"),
            ),
            _ => {}
        }
        self.took.copy = self.took.copy.max(landed.copy);
        self.took.run = self.took.run.max(landed.run);
        self.took.restart = self.took.restart.max(landed.restart);
    }

    pub(super) fn outcome(self, service: &str) -> Outcome {
        let result = match self.failure {
            Some((what, hint)) => Ended::Failed { what, hint },
            None => Ended::Well,
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
