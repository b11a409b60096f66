//! Everybody begins to work.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::Begun;
use crate::engine::{Compose, ContainerId};
use crate::report::{Event, StartedService};
use crate::service::Configuration;
use crate::session::route::Session;
use crate::session::seen::Seen;
use crate::session::worker::{Start, Worker};

impl<E: Compose> Session<E> {
    /// Everybody begins to work; that the session is ready is said when the containers that are there are in step.
    pub(super) async fn open(
        &mut self,
        all: Vec<(Configuration, Seen)>,
        begun: &Begun,
        (preexisting, unseen): &(BTreeSet<ContainerId>, BTreeSet<String>),
    ) {
        let mut started = Vec::new();
        let mut in_step = Vec::new();
        let looks = all
            .iter()
            .map(|(configuration, _)| self.engine.containers(&configuration.service.name));
        let looks = join_all(looks).await;
        for ((configuration, seen), containers) in all.into_iter().zip(looks) {
            let name = configuration.service.name.clone();
            let containers = containers.unwrap_or_default();
            let mut addresses: Vec<String> = containers
                .iter()
                .flat_map(|container| container.addresses.iter().cloned())
                .collect();
            addresses.dedup();
            started.push(StartedService {
                name: name.clone(),
                containers: containers.len(),
                addresses,
            });
            // Where nobody knows which containers were there before, each is asked what it holds.
            let built = begun.built.get(&name).filter(|_| !unseen.contains(&name));
            let built = built.cloned();
            self.router.know(&name, Arc::clone(&configuration.scope));
            in_step.push(self.spawn_worker(
                configuration,
                seen,
                built,
                begun.failed.contains(&name),
                preexisting.clone(),
            ));
        }
        let ready = Event::Started {
            project: self.router.project.name.clone(),
            services: started,
            directories: self
                .watcher
                .count()
                .map_or(0, |count| count.watched + count.polled),
        };
        // Beside the loop: one service that takes long to be brought in step holds up no edit of another (C13).
        let reporter = self.reporter.clone();
        self.tasks.spawn(async move {
            join_all(in_step).await;
            reporter.say(ready);
        });
    }

    /// A worker for one service; the answer hears when the containers that are there are in step.
    pub(in crate::session) fn spawn_worker(
        &mut self,
        configuration: Configuration,
        seen: Seen,
        built: Option<String>,
        build_failed: bool,
        preexisting: BTreeSet<ContainerId>,
    ) -> oneshot::Receiver<()> {
        let name = configuration.service.name.clone();
        let (worker, inbox) = Worker::new(Start {
            engine: Arc::clone(&self.engine),
            builder: Arc::clone(&self.builder),
            reporter: self.reporter.clone(),
            ends: Arc::clone(&self.ends),
            how_to_apply: Arc::clone(&self.how_to_apply),
            linked: self.hears.says_linked.clone(),
            unpaid: self.unpaid.clone(),
            configuration,
            seen,
            built,
            build_failed,
            preexisting,
            stops: Arc::clone(&self.stops),
        });
        let (in_step, hears) = oneshot::channel();
        self.tasks.spawn(worker.work(in_step));
        self.workers.insert(name, inbox);
        hears
    }
}
