//! The requests to a helper over its link; each may be repeated safely over a new link. Knows no container and no engine.

use std::borrow::Cow;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::is_forbidden;
use crate::engine::Fingerprints;
use crate::helper::{Code, Delivery, Error, FRESH, Link};
use crate::paths::ContainerPath;
use crate::transfer::{Applied, Body, Delta, Outgoing, Restarted, Wanted};

/// An update for a container, with what was learnt from earlier tries.
pub(super) struct Update<'a> {
    delta: Cow<'a, Delta>,
    pub(super) how: Delivery,
    unread: Vec<ContainerPath>,
}

impl<'a> Update<'a> {
    /// With `hold`, the container outlives its process until the update is over.
    pub(super) fn new(delta: &'a Delta, hold: bool) -> Self {
        Self {
            delta: Cow::Borrowed(delta),
            how: Delivery {
                hold,
                ..Delivery::default()
            },
            unread: Vec::new(),
        }
    }

    /// Sends it, and repeats it in the manner that refusals ask for.
    pub(super) async fn ask<R, W>(&mut self, link: &mut Link<R, W>) -> Result<Applied, Error>
    where
        R: AsyncRead + Unpin + Send,
        W: AsyncWrite + Unpin + Send,
    {
        loop {
            match link.apply(&self.delta, &self.how).await {
                Ok(applied) => {
                    return Ok(Applied {
                        unread: std::mem::take(&mut self.unread),
                        ..applied
                    });
                }
                // A file that cannot be read has changed meanwhile: an event about that is on the way.
                Err(Error::Read { path, .. } | Error::Changed { path }) => {
                    let moved = |put: &Outgoing| matches!(&put.body, Body::File { from, .. } if from.path().as_path() == path);
                    let puts = &mut self.delta.to_mut().put;
                    let gone = puts.iter().filter(|put| moved(put));
                    self.unread.extend(gone.map(|put| put.to.clone()));
                    puts.retain(|put| !moved(put));
                }
                // The helper that it was sent ahead to is gone, or an earlier try has used the content up.
                Err(Error::Refused {
                    code: Code::NotThere,
                    ..
                }) if !self.how.ahead.is_empty() => self.how.ahead.clear(),
                // A single bind-mounted file cannot be replaced by a rename.
                Err(Error::Refused {
                    code: Code::MountPoint,
                    ref path,
                    ..
                }) if self.delta.put.iter().any(|put| is_renamed(put, path)) => {
                    let puts = self.delta.to_mut().put.iter_mut();
                    for put in puts.filter(|put| is_renamed(put, path)) {
                        put.in_place = true;
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether `path` is a file of the batch that is to be renamed into place.
fn is_renamed(put: &Outgoing, path: &[u8]) -> bool {
    let is_file = matches!(put.body, Body::Bytes(_) | Body::File { .. });
    is_file && !put.in_place && put.to.as_bytes() == path
}

/// What is at these paths; what does not exist is not in the answer.
pub(super) async fn fingerprints<R, W>(
    link: &mut Link<R, W>,
    wanted: &Wanted,
) -> Result<Fingerprints, Error>
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    let mut found = Fingerprints::new();
    let mut forbidden = None;
    link.inventory(wanted, |path, print| match print {
        Ok(print) => {
            found.insert(path.clone(), print);
        }
        Err(error) if is_forbidden(&error) => forbidden = Some(error),
        Err(_) => {}
    })
    .await?;
    forbidden.map_or(Ok(found), Err)
}

/// `None`: the process does not run under the helper.
pub(super) async fn restart<R, W>(
    link: &mut Link<R, W>,
    signal: u32,
    grace: Duration,
) -> Result<Option<Restarted>, Error>
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    match link.restart(signal, grace, FRESH).await {
        Err(Error::Refused {
            code: Code::NoSupervisor,
            ..
        }) => Ok(None),
        restarted => restarted.map(Some),
    }
}

/// The update is over. Nothing is sent if the restart has ended it, or if nothing was held.
pub(super) async fn release<R, W>(link: &mut Link<R, W>) -> Result<(), Error>
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    if link.is_held() {
        link.release().await?;
    }
    Ok(())
}
