//! What following comes to on the engine, and what is said of it.

use std::time::Instant;

use futures_util::future::join_all;

use super::{Follower, moment};
use crate::engine::{Compose, EngineError, State};
use crate::life::Lives;
use crate::plan::follow::{Follow, Move, follow};
use crate::report::{Done, Ended, Event, Failure, Failures, Followed, Outcome, Took};

impl<E: Compose> Follower<E> {
    /// Wave by wave: the recreates of each in one go of Compose's, the restarts side by side.
    pub(super) async fn act(&mut self, follows: Vec<Follow>, lives: &Lives) {
        let last = follows.iter().map(|follow| follow.wave).max();
        for wave in 0..=last.unwrap_or_default() {
            let now = self.still(follows.iter().filter(|follow| follow.wave == wave), lives);
            let now = now.await.into_iter();
            let (recreates, restarts): (Vec<Follow>, Vec<Follow>) =
                now.partition(|follow| follow.needs == Move::Recreated);
            let begun = Instant::now();
            if !recreates.is_empty() {
                let went = self.recreate(&recreates).await;
                for follow in recreates {
                    self.tell(follow, went.clone(), begun, lives).await;
                }
            }
            let begun = Instant::now();
            let restarts = restarts.into_iter().map(|follow| async {
                let went = self.restart(&follow.tie.service).await;
                (follow, went)
            });
            for (follow, went) in join_all(restarts).await {
                self.tell(follow, went, begun, lives).await;
            }
        }
    }

    /// Those of `follows` that nobody else has seen to since they were decided, right before it is done.
    async fn still<'a>(
        &self,
        follows: impl Iterator<Item = &'a Follow>,
        decided_by: &Lives,
    ) -> Vec<Follow> {
        let Ok(lives) = self.lives().await else {
            return follows.cloned().collect();
        };
        let now = follow(&self.ties, &self.before, &lives);
        let is_left = |one: &&Follow| {
            let service = &one.tie.service;
            let is_as_it_was = moment(lives.get(service)) == moment(decided_by.get(service));
            is_as_it_was || now.iter().any(|follow| follow.tie.service == *service)
        };
        follows.filter(is_left).cloned().collect()
    }

    async fn recreate(&self, follows: &[Follow]) -> Result<(), EngineError> {
        let names: Vec<String> = follows
            .iter()
            .map(|follow| follow.tie.service.clone())
            .collect();
        let reporter = self.reporter.clone();
        let mut show = |line: &str| reporter.build(None, line);
        self.engine.replace(&names, &mut show).await
    }

    async fn restart(&self, service: &str) -> Result<(), EngineError> {
        let containers = self.engine.containers(service).await?;
        let restarts = containers
            .iter()
            .filter(|container| match container.state {
                State::Running | State::Restarting => true,
                State::Exited { .. } => !self.stops.has_stopped(&container.id),
                _ => false,
            })
            .map(|container| self.engine.restart(container, None));
        for restarted in join_all(restarts).await {
            match restarted {
                Ok(_) | Err(EngineError::Gone(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn tell(
        &mut self,
        follow: Follow,
        went: Result<(), EngineError>,
        begun: Instant,
        lives: &Lives,
    ) {
        let service = follow.tie.service.clone();
        let containers = self.engine.containers(&service).await.unwrap_or_default();
        let result = match went {
            Ok(()) => {
                self.failed.remove(&service);
                Ended::Well
            }
            Err(error) => {
                let on = moment(lives.get(&follow.tie.on));
                self.failed.insert(service.clone(), on);
                Ended::Failed(Failures(vec![Failure::Follow {
                    service: service.clone(),
                    needs: follow.needs,
                    error,
                }]))
            }
        };
        let total = begun.elapsed();
        let took = match follow.needs {
            Move::Restarted => Took {
                restart: Some(total),
                total,
                ..Took::default()
            },
            Move::Recreated => Took {
                start: Some(total),
                total,
                ..Took::default()
            },
        };
        self.reporter.say(Event::Outcome(Outcome {
            service,
            done: Done::Followed(Followed {
                of: follow.tie.on,
                was: follow.was,
                how: follow.needs,
                tie: follow.tie.text,
            }),
            containers: containers
                .into_iter()
                .map(|container| container.name)
                .collect(),
            via: None,
            result,
            took,
        }));
    }
}
