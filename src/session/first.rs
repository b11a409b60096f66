//! From a project that was read to a running session: watches, builds and starts.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::cli::{ExitCode, Up};
use crate::compose::{self, Project, Service};
use crate::docker::DockerCli;
use crate::engine::{Compose, Container, ContainerId, Lent, State, scale_flag};
use crate::report::{Event, Notice, Problem, Reporter, Silence, StartedService};
use crate::watch::{Looks, Scope, WatchEvent, Watcher};

use super::arrange::{arrange_runs, relatives};
use super::builder::Builder;
use super::contents::Contents;
use super::ear;
use super::ends::Ends;
use super::follow::Follower;
use super::loading::complain;
use super::logs::Logs;
use super::reload::{ReadModel, files_of};
use super::route::{Hears, Session};
use super::router::Router;
use super::seen::Seen;
use super::stops::Stops;
use super::unpaid::Unpaid;
use super::worker::{Start, Worker};
use crate::service::stages::{self, Target};
use crate::service::{Configuration, configuration_of};

/// The session before its first start.
pub struct First<E> {
    /// The checked project.
    pub project: Arc<Project>,
    /// The engine that it runs on.
    pub engine: Arc<E>,
    /// How Docker is called.
    pub cli: DockerCli,
    /// How the project is read anew.
    pub model: ReadModel,
    /// What was asked for.
    pub up: Up,
    /// Who is told.
    pub reporter: Reporter,
    /// What the user does to apply what waits.
    pub how_to_apply: Arc<str>,
    /// There is a terminal for Compose's own progress.
    pub has_screen: bool,
    /// Where it is told what stays owed.
    pub unpaid: Unpaid,
}

/// What came of the first build and start.
#[derive(Default)]
struct Begun {
    /// Images that were built now, by service.
    built: BTreeMap<String, String>,
    /// Services whose build or start failed (E3).
    failed: BTreeSet<String>,
}

impl<E: Compose> First<E> {
    /// Compose shows by itself what it does, where somebody looks, and we are silent until it is done.
    fn screen(&self) -> Option<(Lent, Silence)> {
        let silence = self.has_screen.then(|| self.reporter.silence())?;
        Some((self.engine.lend_screen()?, silence))
    }

    /// Docker and the services this session is about: for stopping them, whatever comes of the start.
    pub(super) fn stopping(&self) -> (Arc<E>, Reporter, Up) {
        (
            Arc::clone(&self.engine),
            self.reporter.clone(),
            self.up.clone(),
        )
    }

    fn chosen(&self, service: &Service) -> bool {
        self.up.services.is_empty() || self.up.services.contains(&service.name)
    }

    /// Watches, builds, starts. The error was said; nothing is half done by it.
    pub(super) async fn start(self) -> Result<Session<E>, ExitCode> {
        let configurations = self.configurations()?;
        // Before anybody hears of an edit: what is read after it is no sign that it was read before.
        let scopes: Vec<_> = configurations
            .iter()
            .map(|configuration| Arc::clone(&configuration.scope))
            .collect();
        let files = files_of(&self.project, scopes.iter());
        let contents = Contents::of(files.iter().cloned());
        // Watching begins before building, so that an edit during the build is not missed (C11).
        let (sender, touched) = mpsc::unbounded_channel();
        let watcher = self.watch(scopes, sender)?;
        let looks = Arc::new(Looks::default());
        let mut all_seen = Vec::new();
        for configuration in &configurations {
            all_seen.push(Seen::of(configuration, &looks).await);
        }
        drop(looks);
        let there = self.preexisting().await;
        let stops = Arc::new(Stops::default());
        let (follower, tell_follower) = Follower::new(
            Arc::clone(&self.engine),
            self.reporter.clone(),
            Arc::clone(&stops),
        );
        let engine_events = ear::listen(
            self.engine.events(),
            Arc::clone(&stops),
            self.engine.moves(),
            tell_follower.clone(),
        );
        let logs = Logs::start(
            Arc::clone(&self.engine),
            self.reporter.clone(),
            self.up.logs,
            Arc::clone(&self.project),
        );
        arrange_runs(
            &*self.engine,
            &self.project,
            self.project
                .services
                .iter()
                .filter(|service| self.chosen(service)),
        );
        let begun = self.build_and_start().await?;
        let builder = Arc::new(self.builder());
        builder.know(relatives(configurations.iter()));
        let (says_linked, linked) = mpsc::unbounded_channel();
        let (finds, found) = mpsc::unbounded_channel();
        let project = Arc::clone(&self.project);
        let mut session = Session {
            router: Router::new(Arc::clone(&project), self.up.clone(), files),
            engine: self.engine,
            up: self.up,
            ends: Arc::new(Ends::new(self.reporter.clone())),
            reporter: self.reporter,
            builder,
            workers: BTreeMap::new(),
            tasks: JoinSet::new(),
            watcher: Arc::new(watcher),
            contents: Arc::new(Mutex::new(contents)),
            model: self.model,
            logs,
            follower: tell_follower,
            stops,
            how_to_apply: self.how_to_apply,
            unpaid: self.unpaid,
            hears: Hears {
                touched,
                engine_events,
                linked,
                says_linked,
                found,
                finds,
            },
        };
        // As everybody is before anything is brought in step: that may be a restart already.
        let ties = compose::ties(&project);
        session.tasks.spawn(follower.knowing(ties).await.work());
        let all = configurations.into_iter().zip(all_seen).collect();
        session.open(all, &begun, &there).await;
        Ok(session)
    }

    /// What is live-updated.
    fn configurations(&self) -> Result<Vec<Configuration>, ExitCode> {
        let mut configurations = Vec::new();
        for service in self
            .project
            .services
            .iter()
            .filter(|service| self.chosen(service))
        {
            match configuration_of(&self.project, service) {
                Some(Ok(configuration)) => configurations.push(configuration),
                Some(Err(bad)) => {
                    complain(&bad);
                    return Err(ExitCode::Problems);
                }
                None => {}
            }
        }
        Ok(configurations)
    }

    fn watch(
        &self,
        scopes: Vec<Arc<Scope>>,
        touches: mpsc::UnboundedSender<WatchEvent>,
    ) -> Result<Watcher, ExitCode> {
        match Watcher::start(scopes, self.project.sources.clone(), touches) {
            Ok((watcher, notices)) => {
                for notice in notices {
                    self.reporter.notice(None, Notice::Watching(notice));
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
    async fn preexisting(&self) -> (BTreeSet<ContainerId>, BTreeSet<String>) {
        let (mut preexisting, mut unseen) = (BTreeSet::new(), BTreeSet::new());
        let services = &self.project.services;
        let looks = services
            .iter()
            .map(|service| self.engine.containers(&service.name));
        for (service, seen) in services.iter().zip(join_all(looks).await) {
            match seen {
                Ok(containers) => {
                    preexisting.extend(containers.into_iter().map(|container| container.id));
                }
                Err(_) => drop(unseen.insert(service.name.clone())),
            }
        }
        (preexisting, unseen)
    }

    async fn build_and_start(&self) -> Result<Begun, ExitCode> {
        let mut begun = Begun::default();
        let mut builds = self.project.services.iter();
        if builds.any(|service| self.chosen(service) && service.build.is_some())
            && self.engine.builds_without_buildkit().await
        {
            self.reporter.notice(None, Notice::WithoutBuildKit);
        }
        if self.up.build {
            self.build(&mut begun).await;
        }
        let all: Vec<String> = self
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
        let screen = self.screen();
        let reporter = self.reporter.clone();
        let started = self
            .engine
            .up(&named, &self.flags(), &mut show(&reporter))
            .await;
        drop(screen);
        if let Err(error) = started {
            self.reporter.problem(None, Problem::NotStarted(error));
            for name in good {
                let runs = self
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

    fn builder(&self) -> Builder<E> {
        let dir = self.project.dir.clone();
        Builder::new(Arc::clone(&self.engine), self.cli.clone(), dir)
    }

    /// What is built together at once; where that fails, one by one, so that one service's failure is its own (E3, C13).
    async fn build(&self, begun: &mut Begun) {
        let project = &self.project;
        let services = project
            .services
            .iter()
            .filter(|service| self.chosen(service));
        let builder = self.builder();
        for go in stages::goes(project, services) {
            let together = go.iter().all(|target| target.custom.is_none()) && {
                let _screen = self.screen();
                let mut show = show(&self.reporter);
                builder.build_together(&go, &mut show).await.is_ok()
            };
            for target in &go {
                if !together {
                    self.build_one(&builder, target, begun).await;
                }
                for name in target.along.iter().chain([&target.service]) {
                    self.note_image(name, begun).await;
                }
            }
        }
    }

    /// One image by itself; when it fails, those that Compose builds along with it are none the worse for it.
    async fn build_one(&self, builder: &Builder<E>, target: &Target, begun: &mut Begun) {
        let reporter = &self.reporter;
        let project = &self.project;
        let name = &target.service;
        let now = std::time::Instant::now();
        let one = std::slice::from_ref(target);
        // The user's own command is not Compose's.
        let _screen = target.custom.is_none().then(|| self.screen());
        let bases = project.service(name).map_or(&[][..], |it| &it.bases);
        let failed_base = bases.iter().find(|base| begun.failed.contains(*base));
        let problem = if let Some(base) = failed_base {
            Problem::BaseNotBuilt { base: base.clone() }
        } else if let Err(error) = builder.build(one, now, None, &mut show(reporter)).await {
            Problem::NotBuilt(error)
        } else {
            return;
        };
        reporter.problem(Some(name), problem);
        begun.failed.insert(name.clone());
        let wanted = target
            .along
            .iter()
            .filter_map(|along| project.service(along))
            .filter(|service| self.chosen(service));
        for base in stages::goes(project, wanted).concat() {
            if begun.failed.contains(&base.service) {
                continue;
            }
            let one = std::slice::from_ref(&base);
            if let Err(error) = builder.build(one, now, None, &mut show(reporter)).await {
                reporter.problem(Some(&base.service), Problem::NotBuilt(error));
                begun.failed.insert(base.service.clone());
            }
        }
    }

    /// What a good build made.
    async fn note_image(&self, name: &str, begun: &mut Begun) {
        let Some(service) = self.project.service(name) else {
            return;
        };
        if begun.failed.contains(name) {
            return;
        }
        if let Ok(Some(id)) = self.engine.image_id(&service.image).await {
            begun.built.insert(name.to_owned(), id);
        }
    }

    /// The flags of the first `docker compose up`.
    fn flags(&self) -> Vec<OsString> {
        let mut flags = self.up.start_flags.clone();
        flags.extend(lasting_flags(&self.up));
        flags
    }
}

/// What holds for every `docker compose up` of the session, not only for the first.
pub fn lasting_flags(up: &Up) -> Vec<OsString> {
    let mut flags: Vec<OsString> = Vec::new();
    if up.no_deps {
        flags.push("--no-deps".into());
    }
    if !up.build {
        flags.push("--no-build".into());
    }
    if let Some(pull) = &up.pull {
        flags.extend(["--pull".into(), pull.into()]);
    }
    for scale in &up.scale {
        flags.extend(scale_flag(&scale.service, scale.count as usize));
    }
    flags
}

/// One that could only be made waits for the next change to be started, as if there were none.
fn was_started(container: &Container) -> bool {
    !matches!(container.state, State::Created | State::Gone)
}

fn show(reporter: &Reporter) -> impl FnMut(&str) + Send + '_ {
    move |line| reporter.build(None, line)
}

impl<E: Compose> Session<E> {
    /// Everybody begins to work; that the session is ready is said when the containers that are there are in step.
    async fn open(
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
            in_step.push(self.hire(
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
    pub(super) fn hire(
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
