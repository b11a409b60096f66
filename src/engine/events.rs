//! The engine's events about this project's containers, for as long as somebody listens. Decides nothing about them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures_util::Stream;
use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::Incoming;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::client::Docker;
use super::containers::{ONE_OFF, PROJECT, SERVICE, short_name};
use super::ends::{End, Heard, Lives};
use super::transport::{MIB, empty, escaped, size, words};
use super::{ContainerId, EngineError, EngineEvent};
use crate::harmless;

/// The actions after which a service is looked at again. Our own execs and copies cause events too, but none of these.
const TOLD: &[&str] = &[
    "create", "start", "restart", "kill", "die", "stop", "pause", "unpause", "rename", "destroy",
    "oom", "update",
];

/// The pause before the first new attempt to reach an engine that is gone; it grows from one to the next.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// The longest event that is accepted, in bytes. It carries its container's labels, which fit into one answer of the engine too.
const LONGEST: u64 = 2 * MIB;

impl Docker {
    /// This project's container events from now on. Reconnects by itself; ends when dropped.
    pub fn events(&self) -> impl Stream<Item = EngineEvent> + Send + Unpin + 'static + use<> {
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
        let mut lives = Lives::default();
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
                                since = Some(event.time_nano.saturating_add(1));
                                let Some(event) = event.told() else { continue };
                                let end = self.end_of(&event, &mut lives);
                                for event in [event.news()].into_iter().chain(end) {
                                    if sender.send(event).await.is_err() {
                                        return;
                                    }
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

impl Docker {
    /// The end that an event reports; `None` when we caused it.
    fn end_of(&self, event: &Told, lives: &mut Lives) -> Option<EngineEvent> {
        let heard = Heard {
            action: &event.action,
            id: &event.id,
            service: &event.service,
            signal: event.signal.as_deref(),
        };
        let now = Instant::now();
        let age = lives.lived(&event.id, now);
        let (requested, out_of_memory) = lives.hear(&heard, &self.inner.own_ends, now)?;
        let name = short_name(&event.name, &self.inner.project);
        Some(EngineEvent::Ended(End {
            service: event.service.clone(),
            id: event.id.clone(),
            name: harmless::value(name).into_owned(),
            code: event.exit_code?,
            requested,
            out_of_memory,
            lived: age,
        }))
    }
}

/// An event about a container of this project.
struct Told {
    service: String,
    id: ContainerId,
    name: String,
    action: String,
    exit_code: Option<i64>,
    signal: Option<String>,
}

impl Told {
    fn news(self) -> EngineEvent {
        EngineEvent::Container {
            service: self.service,
            id: self.id,
            action: self.action,
            signal: self.signal,
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

    fn told(self) -> Option<Told> {
        if self.attribute(ONE_OFF) == Some("True") {
            return None;
        }
        Some(Told {
            service: self.attribute(SERVICE)?.to_owned(),
            name: self.attribute("name").unwrap_or_default().to_owned(),
            exit_code: self
                .attribute("exitCode")
                .and_then(|code| code.parse().ok())
                .filter(|_| self.action == "die"),
            signal: self.attribute("signal").map(str::to_owned),
            id: ContainerId(self.actor.id),
            action: self.action,
        })
    }
}

/// One connection to the engine's event stream.
pub(super) struct Feed {
    body: Incoming,
    lines: Lines,
}

impl Feed {
    async fn of_project(docker: &Docker, since: Option<i64>) -> Result<Self, EngineError> {
        let label = format!("{PROJECT}={}", docker.inner.project);
        Self::open(docker, &[("label", &[&label]), ("event", TOLD)], since).await
    }

    /// The events of one container. None is missed that the engine sends after this has returned.
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
            lines: Lines::default(),
        })
    }

    /// The next event; `None` when the engine closed the stream.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, EngineError> {
        loop {
            if let Some(event) = self.lines.next()? {
                return Ok(Some(event));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.lines.feed(data);
                    }
                }
                Some(Err(error)) => return Err(EngineError::Unreachable(words(&error))),
            }
        }
    }
}

/// Splits the stream at line breaks: the engine ends each event with one, and a chunk may hold several or half of one.
#[derive(Default)]
struct Lines {
    buffer: BytesMut,
    /// Up to here there is no line break in the buffer.
    searched: usize,
}

impl Lines {
    fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next event, once it is complete.
    fn next(&mut self) -> Result<Option<Event>, EngineError> {
        let unreadable = |why: &dyn std::fmt::Display| {
            EngineError::Unreachable(format!("the engine's events are unreadable: {why}"))
        };
        loop {
            let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
            let Some(end) = unsearched.iter().position(|&byte| byte == b'\n') else {
                self.searched = self.buffer.len();
                if self.searched as u64 > LONGEST {
                    let longest = size(LONGEST);
                    return Err(unreadable(&format!("one has more than {longest}")));
                }
                return Ok(None);
            };
            let line = self.buffer.split_to(self.searched + end + 1);
            self.searched = 0;
            if !line.trim_ascii().is_empty() {
                let event = serde_json::from_slice(&line);
                return event.map(Some).map_err(|error| unreadable(&error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_whatever_the_pieces() {
        let text = "{\"Action\":\"start\"}\n\n{\"Action\":\"die\"}\n";
        for piece in [1, 7, 1000] {
            let mut lines = Lines::default();
            let mut actions = Vec::new();
            for part in text.as_bytes().chunks(piece) {
                lines.feed(part);
                while let Some(event) = lines.next().unwrap() {
                    actions.push(event.action);
                }
            }
            assert_eq!(actions, ["start", "die"]);
        }
    }

    #[test]
    fn an_event_without_an_end_is_given_up() {
        let mut lines = Lines::default();
        let mut fed = 0;
        let error = loop {
            lines.feed(&[b'x'; 10_000]);
            fed += 10_000;
            match lines.next() {
                Ok(none) => assert!(none.is_none()),
                Err(error) => break error,
            }
        };
        assert!(fed < LONGEST + 20_000);
        assert_eq!(
            error.to_string(),
            "the engine's events are unreadable: one has more than 2 MiB"
        );
    }
}
