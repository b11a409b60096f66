//! The loop of a session: what it hears goes to the [router](super::router), and what that answers is done here. It waits for
//! nothing but the next event: whatever takes time is a task beside it, and comes back as one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cli::{ExitCode, Up};
use crate::compose;
use crate::compose::block::TriggerMode;
use crate::control::Sources;
use crate::engine::{Compose, EngineEvent};
use crate::report::{Notice, Problem, Reporter};
use crate::watch::{WatchEvent, Watcher};

use super::arrange::{arrange_runs, relatives};
use super::bring_up::bring_up;
use super::builder::Builder;
use super::contents::Contents;
use super::ends::Ends;
use super::first::{First, lasting_flags};
use super::follow;
use super::logs::Logs;
use super::reload::{ReadModel, ToRead, ToTakeOver, watch};
use super::router::{Effect, Router, SessionEvent};
use super::stops::Stops;
use super::unpaid::Unpaid;
use super::worker::{Linked, Message};

/// A running session.
pub struct Session<E> {
    pub(super) router: Router,
    pub(super) engine: Arc<E>,
    pub(super) up: Up,
    pub(super) reporter: Reporter,
    pub(super) ends: Arc<Ends>,
    pub(super) builder: Arc<Builder<E>>,
    pub(super) workers: BTreeMap<String, mpsc::UnboundedSender<Message>>,
    pub(super) tasks: JoinSet<()>,
    pub(super) watcher: Arc<Watcher>,
    pub(super) contents: Arc<Mutex<Contents>>,
    pub(super) model: ReadModel,
    pub(super) logs: Logs,
    /// Keeps those that depend on a container in step with it.
    pub(super) follower: mpsc::UnboundedSender<follow::Heard>,
    pub(super) stops: Arc<Stops>,
    /// What the user does to apply what waits.
    pub(super) how_to_apply: Arc<str>,
    pub(super) unpaid: Unpaid,
    pub(super) hears: Hears,
}

/// Where a session hears from, besides what is asked of it.
pub(super) struct Hears {
    pub(super) touched: mpsc::UnboundedReceiver<WatchEvent>,
    pub(super) engine_events: mpsc::UnboundedReceiver<EngineEvent>,
    /// What workers say of files with several names, and the end of it that each of them has.
    pub(super) linked: mpsc::UnboundedReceiver<Linked>,
    pub(super) says_linked: mpsc::UnboundedSender<Linked>,
    /// What the tasks beside the loop have found out, and the end of it that each of them has.
    pub(super) found: mpsc::UnboundedReceiver<SessionEvent>,
    pub(super) finds: mpsc::UnboundedSender<SessionEvent>,
}

impl Hears {
    /// The next event; `due` is when the router wants to be asked.
    async fn next(&mut self, due: Option<Instant>, sources: &mut Sources) -> SessionEvent {
        tokio::select! {
            event = self.touched.recv() => event.map_or(SessionEvent::WatchingEnded, SessionEvent::Files),
            event = self.engine_events.recv() => event.map_or(SessionEvent::EngineEnded, SessionEvent::Containers),
            // One end of each is our own.
            Some(linked) = self.linked.recv() => SessionEvent::Linked(linked),
            Some(found) = self.found.recv() => found,
            asked = sources.next() => SessionEvent::Asked(asked),
            () = sleep_until(due), if due.is_some() => SessionEvent::Due,
        }
    }
}

/// Starts, routes until told to end, then stops the containers as `docker compose up` does.
pub async fn run<E: Compose>(first: First<E>, mut sources: Sources) -> ExitCode {
    let (engine, reporter, up) = first.stopping();
    let services = first.services();
    let code = tokio::select! {
        started = first.start() => match started {
            Ok(mut session) => {
                if sources.have_keys() {
                    reporter.notice(None, Notice::Keys);
                } else {
                    session.say_how_to_apply();
                }
                session.route(&mut sources).await;
                ExitCode::Interrupted
            }
            Err(code) => return code,
        },
        () = sources.told_to_end(&services) => ExitCode::Interrupted,
    };
    let left = engine.close().await;
    if !left.is_empty() {
        reporter.notice(None, Notice::HelperStays { containers: left });
    }
    if up.keep {
        return code;
    }
    reporter.notice(None, Notice::Stopping);
    let mut unheard = |_: &str| {};
    tokio::select! {
        stopped = engine.stop(&up.services, up.stop_timeout, &mut unheard) => {
            if let Err(error) = stopped {
                reporter.problem(None, Problem::NotStopped(error));
            }
        }
        () = sources.told_to_end(&services) => {
            let _ = engine.kill(&up.services).await;
        }
    }
    code
}

impl<E: Compose> Session<E> {
    /// Manual mode without a terminal: nobody would guess.
    fn say_how_to_apply(&self) {
        let services = self.router.project.services.iter();
        let manual: Vec<String> = services
            .filter(|service| self.workers.contains_key(&service.name))
            .filter(|service| {
                let mode = service.block.as_ref().map(|block| block.trigger_mode);
                mode == Some(TriggerMode::Manual)
            })
            .map(|service| service.name.clone())
            .collect();
        if !manual.is_empty() {
            let notice = Notice::ManualWithoutKeys {
                services: manual,
                how_to_apply: Arc::clone(&self.how_to_apply),
            };
            self.reporter.notice(None, notice);
        }
    }

    async fn route(&mut self, sources: &mut Sources) {
        loop {
            let due = self.router.due();
            let event = self.hears.next(due, sources).await;
            if self.hear(event) {
                return;
            }
            // A storm is not looked at one by one.
            while let Ok(event) = self.hears.touched.try_recv() {
                if self.hear(SessionEvent::Files(event)) {
                    return;
                }
            }
        }
    }

    /// Does all that `event` asks for; the answer is whether the session is over.
    fn hear(&mut self, event: SessionEvent) -> bool {
        let effects = self.router.handle(event, Instant::now());
        effects.into_iter().any(|effect| self.execute(effect))
    }

    /// Does one thing, and waits for nothing; the answer is whether the session is over.
    fn execute(&mut self, effect: Effect) -> bool {
        match effect {
            Effect::Tell(name, message) => {
                if let Some(worker) = self.workers.get(&*name) {
                    // A worker lives as long as its queue.
                    let _ = worker.send(message);
                }
            }
            Effect::Say(event) => self.reporter.say(*event),
            // Whoever asked may not listen any more.
            Effect::Reply(asked, answer) => drop(asked.send(answer)),
            Effect::Judge(end) => {
                let engine = Arc::clone(&self.engine);
                self.beside(async move {
                    let found = engine.supervision_of(&end).await;
                    SessionEvent::Supervised(end, found)
                });
            }
            Effect::TellEnd(end) => {
                let ends = Arc::clone(&self.ends);
                self.spawn(ends.tell(end, false));
            }
            Effect::Forget(id) => self.ends.forget(&id),
            Effect::Read(to_read) => self.read(to_read),
            Effect::Watch(scopes, files) => {
                let watching = watch(Arc::clone(&self.watcher), scopes, files);
                self.beside(async { SessionEvent::Watched(watching.await) });
            }
            Effect::Adopt(project) => self.adopt(&project),
            Effect::TakeOver(to_take_over) => self.take_over(*to_take_over),
            Effect::Hire(configuration, seen) => {
                // Nobody waits for it: the session has long been ready.
                drop(self.spawn_worker(*configuration, *seen, None, false, BTreeSet::new()));
            }
            Effect::Dismiss(name) => drop(self.workers.remove(&*name)),
            Effect::BringUp(concerned) => {
                let (engine, reporter) = (Arc::clone(&self.engine), self.reporter.clone());
                let (flags, workers) = (lasting_flags(&self.up), self.workers.clone());
                self.spawn(bring_up(engine, reporter, concerned, flags, workers));
            }
            Effect::End => return true,
        }
        false
    }

    /// What `work` finds out is an event.
    fn beside(&mut self, work: impl Future<Output = SessionEvent> + Send + 'static) {
        let finds = self.hears.finds.clone();
        self.spawn(async move {
            // A session that is ending needs no word.
            let _ = finds.send(work.await);
        });
    }

    fn spawn(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        // Those that are done leave nothing behind.
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn(work);
    }

    fn read(&mut self, to_read: ToRead) {
        let chosen = self.up.services.clone();
        let reading = to_read.read(
            Arc::clone(&self.contents),
            Arc::clone(&self.model),
            move |service| chosen.is_empty() || chosen.contains(&service.name),
        );
        self.beside(async { SessionEvent::Read(Box::new(reading.await)) });
    }

    fn adopt(&mut self, project: &Arc<compose::Project>) {
        self.logs.reload(Arc::clone(project));
        // It lives as long as the session.
        let _ = self
            .follower
            .send(follow::Heard::Ties(compose::ties(project)));
        self.engine.know_mounts(project);
        let services = project.services.iter();
        let chosen = services.filter(|service| self.router.is_chosen(service));
        arrange_runs(&*self.engine, project, chosen);
    }

    fn take_over(&mut self, to_take_over: ToTakeOver) {
        let configurations = to_take_over.configurations.iter();
        let relatives = relatives(configurations.map(|(configuration, _)| configuration));
        self.builder.set_shared_bases(relatives);
        let taking = to_take_over.take_over(Arc::clone(&self.watcher));
        self.beside(async { SessionEvent::TakenOver(Box::new(taking.await)) });
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
