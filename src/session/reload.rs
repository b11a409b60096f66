//! E7: an edit of a compose file, env file, Dockerfile or ignore file takes effect; a broken one is reported and the last
//! good model stays.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::compose::{self, Project, Service, edited};
use crate::engine::{Container, Docker, Engine as _, State, scale_flag};
use crate::paths::HostPath;
use crate::plan::Because;
use crate::report::{Notice, Problem, Reporter};
use crate::watch::{Looks, Scope};

use super::arrange::{arrange_runs, relatives, runs_under};
use super::contents::Contents;
use super::first::lasting_flags;
use super::follow::Heard;
use super::route::Session;
use super::seen::Seen;
use super::worker::Message;
use crate::service::configuration_of;

/// An editor's save, or a `git checkout`, touches several of them within this time.
const GATHER: Duration = Duration::from_millis(50);

/// Whether, and when, the model has to be read again.
#[derive(Debug, Default)]
pub struct Reload {
    due: Option<Instant>,
    /// The files that were touched.
    touched: BTreeSet<HostPath>,
    /// Events were lost: any of them may have been.
    lost: bool,
    /// A file that says what is watched changed, and that is not taken over yet.
    watching: bool,
    /// The files of a model that could not be taken over: one of them may put it right.
    broken: Vec<HostPath>,
}

impl Reload {
    /// Whether `path` says anything about the model or about what is watched.
    pub fn hear(&mut self, files: &BTreeSet<HostPath>, path: &HostPath) {
        if files.contains(path) || self.broken.contains(path) {
            self.touched.insert(path.clone());
            self.due = Some(Instant::now() + GATHER);
        }
    }

    /// Whether the model is read from it, and not only what is watched.
    fn is_of_the_model(&self, project: &Project, path: &HostPath) -> bool {
        project.sources.contains(path) || self.broken.contains(path)
    }

    /// E4: events were lost; one of them may have been of such a file.
    pub fn hear_of_loss(&mut self) {
        self.lost = true;
        self.due = Some(Instant::now() + GATHER);
    }

    /// Looks at what was touched: whether anything differs, and whether that is of the model.
    fn look(&mut self, files: &mut Contents, project: &Project) -> Option<Changed> {
        self.due = None;
        let mut changed: BTreeSet<HostPath> = std::mem::take(&mut self.touched)
            .into_iter()
            .filter(|path| files.differs(path))
            .collect();
        if std::mem::take(&mut self.lost) {
            changed.extend(files.all_that_differ());
        }
        let of_the_model = |path: &HostPath| self.is_of_the_model(project, path);
        let model = changed.iter().any(of_the_model);
        self.watching |= !changed.iter().all(of_the_model);
        (!changed.is_empty()).then_some(Changed { model })
    }

    /// Resolves when it is time.
    pub async fn due(&self) {
        match self.due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }
}

/// Something has changed.
struct Changed {
    /// A file of the model, not only one that says what is watched.
    model: bool,
}

impl Session {
    /// Reads the model again and hands each worker what concerns it; where nothing differs, nothing is done.
    pub(super) async fn reload(&mut self, reload: &mut Reload) {
        let Some(Changed { model }) = reload.look(&mut self.contents, &self.project) else {
            return;
        };
        let Reload { watching, .. } = std::mem::take(reload);
        let project = match compose::load(&self.cli).await {
            Ok(loaded) => {
                for warning in loaded.warnings {
                    let warning = warning.render(false);
                    self.reporter
                        .notice(None, Notice::ConfigurationWarning(warning));
                }
                Arc::new(loaded.project)
            }
            Err(error) => {
                self.keep_the_last(reload, watching, error.sources().to_vec());
                let text = error.render(false);
                let text = text.strip_prefix("error: ").unwrap_or(&text);
                let problem = Problem::BadConfiguration(indented(text));
                self.reporter.problem(None, problem);
                return;
            }
        };
        let before = Arc::clone(&self.project);
        if project.name != before.name {
            let (old, new) = (before.name.clone(), project.name.clone());
            self.reporter
                .problem(None, Problem::ProjectRenamed { old, new });
            self.keep_the_last(reload, watching, project.sources.clone());
            return;
        }
        if (watching || project != before) && !self.adopt(Arc::clone(&project)).await {
            let mut files = project.sources.clone();
            files.extend(files_of_builds(&project));
            self.keep_the_last(reload, watching, files);
            return;
        }
        if model || self.project != before {
            self.reporter.notice(None, Notice::ConfigurationRead);
        }
        self.say_what_compose_leaves(&before);
        self.bring_up(&before);
    }

    /// Compose would have to delete them; nobody but the user may.
    fn say_what_compose_leaves(&self, before: &Project) {
        for volume in edited::volumes(before, &self.project) {
            self.reporter
                .problem(None, Problem::VolumeEdited { volume });
        }
    }

    /// One of `files` will put it right; what else was heard is taken over with it.
    fn keep_the_last(&self, reload: &mut Reload, watching: bool, files: Vec<HostPath>) {
        reload.watching = watching;
        reload.broken = files;
        self.watch(self.scopes.values().cloned().collect(), &reload.broken);
    }

    /// The answer is whether the project is in force now.
    async fn adopt(&mut self, project: Arc<Project>) -> bool {
        let mut configurations = Vec::new();
        for service in project
            .services
            .iter()
            .filter(|service| self.is_chosen(service))
        {
            match configuration_of(&project, service) {
                Some(Ok(configuration)) => configurations.push(configuration),
                Some(Err(bad)) => {
                    let bad = bad.strip_prefix("error: ").unwrap_or(&bad);
                    let problem = Problem::BadConfiguration(bad.to_owned());
                    self.reporter.problem(None, problem);
                    return false;
                }
                None => {}
            }
        }
        self.logs.reload(Arc::clone(&project));
        self.project = project;
        let _ = self
            .follower
            .send(Heard::Ties(compose::ties(&self.project)));
        let scopes: Vec<Arc<Scope>> = configurations
            .iter()
            .map(|configuration| Arc::clone(&configuration.scope))
            .collect();
        self.files = files_of(&self.project, scopes.iter());
        self.watch(scopes, &[]);
        let kept: BTreeSet<String> = configurations
            .iter()
            .map(|configuration| configuration.service.name.clone())
            .collect();
        self.workers.retain(|name, _| kept.contains(name));
        self.scopes.retain(|name, _| kept.contains(name));
        self.engine.know_mounts(&self.project);
        arrange_runs(
            &self.engine,
            &self.project,
            self.project
                .services
                .iter()
                .filter(|service| self.is_chosen(service)),
        );
        self.builder.know(relatives(&configurations));
        let looks = Arc::new(Looks::default());
        for configuration in configurations {
            let name = configuration.service.name.clone();
            if let Some(worker) = self.workers.get(&name) {
                self.scopes.insert(name, Arc::clone(&configuration.scope));
                let looks = Arc::clone(&looks);
                let _ = worker.send(Message::Configure(Box::new(configuration), looks));
            } else {
                let seen = Seen::of(&configuration, &looks).await;
                // Nobody waits for it: the session has long been ready.
                drop(self.hire(configuration, seen, None, false, BTreeSet::new()));
            }
        }
        true
    }

    /// Watches what the scopes ask for, the model's files, and `also`.
    fn watch(&self, scopes: Vec<Arc<Scope>>, also: &[HostPath]) {
        let files = self.project.sources.iter().chain(also).cloned().collect();
        match self.watcher.reconfigure(scopes, files) {
            Ok(notices) => notices
                .into_iter()
                .for_each(|notice| self.reporter.notice(None, Notice::Watching(notice))),
            Err(error) => self
                .reporter
                .problem(None, Problem::Watching(error.to_string())),
        }
    }

    /// As `docker compose up` does: what changed is recreated, what did not, an edited block among it, is left alone. What
    /// is stopped stays so. Beside the loop, for it can take long.
    fn bring_up(&mut self, before: &Project) {
        let mut concerned = Vec::new();
        for service in &self.project.services {
            let old = before.service(&service.name);
            if !self.is_chosen(service) || old.is_some_and(|old| is_same(old, service)) {
                continue;
            }
            let rebuilds = service.build.is_some()
                && old.is_some_and(|old| old.definition.image != service.definition.image);
            let stale = old.map_or_else(Vec::new, |old| {
                let handed = &service.definition.handed;
                handed.edited_since(&old.definition.handed)
            });
            let worker = self.workers.get(&service.name).cloned();
            if rebuilds && let Some(worker) = &worker {
                // Compose's own `up` takes the image that is there.
                let _ = worker.send(Message::Rebuild(Because::Configuration));
                // An image that comes out the same makes no container anew.
                if stale.is_empty() {
                    continue;
                }
            }
            let same_scale = |old: &Service| old.definition.scale() == service.definition.scale();
            let mut scaled = self.up.scale.iter();
            concerned.push(Concerned {
                name: service.name.clone(),
                worker,
                is_new: old.is_none(),
                stale,
                keeps_scale: old.is_some_and(same_scale)
                    && scaled.all(|scale| scale.service != service.name),
            });
        }
        if !concerned.is_empty() {
            let (engine, reporter) = (Arc::clone(&self.engine), self.reporter.clone());
            let flags = lasting_flags(&self.up);
            self.tasks
                .spawn(bring_up(engine, reporter, concerned, flags));
        }
    }

    fn is_chosen(&self, service: &Service) -> bool {
        self.up.services.is_empty() || self.up.services.contains(&service.name)
    }
}

/// The lines of a problem below its first, as a part of one message.
fn indented(problem: &str) -> String {
    problem.replace('\n', "\n  ")
}

/// The files that say what the model is, and what is watched.
pub(super) fn files_of<'a>(
    project: &Project,
    scopes: impl Iterator<Item = &'a Arc<Scope>>,
) -> BTreeSet<HostPath> {
    let always = scopes.flat_map(|scope| scope.always()).cloned();
    let files = project.sources.iter().cloned();
    files
        .chain(files_of_builds(project))
        .chain(always)
        .collect()
}

/// The Dockerfiles and ignore files.
fn files_of_builds(project: &Project) -> impl Iterator<Item = HostPath> {
    let builds = project.services.iter().flat_map(|service| &service.build);
    builds.flat_map(|build| {
        build
            .ignore_files()
            .into_iter()
            .chain(build.dockerfile.clone())
    })
}

/// Whether its image and containers are made as before.
fn is_same(old: &Service, new: &Service) -> bool {
    let helper = |service: &Service| service.block.as_ref().map(|block| block.helper);
    old.definition == new.definition
        && runs_under(old) == runs_under(new)
        && helper(old) == helper(new)
}

/// A service whose containers an edit concerns.
struct Concerned {
    name: String,
    worker: Option<mpsc::UnboundedSender<Message>>,
    is_new: bool,
    /// What its containers have another content of than the compose file, and Compose would not make them anew for.
    stale: Vec<String>,
    /// It has as many containers as somebody asked for by hand.
    keeps_scale: bool,
}

async fn bring_up(
    engine: Arc<Docker>,
    reporter: Reporter,
    concerned: Vec<Concerned>,
    mut flags: Vec<OsString>,
) {
    let (mut changed, mut forced) = (Vec::new(), Vec::new());
    for service in concerned {
        let containers = match engine.containers(&service.name).await {
            Ok(containers) => containers,
            Err(error) => {
                reporter.problem(Some(&service.name), Problem::NotBroughtUp(error));
                continue;
            }
        };
        let runs = |container: &Container| container.state == State::Running;
        if !service.is_new && !containers.iter().any(runs) {
            if !service.stale.is_empty() && !containers.is_empty() {
                let problem = Problem::EditWithoutContainers {
                    service: service.name.clone(),
                    edited: service.stale,
                };
                reporter.problem(Some(&service.name), problem);
            }
            continue;
        }
        if service.keeps_scale {
            // Without this a service scaled by hand would shrink to what the compose file says.
            flags.extend(scale_flag(&service.name, containers.len()));
        }
        if service.stale.is_empty() {
            changed.push(service);
        } else {
            let edited = service.stale.clone();
            reporter.notice(Some(&service.name), Notice::Recreating { edited });
            forced.push(service);
        }
    }
    for (services, force) in [(changed, None), (forced, Some("--force-recreate"))] {
        if services.is_empty() {
            continue;
        }
        let names: Vec<String> = services.iter().map(|it| it.name.clone()).collect();
        let flags: Vec<OsString> = flags.iter().cloned().chain(force.map(Into::into)).collect();
        let mut show = |line: &str| reporter.build(None, line);
        if let Err(error) = engine.up(&names, &flags, &mut show).await {
            let forced = if force.is_some() { names } else { Vec::new() };
            reporter.problem(None, Problem::EditNotStarted { error, forced });
            for service in services {
                if let Some(worker) = service.worker {
                    // A session that is ending needs no word.
                    let _ = worker.send(Message::StartFailed);
                }
            }
        }
    }
}
