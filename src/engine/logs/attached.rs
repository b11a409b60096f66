//! One attachment to a container, from what was before it to its end; and reading the log alone, where attaching is refused.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::{Bytes, Incoming};
use serde::Deserialize;
use tokio::time::timeout;

use super::super::client::Docker;
use super::super::events::Feed;
use super::super::transport::{empty, words};
use super::super::{EngineError, Stream};
use super::frames::{Frames, From, Stamp};
use super::position::{LogsFrom, Position};
use super::seam::{Before, Joined, Piece};
use super::{Ended, Follower, ReceiverGone, Sender};

/// A line may arrive this much earlier or later over the attachment than its time in the log.
const SETTLES: Duration = Duration::from_millis(5);
/// The pauses, in milliseconds, between looks at a container whose output has ended, until it has stopped.
const STOPS: [u64; 9] = [2, 5, 10, 20, 40, 80, 160, 320, 640];
/// The most bytes that are held while the log is read. If more arrives, the earlier output is left out and that is reported, so
/// that the container does not have to wait for us.
const HELD: usize = 8 * 1024 * 1024;

/// The engine's description of a container, as far as it matters here.
#[derive(Deserialize)]
struct Seen {
    #[serde(rename = "State", default)]
    state: Run,
    #[serde(rename = "Config", default)]
    config: Config,
    #[serde(rename = "HostConfig", default)]
    host: Host,
}

impl Seen {
    fn runs(&self) -> bool {
        self.state.status == "running"
    }

    /// Whether its run began after that time, as far as the two clocks agree.
    fn began_after(&self, time: SystemTime) -> bool {
        let began = Stamp::read(self.state.started_at.as_bytes());
        began.is_some_and(|began| began > Stamp::of(time))
    }
}

#[derive(Default, Deserialize)]
struct Run {
    #[serde(rename = "Status", default)]
    status: String,
    #[serde(rename = "StartedAt", default)]
    started_at: String,
}

#[derive(Default, Deserialize)]
struct Config {
    #[serde(rename = "Tty", default)]
    tty: bool,
}

#[derive(Default, Deserialize)]
struct Host {
    #[serde(rename = "LogConfig", default)]
    log: LogConfig,
}

#[derive(Default, Deserialize)]
struct LogConfig {
    #[serde(rename = "Config", default)]
    options: Option<HashMap<String, String>>,
}

impl LogConfig {
    /// How many bytes of log the container keeps for certain; `None`: all of it.
    fn keeps(&self) -> Option<u64> {
        let options = self.options.as_ref()?;
        let size = bytes_of(options.get("max-size")?)?;
        let files = options.get("max-file").and_then(|files| files.parse().ok());
        // The oldest file is removed as a whole. With a single file the log starts over, and how much is in it by then is unknown.
        Some(match files.unwrap_or(1_u64) {
            0 | 1 => size / 8,
            files => size.saturating_mul(files - 1),
        })
    }
}

/// A size such as `20m`, as the engine reads it.
fn bytes_of(size: &str) -> Option<u64> {
    let end = size.find(|character: char| !character.is_ascii_digit());
    let (number, unit) = size.split_at(end.unwrap_or(size.len()));
    let factor = match unit.chars().next().map(|unit| unit.to_ascii_lowercase()) {
        None | Some('b') => 1,
        Some('k') => 1 << 10,
        Some('m') => 1 << 20,
        Some('g') => 1 << 30,
        Some(_) => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// A stream of output as it arrives.
struct Body {
    incoming: Incoming,
    frames: Frames,
}

impl Body {
    fn new(incoming: Incoming, from: From, tty: bool) -> Self {
        Self {
            incoming,
            frames: Frames::new(from, tty),
        }
    }

    /// Waits for more; `false` at its end.
    async fn more(&mut self) -> Result<bool, EngineError> {
        match self.incoming.frame().await {
            None => Ok(false),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.frames.feed(&data);
                }
                Ok(true)
            }
            Some(Err(error)) => Err(EngineError::Unreachable(words(&error))),
        }
    }

    /// All complete messages that have arrived.
    fn pieces(&mut self) -> Vec<Piece> {
        std::iter::from_fn(|| self.frames.next())
            .map(|message| (message.stream, message.text))
            .collect()
    }
}

impl Follower {
    /// Attaches, shows what was before, then what comes, until the container stops or the connection breaks.
    pub(super) async fn attach(&mut self, docker: &Docker, sender: &Sender) -> Ended {
        let target = format!(
            "/containers/{}/attach?stream=true&stdout=true&stderr=true",
            self.id.0
        );
        let asked = SystemTime::now();
        let answer = docker.ask(Method::POST, &target, empty(), &self.id);
        let incoming = match answer.await {
            Ok(response) => response.into_body(),
            Err(error) => return Ok(Err(error)),
        };
        // Only after attaching: a run that begins later is attached to, one that began earlier is in the log.
        let mut seen = match self.see(docker).await {
            Ok(seen) => seen,
            Err(error) => return Ok(Err(error)),
        };
        let mut body = Body::new(incoming, From::Attached, seen.config.tty);
        let is_first = self.begun.is_none();
        let is_known = self.begun.as_ref() == Some(&seen.state.started_at);
        if is_known && !self.broke {
            match self.settled(docker, seen, &mut body).await {
                Ok(Some(now)) => seen = now,
                // It was attached to a run that was just ending: try again.
                Ok(None) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            }
            // The same run goes on: the last attachment was not ended by the container.
            self.broke = seen.runs() && self.begun.as_ref() == Some(&seen.state.started_at);
        }
        if self.begun.as_ref() != Some(&seen.state.started_at) || !seen.runs() {
            // The first line of a run does not continue the last line of the previous one.
            self.flush(sender).await?;
        }
        if seen.state.status != "created" && (!is_known || self.broke) {
            match self.heard {
                _ if is_first => {}
                Some(heard) if self.broke => self.position.resume_before(heard),
                _ => self.position.resume_with_run(&seen.state.started_at),
            }
            let position = self.position.clone();
            let late = is_first || self.broke || !seen.began_after(asked);
            let caught_up = self.catch_up(docker, &mut body, &seen, late, sender);
            if let Err(error) = caught_up.await? {
                self.position = position;
                return Ok(Err(error));
            }
        }
        self.broke = false;
        self.heard = Some(SystemTime::now());
        let runs = seen.runs();
        self.begun = Some(seen.state.started_at);
        let feed = if runs {
            None
        } else {
            let told = ["start", "destroy"];
            match Feed::of_container(docker, &self.id, &told).await {
                Ok(feed) => Some(feed),
                Err(error) => return Ok(Err(error)),
            }
        };
        self.follow_body(docker, body, feed, sender).await
    }

    async fn see(&self, docker: &Docker) -> Result<Seen, EngineError> {
        let target = format!("/containers/{}/json", self.id.0);
        docker.ask_json(&target, &self.id).await
    }

    /// Waits until a container whose output ended has stopped, and describes it then. `None`: the attachment has ended too. Output that
    /// arrives meanwhile is kept: it is from a process that did not stop, or from the next one.
    async fn settled(
        &self,
        docker: &Docker,
        mut seen: Seen,
        body: &mut Body,
    ) -> Result<Option<Seen>, EngineError> {
        for pause in STOPS {
            if !seen.runs() || self.begun.as_ref() != Some(&seen.state.started_at) {
                break;
            }
            let more = timeout(Duration::from_millis(pause), body.more()).await;
            match more {
                Ok(Ok(false)) => return Ok(None),
                Ok(Err(error)) => return Err(error),
                Ok(Ok(true)) | Err(_) => {}
            }
            seen = self.see(docker).await?;
            if more.is_ok() {
                break;
            }
        }
        Ok(Some(seen))
    }

    /// Shows output until the container stops or the connection breaks. With `feed` the container does not run yet; its start and
    /// removal are reported there.
    async fn follow_body(
        &mut self,
        docker: &Docker,
        mut body: Body,
        mut feed: Option<Feed>,
        sender: &Sender,
    ) -> Ended {
        if feed.is_some() {
            match self.note_run(docker).await {
                // It was started before the feed was opened.
                Ok(true) => feed = None,
                Ok(false) => {}
                Err(error) => return Ok(Err(error)),
            }
        }
        loop {
            let pieces = body.pieces();
            self.show(pieces, sender).await?;
            let told = async {
                match &mut feed {
                    Some(feed) => feed.next().await,
                    None => std::future::pending().await,
                }
            };
            let event = tokio::select! {
                biased;
                more = body.more() => match more {
                    Ok(true) => {
                        self.heard = Some(SystemTime::now());
                        continue;
                    }
                    Ok(false) => break,
                    Err(error) => return Ok(Err(error)),
                },
                event = told => event,
            };
            match event {
                Ok(Some(event)) if event.action == "destroy" => {
                    return Ok(Err(EngineError::Gone(self.id.clone())));
                }
                // This run is shown from its beginning.
                Ok(Some(_)) => feed = None,
                Ok(None) => {
                    let why = "the engine closed its events".to_owned();
                    return Ok(Err(EngineError::Unreachable(why)));
                }
                Err(error) => return Ok(Err(error)),
            }
            if let Err(error) = self.note_run(docker).await {
                return Ok(Err(error));
            }
        }
        if feed.is_some() {
            // The run was over before its start was reported.
            return Ok(self.note_run(docker).await.map(drop));
        }
        Ok(Ok(()))
    }

    /// Notes that the container's current or last run is shown from beginning to end. Returns whether it still runs.
    async fn note_run(&mut self, docker: &Docker) -> Result<bool, EngineError> {
        let seen = self.see(docker).await?;
        let runs = seen.runs();
        self.begun = Some(seen.state.started_at);
        Ok(runs)
    }

    /// Shows what was before this attachment, or between it and the previous one.
    async fn catch_up(
        &mut self,
        docker: &Docker,
        body: &mut Body,
        seen: &Seen,
        late: bool,
        sender: &Sender,
    ) -> Ended {
        let is_first = self.begun.is_none();
        let mut log = match self.open_log(docker, false).await {
            Ok(log) => log,
            // It began while the attachment was being made.
            Err(EngineError::Refused(_)) if !late => return Ok(Ok(())),
            Err(EngineError::Refused(_)) => {
                let gap = if is_first {
                    "its log cannot be read: what it wrote before this moment is not shown"
                } else {
                    "its log cannot be read: what it wrote while nobody was attached is not shown"
                };
                self.say_gap(gap.to_owned(), sender).await?;
                return Ok(Ok(()));
            }
            Err(error) => return Ok(Err(error)),
        };
        let mut before = Before::default();
        let mut attached = Vec::new();
        let mut held = 0;
        let mut overflowed = false;
        let mut ended = false;
        while !ended && !overflowed {
            tokio::select! {
                more = log.more() => match more {
                    Ok(more) => ended = !more,
                    Err(error) => return Ok(Err(error)),
                },
                more = body.more() => match more {
                    Ok(true) => {}
                    // It has stopped already: the log has everything, and the next attachment continues.
                    Ok(false) => return self.read_to_end(log, before, sender).await,
                    Err(error) => return Ok(Err(error)),
                },
            }
            let came = body.pieces();
            held += came.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
            attached.extend(came);
            overflowed = held > HELD;
            self.hold(&mut log, ended, &mut before, is_first, sender)
                .await?;
        }
        while held <= HELD
            && let Ok(more) = timeout(SETTLES, body.more()).await
        {
            match more {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return Ok(Err(error)),
            }
            let came = body.pieces();
            held += came.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
            attached.extend(came);
        }
        let keeps = seen.host.log.keeps();
        let is_cut = keeps.is_some_and(|keeps| before.read() > keeps);
        let shown = (!is_first).then_some(&self.shown);
        let Joined {
            pieces,
            found,
            is_vague,
        } = before.join(shown, &attached);
        if overflowed {
            let gap = "it writes more than can be read of its log: some of what it wrote before this is not shown";
            self.say_gap(gap.to_owned(), sender).await?;
        } else {
            // A run that has only just begun was not shown before.
            let found = found || !self.broke;
            if is_cut && (late || !found) {
                let gap = "its log keeps little: some of what it wrote before this may be missing";
                self.say_gap(gap.to_owned(), sender).await?;
            } else if !found {
                let gap = "the connection to it broke: some of what it wrote meanwhile may be missing, or shown twice";
                self.say_gap(gap.to_owned(), sender).await?;
            }
            self.show(pieces, sender).await?;
            if is_vague {
                let gap =
                    "it writes the same again and again: how often before this is not quite known";
                self.say_gap(gap.to_owned(), sender).await?;
            }
        }
        self.show(attached, sender).await?;
        Ok(Ok(()))
    }

    /// Keeps what arrived of the log for the join; what exceeds the limit is shown at once.
    async fn hold(
        &mut self,
        log: &mut Body,
        ended: bool,
        before: &mut Before,
        is_first: bool,
        sender: &Sender,
    ) -> Result<(), ReceiverGone> {
        let mut early: Vec<(Stream, Bytes)> = Vec::new();
        while let Some(message) = log.frames.next_of(ended) {
            if !self.position.is_repeated(&message) {
                early.extend(before.add(message.stream, message.text));
            }
        }
        // After a break it may have been shown already. Then it is not found later, and that is reported.
        if is_first {
            self.show(early, sender).await
        } else {
            Ok(())
        }
    }

    /// The attachment ended before the log was read: everything there is, is in the log.
    async fn read_to_end(&mut self, mut log: Body, mut before: Before, sender: &Sender) -> Ended {
        let is_first = self.begun.is_none();
        loop {
            let ended = match log.more().await {
                Ok(more) => !more,
                Err(error) => return Ok(Err(error)),
            };
            self.hold(&mut log, ended, &mut before, is_first, sender)
                .await?;
            if ended {
                let shown = (!is_first).then_some(&self.shown);
                let Joined { pieces, .. } = before.join(shown, &[]);
                self.show(pieces, sender).await?;
                return Ok(Ok(()));
            }
        }
    }

    /// Shows the log alone, until the engine ends it: the container stopped, or the connection broke.
    pub(super) async fn read_log(&mut self, docker: &Docker, sender: &Sender) -> Ended {
        if let Some(heard) = self.heard.take() {
            self.position = Position::begin(LogsFrom::Time(heard));
        }
        let mut log = match self.open_log(docker, true).await {
            Ok(log) => log,
            Err(error) => return Ok(Err(error)),
        };
        loop {
            let ended = match log.more().await {
                Ok(more) => !more,
                Err(error) => return Ok(Err(error)),
            };
            let mut came: Vec<Piece> = Vec::new();
            while let Some(message) = log.frames.next_of(ended) {
                if !self.position.is_repeated(&message) {
                    came.push((message.stream, message.text));
                }
            }
            self.show(came, sender).await?;
            if ended {
                return Ok(Ok(()));
            }
        }
    }

    async fn open_log(&mut self, docker: &Docker, follow: bool) -> Result<Body, EngineError> {
        let tty = self.see(docker).await?.config.tty;
        let target = format!(
            "/containers/{}/logs?follow={follow}&stdout=true&stderr=true&timestamps=true{}",
            self.id.0,
            self.position.query()
        );
        let response = docker.ask(Method::GET, &target, empty(), &self.id).await?;
        Ok(Body::new(response.into_body(), From::Log, tty))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeps(options: &serde_json::Value) -> Option<u64> {
        let host = serde_json::json!({"LogConfig": {"Type": "json-file", "Config": options}});
        serde_json::from_value::<Host>(host).unwrap().log.keeps()
    }

    #[test]
    fn what_a_log_keeps_in_any_case_is_told_by_its_options() {
        use serde_json::json;
        for (options, expected) in [
            (json!(null), None),
            (json!({}), None),
            (json!({"max-file": "3"}), None),
            (json!({"max-size": "a lot"}), None),
            (json!({"max-size": "20m", "max-file": "2"}), Some(20 << 20)),
            (json!({"max-size": "10K", "max-file": "3"}), Some(20 << 10)),
            (json!({"max-size": "1gb", "max-file": "2"}), Some(1 << 30)),
            (json!({"max-size": "500", "max-file": "2"}), Some(500)),
            (json!({"max-size": "8m"}), Some(1 << 20)),
        ] {
            assert_eq!(keeps(&options), expected, "{options}");
        }
    }
}
