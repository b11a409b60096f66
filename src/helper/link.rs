//! One connection to one helper: frames there and back, one operation at a time.

use super::error::Error;
use super::protocol::{self, Reply, Request, VERSION};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// How much to read at once.
const READ: usize = 64 * 1024;
/// How much of an engine's error text is worth showing.
const TEXT: usize = 600;

/// A connection to a helper. Its operations follow each other; one that is dropped half-way leaves the link out of step.
#[derive(Debug)]
pub struct Link<R, W> {
    pub(super) incoming: Incoming<R>,
    pub(super) writer: W,
    euid: u32,
    in_step: bool,
}

/// Frames as they arrive.
#[derive(Debug)]
pub(super) struct Incoming<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Link<R, W> {
    /// Begins to speak. Fails when what answers is no helper, or one of another version.
    pub async fn open(reader: R, mut writer: W) -> Result<Self, Error> {
        let mut hello = Vec::new();
        Request::Hello { version: VERSION }.encode(&mut hello)?;
        let mut incoming = Incoming::new(reader);
        // An executable that could not start hears nothing: its last words are of more use than our broken pipe.
        let sent = match writer.write_all(&hello).await {
            Ok(()) => writer.flush().await,
            failed => failed,
        };
        let (theirs, euid) = match incoming.next().await {
            Ok(Reply::Hello { version, euid, .. }) => (version, euid),
            Ok(_) => return Err(Error::Malformed),
            Err(_) => return Err(incoming.last_words(sent).await),
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
            euid,
            in_step: true,
        })
    }

    /// The user the helper runs as: only root can keep owners.
    pub fn user(&self) -> u32 {
        self.euid
    }

    /// Asks for a sign of life.
    pub async fn ping(&mut self) -> Result<(), Error> {
        self.begin()?;
        self.send(&Request::End).await?;
        match self.incoming.next().await? {
            Reply::Done => {
                self.end();
                Ok(())
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Has the helper clean up and end, and waits until it has.
    pub async fn bye(mut self) -> Result<(), Error> {
        self.begin()?;
        self.send(&Request::Bye).await?;
        match self.incoming.next().await? {
            Reply::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) async fn send(&mut self, request: &Request<'_>) -> Result<(), Error> {
        let mut frame = Vec::new();
        if request.encode(&mut frame).is_err() {
            // Nothing was said yet.
            self.end();
            return Err(Error::Malformed);
        }
        self.write(&frame).await
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.writer.write_all(bytes).await?;
        Ok(self.writer.flush().await?)
    }

    /// An operation begins. Until [`Link::end`] nobody else can begin one.
    pub(super) fn begin(&mut self) -> Result<(), Error> {
        if std::mem::replace(&mut self.in_step, false) {
            Ok(())
        } else {
            Err(Error::OutOfStep)
        }
    }

    /// The operation was answered to its end, for good or ill.
    pub(super) fn end(&mut self) {
        self.in_step = true;
    }
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            start: 0,
        }
    }

    /// The next frame. May be dropped and called again: nothing that has arrived is lost.
    pub(super) async fn next(&mut self) -> Result<Reply<'_>, Error> {
        while protocol::split(&self.buffer[self.start..])?.is_none() {
            self.buffer.drain(..self.start);
            self.start = 0;
            self.buffer.reserve(READ);
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
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

    /// What came instead of a helper's answer.
    async fn last_words(&mut self, sent: io::Result<()>) -> Error {
        while self.buffer.len() < TEXT {
            match self.reader.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        let text = String::from_utf8_lossy(&self.buffer);
        let text: String = text.trim().chars().take(TEXT).collect();
        match (text.is_empty(), sent) {
            (true, Err(error)) => Error::Connection(error),
            (true, Ok(())) => Error::Connection(io::ErrorKind::UnexpectedEof.into()),
            (false, _) => Error::NotAHelper { text },
        }
    }
}

/// The error that an answer stands for which is not the one hoped for.
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
