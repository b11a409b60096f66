//! From a project that was read to a running session: watches, builds and starts.

mod build;
mod open;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cli::{ExitCode, Up};
use crate::compose::{self, Project, Service};
use crate::docker::DockerCli;
use crate::engine::{Compose, ContainerId, EngineEvent};
use crate::paths::HostPath;
use crate::report::{Notice, Reporter};
use crate::watch::{Looks, Scope, WatchEvent, Watcher};

use super::arrange::{arrange_runs, relatives};
use super::contents::Contents;
use super::ends::Ends;
use super::follow::{self, Follower};
use super::listener;
use super::loading::complain;
use super::logs::Logs;
use super::reload::{ReadModel, files_of};
use super::route::{Hears, Session};
use super::router::Router;
use super::seen::Seen;
use super::stops::Stops;
use super::unpaid::Unpaid;
use crate::service::{Configuration, configuration_of};
pub use build::lasting_flags;

/// What came of the first build and start.
#[derive(Default)]
struct Begun {
    /// Images that were built now, by service.
    built: BTreeMap<String, String>,
    /// Services whose build or start failed (E3).
    failed: BTreeSet<String>,
}

/// What is live-updated, and what the disk held of it before the first build.
type All = Vec<(Configuration, Seen)>;

/// What is watched.
struct Watched {
    all: All,
    files: BTreeSet<HostPath>,
    contents: Contents,
    watcher: Watcher,
    touched: mpsc::UnboundedReceiver<WatchEvent>,
}

/// Who hears the engine.
struct Heard<E> {
    stops: Arc<Stops>,
    follower: Follower<E>,
    tell_follower: mpsc::UnboundedSender<follow::Heard>,
    engine_events: mpsc::UnboundedReceiver<EngineEvent>,
    logs: Logs,
}

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

impl<E: Compose> First<E> {
    /// Docker and the services this session is about: for stopping them, whatever comes of the start.
    pub(super) fn stopping(&self) -> (Arc<E>, Reporter, Up) {
        (
            Arc::clone(&self.engine),
            self.reporter.clone(),
            self.up.clone(),
        )
    }

    /// The names of all services.
    pub(super) fn services(&self) -> Vec<String> {
        let services = self.project.services.iter();
        services.map(|service| service.name.clone()).collect()
    }

    fn chosen(&self, service: &Service) -> bool {
        self.up.services.is_empty() || self.up.services.contains(&service.name)
    }

    /// Watches, builds, starts. The error was said; nothing is half done by it.
    pub(super) async fn start(self) -> Result<Session<E>, ExitCode> {
        let watched = self.look().await?;
        let there = self.preexisting().await;
        let heard = self.listen();
        let chosen = self.project.services.iter();
        let chosen = chosen.filter(|service| self.chosen(service));
        arrange_runs(&*self.engine, &self.project, chosen);
        let begun = self.build_and_start().await?;
        let ties = compose::ties(&self.project);
        let (mut session, all, follower) = self.session(watched, heard);
        // As everybody is before anything is brought in step: that may be a restart already.
        session.tasks.spawn(follower.knowing(ties).await.work());
        session.open(all, &begun, &there).await;
        Ok(session)
    }

    /// Watches what is live-updated, and looks at it. Before anything is built, so that an edit during the build is not
    /// missed (C11).
    async fn look(&self) -> Result<Watched, ExitCode> {
        let configurations = self.configurations()?;
        let scopes: Vec<Arc<Scope>> = configurations
            .iter()
            .map(|configuration| Arc::clone(&configuration.scope))
            .collect();
        let files = files_of(&self.project, scopes.iter());
        // Before anybody hears of an edit: what is read after it is no sign that it was read before.
        let contents = Contents::of(files.iter().cloned());
        let (sender, touched) = mpsc::unbounded_channel();
        let watcher = self.watch(scopes, sender)?;
        let looks = Arc::new(Looks::default());
        let mut all = Vec::new();
        for configuration in configurations {
            let seen = Seen::of(&configuration, &looks).await;
            all.push((configuration, seen));
        }
        Ok(Watched {
            all,
            files,
            contents,
            watcher,
            touched,
        })
    }

    /// Listens to the engine, for everybody who wants to know what it tells.
    fn listen(&self) -> Heard<E> {
        let stops = Arc::new(Stops::default());
        let (follower, tell_follower) = Follower::new(
            Arc::clone(&self.engine),
            self.reporter.clone(),
            Arc::clone(&stops),
        );
        let engine_events = listener::listen(
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
        Heard {
            stops,
            follower,
            tell_follower,
            engine_events,
            logs,
        }
    }

    /// A session whose services nobody works for yet.
    fn session(self, watched: Watched, heard: Heard<E>) -> (Session<E>, All, Follower<E>) {
        let builder = Arc::new(self.builder());
        builder.set_shared_bases(relatives(watched.all.iter().map(|(known, _)| known)));
        let (says_linked, linked) = mpsc::unbounded_channel();
        let (finds, found) = mpsc::unbounded_channel();
        let session = Session {
            router: Router::new(self.project, self.up.clone(), watched.files),
            engine: self.engine,
            up: self.up,
            ends: Arc::new(Ends::new(self.reporter.clone())),
            reporter: self.reporter,
            builder,
            workers: BTreeMap::new(),
            tasks: JoinSet::new(),
            watcher: Arc::new(watched.watcher),
            contents: Arc::new(Mutex::new(watched.contents)),
            model: self.model,
            logs: heard.logs,
            follower: heard.tell_follower,
            stops: heard.stops,
            how_to_apply: self.how_to_apply,
            unpaid: self.unpaid,
            hears: Hears {
                touched: watched.touched,
                engine_events: heard.engine_events,
                linked,
                says_linked,
                found,
                finds,
            },
        };
        (session, watched.all, heard.follower)
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
}
