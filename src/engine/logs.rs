//! A container's output as lines, through restarts of the container and of the engine. It is attached to, as in `docker compose
//! up`, so that rotating the log loses nothing; the log serves for what was before. Adds no colours and no prefixes.
//!
//! Output is read as fast as the lines are taken: a reader that takes none makes the container wait.

mod attached;
mod body;
mod catch_up;
mod frames;
mod position;
mod seam;
mod seen;

use std::time::{Duration, Instant, SystemTime};

use futures_util::Stream as FutureStream;
use tokio::sync::mpsc;
use tokio::time::sleep;

use self::position::Position;
use self::seam::Shown;
use super::client::Docker;
use super::events::Feed;
use super::{ContainerId, EngineError, LogLine, State, Stream};
use crate::harmless;

pub use self::position::LogsFrom;

/// A longer line is passed on in pieces, so that memory is bounded whatever a container prints.
const LONGEST_LINE: usize = 64 * 1024;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// After this many refusals in a row, the engine is taken to refuse for good.
const NOES: u32 = 5;
/// An attachment that lasted this long counts as successful.
const LASTED: Duration = Duration::from_millis(200);
/// How often an attachment that ended at once is repeated without a pause: a container may be started and end in a moment.
const QUICK: u32 = 3;
/// How many batches of lines may wait to be taken; each is what arrived together.
const BATCHES: usize = 8;

/// An item of a container's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Lines that arrived together.
    Lines(Vec<LogLine>),
    /// Output may be missing here; the reason, for people.
    Gap(String),
}

impl Docker {
    /// The container's output. Ends when the container is removed, or when dropped.
    pub fn logs(
        &self,
        container: &ContainerId,
        from: LogsFrom,
    ) -> impl FutureStream<Item = Output> + Send + Unpin + 'static + use<> {
        let (sender, mut receiver) = mpsc::channel(BATCHES);
        let docker = self.clone();
        let follower = Follower {
            id: container.clone(),
            position: Position::begin(from),
            begun: None,
            broke: false,
            heard: None,
            shown: Shown::default(),
            lines: Lines::default(),
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

type Sender = mpsc::Sender<Output>;

/// The receiver of the output is gone.
struct ReceiverGone;

/// How an attachment or a reading of the log ended; the outer error means that the receiver is gone.
type Ended = Result<Result<(), EngineError>, ReceiverGone>;

struct Follower {
    id: ContainerId,
    position: Position,
    /// When the last run began that was shown completely, as the engine writes it.
    begun: Option<String>,
    /// The last attachment ended before its container did.
    broke: bool,
    /// When the last attachment last received something or could have.
    heard: Option<SystemTime>,
    shown: Shown,
    lines: Lines,
}

impl Follower {
    async fn follow(mut self, docker: &Docker, sender: &Sender) {
        let (mut pause, mut noes, mut quick) = (FIRST_PAUSE, 0, 0);
        loop {
            let asked = Instant::now();
            let ended = match self.attach(docker, sender).await {
                Err(ReceiverGone) => return,
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error),
            };
            if asked.elapsed() > LASTED {
                (pause, noes, quick) = (FIRST_PAUSE, 0, 0);
            }
            match ended {
                // No pause: the next start may come in a moment, and its first line with it.
                None if quick < QUICK => {
                    (noes, quick) = (0, quick + 1);
                    continue;
                }
                None => {}
                Some(EngineError::Gone(_)) => {
                    let _ = self.flush(sender).await;
                    return;
                }
                // A container that is paused or between two starts cannot be attached to: wait for its start.
                Some(EngineError::Refused(_)) if noes + 1 < NOES => {
                    match self.wait_for_start(docker, sender).await {
                        Ok(true) => {}
                        Ok(false) => return,
                        Err(_) => self.broke = true,
                    }
                    noes += 1;
                    if noes == 1 {
                        continue;
                    }
                }
                Some(EngineError::Refused(why)) => {
                    let told = self.without_attaching(docker, sender, &why).await;
                    if told.is_err() {
                        return;
                    }
                }
                Some(_) => self.broke = true,
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Reads the log instead, for an engine that refuses to attach, until the container stops. The error means that no more will come.
    async fn without_attaching(
        &mut self,
        docker: &Docker,
        sender: &Sender,
        why: &str,
    ) -> Result<(), ReceiverGone> {
        match self.read_log(docker, sender).await? {
            Ok(()) => match self.wait_for_start(docker, sender).await {
                Ok(false) => Err(ReceiverGone),
                Ok(true) | Err(_) => Ok(()),
            },
            Err(EngineError::Gone(_)) => {
                let _ = self.flush(sender).await;
                Err(ReceiverGone)
            }
            Err(EngineError::Refused(no)) => {
                let gap = format!(
                    "its output cannot be shown: {}, and its log: {}",
                    harmless::message(why),
                    harmless::message(&no)
                );
                self.say_gap(gap, sender).await?;
                Err(ReceiverGone)
            }
            Err(_) => Ok(()),
        }
    }

    async fn say_gap(&mut self, why: String, sender: &Sender) -> Result<(), ReceiverGone> {
        self.flush(sender).await?;
        sender
            .send(Output::Gap(why))
            .await
            .map_err(|_| ReceiverGone)
    }

    /// Shows output that arrived together as one batch of lines.
    async fn show(
        &mut self,
        pieces: impl IntoIterator<Item = (Stream, impl AsRef<[u8]>)>,
        sender: &Sender,
    ) -> Result<(), ReceiverGone> {
        let mut batch = Vec::new();
        for (stream, bytes) in pieces {
            self.shown.add(stream, bytes.as_ref());
            self.lines.take(stream, bytes.as_ref(), &mut batch);
        }
        if batch.is_empty() {
            return Ok(());
        }
        sender
            .send(Output::Lines(batch))
            .await
            .map_err(|_| ReceiverGone)
    }

    /// Shows the last line of a container that ended, which may lack its line break.
    async fn flush(&mut self, sender: &Sender) -> Result<(), ReceiverGone> {
        let mut batch = Vec::new();
        self.lines.end(&mut batch);
        if batch.is_empty() {
            return Ok(());
        }
        sender
            .send(Output::Lines(batch))
            .await
            .map_err(|_| ReceiverGone)
    }

    /// `true` once the container runs (again); `false` when there is nothing more to read.
    async fn wait_for_start(
        &mut self,
        docker: &Docker,
        sender: &Sender,
    ) -> Result<bool, EngineError> {
        // Listen before looking: so a start in between is noticed by one of the two.
        let told = ["start", "unpause", "destroy"];
        let mut feed = Feed::of_container(docker, &self.id, &told).await?;
        match docker.inspect(self.id.clone()).await {
            Ok(seen) => match seen.state {
                State::Running => return Ok(true),
                State::Gone => return Ok(false),
                State::Created
                | State::Paused
                | State::Restarting
                | State::Exited { .. }
                | State::Stopped => {}
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
            Some(event) => Ok(event.action != "destroy"),
            None => Err(EngineError::Unreachable(
                "the engine closed its events".to_owned(),
            )),
        }
    }
}

/// The incomplete last line of each of the two streams.
#[derive(Default)]
struct Lines([Vec<u8>; 2]);

impl Lines {
    fn take(&mut self, stream: Stream, text: &[u8], batch: &mut Vec<LogLine>) {
        let line = &mut self.0[usize::from(stream == Stream::Err)];
        let mut rest = text;
        while !rest.is_empty() {
            let room = LONGEST_LINE - line.len();
            let near = &rest[..rest.len().min(room + 1)];
            let end = near.iter().position(|&byte| byte == b'\n');
            let (part, used, whole) = match end {
                Some(end) => (&rest[..end], end + 1, true),
                None if rest.len() < room => (rest, rest.len(), false),
                None => (&rest[..room], room, true),
            };
            line.extend_from_slice(part);
            rest = &rest[used..];
            if whole {
                let mut text = std::mem::take(line);
                if text.last() == Some(&b'\r') {
                    text.pop();
                }
                batch.push(LogLine { stream, text });
            }
        }
    }

    fn end(&mut self, batch: &mut Vec<LogLine>) {
        for (line, stream) in self.0.iter_mut().zip([Stream::Out, Stream::Err]) {
            let text = std::mem::take(line);
            if !text.is_empty() {
                batch.push(LogLine { stream, text });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_end_is_handed_on_in_pieces() {
        let mut lines = Lines::default();
        let mut batch = Vec::new();
        for _ in 0..100 {
            lines.take(Stream::Out, &[b'x'; 10_000], &mut batch);
            assert!(lines.0[0].len() < LONGEST_LINE);
        }
        assert!(batch.iter().all(|line| line.text.len() == LONGEST_LINE));
        assert_eq!(batch.len(), 1_000_000 / LONGEST_LINE);
    }

    #[test]
    fn lines_are_what_lies_between_their_ends() {
        let mut lines = Lines::default();
        let mut batch = Vec::new();
        lines.take(Stream::Out, b"one\r\n\ntw", &mut batch);
        lines.take(Stream::Err, b"err", &mut batch);
        lines.take(Stream::Out, b"o\nend", &mut batch);
        lines.end(&mut batch);
        let texts: Vec<&[u8]> = batch.iter().map(|line| line.text.as_slice()).collect();
        assert_eq!(texts, [&b"one"[..], b"", b"two", b"end", b"err"]);
    }
}
