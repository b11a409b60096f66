//! Copies through PUT archive: looks at what is there, then sends. Deletes nothing except what a copy replaces.

use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Read as _};
use std::sync::PoisonError;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use http_body_util::{Either, StreamBody};
use hyper::Method;
use hyper::body::Frame;

use super::Through;
use super::destination::{Destination, destination, name_below};
use super::survey::{Kind, Owner, Seen, Survey};
use super::write::{Content, Entry, stream};
use crate::engine::client::Docker;
use crate::engine::transport::escaped;
use crate::engine::{Body, Container, Delta, EngineError, Outgoing};
use crate::paths::ContainerPath;
use crate::source::Source;

/// How often a file that keeps shrinking while it is read is tried, before it is read into memory.
const ATTEMPTS: usize = 3;

/// The mode of a directory whose mode on the host is unknown.
const PARENT_MODE: u32 = 0o755;

/// Paths that are not sent, with the reason.
type Closed = Vec<(ContainerPath, String)>;

/// The entries for one destination: those that replace a file by a directory or the reverse go first.
#[derive(Default)]
struct Load {
    replacing: Vec<Entry>,
    plain: Vec<Entry>,
}

impl Docker {
    /// Writes all of `delta.put`. A directory that meets a link is written through it, unless the link is to be removed: then it
    /// replaces the link. A directory is replaced only if everything in it is to be removed.
    pub(in crate::engine) async fn put(
        &self,
        container: &Container,
        delta: &Delta,
    ) -> Result<Through, EngineError> {
        let survey = &mut Survey::new(self, &container.id);
        self.put_where(container, survey, delta).await
    }

    /// Like [`put`](Self::put), for a caller that has already looked at a part of what is there.
    pub(in crate::engine) async fn put_where(
        &self,
        container: &Container,
        survey: &mut Survey<'_>,
        delta: &Delta,
    ) -> Result<Through, EngineError> {
        if delta.put.is_empty() {
            return Ok(Through::default());
        }
        let (loads, closed) = loads(container, survey, delta).await?;
        let mut unread = Vec::new();
        for (destination, load) in loads {
            if !load.replacing.is_empty() {
                unread.extend(
                    self.send(container, &destination, load.replacing, true)
                        .await?,
                );
            }
            if !load.plain.is_empty() {
                unread.extend(
                    self.send(container, &destination, load.plain, false)
                        .await?,
                );
            }
        }
        unread.sort_unstable();
        unread.dedup();
        Ok(Through { unread, closed })
    }

    /// Sends one archive to one destination: either all of it is extracted, or there is an error.
    async fn send(
        &self,
        container: &Container,
        destination: &Destination,
        mut entries: Vec<Entry>,
        replacing: bool,
    ) -> Result<Vec<ContainerPath>, EngineError> {
        let target = format!(
            "/containers/{}/archive?path={}{}",
            container.id.0,
            escaped(destination.as_bytes()),
            // Trap 6: only what was seen to be of another kind may be replaced by another kind.
            if replacing {
                ""
            } else {
                "&noOverwriteDirNonDir=true"
            }
        );
        let mut changed = Vec::new();
        for attempt in 1.. {
            if entries.is_empty() {
                break;
            }
            let (archive, story) = stream(entries.clone());
            let body = Either::Right(StreamBody::new(archive.map_ok(Frame::data).boxed()));
            let answer = self.ask(Method::PUT, &target, body, &container.id).await;
            let story = std::mem::take(&mut *story.lock().unwrap_or_else(PoisonError::into_inner));
            if let Some(path) = story.changed {
                // An event about its change is on the way and will bring the new content; the others are sent again.
                entries.retain(|entry| entry.to != path);
                changed.push(path);
                continue;
            }
            if let Some(path) = story.shrunk {
                // Trap 2: what was sent remains, half of this file included, so everything is sent again.
                let keeps_shrinking = attempt >= ATTEMPTS;
                for entry in entries.iter_mut().filter(|entry| entry.to == path) {
                    if let Content::File(from) = &entry.content
                        && keeps_shrinking
                    {
                        entry.content = Content::Bytes(read_whole(from).await?);
                    }
                }
                continue;
            }
            if let Some((path, why)) = story.unreadable {
                return Err(EngineError::Unreadable(path, why));
            }
            answer.map_err(|error| explained(error, container))?;
            if !story.whole {
                return Err(EngineError::Unreachable(
                    "the engine answered before it had the whole archive".to_owned(),
                ));
            }
            changed.extend(story.vanished);
            changed.extend(story.grown);
            break;
        }
        Ok(changed)
    }
}

async fn loads(
    container: &Container,
    survey: &mut Survey<'_>,
    delta: &Delta,
) -> Result<(BTreeMap<Destination, Load>, Closed), EngineError> {
    let put = &delta.put;
    let paths: Vec<&ContainerPath> = put.iter().map(|outgoing| &outgoing.to).collect();
    let sent = put.iter().map(size).sum();
    let mut destinations = Vec::with_capacity(put.len());
    for path in &paths {
        destinations.push(destination(container, path)?);
    }
    survey.stat_ways(paths.iter().copied()).await?;
    survey.prepare(&paths, sent).await?;
    let mut closed = Closed::new();
    let mut ways: HashMap<Option<ContainerPath>, Option<String>> = HashMap::new();
    let goes = Going {
        removed: delta.remove.iter().collect(),
        all: delta.remove.iter().chain(&delta.remove_dirs).collect(),
    };
    let mut loads: BTreeMap<Destination, Load> = BTreeMap::new();
    for (outgoing, destination) in put.iter().zip(destinations) {
        let way = match ways.entry(outgoing.to.parent()) {
            Occupied(known) => known.into_mut(),
            Vacant(new) => new.insert(survey.closed(container, &outgoing.to).await?),
        };
        if let Some(why) = way {
            closed.push((outgoing.to.clone(), why.clone()));
            continue;
        }
        let load = loads.entry(destination.clone()).or_default();
        load.add(container, survey, (outgoing, &destination), &goes)
            .await?;
    }
    Ok((loads, closed))
}

/// What the update removes.
struct Going<'a> {
    removed: HashSet<&'a ContainerPath>,
    /// Everything it removes, directories too.
    all: HashSet<&'a ContainerPath>,
}

impl Load {
    async fn add(
        &mut self,
        container: &Container,
        survey: &mut Survey<'_>,
        (outgoing, destination): (&Outgoing, &Destination),
        goes: &Going<'_>,
    ) -> Result<(), EngineError> {
        let is_directory = outgoing.body.is_directory();
        let there = if is_directory && !goes.removed.contains(&outgoing.to) {
            survey.stat_through(&outgoing.to).await?
        } else {
            survey.stat(&outgoing.to).await?
        };
        let owner = match there {
            // Trap 4: a header for an existing directory would reset its owner and mode.
            Some(seen) if is_directory && seen.kind == Kind::Directory => {
                if outgoing.body != (Body::Directory { set_mode: true }) {
                    return Ok(());
                }
                let same = survey.stat(&outgoing.to).await?;
                if same.is_none_or(|same| same.kind != seen.kind) {
                    return Ok(());
                }
                seen.owner
            }
            Some(seen) => seen.owner,
            None => parents(survey, self, destination, outgoing).await?,
        };
        let replaces = there.is_some_and(|seen| is_directory != (seen.kind == Kind::Directory));
        // The engine would remove everything in it, mounts included.
        if replaces
            && !is_directory
            && let Some(kept) = survey
                .first_kept(&outgoing.to, |path| goes.all.contains(path))
                .await?
        {
            return Err(EngineError::Refused(format!(
                "cannot write `{}` in {}: is a directory that holds `{kept}`",
                outgoing.to, container.name
            )));
        }
        if there.is_some_and(|seen| is_directory && seen.kind == Kind::Link) {
            survey.forget_below(&outgoing.to);
        }
        let mode = outgoing.mode;
        let kind = kind(&outgoing.body);
        survey.will_be(&outgoing.to, Seen { kind, owner, mode });
        let entry = entry(outgoing, destination, owner);
        if replaces {
            self.replacing.push(entry);
        } else {
            self.plain.push(entry);
        }
        Ok(())
    }
}

fn kind(body: &Body) -> Kind {
    match body {
        Body::Directory { .. } => Kind::Directory,
        Body::Link(_) => Kind::Link,
        Body::Bytes(_) | Body::File { .. } => Kind::File,
    }
}

fn entry(outgoing: &Outgoing, destination: &Destination, owner: Owner) -> Entry {
    Entry {
        name: name_below(destination, &outgoing.to),
        to: outgoing.to.clone(),
        mode: outgoing.mode,
        modified: outgoing.modified,
        uid: owner.uid,
        gid: owner.gid,
        content: match &outgoing.body {
            Body::Bytes(bytes) => Content::Bytes(bytes.clone()),
            Body::File { from, .. } => Content::File(from.clone()),
            Body::Link(target) => Content::Link(target.clone()),
            Body::Directory { .. } => Content::Directory,
        },
    }
}

/// The owner for a new path: its directory's (C6). Missing directories on the way are created with their own parent's owner.
async fn parents(
    survey: &mut Survey<'_>,
    load: &mut Load,
    destination: &Destination,
    outgoing: &Outgoing,
) -> Result<Owner, EngineError> {
    let mut missing = Vec::new();
    let mut above = outgoing.to.parent();
    let mut owner = Owner { uid: 0, gid: 0 };
    while let Some(folder) = above {
        if &folder == destination {
            if let Some(seen) = survey.stat_through(&folder).await? {
                owner = seen.owner;
            }
            break;
        }
        match survey.stat_through(&folder).await? {
            Some(seen) if seen.kind == Kind::Directory => {
                owner = seen.owner;
                break;
            }
            other => {
                above = folder.parent();
                missing.push((folder, other.is_some()));
            }
        }
    }
    for (folder, in_the_way) in missing.into_iter().rev() {
        let entry = Entry {
            name: name_below(destination, &folder),
            to: folder.clone(),
            mode: PARENT_MODE,
            modified: outgoing.modified,
            uid: owner.uid,
            gid: owner.gid,
            content: Content::Directory,
        };
        let seen = Seen {
            kind: Kind::Directory,
            owner,
            mode: PARENT_MODE,
        };
        survey.will_be(&folder, seen);
        if in_the_way {
            load.replacing.push(entry);
        } else {
            load.plain.push(entry);
        }
    }
    Ok(owner)
}

/// Reads a file up to where it first ends.
async fn read_whole(from: &Source) -> Result<Bytes, EngineError> {
    let source = from.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut whole = Vec::new();
        source.open()?.0.read_to_end(&mut whole)?;
        io::Result::Ok(Bytes::from(whole))
    });
    let whole = read.await.map_err(io::Error::other).flatten();
    whole.map_err(|error| EngineError::Unreadable(from.path().clone(), error.to_string()))
}

fn size(outgoing: &Outgoing) -> u64 {
    match &outgoing.body {
        Body::Bytes(bytes) => bytes.len() as u64,
        Body::File { len, .. } => *len,
        Body::Link(_) | Body::Directory { .. } => 0,
    }
}

/// What to do about a full disk.
pub(in crate::engine) const FULL: &str = "\nhint: make room there: `docker system df` and `docker system prune` for the engine's disk, a larger `size` for a tmpfs";

/// The engine's refusal of a copy, with a hint where the cause is known.
fn explained(error: EngineError, container: &Container) -> EngineError {
    let EngineError::Refused(why) = error else {
        return error;
    };
    let name = &container.name;
    if why.contains("no space left on device") || why.contains("disk quota exceeded") {
        return EngineError::InVain(format!("copy into {name}: {why}{FULL}"));
    }
    let hint = if why.contains("read-only file system") || why.contains("marked read-only") {
        "\nhint: it is mounted read-only there"
    } else {
        ""
    };
    EngineError::Refused(format!("copy into {name}: {why}{hint}"))
}
