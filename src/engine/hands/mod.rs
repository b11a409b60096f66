//! What the helper in a container is asked: updates, commands, hashes, restarts of its process. Where it cannot run, the plain
//! Engine API does.

mod crashes;
mod executable;
mod links;
mod staging;
mod there;

pub(super) use executable::HIDDEN;
pub use executable::helper_forbidden;
pub(super) use links::Helpers;

use std::collections::BTreeMap;
use std::time::Duration;

use super::archive::FULL;
use super::client::Docker;
use super::{
    Applied, Body, Container, Delta, Ended, EngineError, Exec, Fingerprint, Outgoing, Restarted,
    State, Stream, There, Via, Wanted,
};
use crate::compose::Mount;
use crate::harmless;
use crate::helper::{self, Batch, Code, Content, Error, Item, Kind};
use crate::paths::ContainerPath;
use links::HelperLink;

/// A container's own grace where neither the step nor the service says one: the engine's.
const GRACE: Duration = Duration::from_secs(10);

/// What came of asking the helper.
enum Asked<T> {
    /// Its answer.
    Answered(T),
    /// It cannot be asked, for this reason: the plain way is left.
    Plain(String),
}

impl Docker {
    /// Asks the helper, once more with a new one when the first turns out to be gone, and leaves it at the plain way then.
    async fn ask_helper<Q: Question>(
        &self,
        container: &Container,
        question: &mut Q,
    ) -> Result<Asked<Q::Answer>, EngineError> {
        // Its helper is frozen with it and would answer when it goes on.
        if container.state == State::Paused {
            return Ok(Asked::Plain("the container is paused".to_owned()));
        }
        let slot = self.slot(&container.id).await;
        let mut slot = slot.lock().await;
        let mut ends = String::new();
        for _ in 0..2 {
            let link = match self.link(container, &mut slot).await {
                Ok(link) => link,
                Err(why) => return Ok(Asked::Plain(why)),
            };
            match question.ask(link).await {
                Ok(answer) => return Ok(Asked::Answered(answer)),
                Err(error) if is_forbidden(&error) => {
                    return Ok(Asked::Plain(format!("the helper may not: {error}")));
                }
                Err(error @ Error::Refused { .. }) => return Err(refusal(container, &error)),
                // Whoever stopped it, or stands in for it, would do so again; the plain way needs nobody in the container.
                Err(error @ Error::Stuck { .. }) => {
                    slot.refuse(error.to_string());
                    return Ok(Asked::Plain(error.to_string()));
                }
                // The helper was killed, its exec cut, or its container restarted.
                Err(error) => {
                    slot.link = None;
                    ends = error.to_string();
                }
            }
        }
        // Whatever ends it would end the next one as well. One that is asked nothing takes away what they left.
        if self.link(container, &mut slot).await.is_ok()
            && let Some(link) = slot.link.take()
        {
            let _ = link.bye().await;
        }
        slot.refuse(ends.clone());
        Ok(Asked::Plain(ends))
    }

    /// C5, C6 through the helper: everything is staged before anything is renamed into place.
    pub(super) async fn apply_delta(
        &self,
        container: &Container,
        delta: &Delta,
    ) -> Result<Applied, EngineError> {
        let mut delta = std::borrow::Cow::Borrowed(delta);
        let mut same = self
            .take_out(container, &mut delta, there::is_asked_first)
            .await;
        let mut update = Update {
            hold: self.any_supervised(std::slice::from_ref(&container.service)),
            ..Update::of(batch(&delta))
        };
        let asked = if container.state == State::Running {
            self.send_ahead(container, &delta, &mut update).await?;
            self.ask_helper(container, &mut update).await?
        } else {
            Asked::Plain(format!("{} is not running", container.name))
        };
        match asked {
            Asked::Answered(()) => {
                same.extend(update.same);
                Ok(Applied {
                    via: Via::Helper,
                    unread: update.unread,
                    closed: update.closed,
                    same,
                })
            }
            Asked::Plain(why) => {
                let few = there::are_few(&delta);
                let asked = |put: &Outgoing| few && put.there.fingerprint().is_some();
                same.extend(self.take_out(container, &mut delta, asked).await);
                let through = self.apply_through_archive(container, &delta).await;
                let through = through.map_err(|error| match error {
                    EngineError::InVain(what) => {
                        EngineError::InVain(format!("{what} (the helper is not used: {why})"))
                    }
                    other => other,
                })?;
                Ok(Applied {
                    via: Via::Archive(why),
                    unread: through.unread,
                    closed: through.closed,
                    same,
                })
            }
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
        // Which groups it adds to a user, only the engine knows.
        if !container.group_add.is_empty() && !is_root(&command.user) {
            return self.exec(&container.id, exec, output).await;
        }
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
            // It was not begun.
            Err(error) if is_forbidden(&error) => self.exec(&container.id, exec, output).await,
            Err(Error::Refused { text, .. }) => {
                Err(EngineError::Refused(harmless::value(&text).into_owned()))
            }
            // Half of it may have run: whether it is run again is the session's matter (C7).
            Err(error) => {
                slot.link = None;
                Err(EngineError::Refused(format!(
                    "the command was broken off: {error}"
                )))
            }
        }
    }

    /// What stands at the wanted paths, through the helper.
    pub(super) async fn fingerprints_of(
        &self,
        container: &Container,
        wanted: &Wanted,
        roots: &[ContainerPath],
    ) -> Result<BTreeMap<ContainerPath, Fingerprint>, EngineError> {
        let questions = wanted.iter().map(|(path, sought)| helper::Wanted {
            path: path.as_bytes().to_vec(),
            sought: *sought,
        });
        let mut inventory = Inventory {
            wanted: questions.collect(),
        };
        match self.ask_helper(container, &mut inventory).await? {
            Asked::Answered(found) => Ok(found),
            Asked::Plain(_) => {
                self.fingerprints_through_archive(&container.id, wanted, roots)
                    .await
            }
        }
    }

    /// The update is over: a process that ended meanwhile and was not restarted ends its container now.
    pub(super) async fn release_process(&self, container: &Container) {
        if container.state == State::Paused
            || !self.any_supervised(std::slice::from_ref(&container.service))
        {
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
        let number = helper::signal_number(name).ok_or_else(|| {
            EngineError::Refused(format!("there is no signal `{}`", harmless::value(name)))
        })?;
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
        // Its supervisor is gone, or another version's. Should this fail, the restart says what is wrong.
        let _ = self.renew_init(container).await;
        let restarted = self.restart_in_turn(container, grace).await?;
        Ok(Restarted {
            whole_container: true,
            ..restarted
        })
    }
}

/// Whether `user`, as the engine takes it, is the one that the helper is itself.
fn is_root(user: &str) -> bool {
    let name = user.split(':').next().unwrap_or_default();
    matches!(name, "" | "0" | "root")
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
    /// What the helper would not touch, and why.
    closed: Vec<(ContainerPath, String)>,
    /// What it found there.
    same: Vec<ContainerPath>,
}

impl Update {
    fn of(batch: Batch) -> Self {
        Self {
            batch,
            hold: false,
            unread: Vec::new(),
            closed: Vec::new(),
            same: Vec::new(),
        }
    }
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
                    let moved = |item: &Item| matches!(&item.content, Content::File { from, .. } | Content::Ahead { from, .. } if from.path().as_path() == path);
                    let gone = self.batch.put.iter().filter(|item| moved(item));
                    self.unread
                        .extend(gone.filter_map(|item| ContainerPath::new(&item.to)));
                    self.batch.put.retain(|item| !moved(item));
                }
                // The helper it was sent to is gone, or an earlier try has used it up.
                Err(Error::Refused {
                    code: Code::NotThere,
                    ..
                }) if self.batch.put.iter().any(Item::is_ahead) => {
                    self.batch.put.iter_mut().for_each(Item::send_by_stream);
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
                Ok(applied) => {
                    let named = applied.closed.into_iter();
                    let named = named.filter_map(|closed| {
                        let why = harmless::value(&closed.why).into_owned();
                        Some((ContainerPath::new(&closed.path)?, why))
                    });
                    self.closed = named.collect();
                    let same = applied.same.iter().filter_map(ContainerPath::new);
                    self.same = same.collect();
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }
}

struct Inventory {
    wanted: Vec<helper::Wanted>,
}

impl Question for Inventory {
    type Answer = BTreeMap<ContainerPath, Fingerprint>;

    async fn ask(&mut self, link: &mut HelperLink) -> Result<Self::Answer, Error> {
        let mut found = BTreeMap::new();
        let mut forbidden = None;
        link.inventory(&self.wanted, |entry| match entry {
            helper::Entry::Found(entry) => {
                if let Some(path) = ContainerPath::new(&entry.path) {
                    found.insert(path, fingerprint(entry));
                }
            }
            helper::Entry::Unreadable { path, errno, text } => {
                let error = Error::Refused {
                    code: Code::System,
                    errno,
                    partly: false,
                    path,
                    text,
                };
                if is_forbidden(&error) {
                    forbidden = Some(error);
                }
            }
        })
        .await?;
        forbidden.map_or(Ok(found), Err)
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
        match link.restart(self.signal, self.grace, helper::FRESH).await {
            Err(Error::Refused {
                code: Code::NoSupervisor,
                ..
            }) => Ok(None),
            other => other.map(Some),
        }
    }
}

/// Whether the container forbids its root what the engine itself may do all the same: by dropped capabilities, a seccomp
/// profile, a user namespace.
fn is_forbidden(error: &Error) -> bool {
    const EPERM: u32 = 1;
    const EACCES: u32 = 13;
    const ENOSYS: u32 = 38;
    matches!(
        error,
        Error::Refused {
            code: Code::System,
            errno: EPERM | EACCES | ENOSYS,
            ..
        }
    )
}

/// What the helper refused: whether a rebuild could help depends on what stands in the way.
fn refusal(container: &Container, error: &Error) -> EngineError {
    const ENOSPC: u32 = 28;
    const EROFS: u32 = 30;
    const EDQUOT: u32 = 122;
    let Error::Refused {
        code: Code::System,
        errno,
        path,
        ..
    } = error
    else {
        return EngineError::Refused(error.to_string());
    };
    let mounted = ContainerPath::new(path.as_slice())
        .and_then(|path| Mount::over(&container.mounts, &path).cloned());
    match (*errno, mounted) {
        (ENOSPC | EDQUOT, _) => EngineError::InVain(format!("{error}{FULL}")),
        (EROFS, Some(mount)) => EngineError::InVain(format!(
            "{error}\nhint: `{}` is mounted read-only there",
            mount.target
        )),
        _ => EngineError::Refused(error.to_string()),
    }
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
        may_be_there: outgoing.there != There::No,
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
            Body::Directory { set_mode: true } => Content::DirectoryMode,
            Body::Directory { set_mode: false } => Content::Directory,
        },
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
                } | Content::Ahead {
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
    if let Content::File { in_place, .. }
    | Content::Ahead { in_place, .. }
    | Content::Bytes { in_place, .. } = &mut item.content
    {
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
