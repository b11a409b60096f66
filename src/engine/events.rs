//! The engine's events of this project's containers, for as long as somebody listens. Decides nothing about them.

use std::collections::HashMap;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::Stream;
use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::Incoming;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::client::Docker;
use super::containers::{ONE_OFF, PROJECT, SERVICE};
use super::transport::{empty, escaped, words};
use super::{ContainerId, EngineError, EngineEvent};

/// What makes a service worth another look; our own execs and copies are events too, and none of these.
const TOLD: &[&str] = &[
    "create", "start", "restart", "die", "stop", "pause", "unpause", "rename", "destroy", "oom",
    "update",
];

/// The pauses between two attempts to reach an engine that is gone.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

impl Docker {
    /// This project's container events from now on; reconnects by itself, and ends when dropped.
    pub fn events(&self) -> impl Stream<Item = EngineEvent> + Send + Unpin + 'static {
        let (sender, mut receiver) = mpsc::channel(64);
        let docker = self.clone();
        tokio::spawn(async move {
            let closed = sender.clone();
            tokio::select! {
                () = closed.closed() => {}
                () = docker.tell(&sender) => {}
            }
        });
        futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx))
    }

    async fn tell(&self, sender: &mpsc::Sender<EngineEvent>) {
        let mut since = None;
        let mut lost = false;
        let mut pause = FIRST_PAUSE;
        loop {
            let why = match Feed::of_project(self, since).await {
                Ok(mut feed) => {
                    if std::mem::take(&mut lost)
                        && sender.send(EngineEvent::Reconnected).await.is_err()
                    {
                        return;
                    }
                    loop {
                        match feed.next().await {
                            Ok(Some(event)) => {
                                pause = FIRST_PAUSE;
                                since = Some(event.time_nano + 1);
                                let Some(event) = event.told() else { continue };
                                if sender.send(event).await.is_err() {
                                    return;
                                }
                            }
                            Ok(None) => break "the engine closed its events".to_owned(),
                            Err(error) => break error.to_string(),
                        }
                    }
                }
                Err(error) => error.to_string(),
            };
            if !std::mem::replace(&mut lost, true)
                && sender.send(EngineEvent::Lost(why)).await.is_err()
            {
                return;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// One event as the engine writes it.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    #[serde(rename = "Action", default)]
    pub(super) action: String,
    #[serde(rename = "Actor", default)]
    actor: Actor,
    #[serde(rename = "timeNano", default)]
    pub(super) time_nano: i64,
}

#[derive(Debug, Default, Deserialize)]
struct Actor {
    #[serde(rename = "ID", default)]
    id: String,
    #[serde(rename = "Attributes", default)]
    attributes: HashMap<String, String>,
}

impl Event {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.actor.attributes.get(name).map(String::as_str)
    }

    fn told(self) -> Option<EngineEvent> {
        if self.attribute(ONE_OFF) == Some("True") {
            return None;
        }
        Some(EngineEvent::Container {
            service: self.attribute(SERVICE)?.to_owned(),
            exit_code: self
                .attribute("exitCode")
                .and_then(|code| code.parse().ok())
                .filter(|_| self.action == "die"),
            id: ContainerId(self.actor.id),
            action: self.action,
        })
    }
}

/// One connection to the engine's events.
pub(super) struct Feed {
    body: Incoming,
    buffer: BytesMut,
}

impl Feed {
    async fn of_project(docker: &Docker, since: Option<i64>) -> Result<Self, EngineError> {
        let label = format!("{PROJECT}={}", docker.inner.project);
        Self::open(docker, &[("label", &[&label]), ("event", TOLD)], since).await
    }

    /// The events of one container; those that the engine tells after this returned are not missed.
    pub(super) async fn of_container(
        docker: &Docker,
        id: &ContainerId,
        actions: &[&str],
    ) -> Result<Self, EngineError> {
        Self::open(docker, &[("container", &[&id.0]), ("event", actions)], None).await
    }

    async fn open(
        docker: &Docker,
        filters: &[(&str, &[&str])],
        since: Option<i64>,
    ) -> Result<Self, EngineError> {
        let mut wanted: HashMap<&str, Vec<&str>> = HashMap::from([("type", vec!["container"])]);
        for (name, values) in filters {
            wanted.insert(name, values.to_vec());
        }
        let filters = serde_json::to_string(&wanted).unwrap_or_default();
        let mut target = format!("/events?filters={}", escaped(filters.as_bytes()));
        if let Some(nano) = since {
            use std::fmt::Write;
            let _ = write!(
                target,
                "&since={}.{:09}",
                nano.div_euclid(1_000_000_000),
                nano.rem_euclid(1_000_000_000)
            );
        }
        let nobody = ContainerId(String::new());
        let response = docker.ask(Method::GET, &target, empty(), &nobody).await?;
        Ok(Self {
            body: response.into_body(),
            buffer: BytesMut::new(),
        })
    }

    /// The next event; `None` when the engine closed the stream.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, EngineError> {
        loop {
            // The engine ends each event with a line end; a chunk may hold several, or half of one.
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                match serde_json::from_slice(&line) {
                    Ok(event) => return Ok(Some(event)),
                    Err(_) if line.trim_ascii().is_empty() => continue,
                    Err(error) => {
                        return Err(EngineError::Unreachable(format!(
                            "the engine's events are unreadable: {error}"
                        )));
                    }
                }
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.buffer.extend_from_slice(data);
                    }
                }
                Some(Err(error)) => return Err(EngineError::Unreachable(words(&error))),
            }
        }
    }
}
