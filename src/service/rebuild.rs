//! A full rebuild of one service (C11): the old container stays when the build fails; the new one gets what changed meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::{Container, EngineError, State};
use crate::paths::HostPath;
use crate::plan::Because;
use crate::report::{self, Ended, Event, Failure, Failures, Problem, Took};
use crate::watch::Scope;

use super::action::{Action, Build, Find, Occasion};
use super::disk::Revision;
use super::reconcile::update_in_place;
use super::{LiveService, find, stages};

/// A rebuild on its way.
#[derive(Debug)]
pub struct Rebuild {
    /// Why.
    pub because: Because,
    occasion: Occasion,
    /// Somebody asked for it, and for nothing else.
    is_order: bool,
    /// Only a build that began after this has all in it.
    pub touched: Instant,
    /// The disk's state before the build: what changes later may or may not be in the image.
    snapshot: Revision,
    /// F1: files that ask for it and are synced as well.
    synced: Vec<HostPath>,
    /// Whether the image's ID is to be asked for.
    pub asks_image: bool,
    /// Whether it is to be asked what runs.
    pub asks_containers: bool,
    took: Took,
}

impl LiveService {
    /// Builds and recreates, because of `because`.
    pub(super) fn rebuild(
        &mut self,
        because: Because,
        occasion: Occasion,
        is_order: bool,
    ) -> Vec<Action> {
        let can_build = self.config.can_build;
        // Where there is nothing to build, what is owed is the start alone.
        if !can_build && because != Because::BuildOwed {
            return vec![self.problem(Problem::OnlyAnImage(because))];
        }
        self.hold.acts();
        vec![
            Action::Say(Event::Rebuild {
                service: self.name().to_owned(),
                because: because.clone(),
                builds: stages::names(&self.config.targets),
            }),
            // What the builder leaves out of the image must not come into the new container by another way (C2).
            Action::ReadIgnoreFiles(Rebuild {
                asks_image: can_build,
                asks_containers: because.path().is_some(),
                because,
                occasion,
                is_order,
                touched: occasion.begun.max(self.seen.last_touch),
                snapshot: self.seen.disk.now(),
                synced: Vec::new(),
                took: Took {
                    wait: occasion.wait,
                    ..Took::default()
                },
            }),
        ]
    }

    /// The ignore files are known as the builder is about to read them.
    pub(super) fn ignore_files_read(
        &mut self,
        mut rebuild: Rebuild,
        scope: Option<Scope>,
    ) -> Vec<Action> {
        if let Some(scope) = scope {
            let before = Arc::clone(&self.config.scope);
            self.narrow(Arc::new(scope), &before);
        }
        let owed = self.replicas.owed();
        let rules = &self.config.rules;
        rebuild.synced = owed
            .filter(|path| rules.follows_rebuild(path))
            .cloned()
            .collect();
        rebuild.snapshot = self.seen.disk.now();
        vec![Action::Build(rebuild)]
    }

    /// The build has ended.
    pub(super) fn built(
        &mut self,
        mut rebuild: Rebuild,
        build: Build,
        now: Instant,
    ) -> Vec<Action> {
        self.seen.built(now);
        rebuild.took.build = Some(build.took);
        match build.result {
            Ok(()) if rebuild.asks_image => {
                self.images
                    .built_and_synced
                    .extend(std::mem::take(&mut rebuild.synced));
                self.images.last_build = Some((rebuild.snapshot, build.began));
                vec![Action::Identify(rebuild)]
            }
            Ok(()) => vec![Action::Recreate(Some(rebuild))],
            Err(error) => self.rebuild_failed(rebuild, error, now),
        }
    }

    /// It is known which image the build has made, and what runs.
    pub(super) fn identified(
        &mut self,
        mut rebuild: Rebuild,
        image: Option<&str>,
        running: &[Container],
        now: Instant,
    ) -> Vec<Action> {
        if let Some(image) = image {
            self.images.remember(image.to_owned(), rebuild.snapshot);
        }
        if !self.runs_already(running, image) {
            return vec![Action::Recreate(Some(rebuild))];
        }
        // To recreate them would make the same again. What a sync covers is brought as ever.
        rebuild.took.total = now.saturating_duration_since(rebuild.occasion.begun);
        self.images.build_owed = false;
        self.clear_what_the_build_brought();
        let names = self
            .replicas
            .containers()
            .map(|container| container.name.clone());
        let names = names.collect();
        let done = report::Done::BuiltTheSame(rebuild.because);
        let said = self.conclude(done, names, rebuild.took, Ended::Well);
        vec![said, find(now)]
    }

    /// Whether all containers that are known run, and are of this image.
    fn runs_already(&self, containers: &[Container], image: Option<&str>) -> bool {
        let is_as_it_was = |container: &Container| {
            container.state == State::Running
                && Some(container.image_id.as_str()) == image
                && self.replicas.get(&container.id).is_some()
        };
        !containers.is_empty() && containers.iter().all(is_as_it_was)
    }

    /// The containers were made anew, or could not be.
    pub(super) fn recreated(
        &mut self,
        rebuild: Option<Rebuild>,
        result: Result<(), EngineError>,
        took: Duration,
        now: Instant,
    ) -> Vec<Action> {
        let Some(mut rebuild) = rebuild else {
            return self.started_anew(result, now);
        };
        rebuild.took.start = Some(took);
        if let Err(error) = result {
            return self.rebuild_failed(rebuild, error, now);
        }
        self.images.build_owed = false;
        rebuild.took.total = now.saturating_duration_since(rebuild.occasion.begun);
        self.clear_what_the_build_brought();
        vec![Action::Find(Find {
            begun: now,
            rebuilt: Some(rebuild),
        })]
    }

    /// What is said when the new containers are known.
    pub(super) fn rebuilt(&self, rebuild: Rebuild, containers: &[Container]) -> Action {
        let ids = containers.iter().map(|it| it.id.clone()).collect();
        let names = containers.iter().map(|it| it.name.clone()).collect();
        let done = report::Done::Rebuilt(rebuild.because);
        match self.conclude(done, names, rebuild.took, Ended::Well) {
            Action::Conclude(outcome, _) => Action::Conclude(outcome, ids),
            other => other,
        }
    }

    fn rebuild_failed(
        &mut self,
        mut rebuild: Rebuild,
        error: EngineError,
        now: Instant,
    ) -> Vec<Action> {
        self.images.build_owed = true;
        rebuild.took.total = now.saturating_duration_since(rebuild.occasion.begun);
        let old_runs = !self.replicas.is_empty();
        let result = Ended::Failed(Failures(vec![Failure::Build { error, old_runs }]));
        let done = report::Done::Rebuilt(rebuild.because);
        let mut actions = vec![self.conclude(done, Vec::new(), rebuild.took, result)];
        if !rebuild.is_order {
            actions.push(update_in_place(rebuild.occasion));
        }
        actions
    }

    /// Made anew without a build.
    fn started_anew(&mut self, result: Result<(), EngineError>, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        if let Err(error) = result {
            let old_runs = !self.replicas.is_empty();
            actions.push(self.problem(Problem::NotRecreated { error, old_runs }));
            self.images.build_owed = true;
        }
        actions.push(find(now));
        actions
    }

    /// Compose keeps a container whose image came out the same: it need not hear again of what asked for the build.
    fn clear_what_the_build_brought(&mut self) {
        let rules = &self.config.rules;
        let stays = |path: &HostPath| rules.syncs(path) || rules.follows_rebuild(path);
        self.replicas.keep_owed(stays);
    }
}
