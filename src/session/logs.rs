//! The containers' output, followed from each container's birth to its removal, through restarts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::StreamExt as _;
use tokio::task::JoinHandle;

use crate::compose::Service;
use crate::engine::{ContainerId, Docker, Engine as _, LogsFrom, State};
use crate::report::{Event, Reporter};

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
        let Ok(containers) = self.engine.containers(&service.name).await else {
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
}

impl Drop for Logs {
    fn drop(&mut self) {
        for follower in self.followers.values() {
            follower.abort();
        }
    }
}
