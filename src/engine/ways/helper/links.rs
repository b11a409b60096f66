//! Keeps the link to each container's helper: started when first needed, started again when it is gone, ended with the session.
//! Knows nothing of what is sent over it.

use std::collections::{BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use bollard::models::ExecConfig;
use futures_util::StreamExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio_util::io::StreamReader;

use super::crashes::Shared;
use super::executable::helper_forbidden;
use crate::compose::MountKind;
use crate::engine::client::Docker;
use crate::engine::ways::archive::survey::Survey;
use crate::engine::{Container, ContainerId, State};
use crate::helper::{Error, Link, Terms};
use crate::paths::ContainerPath;

type Reader = Pin<Box<dyn AsyncRead + Send>>;
type Writer = Pin<Box<dyn AsyncWrite + Send>>;
pub(super) type HelperLink = Link<Reader, Writer>;

/// After a helper failed to start, the plain way is used for this long before another try.
const TRY_AGAIN: Duration = Duration::from_secs(30);
/// How long the helpers have to clean up when the session ends.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Two exchanges of one update are at most this far apart, so its commands need no ping beforehand.
const JUST_NOW: Duration = Duration::from_secs(1);
/// `ETXTBSY`: a child that was forked during the write still has the executable open, until it runs its own program. Starting it
/// is tried again for this long.
const BUSY: Duration = Duration::from_secs(2);
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// The helpers of all containers.
#[derive(Default)]
pub(in crate::engine) struct Helpers {
    slots: Mutex<HashMap<ContainerId, Arc<Shared>>>,
    /// Services whose block says `helper: off`.
    forbidden: std::sync::Mutex<BTreeSet<String>>,
}

/// The state of one container's helper.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) link: Option<HelperLink>,
    /// The directory that it is in.
    home: Option<ContainerPath>,
    /// Why it does not run here, and when that was found out.
    refused: Option<(String, Instant)>,
}

/// Where a helper is, and its process.
pub(super) struct Standing {
    pub(super) home: ContainerPath,
    pub(super) process: u32,
}

impl Slot {
    /// The helper cannot be used here for a while, for this reason.
    pub(super) fn refuse(&mut self, why: String) {
        self.link = None;
        self.refused = Some((why, Instant::now()));
    }
}

impl Docker {
    /// `helper: off`: updates of these services go through the plain Engine API.
    pub fn forbid_helper(&self, services: BTreeSet<String>) {
        *self
            .inner
            .helpers
            .forbidden
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = services;
    }

    /// What forbids the helper in this service's containers; `None` when nothing does.
    pub(in crate::engine) fn why_forbidden(&self, service: &str) -> Option<&'static str> {
        let services = &self.inner.helpers.forbidden;
        let off = services
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(service);
        helper_forbidden(off)
    }

    /// Starts the helper before it is needed, so that the first update need not wait for it.
    pub(in crate::engine) async fn warm_up_helper(&self, container: &Container) {
        let slot = self.slot(&container.id).await;
        let mut slot = slot.lock().await;
        // What prevented it may be over: the container or the engine was away just now.
        slot.refused = None;
        let _ = self.living_link(container, &mut slot).await;
    }

    /// The container was started: an earlier refusal, and a link that may exist, belong to its last run.
    pub(in crate::engine) async fn begin_anew(&self, id: &ContainerId) {
        let slot = self.slot(id).await;
        let mut slot = slot.lock().await;
        slot.refused = None;
        slot.link = None;
    }

    /// Ends the connection to a container's helper with its container.
    pub(in crate::engine) async fn forget_helper(&self, id: &ContainerId) {
        self.inner.helpers.slots.lock().await.remove(id);
    }

    /// Ends every helper; each removes what was copied for it. Returns where something is left of one that was killed.
    pub(in crate::engine) async fn close_helpers(&self) -> Vec<String> {
        let slots: Vec<_> = self.inner.helpers.slots.lock().await.drain().collect();
        let ends = slots.into_iter().map(|(id, slot)| async move {
            match slot.lock().await.link.take() {
                Some(link) => link.bye().await.is_err().then_some(id),
                None => Some(id),
            }
        });
        let ends = tokio::time::timeout(LAST_WORDS, futures_util::future::join_all(ends));
        let unheard = ends
            .await
            .unwrap_or_default()
            .into_iter()
            .flatten()
            .collect();
        let looking = tokio::time::timeout(LAST_WORDS, self.left_behind(unheard));
        looking.await.unwrap_or_default()
    }

    pub(super) async fn slot(&self, id: &ContainerId) -> Arc<Shared> {
        Arc::clone(
            self.inner
                .helpers
                .slots
                .lock()
                .await
                .entry(id.clone())
                .or_default(),
        )
    }

    /// Whether there was a helper before that may still answer.
    pub(in crate::engine::ways) async fn has_link(&self, id: &ContainerId) -> bool {
        self.slot(id).await.lock().await.link.is_some()
    }

    /// The link to the container's helper, which is copied there and started if necessary; the error says why there is none.
    pub(super) async fn link<'s>(
        &self,
        container: &Container,
        slot: &'s mut Slot,
    ) -> Result<&'s mut HelperLink, String> {
        if slot.link.is_none() {
            if let Some((why, since)) = &slot.refused
                && since.elapsed() < TRY_AGAIN
            {
                return Err(why.clone());
            }
            match self.open(container).await {
                Ok((link, home)) => {
                    slot.refused = None;
                    slot.link = Some(link);
                    slot.home = home;
                }
                Err(why) => {
                    slot.refuse(why.clone());
                    return Err(why);
                }
            }
        }
        slot.link
            .as_mut()
            .ok_or_else(|| "the helper is gone".to_owned())
    }

    /// Like [`Docker::link`], but it also answers: a helper that ended with its container's last run does not announce that.
    pub(super) async fn living_link<'s>(
        &self,
        container: &Container,
        slot: &'s mut Slot,
    ) -> Result<&'s mut HelperLink, String> {
        if let Some(link) = &mut slot.link
            && !is_alive(link).await
        {
            slot.link = None;
        }
        self.link(container, slot).await
    }

    pub(super) fn why_not(&self, container: &Container) -> Option<String> {
        let forbidden = self.why_forbidden(&container.service).map(str::to_owned);
        forbidden.or_else(|| {
            (container.state != State::Running)
                .then(|| format!("{} is not running", container.name))
        })
    }

    /// Where the container's helper is, if there is one.
    pub(super) async fn standing(&self, container: &Container) -> Option<Standing> {
        let slot = self.slot(&container.id).await;
        let mut slot = slot.lock().await;
        let process = self.link(container, &mut slot).await.ok()?.process();
        Some(Standing {
            home: slot.home.clone()?,
            process,
        })
    }

    async fn open(
        &self,
        container: &Container,
    ) -> Result<(HelperLink, Option<ContainerPath>), String> {
        if let Some(why) = self.why_not(container) {
            return Err(why);
        }
        // Shared by the search for a place and the copy: looking at the root is expensive.
        let survey = &mut Survey::new(self, &container.id);
        let (binary, place) = self.executable_for(container, survey).await?;
        self.put_executable(container, survey, &place, binary)
            .await
            .map_err(|error| error.to_string())?;
        let patience = Instant::now() + BUSY;
        loop {
            match self.begin(container, &place).await {
                Err(error) if is_busy(&error) && Instant::now() < patience => {
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                Ok(link) => return Ok((link, place.parent())),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    async fn begin(
        &self,
        container: &Container,
        place: &ContainerPath,
    ) -> Result<HelperLink, Error> {
        let config = ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(vec![place.verbatim().into_owned(), "serve".into()]),
            user: Some("0".into()),
            working_dir: Some("/".into()),
            ..ExecConfig::default()
        };
        let started = self
            .start_exec(&container.id, config)
            .await
            .map_err(|error| Error::NotAHelper {
                text: error.to_string(),
            })?;
        let output = started.output.map(|output| {
            output
                .map(bollard::container::LogOutput::into_bytes)
                .map_err(std::io::Error::other)
        });
        let reader: Reader = Box::pin(StreamReader::new(output));
        Link::open(reader, started.input, &terms(container)).await
    }
}

/// Whether a helper answers. One that just answered is not asked again, unless the end of its stream has arrived.
pub(super) async fn is_alive<R, W>(link: &mut Link<R, W>) -> bool
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    if link.is_over() {
        return false;
    }
    link.was_heard_within(JUST_NOW) || link.ping().await.is_ok()
}

/// Where the helper may write: to the container's own files and its mounted volumes. To a directory of the host only if the host is
/// known to be another machine, and only by its own path: what may be on this machine is never written through a mount.
fn terms(container: &Container) -> Terms {
    let (mut mounts, mut plain_mounts) = (Vec::new(), Vec::new());
    for mount in &container.mounts {
        let target = mount.target.as_bytes().to_vec();
        match &mount.kind {
            MountKind::Bind(_) | MountKind::Unseen(_) => {}
            MountKind::Far(_) => plain_mounts.push(target),
            MountKind::Volume(_) | MountKind::Tmpfs => mounts.push(target),
        }
    }
    Terms {
        mounts,
        plain_mounts,
        ..Terms::default()
    }
}

/// Whether the kernel returned `ETXTBSY`: the executable is still open for writing.
fn is_busy(error: &Error) -> bool {
    matches!(error, Error::NotAHelper { text } if text.to_ascii_lowercase().contains("text file busy"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_executable_is_told_from_one_that_cannot_start() {
        let said = |text: &str| is_busy(&Error::NotAHelper { text: text.into() });
        assert!(said(
            "OCI runtime exec failed: exec failed: unable to start container process: exec /.liveupdate/serve-1-0: text file busy: unknown"
        ));
        assert!(said("exec /x: Text file busy"));
        assert!(!said(
            "exec /.liveupdate/serve-1-0: operation not permitted"
        ));
        assert!(!is_busy(&Error::Malformed));
    }
}
