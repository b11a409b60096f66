//! Whoever depends on a container follows it (`spec.md` C10'): after a restart or a recreate by whatever hand, and beside the
//! loop, for it can take long.

mod act;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::compose::Tie;
use crate::engine::{Compose, ContainerId, EngineError, Moves};
use crate::life::{Doing, Life, Lives};
use crate::plan::follow::{Follow, follow, remember};
use crate::report::Reporter;

use super::stops::{Said, Stops};

/// Whoever restarts a service from outside may be about to restart its dependents too: Compose begins with that when the
/// service itself is through. He is given as long as he took so far, within these bounds.
const SHORTEST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(5);
/// A container that somebody stops is waited for, but not without end.
const STOPPING: Duration = Duration::from_secs(60);

/// What the follower hears.
#[derive(Debug)]
pub enum Heard {
    /// Something happened to a container.
    Container {
        /// Of this service.
        service: String,
        /// The container.
        id: ContainerId,
        /// What that says.
        said: Said,
    },
    /// The engine was away: anything may have happened.
    EngineIsBack,
    /// Who depends on whom, after a reload.
    Ties(Vec<Tie>),
}

/// Keeps the dependents of a session's services in step with them.
pub struct Follower<E> {
    engine: Arc<E>,
    reporter: Reporter,
    ties: Vec<Tie>,
    /// Everybody as they were when all had followed.
    before: Lives,
    stops: Arc<Stops>,
    /// Containers that somebody is stopping since then.
    stopping: HashMap<ContainerId, Instant>,
    /// What this session has done, by service.
    times: BTreeMap<String, u64>,
    /// Those who could not follow, and whom: not tried again before that one moves again.
    failed: BTreeMap<String, Moment>,
    due: Option<Instant>,
    /// When it began that somebody else did something.
    since: Option<Instant>,
    inbox: mpsc::UnboundedReceiver<Heard>,
}

impl<E: Compose> Follower<E> {
    /// A follower that knows of no ties yet, and the way to talk to it.
    pub fn new(
        engine: Arc<E>,
        reporter: Reporter,
        stops: Arc<Stops>,
    ) -> (Self, mpsc::UnboundedSender<Heard>) {
        let (sender, inbox) = mpsc::unbounded_channel();
        let follower = Self {
            engine,
            reporter,
            ties: Vec::new(),
            before: Lives::new(),
            stops,
            stopping: HashMap::new(),
            times: BTreeMap::new(),
            failed: BTreeMap::new(),
            due: None,
            since: None,
            inbox,
        };
        (follower, sender)
    }

    /// The same, which knows everybody who is tied to another as they are now.
    pub async fn knowing(mut self, ties: Vec<Tie>) -> Self {
        self.take_over(ties).await;
        self
    }

    /// Works until the session drops its end of the queue.
    pub async fn work(mut self) {
        let mut moves = self.engine.moves();
        loop {
            let due = self.due.filter(|_| !self.is_under_way(&moves));
            tokio::select! {
                heard = self.inbox.recv() => match heard {
                    Some(heard) => self.hear(heard).await,
                    None => return,
                },
                changed = moves.changed() => match changed {
                    Ok(()) => self.hear_of_moves(&mut moves),
                    Err(_) => return,
                },
                () = sleep_until(due), if due.is_some() => self.look(&mut moves).await,
            }
        }
    }

    async fn hear(&mut self, heard: Heard) {
        let now = Instant::now();
        match heard {
            Heard::Container { service, id, said } => {
                if !self.concerns(&service) {
                    return;
                }
                match said {
                    Said::Stopping => drop(self.stopping.insert(id, now)),
                    Said::Stopped | Said::Ended | Said::Over => drop(self.stopping.remove(&id)),
                    Said::Else => {}
                }
                self.wait(now);
            }
            Heard::EngineIsBack => {
                self.stopping.clear();
                if !self.ties.is_empty() {
                    self.wait(now);
                }
            }
            Heard::Ties(ties) => {
                if ties != self.ties {
                    self.take_over(ties).await;
                }
            }
        }
    }

    fn wait(&mut self, now: Instant) {
        let since = *self.since.get_or_insert(now);
        let quiet = now.duration_since(since).clamp(SHORTEST, LONGEST);
        self.due = Some(now + quiet);
    }

    /// What this session did itself is followed at once: nobody else is about to do so.
    fn hear_of_moves(&mut self, moves: &mut watch::Receiver<Moves>) {
        let moves = moves.borrow_and_update();
        let services = services(&self.ties);
        let mut any = false;
        for service in services {
            let times = moves.times(service);
            let known = self.times.entry(service.to_owned()).or_default();
            any |= std::mem::replace(known, times) != times;
        }
        if any {
            self.due = Some(Instant::now());
        }
    }

    fn is_under_way(&self, moves: &watch::Receiver<Moves>) -> bool {
        let moves = moves.borrow();
        services(&self.ties).any(|service| moves.is_under_way(service))
    }

    fn concerns(&self, service: &str) -> bool {
        services(&self.ties).any(|one| one == service)
    }

    async fn take_over(&mut self, ties: Vec<Tie>) {
        self.engine.know_ties(&ties);
        self.ties = ties;
        if let Ok(now) = self.lives().await {
            for (service, lives) in &now {
                self.before
                    .entry(service.clone())
                    .or_insert_with(|| lives.clone());
            }
            // A network that was lost before is a reason to look as well.
            self.due = (!self.ties.is_empty()).then(Instant::now);
        }
    }

    /// Everybody as they are now.
    async fn lives(&self) -> Result<Lives, EngineError> {
        let names: BTreeSet<&str> = services(&self.ties).collect();
        let looks = names.into_iter().map(|service| async move {
            let mut lives = self.engine.lives(service).await?;
            for life in &mut lives {
                if life.doing == Doing::Ended
                    && self.stops.has_stopped(&ContainerId(life.id.clone()))
                {
                    life.doing = Doing::Rests;
                }
            }
            Ok((service.to_owned(), lives))
        });
        join_all(looks).await.into_iter().collect()
    }

    async fn look(&mut self, moves: &mut watch::Receiver<Moves>) {
        let now = Instant::now();
        self.due = None;
        self.stopping
            .retain(|_, since| now.duration_since(*since) < STOPPING);
        if !self.stopping.is_empty() {
            self.wait(now);
            return;
        }
        self.since = None;
        // That the engine is away, and when it is back, the stream of events says.
        let Ok(lives) = self.lives().await else {
            return;
        };
        let follows: Vec<Follow> = follow(&self.ties, &self.before, &lives)
            .into_iter()
            .filter(|follow| {
                let failed = self.failed.get(&follow.tie.service);
                failed != Some(&moment(lives.get(&follow.tie.on)))
            })
            .collect();
        if follows.is_empty() {
            remember(&self.ties, &mut self.before, &lives);
            return;
        }
        // What was told meanwhile may be the beginning of the same, by another hand.
        while let Ok(heard) = self.inbox.try_recv() {
            self.hear(heard).await;
        }
        if self.due.is_some() {
            return;
        }
        self.act(follows, &lives).await;
        remember(&self.ties, &mut self.before, &lives);
        // What was done here is known.
        self.hear_of_moves(moves);
        self.due = None;
        if let Ok(lives) = self.lives().await {
            remember(&self.ties, &mut self.before, &lives);
        }
    }
}

/// Which containers a service had, and since when they ran.
type Moment = Vec<(String, Option<SystemTime>)>;

fn moment(lives: Option<&Vec<Life>>) -> Moment {
    let lives = lives.into_iter().flatten();
    lives.map(|life| (life.id.clone(), life.began)).collect()
}

/// Everybody who is tied to another, on either side.
fn services(ties: &[Tie]) -> impl Iterator<Item = &str> {
    ties.iter().flat_map(|tie| [tie.service.as_str(), &tie.on])
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
