//! A full rebuild of one service (C11): the old container stays when the build fails; the new one gets what changed meanwhile.

use std::time::{Duration, Instant, SystemTime};

use crate::engine::{Container, Engine, State};
use crate::paths::HostPath;
use crate::plan::Because;
use crate::report::{Done, Ended, Event, Failure, Failures, Problem, Reporter, Took};
use crate::update::Ledger;

use super::compare::compare_all;
use super::disk::Look;
use super::order;
use super::worker::Worker;

impl<E: Engine> Worker<E> {
    /// Builds and recreates, because of `because`.
    pub(super) async fn rebuild(&mut self, because: Because, begun: Instant, wait: Duration) {
        // Where there is nothing to build, what is owed is the start alone.
        if !self.can_build && because != Because::BuildOwed {
            let service = Some(&*self.service.name);
            self.reporter
                .problem(service, Problem::OnlyAnImage(because));
            return;
        }
        let service = self.service.name.clone();
        self.reporter.say(Event::Rebuild {
            service: service.clone(),
            because: because.clone(),
            builds: order::names(&self.targets),
        });
        self.hold.acts();
        self.read_ignore_files();
        let synced: Vec<HostPath> = self.built_and_synced_now();
        // What changes from here on may or may not be in the image: the new container is brought it again (E1).
        let snapshot = self.disk.now();
        let build_began = SystemTime::now();
        let reporter = self.reporter.clone();
        let started = Instant::now();
        let built = self
            .builder
            .build(
                &self.targets,
                begun.max(self.last_touch),
                Some(&because),
                &mut show(&reporter, &service),
            )
            .await;
        self.told.built();
        let mut took = Took {
            wait,
            build: Some(started.elapsed()),
            ..Took::default()
        };
        let under_way = self.ends.begin(&service);
        let recreated = match built {
            Ok(()) => {
                let image = if self.can_build {
                    self.built_and_synced.extend(synced);
                    self.remember_build(snapshot, build_began).await
                } else {
                    None
                };
                if because.path().is_some() && self.runs_already(image.as_deref()).await {
                    took.total = begun.elapsed();
                    self.build_owed = false;
                    self.forgive();
                    let names = self.ledgers.values();
                    let names: Vec<String> = names.map(|it| it.container.name.clone()).collect();
                    self.say(Done::BuiltTheSame(because), &names, took, Ended::Well);
                    // What a sync covers is brought as ever.
                    Box::pin(self.look_at_containers(Instant::now())).await;
                    return;
                }
                let started = Instant::now();
                let recreated = self
                    .builder
                    .recreate(&service, &mut show(&reporter, &service))
                    .await;
                took.start = Some(started.elapsed());
                recreated
            }
            Err(error) => Err(error),
        };
        took.total = begun.elapsed();
        self.build_owed = recreated.is_err();
        match recreated {
            Ok(()) => {
                self.forgive();
                let containers = self.engine.containers(&service).await.unwrap_or_default();
                let done = Done::Rebuilt(because);
                for container in &containers {
                    self.ends.updated(&container.id, &done);
                }
                let names: Vec<String> = containers
                    .into_iter()
                    .map(|container| container.name)
                    .collect();
                self.say(done, &names, took, Ended::Well);
                drop(under_way);
                Box::pin(self.look_at_containers(Instant::now())).await;
            }
            Err(error) => {
                let old_runs = !self.ledgers.is_empty();
                let failure = Failure::Build { error, old_runs };
                let result = Ended::Failed(Failures(vec![failure]));
                self.say(Done::Rebuilt(because), &[], took, result);
            }
        }
    }

    /// Recreates without a build.
    pub(super) async fn start_anew(&mut self, now: Instant) {
        let service = self.service.name.clone();
        let reporter = self.reporter.clone();
        let recreated = self
            .builder
            .recreate(&service, &mut show(&reporter, &service))
            .await;
        if let Err(error) = recreated {
            let old_runs = !self.ledgers.is_empty();
            let problem = Problem::NotRecreated { error, old_runs };
            self.reporter.problem(Some(&service), problem);
            self.build_owed = true;
        }
        Box::pin(self.look_at_containers(now)).await;
    }

    /// What an image of the disk as it was then has in it; answers which that is.
    async fn remember_build(&mut self, snapshot: Look, began: SystemTime) -> Option<String> {
        self.last_build = Some((snapshot, began));
        let image = self.engine.image_id(&self.service.image).await.ok()??;
        self.remember_baseline(image.clone(), snapshot);
        Some(image)
    }

    /// Whether all containers that are known run, and are of this image: to recreate them would make the same again.
    async fn runs_already(&self, image: Option<&str>) -> bool {
        let Ok(containers) = self.engine.containers(&self.service.name).await else {
            return false;
        };
        let is_as_it_was = |container: &Container| {
            container.state == State::Running
                && Some(container.image_id.as_str()) == image
                && self.ledgers.contains_key(&container.id)
        };
        !containers.is_empty() && containers.iter().all(is_as_it_was)
    }

    /// Compose keeps a container whose image came out the same: it need not hear again of what asked for the build.
    fn forgive(&mut self) {
        let rules = &self.rules;
        for ledger in self.ledgers.values_mut() {
            ledger
                .owed
                .retain(|path| rules.syncs(path) || rules.follows_rebuild(path));
        }
    }

    /// F1: of what the containers are owed, the files that ask for this build and are synced as well.
    fn built_and_synced_now(&self) -> Vec<HostPath> {
        let owed = self.ledgers.values().flat_map(|ledger| &ledger.owed);
        owed.filter(|path| self.rules.follows_rebuild(path))
            .cloned()
            .collect()
    }

    /// F1: whether the file has had the build it asked for, and only its syncs are left.
    pub(super) fn is_built(&self, path: &HostPath) -> bool {
        let then = self.last_build.map(|(then, _)| then);
        self.built_and_synced.contains(path)
            && then.is_some_and(|then| self.disk.is_as_it_was(path, then))
    }

    /// F1: what asked for a build and is synced as well comes into the new container where the image has it not.
    pub(super) async fn owe_after_rebuild(&self, ledger: &mut Ledger) {
        let synced = &self.built_and_synced;
        if synced.is_empty() {
            return;
        }
        let present = self.disk.present();
        let present = present.filter(|(path, _)| synced.contains(*path) && self.is_built(path));
        match compare_all(&*self.engine, &self.rules, present, &ledger.container).await {
            Ok(comparison) => comparison.note_in(ledger),
            // Not known to be there is brought.
            Err(_) => ledger.owed.extend(synced.iter().cloned()),
        }
    }
}

fn show<'a>(reporter: &'a Reporter, service: &'a str) -> impl FnMut(&str) + Send + 'a {
    move |line| reporter.build(Some(service), line)
}
