//! One attachment to a container, from what was before it to its end; and reading the log alone, where attaching is refused.

use std::time::{Duration, SystemTime};

use hyper::Method;
use tokio::time::timeout;

use super::super::EngineError;
use super::super::client::Docker;
use super::super::events::Feed;
use super::super::transport::empty;
use super::body::Body;
use super::frames::From;
use super::position::{LogsFrom, Position};
use super::seam::Piece;
use super::seen::Seen;
use super::{Ended, Follower, Sender};

/// The pauses, in milliseconds, between looks at a container whose output has ended, until it has stopped.
const STOPS: [u64; 9] = [2, 5, 10, 20, 40, 80, 160, 320, 640];

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

    pub(super) async fn open_log(
        &mut self,
        docker: &Docker,
        follow: bool,
    ) -> Result<Body, EngineError> {
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
