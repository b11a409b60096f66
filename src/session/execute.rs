//! Does what a service says is to be done: asks the engine, looks at the disk, builds, tells. Decides nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use futures_util::stream::{self, StreamExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::engine::{Container, ContainerId, End, Engine, EngineError, State};
use crate::paths::HostPath;
use crate::plan::Rules;
use crate::report::{Event, Outcome, Reporter, Slow};
use crate::service::action::{Admission, Build, Find, Scanned};
use crate::service::compare::{About, Comparison};
use crate::service::{Action, Done, LiveService, Looking, Rebuild, scope_of, update::Update};
use crate::update::{self, SLOW, said_if_slow};
use crate::watch::git::{Git, Writes};
use crate::watch::{Change, Scope, look};

use super::builder::Builder;
use super::contents::Contents;
use super::ends::{Ends, UnderWay};
use super::seen::scan;
use super::stops::Stops;
use super::unpaid::{self, Unpaid};
use super::worker::Linked;

/// So many containers are compared with the disk at a time: more than that wait for each other's hashes.
const SIDE_BY_SIDE: usize = 16;
/// So many paths are looked at where we are: that takes microseconds, less than to hand them to another thread.
const HANDFUL: usize = 64;
/// The same of files that are read.
const FEW_FILES: usize = 16;

/// What one worker has of the world.
pub struct Hands<E> {
    engine: Arc<E>,
    builder: Arc<Builder<E>>,
    reporter: Reporter,
    ends: Arc<Ends>,
    stops: Arc<Stops>,
    linked: mpsc::UnboundedSender<Linked>,
    unpaid: Unpaid,
    contents: Contents,
    git: Git,
    /// For whose directories git is asked.
    git_of: Option<Arc<Scope>>,
    /// Processes that were restarted just now.
    crashes: JoinSet<Option<End>>,
    /// As long as containers are updated.
    under_way: Option<UnderWay>,
}

impl<E: Engine> Hands<E> {
    #[expect(
        clippy::too_many_arguments,
        reason = "each is another part of the world"
    )]
    pub fn new(
        engine: Arc<E>,
        builder: Arc<Builder<E>>,
        reporter: Reporter,
        ends: Arc<Ends>,
        stops: Arc<Stops>,
        linked: mpsc::UnboundedSender<Linked>,
        unpaid: Unpaid,
        contents: Contents,
    ) -> Self {
        Self {
            engine,
            builder,
            reporter,
            ends,
            stops,
            linked,
            unpaid,
            contents,
            git: Git::default(),
            git_of: None,
            crashes: JoinSet::new(),
            under_way: None,
        }
    }

    /// Does one thing. What nobody has to hear of has no answer.
    pub async fn execute(&mut self, action: Action, service: &LiveService) -> Option<Done> {
        let name = service.name();
        Some(match action {
            Action::Say(event) => return self.say(event),
            Action::Conclude(outcome, containers) => return self.conclude(outcome, &containers),
            Action::TellDeletions => return self.tell_deletions(service),
            Action::TellOtherNames(inodes) => {
                // A session that is ending needs no word.
                let _ = self.linked.send(Linked {
                    service: name.to_owned(),
                    inodes,
                });
                return None;
            }
            Action::TellEnd(end) => {
                Arc::clone(&self.ends).tell(end, true).await;
                return None;
            }
            Action::Forget(ids) => {
                for id in ids {
                    self.engine.forget(&id).await;
                }
                return None;
            }
            Action::WarmUp(containers) => return self.warm_up(containers),
            Action::ListenForCrashes(containers) => return self.listen_for_crashes(containers),
            Action::Release(containers) => {
                for container in &containers {
                    update::release(&*self.engine, container, &self.reporter).await;
                }
                return None;
            }
            Action::Find(find) => self.find(find, name).await,
            Action::Admit(admissions) => self.admit(admissions, service).await,
            Action::Compare(asked, what_for) => {
                let asked = asked.into_iter().map(|(container, about)| async {
                    let answer = self.compare(service, &container, &about).await;
                    (container, about, answer)
                });
                let asked: Vec<_> = asked.collect();
                let answers = stream::iter(asked).buffered(SIDE_BY_SIDE).collect().await;
                Done::Compared(answers, what_for)
            }
            Action::Look(looking) => self.look(looking, service).await,
            Action::Scan(looks, begun) => Done::Scanned(Scanned {
                begun,
                since: looks.since(),
                seen: scan(&looks, &service.config().scope).await,
            }),
            Action::AskGit(costly) => {
                let writes = self.ask_git(service);
                Done::GitSaid(costly, writes)
            }
            Action::Read(update) => read(update).await,
            Action::Copy(mut update) => {
                self.begin(name);
                update::copy(&*self.engine, &mut update, &self.reporter).await;
                Done::Copied(update)
            }
            Action::Locate(update, asked) => {
                let mut found = Vec::new();
                for (part, asked) in update.parts.iter().zip(&asked) {
                    let roots: Vec<_> = asked.keys().cloned().collect();
                    let there = self.engine.fingerprints(&part.container, asked, &roots);
                    found.push(there.await.unwrap_or_default());
                }
                Done::Located(update, found)
            }
            Action::Start(mut update) => {
                update::start(&*self.engine, &mut update, &self.reporter).await;
                Done::Started(update)
            }
            Action::Finish(mut update) => {
                update::finish(&*self.engine, &mut update, &self.reporter).await;
                Done::Finished(update)
            }
            Action::ReadIgnoreFiles(rebuild) => {
                // One that cannot be read is said by the reload.
                let config = service.config();
                let scope = scope_of(&config.project, &config.service).ok();
                Done::IgnoreFilesRead(rebuild, scope)
            }
            Action::Build(rebuild) => self.build(rebuild, service).await,
            Action::Identify(rebuild) => self.identify(rebuild, service).await,
            Action::Recreate(rebuild) => {
                let begun = Instant::now();
                let mut output = show(&self.reporter, name);
                let result = self.builder.recreate(name, &mut output).await;
                Done::Recreated(rebuild, result, begun.elapsed())
            }
            Action::Continue(step) => Done::Reached(step),
        })
    }

    /// All that was to be done is done.
    pub fn rest(&mut self, service: &LiveService) {
        self.under_way = None;
        let _: Option<Done> = self.tell_deletions(service);
    }

    /// The next crash of a process that was restarted just now.
    pub async fn crashed(&mut self) -> End {
        loop {
            match self.crashes.join_next().await {
                Some(Ok(Some(end))) => return end,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }

    fn say(&self, event: Event) -> Option<Done> {
        self.reporter.say(event);
        None
    }

    fn conclude(&mut self, outcome: Outcome, containers: &[ContainerId]) -> Option<Done> {
        for id in containers {
            self.ends.updated(id, &outcome.done);
        }
        self.reporter.say(Event::Outcome(outcome));
        // Ends that came meanwhile are told after it.
        self.under_way = None;
        None
    }

    fn begin(&mut self, service: &str) {
        self.under_way = Some(self.ends.begin(service));
    }

    fn tell_deletions(&self, service: &LiveService) -> Option<Done> {
        let owed = service.owed_deletions(unpaid::MOST);
        self.unpaid.tell(service.name(), owed);
        None
    }

    fn warm_up(&self, containers: Vec<Container>) -> Option<Done> {
        for container in containers {
            let engine = Arc::clone(&self.engine);
            tokio::spawn(async move { engine.warm_up(&container).await });
        }
        None
    }

    /// A process that was restarted may crash at once, in a container that waits for the next change then.
    fn listen_for_crashes(&mut self, containers: Vec<Container>) -> Option<Done> {
        for container in containers {
            let engine = Arc::clone(&self.engine);
            self.crashes
                .spawn(async move { engine.crash(&container).await });
        }
        None
    }

    /// The containers as they are; the engine calls one exited that somebody has stopped on purpose.
    async fn find(&self, find: Find, service: &str) -> Done {
        let mut found = self.engine.containers(service).await;
        for container in found.iter_mut().flatten() {
            if matches!(container.state, State::Exited { .. })
                && self.stops.has_stopped(&container.id)
            {
                container.state = State::Stopped;
            }
        }
        Done::Found(find, found)
    }

    async fn admit(&self, admissions: Vec<Admission>, service: &LiveService) -> Done {
        let asking = admissions.into_iter().map(|admission| async {
            let mut answers = Vec::new();
            for about in &admission.about {
                answers.push(self.compare(service, &admission.container, about).await);
            }
            (admission, answers)
        });
        let asking: Vec<_> = asking.collect();
        Done::Admitted(stream::iter(asking).buffered(SIDE_BY_SIDE).collect().await)
    }

    async fn compare(
        &self,
        service: &LiveService,
        container: &Container,
        about: &About,
    ) -> Result<Comparison, EngineError> {
        let rules: &Rules = &service.config().rules;
        let wanted = service.wanted(about, container);
        let comparing = update::compare(&*self.engine, rules, container, wanted);
        let so_far = || Slow::Comparison(container.name.clone());
        said_if_slow(comparing, SLOW, container, so_far, &self.reporter).await
    }

    /// Looks at the disk, and into the files whose content decides.
    async fn look(&mut self, looking: Looking, service: &LiveService) -> Done {
        let scope = Arc::clone(&service.config().scope);
        let asked: Vec<HostPath> = looking.asked.iter().cloned().collect();
        let found = if asked.len() < HANDFUL {
            look::look(&scope, &asked)
        } else {
            tokio::task::spawn_blocking(move || look::look(&scope, &asked))
                .await
                .unwrap_or_default()
        };
        let mut looking = looking;
        let mut changes = std::mem::take(&mut looking.seen);
        changes.extend(found);
        let by_content = changes.iter().filter(|it| service.decides_by_content(it));
        let by_content: Vec<HostPath> = by_content.map(|it| it.path().clone()).collect();
        let same = self.same_content(by_content).await;
        for change in &changes {
            if let Change::Removed(path) = change {
                self.contents.forget(path);
            }
        }
        Done::Looked(looking, changes, same)
    }

    /// Those of `paths` that hold what they held.
    async fn same_content(&mut self, paths: Vec<HostPath>) -> BTreeSet<HostPath> {
        if paths.len() < HANDFUL {
            return self.contents.same(paths);
        }
        let mut contents = std::mem::take(&mut self.contents);
        let looked = tokio::task::spawn_blocking(move || {
            let same = contents.same(paths);
            (contents, same)
        });
        let same;
        (self.contents, same) = looked.await.unwrap_or_default();
        same
    }

    fn ask_git(&mut self, service: &LiveService) -> Writes {
        let scope = &service.config().scope;
        let is_the_same = |known: &Arc<Scope>| Arc::ptr_eq(known, scope);
        if !self.git_of.as_ref().is_some_and(is_the_same) {
            self.git.forget();
            self.git_of = Some(Arc::clone(scope));
        }
        self.git
            .writes(scope.roots(), service.last_touch(), Instant::now())
    }

    async fn build(&mut self, rebuild: Rebuild, service: &LiveService) -> Done {
        let name = service.name();
        let (began, start) = (SystemTime::now(), Instant::now());
        let result = self
            .builder
            .build(
                &service.config().targets,
                rebuild.touched,
                Some(&rebuild.because),
                &mut show(&self.reporter, name),
            )
            .await;
        // From here on containers are made anew.
        self.begin(name);
        let build = Build {
            began,
            took: start.elapsed(),
            result,
        };
        Done::Built(rebuild, build)
    }

    async fn identify(&self, rebuild: Rebuild, service: &LiveService) -> Done {
        let image = &service.config().service.image;
        let image = self.engine.image_id(image).await.ok().flatten();
        let running = if rebuild.asks_containers {
            let running = self.engine.containers(service.name()).await;
            running.unwrap_or_default()
        } else {
            Vec::new()
        };
        Done::Identified(rebuild, image, running)
    }
}

async fn read(update: Update) -> Done {
    let copies: Vec<_> = update.copies().cloned().collect();
    let (loaded, unread) = if copies.len() < FEW_FILES {
        update::load(&copies)
    } else {
        tokio::task::spawn_blocking(move || update::load(&copies))
            .await
            .unwrap_or_default()
    };
    Done::Read(update, loaded, unread)
}

fn show<'a>(reporter: &'a Reporter, service: &'a str) -> impl FnMut(&str) + Send + 'a {
    move |line| reporter.build(Some(service), line)
}
