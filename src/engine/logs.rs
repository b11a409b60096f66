//! A container's log as lines, through restarts of the container and of the engine, none lost and none twice. Colours and prefixes nothing.

mod frames;

use std::time::Duration;

use futures_util::Stream as FutureStream;
use http_body_util::BodyExt;
use hyper::Method;
use tokio::sync::mpsc;
use tokio::time::sleep;

use self::frames::{Frames, Stamp};
use super::client::Docker;
use super::events::Feed;
use super::transport::empty;
use super::{Container, ContainerId, EngineError, LogLine, State, Stream};
use crate::harmless;

/// A line longer than this is handed on in pieces: memory is bounded whatever a container prints.
const LONGEST_LINE: usize = 64 * 1024;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// An engine that says no so often in a row means it: the log's driver keeps nothing to read.
const NOES: u32 = 5;

/// Where a log begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogsFrom {
    /// With the container's first line.
    Beginning,
    /// With so many of the lines that are there.
    Last(u32),
    /// With what is written at that time or later, by the engine's clock.
    Time(std::time::SystemTime),
}

impl Docker {
    /// The container's log lines; ends when the container is removed, or when dropped.
    pub fn logs(
        &self,
        container: &Container,
        from: LogsFrom,
    ) -> impl FutureStream<Item = LogLine> + Send + Unpin + 'static {
        let (sender, mut receiver) = mpsc::channel(256);
        let docker = self.clone();
        let follower = Follower {
            id: container.id.clone(),
            tty: container.tty,
            place: Place::begin(from),
            lines: [Line::default(), Line::default()],
        };
        tokio::spawn(async move {
            let closed = sender.clone();
            tokio::select! {
                () = closed.closed() => {}
                () = follower.follow(&docker, &sender) => {}
            }
        });
        futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx))
    }
}

/// How far a log has been read.
struct Place {
    /// The query that begins or resumes there.
    since: String,
    last: Option<Stamp>,
    /// Messages seen with that very stamp: `since` includes it, so they come again.
    at_last: usize,
}

impl Place {
    fn begin(from: LogsFrom) -> Self {
        let since = match from {
            LogsFrom::Beginning => String::new(),
            LogsFrom::Last(lines) => format!("&tail={lines}"),
            LogsFrom::Time(time) => {
                let since = time
                    .duration_since(std::time::UNIX_EPOCH)
                    .unwrap_or_default();
                format!("&since={}.{:09}", since.as_secs(), since.subsec_nanos())
            }
        };
        Self {
            since,
            last: None,
            at_last: 0,
        }
    }

    fn advance(&mut self, stamp: Stamp) {
        if self.last == Some(stamp) {
            self.at_last += 1;
        } else {
            self.since = stamp.since();
            self.last = Some(stamp);
            self.at_last = 1;
        }
    }
}

/// A line that has not ended yet.
#[derive(Default)]
struct Line {
    text: Vec<u8>,
}

struct Follower {
    id: ContainerId,
    tty: bool,
    place: Place,
    lines: [Line; 2],
}

type Sender = mpsc::Sender<LogLine>;

/// Nobody listens any more.
struct Closed;

impl Follower {
    async fn follow(mut self, docker: &Docker, sender: &Sender) {
        let mut pause = FIRST_PAUSE;
        let mut noes = 0;
        loop {
            match self.read_once(docker, sender).await {
                Err(Closed) => return,
                Ok(Ok(())) => match self.wait_for_start(docker, sender).await {
                    Ok(true) => (pause, noes) = (FIRST_PAUSE, 0),
                    Ok(false) => return,
                    Err(_) => {}
                },
                Ok(Err(EngineError::Gone(_))) => {
                    let _ = self.flush(sender).await;
                    return;
                }
                Ok(Err(EngineError::Refused(_))) if noes + 1 < NOES => noes += 1,
                Ok(Err(EngineError::Refused(why))) => {
                    let text =
                        format!("its log cannot be read: {}", harmless::value(&why)).into_bytes();
                    let stream = Stream::Err;
                    let _ = sender.send(LogLine { stream, text }).await;
                    return;
                }
                Ok(Err(_)) => {}
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Follows the log until the engine ends it: the container stopped, or the connection broke.
    async fn read_once(
        &mut self,
        docker: &Docker,
        sender: &Sender,
    ) -> Result<Result<(), EngineError>, Closed> {
        let target = format!(
            "/containers/{}/logs?follow=true&stdout=true&stderr=true&timestamps=true{}",
            self.id.0, self.place.since
        );
        let mut body = match docker.ask(Method::GET, &target, empty(), &self.id).await {
            Ok(response) => response.into_body(),
            Err(error) => return Ok(Err(error)),
        };
        let mut frames = Frames::new(self.tty);
        // What came with the last stamp before the break comes again, and is dropped.
        let (again, mut repeats) = (self.place.last, self.place.at_last);
        let mut ended = false;
        loop {
            while let Some(message) = frames.next_of(ended) {
                if let Some(stamp) = message.stamp {
                    if repeats > 0 && Some(stamp) == again {
                        repeats -= 1;
                        continue;
                    }
                    repeats = 0;
                    self.place.advance(stamp);
                }
                self.take(message.stream, &message.text, sender).await?;
            }
            if ended {
                return Ok(Ok(()));
            }
            match body.frame().await {
                None => ended = true,
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        frames.feed(&data);
                    }
                }
                Some(Err(error)) => {
                    return Ok(Err(EngineError::Unreachable(error.to_string())));
                }
            }
        }
    }

    async fn take(&mut self, stream: Stream, text: &[u8], sender: &Sender) -> Result<(), Closed> {
        let mut rest = text;
        while !rest.is_empty() {
            let line = &mut self.lines[usize::from(stream == Stream::Err)].text;
            let room = LONGEST_LINE - line.len();
            let end = rest.iter().position(|&byte| byte == b'\n');
            let (part, used, whole) = match end {
                Some(end) if end <= room => (&rest[..end], end + 1, true),
                _ if rest.len() < room => (rest, rest.len(), false),
                _ => (&rest[..room], room, true),
            };
            line.extend_from_slice(part);
            rest = &rest[used..];
            if whole {
                let mut text = std::mem::take(line);
                if text.last() == Some(&b'\r') {
                    text.pop();
                }
                let line = LogLine { stream, text };
                sender.send(line).await.map_err(|_| Closed)?;
            }
        }
        Ok(())
    }

    /// The last line of a container that ended need not have an end.
    async fn flush(&mut self, sender: &Sender) -> Result<(), Closed> {
        for (line, stream) in self.lines.iter_mut().zip([Stream::Out, Stream::Err]) {
            let text = std::mem::take(&mut line.text);
            if !text.is_empty() {
                let line = LogLine { stream, text };
                sender.send(line).await.map_err(|_| Closed)?;
            }
        }
        Ok(())
    }

    /// `true` when the container runs (again); `false` when there will be nothing more to read.
    async fn wait_for_start(
        &mut self,
        docker: &Docker,
        sender: &Sender,
    ) -> Result<bool, EngineError> {
        // Listen first, look then: a start in between is seen by one of the two.
        let mut feed = Feed::of_container(docker, &self.id, &["start", "destroy"]).await?;
        match docker.look_at(self.id.clone()).await {
            Ok(seen) => match seen.state {
                State::Running | State::Paused => return Ok(true),
                State::Gone => return Ok(false),
                State::Created | State::Restarting | State::Exited { .. } | State::Stopped => {}
            },
            Err(EngineError::Gone(_)) => {
                let _ = self.flush(sender).await;
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        if self.flush(sender).await.is_err() {
            return Ok(false);
        }
        match feed.next().await? {
            Some(event) => Ok(event.action == "start"),
            None => Err(EngineError::Unreachable(
                "the engine closed its events".to_owned(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_without_end_is_handed_on_in_pieces() {
        let (sender, mut receiver) = mpsc::channel(100);
        let mut follower = Follower {
            id: ContainerId(String::new()),
            tty: false,
            place: Place::begin(LogsFrom::Beginning),
            lines: [Line::default(), Line::default()],
        };
        let text = vec![b'x'; 10_000];
        for _ in 0..100 {
            let took = follower.take(Stream::Out, &text, &sender).await;
            assert!(took.is_ok());
            assert!(follower.lines[0].text.len() < LONGEST_LINE);
        }
        let mut pieces = 0;
        while let Ok(line) = receiver.try_recv() {
            assert_eq!(line.text.len(), LONGEST_LINE);
            pieces += 1;
        }
        assert_eq!(pieces, 1_000_000 / LONGEST_LINE);
    }
}
