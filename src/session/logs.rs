//! The containers' output, followed from each container's birth to its removal, through restarts. A task of its own, with its own
//! ear for the engine: a container is attached to as soon as it is made, whatever else the session is about.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::compose::Project;
use crate::engine::{Compose, Container, ContainerId, EngineError, EngineEvent, LogsFrom, Output};
use crate::report::{Event, Notice, Reporter};

/// The pauses before an engine that said no is asked again what containers there are.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(800),
];

/// Follows the output of a session's containers until it is dropped.
pub struct Logs {
    project: watch::Sender<Arc<Project>>,
    task: Option<JoinHandle<()>>,
}

impl Logs {
    /// Follows what there is of the project, and what will be, from now on; nothing unless `wanted`.
    pub fn start<E: Compose>(
        engine: Arc<E>,
        reporter: Reporter,
        wanted: bool,
        project: Arc<Project>,
    ) -> Self {
        let (sender, receiver) = watch::channel(project);
        let task = wanted.then(|| {
            let listener = Listener {
                engine,
                reporter,
                // What an older run of the same container wrote was shown then.
                since: SystemTime::now(),
                followers: HashMap::new(),
            };
            tokio::spawn(listener.follow(receiver))
        });
        Self {
            project: sender,
            task,
        }
    }

    /// The project is another one now.
    pub fn reload(&self, project: Arc<Project>) {
        self.project.send_replace(project);
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

struct Listener<E> {
    engine: Arc<E>,
    reporter: Reporter,
    since: SystemTime,
    followers: HashMap<ContainerId, JoinHandle<()>>,
}

impl<E: Compose> Listener<E> {
    async fn follow(mut self, mut project: watch::Receiver<Arc<Project>>) {
        // Listen first, look then.
        let mut events = self.engine.events();
        let mut look = true;
        loop {
            if std::mem::take(&mut look) {
                let now = Arc::clone(&project.borrow_and_update());
                self.follow_all(&now).await;
            }
            tokio::select! {
                event = events.next() => match event {
                    Some(EngineEvent::Container { service, id, action, .. }) => {
                        let now = Arc::clone(&project.borrow());
                        if matches!(action.as_str(), "create" | "start") && is_shown(&now, &service) {
                            self.follow_one(id, &service);
                        }
                    }
                    Some(EngineEvent::Reconnected) => look = true,
                    Some(EngineEvent::Ended(_) | EngineEvent::Lost(_)) => {}
                    None => return,
                },
                changed = project.changed() => match changed {
                    Ok(()) => look = true,
                    Err(_) => return,
                },
            }
        }
    }

    async fn follow_all(&mut self, project: &Project) {
        for service in project.services.iter().filter(|service| service.attach) {
            for container in self.containers(&service.name).await.unwrap_or_default() {
                self.follow_one(container.id, &service.name);
            }
        }
    }

    /// One that was just made may start in a moment: it is attached to before anything else is asked.
    fn follow_one(&mut self, id: ContainerId, service: &str) {
        self.followers.retain(|_, follower| !follower.is_finished());
        if self.followers.contains_key(&id) {
            return;
        }
        let mut told = self.engine.logs(&id, LogsFrom::Time(self.since));
        let (engine, reporter) = (Arc::clone(&self.engine), self.reporter.clone());
        let (container, service) = (id.clone(), service.to_owned());
        let follower = tokio::spawn(async move {
            let mut next = told.next().await;
            // Made to take another's place, it has its own name by now.
            let named = engine.inspect(container.clone()).await;
            let name = named.map_or_else(|_| container.to_string(), |named| named.name);
            while let Some(output) = next {
                match output {
                    Output::Lines(lines) => {
                        for line in lines {
                            reporter.room().await;
                            reporter.say(Event::Log {
                                container: name.clone(),
                                stream: line.stream,
                                text: lossy(line.text),
                            });
                        }
                    }
                    Output::Gap(why) => {
                        let container = name.clone();
                        reporter.notice(Some(&service), Notice::LogGap { container, why });
                    }
                }
                next = told.next().await;
            }
        });
        self.followers.insert(id, follower);
    }

    /// Once an engine that is away is back, all logs are followed again; one that is there and says no is asked again here.
    async fn containers(&self, service: &str) -> Result<Vec<Container>, EngineError> {
        for pause in PAUSES {
            match self.engine.containers(service).await {
                Err(EngineError::Refused(_)) => tokio::time::sleep(pause).await,
                other => return other,
            }
        }
        self.engine.containers(service).await
    }
}

impl<E> Drop for Listener<E> {
    fn drop(&mut self) {
        for follower in self.followers.values() {
            follower.abort();
        }
    }
}

/// Whether the output of that service's containers is wanted.
fn is_shown(project: &Project, service: &str) -> bool {
    project
        .service(service)
        .is_some_and(|service| service.attach)
}

/// As text, without a copy where it is text.
fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
