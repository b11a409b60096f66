//! One connection to one helper: frames in both directions, one operation at a time.

use super::error::Error;
use super::patience::{Limit, Load, Patience};
use crate::protocol::{self, Reply, Request, VERSION};
use futures_util::FutureExt as _;
use std::io;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// How many bytes to read at once.
const READ: usize = 64 * 1024;
/// How many bytes of an engine's error text to show.
const TEXT: usize = 600;
/// How long to wait for the helper to end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A connection to a helper, for one operation after another. One that is dropped half way leaves the link out of step.
#[derive(Debug)]
pub struct Link<R, W> {
    pub(super) incoming: Incoming<R>,
    pub(super) writer: W,
    pub(super) patience: Patience,
    pub(super) clock: Clock,
    process: u32,
    in_step: bool,
    /// When the last operation was completed.
    heard: Instant,
    /// An update is under way: the supervisor, if there is one, does not end with its process.
    pub(super) held: bool,
}

/// What the helper is told at the start of a connection.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// The container's mounts that synced files may be written to, as its configuration names them.
    pub mounts: Vec<Vec<u8>>,
    /// Those of them whose content the host does not know: they are entered by their own path only, never through a link.
    pub plain_mounts: Vec<Vec<u8>>,
    /// How long to wait for answers.
    pub patience: Patience,
}

/// The helper's clock, in relation to ours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    theirs_ms: u64,
    at: Instant,
}

impl Clock {
    /// The clock of no helper.
    #[cfg(test)]
    pub(super) fn of_nobody() -> Self {
        let at = Instant::now();
        Self { theirs_ms: 0, at }
    }

    /// What it will show when this much time has passed from now.
    pub(super) fn after(&self, time: Duration) -> u64 {
        let passed = u64::try_from((self.at.elapsed() + time).as_millis()).unwrap_or(u64::MAX);
        self.theirs_ms.saturating_add(passed)
    }
}

/// The frames that arrive.
#[derive(Debug)]
pub(super) struct Incoming<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    /// The exit code of the last crash that was reported while something else was awaited.
    crash: Option<u32>,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Link<R, W> {
    /// Opens the conversation. Fails when what answers is no helper, or one of another version.
    pub async fn open(reader: R, mut writer: W, terms: &Terms) -> Result<Self, Error> {
        let mut hello = Vec::new();
        Request::Hello {
            version: VERSION,
            mounts: terms.mounts.iter().map(Vec::as_slice).collect(),
            plain_mounts: terms.plain_mounts.iter().map(Vec::as_slice).collect(),
        }
        .encode(&mut hello)?;
        let limit = terms.patience.with(Load::default());
        let mut incoming = Incoming::new(reader);
        // An executable that could not start reads nothing: its last output is more useful than our broken pipe.
        let greeting = async {
            writer.write_all(&hello).await?;
            writer.flush().await
        };
        let sent = limit.wait(greeting).await?;
        let (theirs, process, theirs_ms) = match incoming.next(&limit).await {
            Ok(Reply::Hello {
                version,
                pid,
                clock_ms,
            }) => (version, pid, clock_ms),
            Ok(_) => return Err(Error::Malformed),
            Err(stuck @ Error::Stuck { .. }) => return Err(stuck),
            Err(_) => return Err(incoming.last_words(sent).await),
        };
        let clock = Clock {
            theirs_ms,
            at: Instant::now(),
        };
        if theirs != VERSION {
            return Err(Error::Version {
                theirs,
                ours: VERSION,
            });
        }
        Ok(Self {
            incoming,
            writer,
            patience: terms.patience,
            clock,
            process,
            in_step: true,
            heard: Instant::now(),
            held: false,
        })
    }

    /// The helper's process ID in the container.
    pub fn process(&self) -> u32 {
        self.process
    }

    /// Asks for a sign of life.
    pub async fn ping(&mut self) -> Result<(), Error> {
        self.have_done(&Request::End).await
    }

    /// Whether the helper completed an operation within this time, and no other was begun since.
    pub fn was_heard_within(&self, time: Duration) -> bool {
        self.in_step && self.heard.elapsed() < time
    }

    /// Whether the end of its stream has arrived. Does not wait.
    pub fn is_over(&mut self) -> bool {
        self.incoming.is_over()
    }

    /// Whether an update keeps the container's supervisor from ending with its process.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Sends a request whose only answer is that it is done.
    pub(super) async fn have_done(&mut self, request: &Request<'_>) -> Result<(), Error> {
        self.begin()?;
        let limit = self.patience.with(Load::default());
        self.send(request, &limit).await?;
        match self.incoming.next(&limit).await? {
            Reply::Done => {
                self.end();
                Ok(())
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Has the helper clean up and end, and waits until it has.
    pub async fn bye(mut self) -> Result<(), Error> {
        self.have_done(&Request::Bye).await
    }

    pub(super) async fn send(&mut self, request: &Request<'_>, limit: &Limit) -> Result<(), Error> {
        let mut frame = Vec::new();
        if request.encode(&mut frame).is_err() {
            // Nothing was sent yet.
            self.end();
            return Err(Error::Malformed);
        }
        self.write(&frame, limit).await
    }

    pub(super) async fn write(&mut self, bytes: &[u8], limit: &Limit) -> Result<(), Error> {
        let writer = &mut self.writer;
        let written = limit.wait(async {
            writer.write_all(bytes).await?;
            writer.flush().await
        });
        Ok(written.await??)
    }

    /// Begins an operation. Until [`Link::end`] no other can begin.
    pub(super) fn begin(&mut self) -> Result<(), Error> {
        if std::mem::replace(&mut self.in_step, false) {
            Ok(())
        } else {
            Err(Error::OutOfStep)
        }
    }

    pub(super) fn is_in_step(&self) -> bool {
        self.in_step
    }

    /// Marks the operation as completed, whether it succeeded or was refused.
    pub(super) fn end(&mut self) {
        self.in_step = true;
        self.heard = Instant::now();
    }
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            start: 0,
            crash: None,
        }
    }

    /// The next frame that carries something. May be dropped and called again: nothing that has arrived is lost.
    pub(super) async fn next(&mut self, limit: &Limit) -> Result<Reply<'_>, Error> {
        loop {
            match protocol::split(&self.buffer[self.start..])? {
                None => self.read(limit).await?,
                Some((kind, fields, length)) => {
                    match aside(kind, fields) {
                        None => break,
                        Some(Aside::Working) => {}
                        Some(Aside::Crashed(code)) => self.crash = Some(code),
                    }
                    self.start += length;
                    limit.is_over()?;
                }
            }
        }
        match protocol::split(&self.buffer[self.start..])? {
            Some((kind, fields, length)) => {
                self.start += length;
                Ok(Reply::decode(kind, fields)?)
            }
            None => Err(Error::Malformed),
        }
    }

    /// A new process runs: how the previous one ended no longer matters.
    pub(super) fn forget_crash(&mut self) {
        self.crash = None;
    }

    /// The exit code of the next crash, however long that takes. May be dropped and called again.
    pub(super) async fn crash(&mut self) -> Result<u32, Error> {
        loop {
            if let Some(code) = self.crash.take() {
                return Ok(code);
            }
            match protocol::split(&self.buffer[self.start..])? {
                None => {
                    self.make_room();
                    has_come(self.reader.read_buf(&mut self.buffer).await)?;
                }
                Some((kind, fields, length)) => {
                    if let Aside::Crashed(code) = aside(kind, fields).ok_or(Error::Malformed)? {
                        self.crash = Some(code);
                    }
                    self.start += length;
                }
            }
        }
    }

    /// Whether the stream has ended. What has arrived is kept.
    fn is_over(&mut self) -> bool {
        self.make_room();
        let read = self.reader.read_buf(&mut self.buffer).now_or_never();
        matches!(read, Some(Ok(0) | Err(_)))
    }

    async fn read(&mut self, limit: &Limit) -> Result<(), Error> {
        self.make_room();
        has_come(limit.wait(self.reader.read_buf(&mut self.buffer)).await?)
    }

    fn make_room(&mut self) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.reserve(READ);
    }

    /// What came instead of a helper's answer. Only its beginning is awaited, since it may never end.
    async fn last_words(&mut self, sent: io::Result<()>) -> Error {
        let reading = async {
            while self.buffer.len() < TEXT {
                match self.reader.read_buf(&mut self.buffer).await {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                }
            }
        };
        let _ = tokio::time::timeout(LAST_WORDS, reading).await;
        let text = String::from_utf8_lossy(&self.buffer);
        let text: String = text.trim().chars().take(TEXT).collect();
        match (text.is_empty(), sent) {
            (true, Err(error)) => Error::Connection(error),
            (true, Ok(())) => Error::Connection(io::ErrorKind::UnexpectedEof.into()),
            (false, _) => Error::NotAHelper { text },
        }
    }
}

/// What a helper sends beside its answers.
enum Aside {
    Working,
    Crashed(u32),
}

fn aside(kind: u8, fields: &[u8]) -> Option<Aside> {
    match Reply::decode(kind, fields) {
        Ok(Reply::Working) => Some(Aside::Working),
        Ok(Reply::Crashed { code }) => Some(Aside::Crashed(code)),
        _ => None,
    }
}

fn has_come(read: io::Result<usize>) -> Result<(), Error> {
    if read? == 0 {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(())
}

/// The error for an answer other than the expected one.
pub(super) fn unexpected(reply: &Reply) -> Error {
    match *reply {
        Reply::Failed {
            code,
            errno,
            partly,
            path,
            text,
        } => Error::Refused {
            code,
            errno,
            partly,
            path: path.to_vec(),
            text: String::from_utf8_lossy(text).into_owned(),
        },
        _ => Error::Malformed,
    }
}
