//! The helper's way into a container: one long exec that it is spoken to over. Where it cannot run, the plain Engine API does.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bollard::models::ExecConfig;
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::io::AsyncWrite;
use tokio::sync::Mutex;
use tokio_util::io::StreamReader;

use super::client::Docker;
use super::supervise::HIDDEN;
use super::{
    Applied, Body, Container, ContainerId, Delta, Ended, EngineError, Exec, Fingerprint, Outgoing,
    Restarted, State, Stream, Via,
};
use crate::compose::MountKind;
use crate::helper::{self, Batch, Code, Content, Error, Item, Kind, Link, Wanted};
use crate::paths::ContainerPath;

type Reader = Pin<Box<dyn tokio::io::AsyncRead + Send>>;
type Writer = Pin<Box<dyn AsyncWrite + Send>>;
type HelperLink = Link<Reader, Writer>;

/// After a helper that would not start, the plain way is used for so long before another try.
const TRY_AGAIN: Duration = Duration::from_secs(30);
/// How long the helpers have to clean up when the session ends.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// A container's own grace where neither the step nor the service says one: the engine's.
const GRACE: Duration = Duration::from_secs(10);

/// The helpers of all containers.
#[derive(Default)]
pub(super) struct Helpers {
    slots: Mutex<HashMap<ContainerId, Arc<Mutex<Slot>>>>,
    /// Services whose block says `helper: off`.
    forbidden: std::sync::Mutex<BTreeSet<String>>,
}

/// One container's helper.
#[derive(Default)]
struct Slot {
    link: Option<HelperLink>,
    /// Why it does not run here, and when that was found out.
    refused: Option<(String, Instant)>,
}

/// What came of asking the helper.
enum Asked<T> {
    /// Its answer.
    Answered(T),
    /// It cannot be asked: the plain way is left.
    Plain,
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

    /// The way that updates of this container take, and why not the other one.
    pub async fn way(&self, container: &Container) -> (Via, Option<String>) {
        let slot = self.slot(&container.id).await;
        let mut slot = slot.lock().await;
        match self.link(container, &mut slot).await {
            Ok(_) => (Via::Helper, None),
            Err(why) => (Via::Archive, Some(why)),
        }
    }

    /// Starts the helper before it is needed, so that the first update need not wait for it.
    pub(super) async fn warm_up_helper(&self, container: &Container) {
        let slot = self.slot(&container.id).await;
        let mut slot = slot.lock().await;
        // One that ended with its container's last run says nothing by itself.
        if let Some(link) = &mut slot.link
            && link.ping().await.is_err()
        {
            slot.link = None;
        }
        // What kept it away may be over: the container or the engine was away just now.
        slot.refused = None;
        let _ = self.link(container, &mut slot).await;
    }

    /// Ends every helper; each removes what it brought.
    pub(super) async fn close_helpers(&self) {
        let slots: Vec<_> = self.inner.helpers.slots.lock().await.drain().collect();
        let ends = slots.into_iter().map(|(_, slot)| async move {
            if let Some(link) = slot.lock().await.link.take() {
                let _ = link.bye().await;
            }
        });
        let _ = tokio::time::timeout(LAST_WORDS, futures_util::future::join_all(ends)).await;
    }

    async fn slot(&self, id: &ContainerId) -> Arc<Mutex<Slot>> {
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

    /// The link to the container's helper, which is put there and started when need be; the error is why there is none.
    async fn link<'s>(
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
                Ok(link) => {
                    slot.refused = None;
                    slot.link = Some(link);
                }
                Err(why) => {
                    slot.refused = Some((why.clone(), Instant::now()));
                    return Err(why);
                }
            }
        }
        slot.link
            .as_mut()
            .ok_or_else(|| "the helper is gone".to_owned())
    }

    async fn open(&self, container: &Container) -> Result<HelperLink, String> {
        if std::env::var_os("LIVEUPDATE_HELPER").is_some_and(|value| value == "off") {
            return Err("LIVEUPDATE_HELPER=off".into());
        }
        let forbidden = self
            .inner
            .helpers
            .forbidden
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&container.service);
        if forbidden {
            return Err("the block says `helper: off`".into());
        }
        if container.state != State::Running {
            return Err(format!("{} is not running", container.name));
        }
        let image = self.inner.api.inspect_image(&container.image_id).await;
        let architecture = image
            .ok()
            .and_then(|image| image.architecture)
            .unwrap_or_default();
        let binary = helper::binary(&architecture)
            .ok_or_else(|| format!("this build has no helper for {architecture}"))?;
        let place = place(container).ok_or("the root is read-only and no volume can be written")?;
        self.put_binary(container, &place, binary)
            .await
            .map_err(|error| error.to_string())?;
        self.begin(container, &place).await
    }

    async fn put_binary(
        &self,
        container: &Container,
        place: &ContainerPath,
        binary: &'static [u8],
    ) -> Result<(), EngineError> {
        let outgoing = Outgoing {
            to: place.clone(),
            mode: 0o755,
            modified: SystemTime::now(),
            body: Body::Bytes(Bytes::from_static(binary)),
            in_place: false,
        };
        self.put(container, &[outgoing]).await.map(drop)
    }

    async fn begin(
        &self,
        container: &Container,
        place: &ContainerPath,
    ) -> Result<HelperLink, String> {
        let config = ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(vec![place.to_string(), "serve".into()]),
            user: Some("0".into()),
            working_dir: Some("/".into()),
            ..ExecConfig::default()
        };
        let started = self
            .start_exec(&container.id, config)
            .await
            .map_err(|error| error.to_string())?;
        let output = started.output.map(|output| {
            output
                .map(bollard::container::LogOutput::into_bytes)
                .map_err(std::io::Error::other)
        });
        let reader: Reader = Box::pin(StreamReader::new(output));
        Link::open(reader, started.input)
            .await
            .map_err(|error| error.to_string())
    }

    /// Asks the helper, once more with a new one when the first turns out to be gone, and leaves it at the plain way then.
    async fn ask_helper<Q: Question>(
        &self,
        container: &Container,
        question: &mut Q,
    ) -> Result<Asked<Q::Answer>, EngineError> {
        let slot = self.slot(&container.id).await;
        let mut slot = slot.lock().await;
        for _ in 0..2 {
            let Ok(link) = self.link(container, &mut slot).await else {
                return Ok(Asked::Plain);
            };
            match question.ask(link).await {
                Ok(answer) => return Ok(Asked::Answered(answer)),
                Err(Error::Refused { path, text, .. }) => {
                    return Err(EngineError::Refused(format!(
                        "`{}`: {text}",
                        String::from_utf8_lossy(&path)
                    )));
                }
                // The helper was killed, its exec cut, or its container restarted.
                Err(_) => slot.link = None,
            }
        }
        Ok(Asked::Plain)
    }

    /// C5, C6 through the helper: everything is staged before anything is renamed into place.
    pub(super) async fn apply_delta(
        &self,
        container: &Container,
        delta: &Delta,
    ) -> Result<Applied, EngineError> {
        if container.state != State::Running {
            return self.apply_through_archive(container, delta).await;
        }
        let hold = self.any_supervised(std::slice::from_ref(&container.service));
        let mut update = Update {
            batch: batch(delta),
            hold,
            unread: Vec::new(),
        };
        let asked = self.ask_helper(container, &mut update).await?;
        match asked {
            Asked::Answered(()) => Ok(Applied {
                via: Via::Helper,
                unread: update.unread,
            }),
            Asked::Plain => self.apply_through_archive(container, delta).await,
        }
    }

    /// C7 through the helper, where the command needs nothing that only the engine knows.
    pub(super) async fn run_command(
        &self,
        container: &Container,
        exec: &Exec,
        output: &mut (dyn FnMut(Stream, &[u8]) + Send),
    ) -> Result<Ended, EngineError> {
        let directory = if exec.workdir.is_empty() {
            &container.workdir
        } else {
            &exec.workdir
        };
        let command = helper::Command {
            argv: exec.argv.clone(),
            environment: exec.environment.clone(),
            directory: directory.clone(),
            user: exec.user.clone().unwrap_or_else(|| container.user.clone()),
            timeout: exec.timeout,
        };
        let slot = self.slot(&container.id).await;
        let mut slot = slot.lock().await;
        let Ok(link) = self.link(container, &mut slot).await else {
            return self.exec(&container.id, exec, output).await;
        };
        // A helper that is gone before it was asked anything is no reason for the command not to run.
        if link.ping().await.is_err() {
            slot.link = None;
            let Ok(_) = self.link(container, &mut slot).await else {
                return self.exec(&container.id, exec, output).await;
            };
        }
        let Some(link) = slot.link.as_mut() else {
            return self.exec(&container.id, exec, output).await;
        };
        let mut hear = |stream: helper::Stream, bytes: &[u8]| {
            let stream = match stream {
                helper::Stream::Stdout => Stream::Out,
                helper::Stream::Stderr => Stream::Err,
            };
            output(stream, bytes);
        };
        match link.run(&command, &mut hear, std::future::pending()).await {
            Ok(ended) if ended.timed_out => Ok(Ended::TimedOut),
            Ok(ended) => Ok(Ended::Exit(i64::from(ended.code))),
            Err(Error::Refused { text, .. }) => Err(EngineError::Refused(text)),
            // Half of it may have run: whether it is run again is the session's matter (C7).
            Err(error) => {
                slot.link = None;
                Err(EngineError::Refused(format!(
                    "the command was broken off: {error}"
                )))
            }
        }
    }

    /// What stands at and below `roots`, through the helper.
    pub(super) async fn fingerprints_of(
        &self,
        container: &Container,
        roots: &[ContainerPath],
    ) -> Result<BTreeMap<ContainerPath, Fingerprint>, EngineError> {
        let wanted: Vec<Wanted> = roots
            .iter()
            .map(|root| Wanted::Tree(root.as_bytes().to_vec()))
            .collect();
        let asked = self
            .ask_helper(container, &mut Inventory { wanted })
            .await?;
        match asked {
            Asked::Answered(found) => Ok(found),
            Asked::Plain => {
                self.fingerprints_through_archive(&container.id, roots)
                    .await
            }
        }
    }

    /// The update is over: a process that ended meanwhile and was not restarted ends its container now.
    pub(super) async fn release_process(&self, container: &Container) {
        if !self.any_supervised(std::slice::from_ref(&container.service)) {
            return;
        }
        let slot = self.slot(&container.id).await;
        let mut slot = slot.lock().await;
        if let Some(link) = &mut slot.link
            && link.release().await.is_err()
        {
            slot.link = None;
        }
    }

    /// `restart_process`; where the process does not run under the helper, its container is restarted instead.
    pub(super) async fn restart_under_helper(
        &self,
        container: &Container,
        signal: Option<&str>,
        grace: Option<Duration>,
    ) -> Result<Restarted, EngineError> {
        let name = signal.unwrap_or(&container.stop_signal);
        let number = helper::signal_number(name)
            .ok_or_else(|| EngineError::Refused(format!("there is no signal `{name}`")))?;
        let wait = grace.or_else(|| self.grace_of(container)).unwrap_or(GRACE);
        let asked = self
            .ask_helper(
                container,
                &mut Restart {
                    signal: number,
                    grace: wait,
                },
            )
            .await?;
        if let Asked::Answered(Some(restarted)) = asked {
            return Ok(Restarted {
                killed: restarted.killed,
                whole_container: false,
            });
        }
        let restarted = self.restart_container(&container.id, grace).await?;
        Ok(Restarted {
            whole_container: true,
            ..restarted
        })
    }
}

/// Something the helper is asked, and may be asked again after its link broke.
trait Question: Send {
    type Answer: Send;
    fn ask(
        &mut self,
        link: &mut HelperLink,
    ) -> impl Future<Output = Result<Self::Answer, Error>> + Send;
}

struct Update {
    batch: Batch,
    /// The process runs under the helper: should the new files end it, its container waits for the restart.
    hold: bool,
    /// What could not be read on the host after all.
    unread: Vec<ContainerPath>,
}

impl Question for Update {
    type Answer = ();

    async fn ask(&mut self, link: &mut HelperLink) -> Result<(), Error> {
        if self.hold {
            link.hold().await?;
        }
        loop {
            match link.apply(&self.batch).await {
                // The disk moved under our hands: what cannot be read now has an event of its own coming.
                Err(Error::Read { path, .. } | Error::Changed { path }) => {
                    let moved = |item: &Item| matches!(&item.content, Content::File { from, .. } if from.path().as_path() == path);
                    let gone = self.batch.put.iter().filter(|item| moved(item));
                    self.unread
                        .extend(gone.filter_map(|item| ContainerPath::new(&item.to)));
                    self.batch.put.retain(|item| !moved(item));
                }
                // A single bind-mounted file cannot be renamed over.
                Err(Error::Refused {
                    code: Code::MountPoint,
                    path,
                    ..
                }) if !writes_in_place(&self.batch, &path) => {
                    for item in self.batch.put.iter_mut().filter(|item| item.to == path) {
                        write_in_place(item);
                    }
                }
                other => return other.map(drop),
            }
        }
    }
}

struct Inventory {
    wanted: Vec<Wanted>,
}

impl Question for Inventory {
    type Answer = BTreeMap<ContainerPath, Fingerprint>;

    async fn ask(&mut self, link: &mut HelperLink) -> Result<Self::Answer, Error> {
        let mut found = BTreeMap::new();
        link.inventory(&self.wanted, true, |entry| {
            if let helper::Entry::Found(entry) = entry
                && let Some(path) = ContainerPath::new(&entry.path)
            {
                found.insert(path, fingerprint(entry));
            }
        })
        .await?;
        Ok(found)
    }
}

struct Restart {
    signal: u32,
    grace: Duration,
}

impl Question for Restart {
    /// `None`: the process does not run under the helper.
    type Answer = Option<helper::Restarted>;

    async fn ask(&mut self, link: &mut HelperLink) -> Result<Self::Answer, Error> {
        match link.restart(self.signal, self.grace).await {
            Err(Error::Refused {
                code: Code::NoSupervisor,
                ..
            }) => Ok(None),
            other => other.map(Some),
        }
    }
}

/// Where the helper can stand: the root, or a volume where that is read-only. The name is new each time, as a helper
/// removes itself at its end, and what an older one left may still be running.
fn place(container: &Container) -> Option<ContainerPath> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{HIDDEN}/serve-{}-{count}", std::process::id());
    if !container.read_only {
        return ContainerPath::new(format!("/{name}"));
    }
    let volume = container
        .mounts
        .iter()
        .find(|mount| !mount.read_only && matches!(mount.kind, MountKind::Volume(_)))?;
    Some(volume.target.join(std::path::Path::new(&name)))
}

fn batch(delta: &Delta) -> Batch {
    let remove = delta
        .remove
        .iter()
        .chain(&delta.remove_dirs)
        .map(|path| path.as_bytes().to_vec())
        .collect();
    let put = delta.put.iter().map(|outgoing| Item {
        to: outgoing.to.as_bytes().to_vec(),
        mode: outgoing.mode,
        mtime: outgoing.modified,
        content: match &outgoing.body {
            Body::Bytes(bytes) => Content::Bytes {
                bytes: bytes.clone(),
                in_place: outgoing.in_place,
            },
            Body::File { from, .. } => Content::File {
                from: from.clone(),
                in_place: outgoing.in_place,
            },
            Body::Link(target) => Content::Symlink {
                target: target.clone(),
            },
            Body::Directory if outgoing.in_place => Content::DirectoryMode,
            Body::Directory => Content::Directory,
        },
        replace_tree: false,
    });
    Batch {
        remove,
        put: put.collect(),
    }
}

fn writes_in_place(batch: &Batch, path: &[u8]) -> bool {
    !batch.put.iter().any(|item| {
        item.to == path
            && matches!(
                &item.content,
                Content::File {
                    in_place: false,
                    ..
                } | Content::Bytes {
                    in_place: false,
                    ..
                }
            )
    })
}

fn write_in_place(item: &mut Item) {
    if let Content::File { in_place, .. } | Content::Bytes { in_place, .. } = &mut item.content {
        *in_place = true;
    }
}

fn fingerprint(entry: helper::Found) -> Fingerprint {
    let mode = entry.mode & 0o7777;
    match entry.kind {
        Kind::File => Fingerprint::File {
            mode,
            hash: entry.hash,
        },
        Kind::Directory => Fingerprint::Directory { mode },
        Kind::Symlink => Fingerprint::Link {
            target: entry.target,
        },
        Kind::Other => Fingerprint::Other,
    }
}
