//! Sends a batch of changes into the container: everything that is removed and put takes effect together.

use super::encoder::{Encoder, PIECE};
use super::error::Error;
use super::link::{Link, unexpected};
use super::patience::{Limit, Load};
use crate::harmless;
use crate::paths::ContainerPath;
use crate::protocol::{CHUNK, Reply, Request};
use crate::transfer::{Applied, Body, Delta, There, Via};
use std::collections::BTreeMap;
use tokio::io::{AsyncRead, AsyncWrite};

/// The longest path or reason in an answer about a path that was left out, in bytes.
const MOST_SAID: usize = 16 * 1024;

/// The most bytes that all answers about paths left out may have together.
const MOST_CLOSED: usize = 8 * 1024 * 1024;

/// How a [`Delta`] is delivered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Whether an update begins with it: then the container outlives its process until [`Link::restart`], [`Link::release`] or the
    /// end of the helper.
    pub hold: bool,
    /// Files whose content is in the helper's own directory already, with their names there.
    pub ahead: BTreeMap<ContainerPath, String>,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Link<R, W> {
    /// Puts a batch into effect: completely, or after an error not at all (unless the error says `partly`).
    pub async fn apply(&mut self, delta: &Delta, how: &Delivery) -> Result<Applied, Error> {
        self.begin()?;
        let limit = self.patience.with(load(delta));
        let mut encoder = Encoder::new(delta, how, self.clock, self.patience.silence);
        let mut piece = Vec::new();
        // One save is one small read and one write: not worth another thread.
        let mut more = match encoder.fill(&mut piece) {
            Ok(more) => more,
            Err(error) => {
                // Nothing was sent yet.
                self.end();
                return Err(error);
            }
        };
        self.held |= how.hold;
        while more {
            let reading = tokio::task::spawn_blocking(move || {
                let mut piece = Vec::with_capacity(PIECE + CHUNK);
                let more = encoder.fill(&mut piece);
                (encoder, piece, more)
            });
            let (written, read) = tokio::join!(self.write(&piece, &limit), reading);
            written?;
            let next = read.map_err(std::io::Error::other)?;
            (encoder, piece) = (next.0, next.1);
            more = match next.2 {
                Ok(more) => more,
                Err(error) => return Err(self.abort(error, &limit).await),
            };
        }
        self.write(&piece, &limit).await?;
        let answer = self.outcome(delta, how, &limit).await;
        // The operation is complete, whether it succeeded or was refused.
        if matches!(answer, Ok(_) | Err(Error::Refused { .. })) {
            self.end();
        }
        answer
    }

    async fn outcome(
        &mut self,
        delta: &Delta,
        how: &Delivery,
        limit: &Limit,
    ) -> Result<Applied, Error> {
        let (mut closed, mut same) = (Vec::new(), Vec::new());
        let mut room = MOST_CLOSED;
        let mut names = names_that_may_be_there(delta);
        loop {
            match self.incoming.next(limit).await? {
                Reply::Applied { held } => {
                    // A batch without `hold` does not end the hold of an earlier one.
                    if how.hold {
                        self.held = held;
                    }
                    return Ok(Applied {
                        via: Via::Helper,
                        unread: Vec::new(),
                        closed,
                        same,
                    });
                }
                // No more of these than there was to do, and none longer than a path and a reason can be, even if the helper is not ours.
                Reply::Closed { path, text }
                    if closed.len() < most_answers(delta)
                        && path.len().max(text.len()) <= MOST_SAID =>
                {
                    room = room
                        .checked_sub(path.len() + text.len())
                        .ok_or(Error::Malformed)?;
                    let why = harmless::value(&String::from_utf8_lossy(text)).into_owned();
                    closed.push((ContainerPath::new(path).ok_or(Error::Malformed)?, why));
                }
                Reply::Same { path } => {
                    names = names.checked_sub(path.len()).ok_or(Error::Malformed)?;
                    same.push(ContainerPath::new(path).ok_or(Error::Malformed)?);
                }
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// Cancels a batch that was begun, because of an error on our side.
    async fn abort(&mut self, reason: Error, limit: &Limit) -> Error {
        if let Err(error) = self.send(&Request::Abort, limit).await {
            return error;
        }
        loop {
            match self.incoming.next(limit).await {
                Ok(Reply::Closed { .. }) => {}
                Ok(_) => {
                    self.end();
                    return reason;
                }
                Err(error) => return error,
            }
        }
    }
}

fn load(delta: &Delta) -> Load {
    let bytes = delta.put.iter().map(|put| match &put.body {
        // The length is taken again when the file is read; this is only for the time limit.
        Body::File { from, .. } => {
            std::fs::metadata(from.path().as_path()).map_or(0, |found| found.len())
        }
        Body::Bytes(bytes) => bytes.len() as u64,
        Body::Link(_) | Body::Directory { .. } => 0,
    });
    Load {
        entries: delta.remove.len() + delta.remove_dirs.len() + delta.put.len(),
        bytes: bytes.fold(0, u64::saturating_add),
    }
}

/// The bytes of all names that may exist already: the answers name no others.
fn names_that_may_be_there(delta: &Delta) -> usize {
    let puts = delta.put.iter().filter(|put| put.there != There::No);
    puts.map(|put| put.to.as_bytes().len()).sum()
}

/// The most answers there can be; a directory with a mode has two.
fn most_answers(delta: &Delta) -> usize {
    delta.remove.len() + delta.remove_dirs.len() + 2 * delta.put.len()
}
