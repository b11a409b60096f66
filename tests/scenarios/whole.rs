//! The recorder as a whole project on an engine: it starts and stops services, and tells what the scenario has it tell.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::sync::Mutex;
use std::time::Duration;

use docker_liveupdate::engine::{
    Compose, Container, ContainerId, EngineError, EngineEvent, Lines, LogsFrom, Moves, Output,
    State,
};
use docker_liveupdate::life::Life;
use futures_util::Stream;
use futures_util::stream::{self, StreamExt as _};
use tokio::sync::{mpsc, oneshot, watch};

use crate::recorder::Recorder;

/// Changes the containers of a service right before they are looked at.
type BeforeLook = Box<dyn FnMut(&mut Vec<Life>) + Send>;

/// What the recorder knows of the project.
#[derive(Default)]
pub struct Whole {
    services: Mutex<BTreeSet<String>>,
    listeners: Mutex<Vec<mpsc::UnboundedSender<EngineEvent>>>,
    outputs: Mutex<BTreeMap<String, Vec<Output>>>,
    lives: Mutex<BTreeMap<String, Vec<Life>>>,
    /// What happens before somebody looks at a service's.
    before_looks: Mutex<Option<(String, BeforeLook)>>,
    failing_starts: Mutex<usize>,
    hangs_at_the_end: Mutex<Option<oneshot::Sender<()>>>,
    moves: watch::Sender<Moves>,
}

impl Whole {
    /// The project has this service.
    pub fn service(&self, name: &str) {
        self.services.lock().unwrap().insert(name.to_owned());
    }

    /// The engine tells this to everybody who listens.
    pub fn tells(&self, event: &EngineEvent) {
        let listeners = self.listeners.lock().unwrap();
        for listener in &*listeners {
            let _ = listener.send(event.clone());
        }
    }

    /// It tells that of a container.
    pub fn tells_of(&self, service: &str, id: &str, action: &str) {
        self.tells(&EngineEvent::Container {
            service: service.to_owned(),
            id: ContainerId(id.to_owned()),
            action: action.to_owned(),
            signal: None,
        });
    }

    /// A container writes this, and no more.
    pub fn writes(&self, id: &str, output: Vec<Output>) {
        self.outputs.lock().unwrap().insert(id.to_owned(), output);
    }

    /// A service's containers are these, for whoever follows it.
    pub fn lives(&self, service: &str, lives: Vec<Life>) {
        self.lives.lock().unwrap().insert(service.to_owned(), lives);
    }

    /// That happens before each look at them from now on.
    pub fn before_each_look(
        &self,
        service: &str,
        what: impl FnMut(&mut Vec<Life>) + Send + 'static,
    ) {
        let what: BeforeLook = Box::new(what);
        *self.before_looks.lock().unwrap() = Some((service.to_owned(), what));
    }

    /// The next start fails.
    pub fn fail_start(&self) {
        *self.failing_starts.lock().unwrap() += 1;
    }

    /// The containers do not heed their stop signal; the answer hears when it is sent.
    pub fn hangs_at_the_end(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        *self.hangs_at_the_end.lock().unwrap() = Some(sender);
        receiver
    }
}

impl Compose for Recorder {
    async fn up(
        &self,
        services: &[String],
        flags: &[OsString],
        _output: Lines<'_>,
    ) -> Result<(), EngineError> {
        let flags = flags.iter().map(|flag| flag.to_string_lossy().into_owned());
        let words: Vec<String> = flags.chain(services.iter().cloned()).collect();
        self.note(format!("up {}", words.join(" ")).trim_end().to_owned());
        let fails = {
            let mut failing = self.whole.failing_starts.lock().unwrap();
            let fails = *failing > 0;
            *failing = failing.saturating_sub(1);
            fails
        };
        if fails {
            return Err(EngineError::Refused("the start said no".into()));
        }
        let all = self.whole.services.lock().unwrap().clone();
        for service in all {
            let is_meant = services.is_empty() || services.contains(&service);
            if is_meant && !self.has(&service) {
                let id = self.container_of(&service, &format!("{service}-1"), State::Running);
                self.whole.tells_of(&service, &id.0, "start");
            }
        }
        Ok(())
    }

    async fn replace(&self, services: &[String], _output: Lines<'_>) -> Result<(), EngineError> {
        self.note(format!("replace {}", services.join(" ")));
        Ok(())
    }

    async fn stop(
        &self,
        services: &[String],
        _grace: Option<Duration>,
        _output: Lines<'_>,
    ) -> Result<(), EngineError> {
        self.note(format!("stop {}", services.join(" ")).trim_end().to_owned());
        let hangs = self.whole.hangs_at_the_end.lock().unwrap().take();
        if let Some(begun) = hangs {
            begun.send(()).unwrap();
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn kill(&self, services: &[String]) -> Result<(), EngineError> {
        self.note(format!("kill {}", services.join(" ")).trim_end().to_owned());
        Ok(())
    }

    async fn inspect(&self, id: ContainerId) -> Result<Container, EngineError> {
        self.with_id(&id).ok_or(EngineError::Gone(id))
    }

    async fn lives(&self, service: &str) -> Result<Vec<Life>, EngineError> {
        let mut lives = self.whole.lives.lock().unwrap();
        let lives = lives.entry(service.to_owned()).or_default();
        if let Some((whose, what)) = &mut *self.whole.before_looks.lock().unwrap()
            && whose == service
        {
            what(lives);
        }
        Ok(lives.clone())
    }

    fn events(&self) -> impl Stream<Item = EngineEvent> + Send + Unpin + 'static + use<> {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        self.whole.listeners.lock().unwrap().push(sender);
        stream::poll_fn(move |cx| receiver.poll_recv(cx))
    }

    fn logs(
        &self,
        container: &ContainerId,
        _from: LogsFrom,
    ) -> impl Stream<Item = Output> + Send + Unpin + 'static + use<> {
        let written = self.whole.outputs.lock().unwrap().remove(&container.0);
        stream::iter(written.unwrap_or_default()).chain(stream::pending())
    }

    fn moves(&self) -> watch::Receiver<Moves> {
        self.whole.moves.subscribe()
    }
}
