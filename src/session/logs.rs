//! The containers' output, followed from each container's birth to its removal, through restarts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use tokio::task::JoinHandle;

use crate::compose::Service;
use crate::engine::{Container, ContainerId, Docker, Engine as _, EngineError, LogsFrom, State};
use crate::report::{Event, Reporter};

/// The pauses before an engine that said no is asked again what containers there are.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(800),
];

/// Follows the logs of a session.
pub struct Logs {
    engine: Arc<Docker>,
    reporter: Reporter,
    wanted: bool,
    since: SystemTime,
    followers: HashMap<ContainerId, JoinHandle<()>>,
}

impl Logs {
    /// Nothing is followed yet; nothing ever is unless `wanted`.
    pub fn new(engine: Arc<Docker>, reporter: Reporter, wanted: bool, since: SystemTime) -> Self {
        Self {
            engine,
            reporter,
            wanted,
            since,
            followers: HashMap::new(),
        }
    }

    /// Follows every container of the service that is not followed yet.
    pub async fn follow_service(&mut self, service: &Service) {
        if !self.wanted || !service.attach {
            return;
        }
        let Ok(containers) = self.containers(service).await else {
            return;
        };
        for container in containers {
            self.followers.retain(|_, follower| !follower.is_finished());
            if self.followers.contains_key(&container.id) || container.state == State::Created {
                continue;
            }
            // What an older run of the same container wrote was shown then.
            let mut lines = self.engine.logs(&container, LogsFrom::Time(self.since));
            let reporter = self.reporter.clone();
            let name = container.name.clone();
            let follower = tokio::spawn(async move {
                while let Some(line) = lines.next().await {
                    reporter.say(Event::Log {
                        container: name.clone(),
                        stream: line.stream,
                        text: String::from_utf8_lossy(&line.text).into_owned(),
                    });
                }
            });
            self.followers.insert(container.id, follower);
        }
    }

    /// Once an engine that is away is back, all logs are followed again; one that is there and says no is asked again here.
    async fn containers(&self, service: &Service) -> Result<Vec<Container>, EngineError> {
        for pause in PAUSES {
            match self.engine.containers(&service.name).await {
                Err(EngineError::Refused(_)) => tokio::time::sleep(pause).await,
                other => return other,
            }
        }
        self.engine.containers(&service.name).await
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        for follower in self.followers.values() {
            follower.abort();
        }
    }
}
