//! E7: an edit of a compose file, env file, Dockerfile or ignore file is read and looked at beside the loop. What is asked for
//! while that is done is remembered once, with its cause. What comes of it the [router](super::router) decides.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::compose::{LoadError, Loaded, Project, Service};
use crate::paths::HostPath;
use crate::report::Problem;
use crate::watch::{self, Looks, Scope, Watcher};

use super::contents::Contents;
use super::seen::Seen;
use crate::service::{Configuration, configuration_of};

/// An editor's save, or a `git checkout`, touches several of them within this time.
const GATHER: Duration = Duration::from_millis(50);

/// How the model is read anew; a test has another way.
pub type ReadModel = Arc<dyn Fn() -> BoxFuture<'static, Result<Loaded, LoadError>> + Send + Sync>;

/// Whether, and when, the model has to be read again.
#[derive(Debug, Default)]
pub(super) struct Reload {
    due: Option<Instant>,
    /// The files that were touched.
    touched: BTreeSet<HostPath>,
    /// Events were lost: any of them may have been.
    lost: bool,
    /// A file that says what is watched changed, and that is not taken over yet.
    watching: bool,
    /// The files of a model that could not be taken over: one of them may put it right.
    broken: Vec<HostPath>,
    /// It is being read, or taken over.
    under_way: bool,
    /// What is wrong with it, until the files that may put it right are watched: whoever reads it may be quick to mend them.
    wrong: Option<Problem>,
}

/// What is to be read, and why.
#[derive(Debug)]
pub(super) struct ToRead {
    touched: BTreeSet<HostPath>,
    lost: bool,
    watching: bool,
    broken: Vec<HostPath>,
    project: Arc<Project>,
}

/// Something has changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Changed {
    /// A file of the model, not only one that says what is watched.
    pub(super) model: bool,
    /// A file that says what is watched.
    pub(super) watching: bool,
}

/// What was read; `None` where nothing differs.
pub(super) struct Reading {
    pub(super) found: Option<(Changed, Read)>,
}

/// A model that was read anew.
pub(super) struct Read {
    pub(super) model: Result<Model, LoadError>,
    /// Of the services that were chosen; the error is in the words of who reads the ignore files.
    pub(super) configurations: Result<Vec<Configuration>, String>,
}

/// A project, and what is to be said of it.
pub(super) struct Model {
    pub(super) project: Arc<Project>,
    pub(super) warnings: Vec<String>,
}

/// What is in force, and has to be watched and looked at.
pub(super) struct ToTakeOver {
    /// Each service, and whether it is new.
    pub(super) configurations: Vec<(Configuration, bool)>,
    pub(super) scopes: Vec<Arc<Scope>>,
    pub(super) files: Vec<HostPath>,
    pub(super) before: Arc<Project>,
    /// Whether it is said that something was read.
    pub(super) says_so: bool,
}

/// The same, watched and looked at.
pub(super) struct TakenOver {
    /// Each service, and what the disk holds for one that is new.
    pub(super) configurations: Vec<(Configuration, Option<Seen>)>,
    pub(super) watched: Watched,
    pub(super) looks: Arc<Looks>,
    pub(super) before: Arc<Project>,
    pub(super) says_so: bool,
}

/// What the watcher says of what it was told to watch.
pub(super) type Watched = Result<Vec<watch::Notice>, String>;

impl Reload {
    /// Whether `path` says anything about the model or about what is watched.
    pub fn hear(&mut self, files: &BTreeSet<HostPath>, path: &HostPath, now: Instant) {
        if files.contains(path) || self.broken.contains(path) {
            self.touched.insert(path.clone());
            self.due = Some(now + GATHER);
        }
    }

    /// E4: events were lost; one of them may have been of such a file.
    pub fn hear_of_loss(&mut self, now: Instant) {
        self.lost = true;
        self.due = Some(now + GATHER);
    }

    /// When it is time to [`begin`](Self::begin).
    pub fn due(&self) -> Option<Instant> {
        self.due.filter(|_| !self.under_way)
    }

    /// What is to be read by `now`. Nothing more is until that is [over](Self::end).
    pub fn begin(&mut self, project: &Arc<Project>, now: Instant) -> Option<ToRead> {
        if self.under_way {
            return None;
        }
        self.due.take_if(|due| *due <= now)?;
        self.under_way = true;
        Some(ToRead {
            touched: std::mem::take(&mut self.touched),
            lost: std::mem::take(&mut self.lost),
            watching: self.watching,
            broken: self.broken.clone(),
            project: Arc::clone(project),
        })
    }

    /// Something differs, and what was to be remembered for that is known to who has read it.
    pub fn found(&mut self) {
        self.watching = false;
        self.broken.clear();
    }

    /// It cannot be taken over: one of `files` may put right what is `wrong`.
    pub fn fail(&mut self, changed: Changed, files: Vec<HostPath>, wrong: Problem) {
        self.watching = changed.watching;
        self.broken = files;
        self.wrong = Some(wrong);
    }

    /// What is to be said now that those files are watched.
    pub fn wrong(&mut self) -> Option<Problem> {
        self.wrong.take()
    }

    /// It was taken over, or not, and the next may begin.
    pub fn end(&mut self) {
        self.under_way = false;
    }
}

impl ToRead {
    /// Looks whether anything differs, and reads the model if so.
    pub async fn read(
        self,
        contents: Arc<Mutex<Contents>>,
        model: ReadModel,
        chosen: impl Fn(&Service) -> bool,
    ) -> Reading {
        let looked = tokio::task::spawn_blocking(move || {
            let mut contents = contents.lock().unwrap_or_else(PoisonError::into_inner);
            self.look(&mut contents)
        });
        let Some(changed) = looked.await.ok().flatten() else {
            return Reading { found: None };
        };
        let read = match model().await {
            Ok(loaded) => {
                let warnings = loaded.warnings.iter();
                let warnings = warnings.map(|warning| warning.render(false)).collect();
                let project = Arc::new(loaded.project);
                let services = project.services.iter().filter(|service| chosen(service));
                let configurations = services.filter_map(|it| configuration_of(&project, it));
                Read {
                    configurations: configurations.collect(),
                    model: Ok(Model { project, warnings }),
                }
            }
            Err(error) => Read {
                configurations: Ok(Vec::new()),
                model: Err(error),
            },
        };
        Reading {
            found: Some((changed, read)),
        }
    }

    fn look(self, contents: &mut Contents) -> Option<Changed> {
        let mut changed: BTreeSet<HostPath> = self
            .touched
            .into_iter()
            .filter(|path| contents.differs(path))
            .collect();
        if self.lost {
            changed.extend(contents.all_that_differ());
        }
        // The model is read from it, and not only what is watched.
        let of_the_model =
            |path: &HostPath| self.project.sources.contains(path) || self.broken.contains(path);
        let model = changed.iter().any(of_the_model);
        let watching = self.watching || !changed.iter().all(of_the_model);
        (!changed.is_empty()).then_some(Changed { model, watching })
    }
}

impl ToTakeOver {
    /// Watches first, then looks at what is new: nothing that happens meanwhile is missed.
    pub async fn take_over(self, watcher: Arc<Watcher>) -> TakenOver {
        let now_watched = watch(watcher, self.scopes, self.files).await;
        let looks = Arc::new(Looks::default());
        let mut configurations = Vec::new();
        for (configuration, is_new) in self.configurations {
            let seen = if is_new {
                Some(Seen::of(&configuration, &looks).await)
            } else {
                None
            };
            configurations.push((configuration, seen));
        }
        TakenOver {
            configurations,
            watched: now_watched,
            looks,
            before: self.before,
            says_so: self.says_so,
        }
    }
}

/// Watches what the scopes ask for, and `files`.
pub(super) async fn watch(
    watcher: Arc<Watcher>,
    scopes: Vec<Arc<Scope>>,
    files: Vec<HostPath>,
) -> Watched {
    let told = tokio::task::spawn_blocking(move || watcher.reconfigure(scopes, files));
    match told.await {
        Ok(Ok(notices)) => Ok(notices),
        Ok(Err(error)) => Err(error.to_string()),
        // The session ends: nobody is told any more.
        Err(_) => Ok(Vec::new()),
    }
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
pub(super) fn files_of_builds(project: &Project) -> impl Iterator<Item = HostPath> {
    let builds = project.services.iter().flat_map(|service| &service.build);
    builds.flat_map(|build| {
        build
            .ignore_files()
            .into_iter()
            .chain(build.dockerfile.clone())
    })
}
