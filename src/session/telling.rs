//! What is said of one settling: the plan, what came of it in one line, and advice that is given once. Decides nothing.

use std::time::{Duration, Instant};

use crate::compose::block::RestartKind;
use crate::engine::{Container, ContainerId, Engine, State, Via};
use crate::harmless;
use crate::paths::ContainerPath;
use crate::plan::{Copy, LiveUpdate, Plan};
use crate::report::{Done, Ended, Event, Outcome, Took, Updated};
use crate::update::{Landed, Ledger, Loaded};

use super::hold::later;
use super::settle::Part;
use super::worker::Worker;

impl<E: Engine> Worker<E> {
    pub(super) fn say_plan(&self, parts: &[Part], whole: &LiveUpdate) {
        let update = parts.first().map_or(whole, |part| &part.update);
        for left_out in &whole.left_out {
            self.reporter
                .notice(Some(&self.service.name), format!("left out {left_out}"));
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
            // What this way cannot promise belongs to it.
            let but = match via {
                Via::Helper => "",
                Via::Archive(_) => {
                    "; that way cannot rule out that a process in the container turns a path elsewhere in that very moment (SECURITY.md)"
                }
            };
            let text = format!("updates of {} go through {via}{but}", containers.join(", "));
            self.reporter.notice(Some(&self.service.name), text);
        }
    }

    /// What becomes of edits while a container is stopped: once for each time that it is.
    pub(super) fn say_stopped(&mut self, ids: &[ContainerId]) {
        for id in ids {
            let Some(ledger) = self.ledgers.get(id) else {
                continue;
            };
            if ledger.container.state == State::Stopped && self.told_stops.insert(id.clone()) {
                let text = format!(
                    "{} was stopped by somebody: it gets its files and is left stopped until it is started (`docker compose start {}`)",
                    ledger.container.name,
                    harmless::value(&self.service.name)
                );
                self.reporter.notice(Some(&self.service.name), text);
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
pub(super) struct Telling {
    pub(super) updated: Updated,
    pub(super) containers: Vec<String>,
    pub(super) via: Option<Via>,
    /// The way of each container that was running.
    pub(super) ways: Vec<(String, Via)>,
    pub(super) took: Took,
    pub(super) waits: Option<String>,
    pub(super) failure: Option<(String, Option<String>)>,
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

    pub(super) fn done(self) -> (Done, Vec<String>, Took, Ended) {
        let result = match self.failure {
            Some((what, hint)) => Ended::Failed { what, hint },
            None => Ended::Well,
        };
        let done = match self.waits {
            Some(why) if result == Ended::Well => Done::Waits(why),
            _ => Done::Updated(self.updated),
        };
        (done, self.containers, self.took, result)
    }
}
