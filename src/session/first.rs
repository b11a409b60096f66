//! From a project that was read to a running session: watches, builds and starts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cli::{ExitCode, Up};
use crate::compose::Service;
use crate::engine::{Container, ContainerId, Docker, Engine as _, State};
use crate::report::{Event, Reporter, StartedService};
use crate::watch::{WatchEvent, Watcher};

use super::builder::{Builder, Target};
use super::configuration::{arrange_runs, configuration_of, targets_of};
use super::disk::Disk;
use super::loading::{Loading, complain};
use super::logs::Logs;
use super::route::Session;
use super::worker::{Configuration, Message, Start, Worker, look_at};

/// The session before its first start.
pub struct First {
    loading: Loading,
    up: Up,
    reporter: Reporter,
}

/// What came of the first build and start.
#[derive(Default)]
struct Begun {
    /// Images that were built now, by service.
    built: BTreeMap<String, String>,
    /// Services whose build or start failed (E3).
    failed: BTreeSet<String>,
}

impl First {
    /// What was read, what was asked for, and who is told.
    pub fn new(loading: Loading, up: Up, reporter: Reporter) -> Self {
        Self {
            loading,
            up,
            reporter,
        }
    }

    /// Docker and the services this session is about: for stopping them, whatever comes of the start.
    pub fn stopping(&self) -> (Arc<Docker>, Reporter, Up) {
        (
            Arc::clone(&self.loading.engine),
            self.reporter.clone(),
            self.up.clone(),
        )
    }

    fn chosen(&self, service: &Service) -> bool {
        self.up.services.is_empty() || self.up.services.contains(&service.name)
    }

    /// Watches, builds, starts. The error was said; nothing is half done by it.
    pub async fn start(self) -> Result<Session, ExitCode> {
        let mut configurations = Vec::new();
        for service in self
            .loading
            .project
            .services
            .iter()
            .filter(|service| self.chosen(service))
        {
            match configuration_of(&self.loading.project, service) {
                Some(Ok(configuration)) => configurations.push(configuration),
                Some(Err(bad)) => {
                    complain(&bad);
                    return Err(ExitCode::Problems);
                }
                None => {}
            }
        }
        // Watching begins before building, so that an edit during the build is not missed (C11).
        let (sender, touched) = mpsc::unbounded_channel();
        let watcher = self.watch(&configurations, sender)?;
        let mut disks = Vec::new();
        for configuration in &configurations {
            disks.push(Disk::of(look_at(Arc::clone(&configuration.scope)).await));
        }
        let (strangers, unseen) = self.strangers().await;
        let begun_at = SystemTime::now();
        let engine_events = self.loading.engine.events();
        let logs = Logs::new(
            Arc::clone(&self.loading.engine),
            self.reporter.clone(),
            self.up.logs,
            begun_at,
        );
        arrange_runs(
            &self.loading.engine,
            self.loading
                .project
                .services
                .iter()
                .filter(|service| self.chosen(service)),
        );
        let begun = self.build_and_start().await?;
        let builder = Arc::new(Builder::new(
            Arc::clone(&self.loading.engine),
            self.loading.cli.clone(),
            self.loading.project.dir.clone(),
        ));
        let mut session = Session {
            engine: Arc::clone(&self.loading.engine),
            cli: self.loading.cli.clone(),
            project: self.loading.project.clone(),
            up: self.up.clone(),
            reporter: self.reporter.clone(),
            builder,
            watcher,
            touched,
            engine_events: Box::new(engine_events),
            workers: BTreeMap::new(),
            scopes: BTreeMap::new(),
            tasks: JoinSet::new(),
            logs,
            paused: false,
        };
        let mut started = Vec::new();
        for (configuration, disk) in configurations.into_iter().zip(disks) {
            let name = configuration.service.name.clone();
            let containers = session.engine.containers(&name).await.unwrap_or_default();
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
            session.hire(
                configuration,
                disk,
                built,
                begun.failed.contains(&name),
                strangers.clone(),
            );
        }
        for service in &session.project.services {
            session.logs.follow_service(service).await;
        }
        self.reporter.say(Event::Started {
            project: session.project.name.clone(),
            services: started,
            directories: session
                .watcher
                .count()
                .map_or(0, |count| count.watched + count.polled),
        });
        Ok(session)
    }

    fn watch(
        &self,
        configurations: &[Configuration],
        touches: mpsc::UnboundedSender<WatchEvent>,
    ) -> Result<Watcher, ExitCode> {
        let scopes = configurations
            .iter()
            .map(|configuration| Arc::clone(&configuration.scope))
            .collect();
        match Watcher::start(scopes, self.loading.project.sources.clone(), touches) {
            Ok((watcher, notices)) => {
                for notice in notices {
                    self.reporter.notice(None, notice.to_string());
                }
                Ok(watcher)
            }
            Err(error) => {
                complain(&format!("error: {error}"));
                Err(ExitCode::Docker)
            }
        }
    }

    /// The containers that are there already: what is in them nobody here knows. And the services whose containers the
    /// engine did not tell.
    async fn strangers(&self) -> (BTreeSet<ContainerId>, BTreeSet<String>) {
        let (mut strangers, mut unseen) = (BTreeSet::new(), BTreeSet::new());
        for service in &self.loading.project.services {
            match self.loading.engine.containers(&service.name).await {
                Ok(containers) => {
                    strangers.extend(containers.into_iter().map(|container| container.id));
                }
                Err(_) => drop(unseen.insert(service.name.clone())),
            }
        }
        (strangers, unseen)
    }

    async fn build_and_start(&self) -> Result<Begun, ExitCode> {
        let mut begun = Begun::default();
        if self.up.build {
            self.build(&mut begun).await;
        }
        let all: Vec<String> = self
            .loading
            .project
            .services
            .iter()
            .filter(|service| self.chosen(service))
            .map(|service| service.name.clone())
            .collect();
        let good: Vec<String> = all
            .iter()
            .filter(|name| !begun.failed.contains(*name))
            .cloned()
            .collect();
        // Without a failure the user's own choice goes to Compose as it is.
        let named = if begun.failed.is_empty() {
            self.up.services.clone()
        } else {
            good.clone()
        };
        if good.is_empty() {
            return Ok(begun);
        }
        let reporter = self.reporter.clone();
        let started = self
            .loading
            .engine
            .up(&named, &self.flags(), &mut show(&reporter))
            .await;
        if let Err(error) = started {
            self.reporter.problem(
                None,
                error.to_string(),
                Some("fix it and save: the next change tries again"),
            );
            for name in good {
                let runs = self
                    .loading
                    .engine
                    .containers(&name)
                    .await
                    .is_ok_and(|containers| containers.iter().any(was_started));
                if !runs {
                    begun.failed.insert(name);
                }
            }
        }
        Ok(begun)
    }

    /// Everything at once; where that fails, one by one, so that one service's failure is its own (E3, C13).
    async fn build(&self, begun: &mut Begun) {
        let reporter = self.reporter.clone();
        let mut targets: Vec<Target> = Vec::new();
        for service in self
            .loading
            .project
            .services
            .iter()
            .filter(|service| self.chosen(service))
        {
            for target in targets_of(&self.loading.project, service) {
                if !targets.contains(&target) {
                    targets.push(target);
                }
            }
        }
        let by_compose: Vec<String> = targets
            .iter()
            .filter(|target| target.custom.is_none())
            .map(|target| target.service.clone())
            .collect();
        let engine = &self.loading.engine;
        let builder = Builder::new(
            Arc::clone(engine),
            self.loading.cli.clone(),
            self.loading.project.dir.clone(),
        );
        let all_custom = by_compose.len() < targets.len();
        let together = !all_custom
            && (by_compose.is_empty()
                || engine
                    .build(&by_compose, &mut show(&reporter))
                    .await
                    .is_ok());
        for target in &targets {
            let name = &target.service;
            if !together {
                let one = std::slice::from_ref(target);
                if let Err(error) = builder
                    .build(one, std::time::Instant::now(), &mut show(&reporter))
                    .await
                {
                    self.reporter.problem(
                        Some(name),
                        error.to_string(),
                        Some("fix it and save: the next change builds again"),
                    );
                    begun.failed.insert(name.clone());
                    continue;
                }
            }
            let image = self
                .loading
                .project
                .service(name)
                .map(|service| service.image.as_str())
                .unwrap_or_default();
            if let Ok(Some(id)) = engine.image_id(image).await {
                begun.built.insert(name.clone(), id);
            }
        }
    }

    /// The flags of the first `docker compose up`.
    fn flags(&self) -> Vec<std::ffi::OsString> {
        let mut flags: Vec<std::ffi::OsString> = self.up.start_flags.clone();
        if self.up.no_deps {
            flags.push("--no-deps".into());
        }
        if !self.up.build {
            flags.push("--no-build".into());
        }
        if let Some(pull) = &self.up.pull {
            flags.extend(["--pull".into(), pull.into()]);
        }
        for scale in &self.up.scale {
            flags.extend([
                "--scale".into(),
                format!("{}={}", scale.service, scale.count).into(),
            ]);
        }
        flags
    }
}

/// One that could only be made waits for the next change to be started, as if there were none.
fn was_started(container: &Container) -> bool {
    !matches!(container.state, State::Created | State::Gone)
}

fn show(reporter: &Reporter) -> impl FnMut(&str) + Send + '_ {
    move |line| reporter.build(None, line)
}

impl Session {
    /// A worker for one service.
    pub(super) fn hire(
        &mut self,
        configuration: Configuration,
        disk: Disk,
        built: Option<String>,
        build_failed: bool,
        strangers: BTreeSet<ContainerId>,
    ) {
        let name = configuration.service.name.clone();
        self.scopes
            .insert(name.clone(), Arc::clone(&configuration.scope));
        let (worker, inbox) = Worker::new(Start {
            engine: Arc::clone(&self.engine),
            builder: Arc::clone(&self.builder),
            reporter: self.reporter.clone(),
            configuration,
            disk,
            built,
            build_failed,
            strangers,
        });
        if self.paused {
            // A full queue is no danger: it has no bound.
            let _ = inbox.send(Message::Pause(true));
        }
        self.tasks.spawn(worker.work());
        self.workers.insert(name, inbox);
    }
}
