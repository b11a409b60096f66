//! The loop of a session: every touch, engine event, key and signal goes to whom it concerns. Decides nothing about files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cli::{ExitCode, Key, Keys, Shutdown, Up};
use crate::compose::Project;
use crate::compose::block::TriggerMode;
use crate::docker::DockerCli;
use crate::engine::{Docker, End, EngineEvent, Supervision};
use crate::paths::HostPath;
use crate::plan::Because;
use crate::report::{Notice, Problem, Reporter};
use crate::watch::{Looks, Scope, WatchEvent, Watcher};

use super::builder::Builder;
use super::contents::Contents;
use super::ends::Ends;
use super::first::First;
use super::follow::Heard;
use super::logs::Logs;
use super::reload::Reload;
use super::stops::Stops;
use super::unpaid::Unpaid;
use super::worker::{Linked, Message};

/// A running session.
pub struct Session {
    pub(super) engine: Arc<Docker>,
    pub(super) cli: DockerCli,
    pub(super) project: Arc<Project>,
    pub(super) up: Up,
    pub(super) reporter: Reporter,
    pub(super) ends: Arc<Ends>,
    /// Ends that are being told.
    pub(super) telling: JoinSet<()>,
    pub(super) builder: Arc<Builder<Docker>>,
    pub(super) watcher: Watcher,
    pub(super) touched: mpsc::UnboundedReceiver<WatchEvent>,
    pub(super) engine_events: mpsc::UnboundedReceiver<EngineEvent>,
    pub(super) workers: BTreeMap<String, mpsc::UnboundedSender<Message>>,
    pub(super) scopes: BTreeMap<String, Arc<Scope>>,
    /// What workers say of files with several names, and the end of it that each of them has.
    pub(super) linked: mpsc::UnboundedReceiver<Linked>,
    pub(super) says_linked: mpsc::UnboundedSender<Linked>,
    pub(super) tasks: JoinSet<()>,
    /// The files that say what the model is, and what is watched; and what was in them.
    pub(super) files: BTreeSet<HostPath>,
    pub(super) contents: Contents,
    pub(super) logs: Logs,
    /// Keeps those that depend on a container in step with it.
    pub(super) follower: mpsc::UnboundedSender<Heard>,
    pub(super) stops: Arc<Stops>,
    pub(super) paused: bool,
    /// What the user does to apply what waits.
    pub(super) how_to_apply: Arc<str>,
    pub(super) unpaid: Unpaid,
}

/// Starts, routes until told to end, then stops the containers as `docker compose up` does.
pub async fn run(first: First, mut shutdown: Shutdown, mut keys: Keys) -> ExitCode {
    let (engine, reporter, up) = first.stopping();
    let code = tokio::select! {
        started = first.start() => match started {
            Ok(mut session) => {
                if keys.are_heard() {
                    reporter.notice(None, Notice::Keys);
                } else {
                    session.say_how_to_apply();
                }
                session.route(&mut shutdown, &mut keys).await;
                ExitCode::Interrupted
            }
            Err(code) => return code,
        },
        _ = shutdown.next() => ExitCode::Interrupted,
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
        _ = shutdown.next() => {
            let _ = engine.kill(&up.services).await;
        }
    }
    code
}

impl Session {
    /// Manual mode without a terminal: nobody would guess.
    fn say_how_to_apply(&self) {
        let manual: Vec<String> = self
            .project
            .services
            .iter()
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

    async fn route(&mut self, shutdown: &mut Shutdown, keys: &mut Keys) {
        let mut reload = Reload::default();
        loop {
            tokio::select! {
                event = self.touched.recv() => if let Some(event) = event {
                    self.hear_of_files(event, &mut reload);
                    while let Ok(event) = self.touched.try_recv() {
                        self.hear_of_files(event, &mut reload);
                    }
                } else {
                    self.reporter.problem(None, Problem::WatchingStopped);
                    return;
                },
                event = self.engine_events.recv() => match event {
                    Some(event) => self.hear_of_containers(event),
                    None => return,
                },
                // One end of it is our own.
                Some(linked) = self.linked.recv() => self.hear_of_links(&linked),
                () = reload.due() => self.reload(&mut reload).await,
                key = keys.next() => if self.press(key) { return },
                _ = shutdown.next() => return,
            }
        }
    }

    fn hear_of_files(&mut self, event: WatchEvent, reload: &mut Reload) {
        match event {
            WatchEvent::Touched(touch) => {
                // Those that watch the same hear the same.
                let mut answers: Vec<(u128, bool)> = Vec::new();
                for (name, scope) in &self.scopes {
                    let known = answers.iter().find(|(key, _)| *key == scope.key());
                    let hears = known.map_or_else(|| scope.hears(&touch), |(_, hears)| *hears);
                    if known.is_none() {
                        answers.push((scope.key(), hears));
                    }
                    if hears && let Some(worker) = self.workers.get(name) {
                        // A worker lives as long as its queue.
                        let _ = worker.send(Message::Touched(touch.clone()));
                    }
                }
                reload.hear(&self.files, &touch.path);
            }
            WatchEvent::Rescan { why } => {
                self.reporter.notice(None, Notice::EventsLost { why });
                reload.hear_of_loss();
                let looks = Arc::new(Looks::default());
                self.tell_all(|| Message::Rescan(Arc::clone(&looks)));
            }
            WatchEvent::Linked(inode) => {
                let inodes = Arc::new(BTreeSet::from([inode]));
                self.tell_all(|| Message::OtherNames(Arc::clone(&inodes)));
            }
            WatchEvent::Notice(notice) => self.reporter.notice(None, Notice::Watching(notice)),
        }
    }

    /// All but the one who says so: it knows its own names.
    fn hear_of_links(&self, linked: &Linked) {
        for (name, worker) in &self.workers {
            if *name != linked.service {
                let _ = worker.send(Message::OtherNames(Arc::clone(&linked.inodes)));
            }
        }
    }

    fn hear_of_containers(&mut self, event: EngineEvent) {
        match event {
            EngineEvent::Container {
                service,
                id,
                action,
                ..
            } => {
                if action == "destroy" {
                    self.ends.forget(&id);
                }
                // A signal changes nothing by itself.
                if action != "kill"
                    && let Some(worker) = self.workers.get(&service)
                {
                    let _ = worker.send(Message::Containers);
                }
            }
            EngineEvent::Ended(end) => {
                // Those that are told leave nothing behind.
                while self.telling.try_join_next().is_some() {}
                self.telling.spawn(self.tell_of(end));
            }
            EngineEvent::Reconnected => {
                self.reporter.notice(None, Notice::EngineIsBack);
                self.tell_all(|| Message::EngineIsBack);
            }
            EngineEvent::Lost(why) => {
                self.reporter.problem(None, Problem::EngineAway { why });
            }
        }
    }

    /// What an end is: a start under the helper that failed, which another start puts right, or news.
    fn tell_of(&self, end: End) -> impl Future<Output = ()> + Send + 'static {
        let (engine, ends) = (Arc::clone(&self.engine), Arc::clone(&self.ends));
        let (reporter, worker) = (
            self.reporter.clone(),
            self.workers.get(&end.service).cloned(),
        );
        async move {
            match engine.supervision_of(&end).await {
                Supervision::Fine => ends.tell(end, false).await,
                Supervision::Known => {}
                Supervision::Failed(why) => {
                    reporter.notice(Some(&end.service), Notice::Unsupervised(why));
                    if let Some(worker) = worker {
                        // A session that is ending needs no other start.
                        let _ = worker.send(Message::StartAnew);
                    }
                }
            }
        }
    }

    /// The answer is whether the session ends.
    fn press(&mut self, key: Key) -> bool {
        match key {
            Key::Rebuild => self.tell_all(|| Message::Rebuild(Because::Asked)),
            Key::Apply => self.tell_all(|| Message::ApplyNow),
            Key::Pause => {
                self.paused = !self.paused;
                let paused = self.paused;
                let notice = if paused {
                    Notice::Paused
                } else {
                    Notice::GoesOn
                };
                self.reporter.notice(None, notice);
                self.tell_all(|| Message::Pause(paused));
            }
            Key::Verify => self.tell_all(|| Message::Verify),
            Key::Help => self.reporter.notice(None, Notice::Keys),
            Key::Quit => return true,
        }
        false
    }

    pub(super) fn tell_all(&self, message: impl Fn() -> Message) {
        for worker in self.workers.values() {
            let _ = worker.send(message());
        }
    }
}
