//! Which services this session is restarting or recreating: so that these events are not taken for somebody else's action, and
//! those who follow the services know when it is over.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;

use super::client::Docker;
use super::command::Lines;
use super::compose::Anew;
use super::{Container, EngineError, Restarted};
use crate::compose::Tie;

/// The engine's events about it arrive with its answer or up to this much later.
const LATE: Duration = Duration::from_secs(1);
/// The longest wait for another service's restart: two services that wait for each other would wait for ever.
const TURN: Duration = Duration::from_secs(60);

/// The restarts and recreates that are under way, and those that are over.
#[derive(Debug, Default)]
pub struct Moves {
    under_way: BTreeMap<String, usize>,
    /// The services that each service depends on.
    depends: BTreeMap<String, Vec<String>>,
    over: BTreeMap<String, Over>,
}

#[derive(Debug)]
struct Over {
    times: u64,
    /// It failed half way, or the process may still react: events until a moment after this are ours too.
    lingers: Option<Instant>,
}

impl Moves {
    /// Whether a service is being restarted or recreated.
    pub fn is_under_way(&self, service: &str) -> bool {
        self.under_way.contains_key(service)
    }

    /// Whether none of the services that it depends on is being restarted or recreated.
    fn is_free(&self, service: &str) -> bool {
        let mut depends = self.depends.get(service).into_iter().flatten();
        depends.all(|on| !self.is_under_way(on))
    }

    /// How often a service was restarted or recreated.
    pub fn times(&self, service: &str) -> u64 {
        self.over.get(service).map_or(0, |over| over.times)
    }

    /// Whether an event about a service at this moment is caused by this session.
    pub fn is_ours(&self, service: &str, now: Instant) -> bool {
        let over = self.over.get(service);
        let late = over.and_then(|over| over.lingers);
        self.is_under_way(service) || late.is_some_and(|then| now.duration_since(then) < LATE)
    }
}

/// A service that is being restarted or recreated. Dropping it ends that.
pub(super) struct Moving {
    moves: watch::Sender<Moves>,
    service: String,
    lingers: bool,
}

impl Moving {
    /// It is over. If it went well, events from here on are caused by somebody else.
    pub(super) fn done<T, E>(self, result: Result<T, E>) -> Result<T, E> {
        Self::all_done(vec![self], result)
    }

    /// Like [`done`](Self::done), for several services that were restarted or recreated together.
    pub(super) fn all_done<T, E>(all: Vec<Self>, result: Result<T, E>) -> Result<T, E> {
        for moving in all {
            moving.end(result.is_err());
        }
        result
    }

    fn end(mut self, lingers: bool) {
        self.lingers = lingers;
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        self.moves.send_modify(|moves| {
            if let Some(count) = moves.under_way.get_mut(&self.service) {
                *count -= 1;
                if *count == 0 {
                    moves.under_way.remove(&self.service);
                }
            }
            let name = std::mem::take(&mut self.service);
            let over = moves.over.entry(name).or_insert(Over {
                times: 0,
                lingers: None,
            });
            over.times += 1;
            over.lingers = self.lingers.then(Instant::now);
        });
    }
}

impl Docker {
    /// The restarts and recreates under way, now and whenever that changes.
    pub fn moves(&self) -> watch::Receiver<Moves> {
        self.inner.moves.subscribe()
    }

    /// A service that depends on another is restarted after it, when both are to be restarted.
    pub fn know_ties(&self, ties: &[Tie]) {
        self.inner.moves.send_modify(|moves| {
            moves.depends.clear();
            for tie in ties {
                let depends = moves.depends.entry(tie.service.clone()).or_default();
                depends.push(tie.on.clone());
            }
        });
    }

    /// Restarts a container once the services that its service depends on are done: otherwise it would start into a network that is
    /// about to go away.
    pub(super) async fn restart_in_turn(
        &self,
        container: &Container,
        grace: Option<Duration>,
    ) -> Result<Restarted, EngineError> {
        let moving = self.moving(&container.service);
        let mut moves = self.moves();
        let turn = moves.wait_for(|moves| moves.is_free(&container.service));
        let _ = timeout(TURN, turn).await;
        moving.done(self.restart_container(&container.id, grace).await)
    }

    /// Recreates all containers of these services, whether Compose sees a need or not.
    pub async fn replace(&self, services: &[String], output: Lines<'_>) -> Result<(), EngineError> {
        self.recreate_in_view(services, Anew::All, output).await
    }

    pub(super) async fn recreate_in_view(
        &self,
        services: &[String],
        anew: Anew,
        output: Lines<'_>,
    ) -> Result<(), EngineError> {
        let moving: Vec<Moving> = services
            .iter()
            .map(|service| self.moving(service))
            .collect();
        let recreated = self.compose_recreate(services, anew, output).await;
        Moving::all_done(moving, recreated)
    }

    /// From here on, changes to the service's containers are ours.
    pub(super) fn moving(&self, service: &str) -> Moving {
        self.inner.moves.send_modify(|moves| {
            *moves.under_way.entry(service.to_owned()).or_default() += 1;
        });
        Moving {
            moves: self.inner.moves.clone(),
            service: service.to_owned(),
            lingers: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_ours_for_a_moment_longer() {
        let moves = watch::Sender::new(Moves::default());
        let begin = || {
            moves.send_modify(|moves| *moves.under_way.entry("web".into()).or_default() += 1);
            Moving {
                moves: moves.clone(),
                service: "web".into(),
                lingers: true,
            }
        };
        let is_ours = |later| moves.borrow().is_ours("web", Instant::now() + later);
        let (one, other) = (begin(), begin());
        assert!(is_ours(Duration::ZERO));
        let _: Result<(), ()> = one.done(Err(()));
        assert!(moves.borrow().is_under_way("web"));
        let _: Result<(), ()> = other.done(Ok(()));
        assert!(!is_ours(Duration::ZERO));
        drop(begin());
        assert!(is_ours(Duration::ZERO));
        assert!(!is_ours(LATE * 2));
        assert_eq!(moves.borrow().times("web"), 3);
    }
}
