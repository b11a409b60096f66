//! What each thing that a session hears asks for: a state, and one function from events to effects. No engine, no disk, no
//! terminal, and time is a parameter. Decides nothing about files.

mod orders;
mod renewal;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::cli::Up;
use crate::compose::{Project, Service};
use crate::control::{Answer, Asked};
use crate::engine::{ContainerId, End, EngineEvent, Supervision};
use crate::paths::HostPath;
use crate::report::{Event, Notice, Problem};
use crate::service::Configuration;
use crate::watch::{Inode, Looks, Scope, Touch, WatchEvent};

use super::bring_up::Concerned;
use super::reload::{Reading, Reload, TakenOver, ToRead, ToTakeOver, Watched};
use super::seen::Seen;
use super::worker::{Linked, Message};

/// Changes through a name that nobody watches are gathered for so long: a `git checkout` makes many of them.
const GATHER: std::time::Duration = std::time::Duration::from_millis(5);

/// Something that a session hears.
pub(super) enum SessionEvent {
    /// Of the watcher.
    Files(WatchEvent),
    /// The watcher is gone.
    WatchingEnded,
    /// Of the engine.
    Containers(EngineEvent),
    /// The engine tells nothing any more.
    EngineEnded,
    /// Of a worker, about files with several names.
    Linked(Linked),
    /// Of a user or a program.
    Asked(Asked),
    /// What an end is, was found out.
    Supervised(End, Supervision),
    /// The configuration was read.
    Read(Box<Reading>),
    /// What was read is not in force, and its files are watched.
    Watched(Watched),
    /// What was read is watched, and was looked at.
    TakenOver(Box<TakenOver>),
    /// It is [due](Router::due).
    Due,
}

/// Something that is to be done.
pub(super) enum Effect {
    /// A worker hears something.
    Tell(Name, Message),
    /// Everybody hears something.
    Say(Box<Event>),
    /// Somebody waits for this.
    Reply(oneshot::Sender<Answer>, Answer),
    /// An end is to be told, once it is known what it is.
    Judge(End),
    /// An end is told.
    TellEnd(End),
    /// A container is gone for good.
    Forget(ContainerId),
    /// The configuration is to be read, beside the loop.
    Read(ToRead),
    /// Only the watches change: these scopes and files, beside the loop.
    Watch(Vec<Arc<Scope>>, Vec<HostPath>),
    /// This project is in force.
    Adopt(Arc<Project>),
    /// What was read is to be watched and looked at, beside the loop.
    TakeOver(Box<ToTakeOver>),
    /// A service gets a worker.
    Hire(Box<Configuration>, Box<Seen>),
    /// A service is live-updated no more.
    Dismiss(Name),
    /// What an edit concerns is brought up, beside the loop.
    BringUp(Vec<Concerned>),
    /// The session is over.
    End,
}

/// A service's name, which goes with every message to it.
pub(super) type Name = Arc<str>;

/// What is to be done, in order.
pub(super) type Effects = Vec<Effect>;

/// All that decides who hears of what.
pub(super) struct Router {
    pub(super) project: Arc<Project>,
    up: Up,
    services: BTreeMap<Name, Known>,
    /// The files that say what the model is, and what is watched.
    files: BTreeSet<HostPath>,
    reload: Reload,
    /// Changed through a name that nobody watches; and when all are told of it.
    linked: BTreeSet<Inode>,
    linked_due: Option<Instant>,
    /// Whoever comes is paused from the beginning.
    paused: bool,
}

/// A service that is live-updated.
struct Known {
    scope: Arc<Scope>,
    paused: bool,
    /// It has no worker yet: what that one will hear.
    waits: Option<Vec<Message>>,
}

impl Router {
    /// Of this project and of what is watched for each of its services; `files` say what the model is.
    pub fn new(project: Arc<Project>, up: Up, files: BTreeSet<HostPath>) -> Self {
        Self {
            project,
            up,
            services: BTreeMap::new(),
            files,
            reload: Reload::default(),
            linked: BTreeSet::new(),
            linked_due: None,
            paused: false,
        }
    }

    /// A service has a worker from the beginning.
    pub fn know(&mut self, name: &str, scope: Arc<Scope>) {
        let known = Known {
            scope,
            paused: false,
            waits: None,
        };
        self.services.insert(name.into(), known);
    }

    /// When [`SessionEvent::Due`] has to come.
    pub fn due(&self) -> Option<Instant> {
        let due = [self.reload.due(), self.linked_due];
        due.into_iter().flatten().min()
    }

    /// What `event`, heard `now`, asks for.
    #[must_use = "nothing is done by itself"]
    pub fn handle(&mut self, event: SessionEvent, now: Instant) -> Effects {
        match event {
            SessionEvent::Files(WatchEvent::Touched(touch)) => self.touched(&touch, now),
            SessionEvent::Files(WatchEvent::Linked(inode)) => {
                self.linked.insert(inode);
                self.linked_due.get_or_insert(now + GATHER);
                Effects::new()
            }
            SessionEvent::Files(WatchEvent::Rescan { why }) => {
                self.reload.hear_of_loss(now);
                let looks = Arc::new(Looks::default());
                let mut effects = vec![notice(None, Notice::EventsLost { why })];
                self.tell_all(&mut effects, || Message::Rescan(Arc::clone(&looks)));
                effects
            }
            SessionEvent::Files(WatchEvent::Notice(about)) => {
                vec![notice(None, Notice::Watching(about))]
            }
            SessionEvent::WatchingEnded => {
                vec![problem(None, Problem::WatchingStopped), Effect::End]
            }
            SessionEvent::Containers(event) => self.containers(event),
            SessionEvent::EngineEnded => vec![Effect::End],
            SessionEvent::Linked(linked) => self.linked(&linked),
            SessionEvent::Asked(asked) => self.asked(asked),
            SessionEvent::Supervised(end, found) => self.supervised(end, found),
            SessionEvent::Read(reading) => self.read(*reading),
            SessionEvent::Watched(watched) => self.watched(watched),
            SessionEvent::TakenOver(taken) => self.taken_over(*taken),
            SessionEvent::Due => self.is_due(now),
        }
    }

    fn touched(&mut self, touch: &Touch, now: Instant) -> Effects {
        self.reload.hear(&self.files, &touch.path, now);
        let mut effects = Effects::new();
        // Those that watch the same hear the same.
        let mut answers: Vec<(u128, bool)> = Vec::new();
        for (name, known) in &mut self.services {
            let key = known.scope.key();
            let answer = answers.iter().find(|(of, _)| *of == key);
            let hears = answer.map_or_else(|| known.scope.hears(touch), |(_, hears)| *hears);
            if answer.is_none() {
                answers.push((key, hears));
            }
            if hears {
                known.tell(name, Message::Touched(touch.clone()), &mut effects);
            }
        }
        effects
    }

    fn is_due(&mut self, now: Instant) -> Effects {
        let mut effects = Effects::new();
        if self.linked_due.take_if(|due| *due <= now).is_some() {
            let inodes = Arc::new(std::mem::take(&mut self.linked));
            self.tell_all(&mut effects, || Message::OtherNames(Arc::clone(&inodes)));
        }
        if let Some(to_read) = self.reload.begin(&self.project, now) {
            effects.push(Effect::Read(to_read));
        }
        effects
    }

    /// All but the one who says so: it knows its own names.
    fn linked(&mut self, linked: &Linked) -> Effects {
        let mut effects = Effects::new();
        for (name, known) in &mut self.services {
            if **name != linked.service {
                let inodes = Arc::clone(&linked.inodes);
                known.tell(name, Message::OtherNames(inodes), &mut effects);
            }
        }
        effects
    }

    fn containers(&mut self, event: EngineEvent) -> Effects {
        let mut effects = Effects::new();
        match event {
            EngineEvent::Container {
                service,
                id,
                action,
                ..
            } => {
                if action == "destroy" {
                    effects.push(Effect::Forget(id));
                }
                // A signal changes nothing by itself.
                if action != "kill" {
                    self.tell(&service, Message::Containers, &mut effects);
                }
            }
            EngineEvent::Ended(end) => effects.push(Effect::Judge(end)),
            EngineEvent::Reconnected => {
                effects.push(notice(None, Notice::EngineIsBack));
                self.tell_all(&mut effects, || Message::EngineIsBack);
            }
            EngineEvent::Lost(why) => effects.push(problem(None, Problem::EngineAway { why })),
        }
        effects
    }

    /// What an end is: a start under the helper that failed, which another start puts right, or news.
    fn supervised(&mut self, end: End, found: Supervision) -> Effects {
        match found {
            Supervision::Fine => vec![Effect::TellEnd(end)],
            Supervision::Known => Effects::new(),
            Supervision::Failed(why) => {
                let mut effects = vec![notice(Some(&end.service), Notice::Unsupervised(why))];
                self.tell(&end.service, Message::StartAnew, &mut effects);
                effects
            }
        }
    }

    fn tell(&mut self, service: &str, message: Message, effects: &mut Effects) {
        if let Some((name, known)) = self.find(service) {
            known.tell(&name, message, effects);
        }
    }

    fn find(&mut self, service: &str) -> Option<(Name, &mut Known)> {
        let (name, _) = self.services.get_key_value(service)?;
        let name = Arc::clone(name);
        let known = self.services.get_mut(service)?;
        Some((name, known))
    }

    fn tell_all(&mut self, effects: &mut Effects, message: impl Fn() -> Message) {
        for (name, known) in &mut self.services {
            known.tell(name, message(), effects);
        }
    }

    pub(super) fn is_chosen(&self, service: &Service) -> bool {
        self.up.services.is_empty() || self.up.services.contains(&service.name)
    }
}

impl Known {
    fn tell(&mut self, name: &Name, message: Message, effects: &mut Effects) {
        match &mut self.waits {
            Some(waits) => waits.push(message),
            None => effects.push(Effect::Tell(Arc::clone(name), message)),
        }
    }
}

fn notice(service: Option<&str>, notice: Notice) -> Effect {
    Effect::Say(Box::new(Event::Notice {
        service: service.map(str::to_owned),
        notice,
    }))
}

fn problem(service: Option<&str>, problem: Problem) -> Effect {
    Effect::Say(Box::new(Event::Problem {
        service: service.map(str::to_owned),
        problem,
    }))
}
