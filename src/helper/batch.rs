//! A batch of changes on its way into the container: what to remove, what to put, and the files' content as it is on disk now.

use super::error::Error;
use super::link::{Clock, Link, unexpected};
use super::patience::{Limit, Load};
use crate::harmless;
use crate::paths::ContainerPath;
use crate::protocol::{CHUNK, COMPARE, IN_PLACE, Reply, Request, Time};
use crate::source::Source;
use crate::transfer::{Applied, Body, Delta, Outgoing, There, Via};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncRead, AsyncWrite};

/// The longest path there is, or the most that is said of one that is left out, in bytes.
const MOST_SAID: usize = 16 * 1024;

/// All that is said of what a batch leaves out, in bytes.
const MOST_CLOSED: usize = 8 * 1024 * 1024;

/// How much is read from disk and encoded before it is written in one go.
const PIECE: usize = 256 * 1024;

/// How a [`Delta`] is brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// With it an update begins: until [`Link::restart`] or [`Link::release`] (or the end of the helper) the container outlives
    /// its process.
    pub hold: bool,
    /// Files whose content was put into the helper's own directory, with its name there.
    pub ahead: BTreeMap<ContainerPath, String>,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Link<R, W> {
    /// Puts a batch in force: all of it, or after an error nothing (unless the error says `partly`).
    pub async fn apply(&mut self, delta: &Delta, how: &Delivery) -> Result<Applied, Error> {
        self.begin()?;
        let limit = self.patience.with(load(delta));
        let mut encoder = Encoder::new(delta, how, self.clock, self.patience.silence);
        let mut piece = Vec::new();
        // One save is one small read and one write: not worth another thread.
        let mut more = match encoder.fill(&mut piece) {
            Ok(more) => more,
            Err(error) => {
                // Nothing was said yet.
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
        // Answered to its end, for good or ill.
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
                    // A batch that holds nobody does not let go of whom an earlier one holds.
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
                // No more than there was to do, and no longer than a path and a reason are, whoever answers.
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

    /// Takes back what was said of a batch, for a reason of ours.
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
        // What counts is looked at again when it is read; this is for the time it may take.
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

/// The bytes of all names that may be there already: an answer has no more.
fn names_that_may_be_there(delta: &Delta) -> usize {
    let puts = delta.put.iter().filter(|put| put.there != There::No);
    puts.map(|put| put.to.as_bytes().len()).sum()
}

/// A directory with a mode is two.
fn most_answers(delta: &Delta) -> usize {
    delta.remove.len() + delta.remove_dirs.len() + 2 * delta.put.len()
}

/// Turns a batch into frames, piece by piece. Reads files, blocking.
struct Encoder {
    remove: std::vec::IntoIter<ContainerPath>,
    put: std::vec::IntoIter<Outgoing>,
    how: Delivery,
    open: Option<Open>,
    chunk: Vec<u8>,
    begun: bool,
    clock: Clock,
    /// So long after its last word the host gives the batch up.
    silence: Duration,
}

/// A file that is being read.
struct Open {
    path: PathBuf,
    file: Box<dyn std::io::Read + Send>,
    /// What is still owed of the stated length.
    remaining: u64,
    /// Where it is on the disk, and what it was when it was opened.
    opened: Option<(Source, std::fs::Metadata)>,
}

impl Open {
    /// Another save has come meanwhile: what was sent of it so far is of no use.
    fn has_changed(&self) -> bool {
        let opened = self.opened.as_ref();
        opened.is_some_and(|(from, opened)| from.has_changed(opened))
    }
}

impl Encoder {
    fn new(delta: &Delta, how: &Delivery, clock: Clock, silence: Duration) -> Self {
        let Delta {
            mut remove,
            mut put,
            remove_dirs,
        } = delta.clone();
        remove.extend(remove_dirs);
        // Directory by directory: the helper keeps each directory's path once.
        remove.sort_unstable();
        // Each before what is in it.
        put.sort_by(|one, other| place(one).cmp(&place(other)));
        Self {
            remove: remove.into_iter(),
            put: put.into_iter(),
            how: how.clone(),
            open: None,
            chunk: Vec::new(),
            begun: false,
            clock,
            silence,
        }
    }

    /// Appends frames to `out` until it is a good piece or the batch is complete. Answers whether there is more.
    fn fill(&mut self, out: &mut Vec<u8>) -> Result<bool, Error> {
        if !std::mem::replace(&mut self.begun, true) {
            let hold = self.how.hold;
            Request::Begin { hold }.encode(out)?;
        }
        // Once for each piece of a large file.
        if let Some(open) = self.open.take_if(|open| open.has_changed()) {
            return Err(Error::Changed { path: open.path });
        }
        while out.len() < PIECE {
            if self.open.is_some() {
                self.data(out)?;
            } else if let Some(path) = self.remove.next() {
                let path = path.as_bytes();
                Request::Remove { path }.encode(out)?;
            } else if let Some(put) = self.put.next() {
                self.put(&put, out)?;
            } else {
                let until_ms = self.clock.after(self.silence);
                Request::Commit { until_ms }.encode(out)?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn put(&mut self, put: &Outgoing, out: &mut Vec<u8>) -> Result<(), Error> {
        let (path, mode) = (put.to.as_bytes(), put.mode & 0o7777);
        let mtime = time(put.modified);
        match &put.body {
            Body::Directory { set_mode } => {
                Request::Directory { path, mode }.encode(out)?;
                if *set_mode {
                    Request::Mode { path, mode }.encode(out)?;
                }
            }
            Body::Link(target) => Request::Symlink {
                path,
                target,
                mtime,
            }
            .encode(out)?,
            Body::File { from, .. } => {
                if let Some(name) = self.how.ahead.get(&put.to) {
                    Request::Ahead {
                        path,
                        mode,
                        mtime,
                        flags: flag(put.in_place, IN_PLACE),
                        name: name.as_bytes(),
                    }
                    .encode(out)?;
                    return Ok(());
                }
                let path = from.path().as_path();
                let (file, found) = from.open().map_err(|source| Error::Read {
                    path: path.to_path_buf(),
                    source,
                })?;
                let next = Open {
                    path: path.to_path_buf(),
                    file: Box::new(file),
                    remaining: found.len(),
                    opened: Some((from.clone(), found)),
                };
                self.file(put, next, out)?;
            }
            Body::Bytes(bytes) => {
                let next = Open {
                    path: PathBuf::new(),
                    file: Box::new(std::io::Cursor::new(bytes.clone())),
                    remaining: bytes.len() as u64,
                    opened: None,
                };
                self.file(put, next, out)?;
            }
        }
        Ok(())
    }

    /// Announces a file, whose content is sent next; an empty one has nothing to send.
    fn file(&mut self, put: &Outgoing, next: Open, out: &mut Vec<u8>) -> Result<(), Error> {
        Request::File {
            path: put.to.as_bytes(),
            mode: put.mode & 0o7777,
            mtime: time(put.modified),
            length: next.remaining,
            flags: flag(put.in_place, IN_PLACE) | flag(put.there != There::No, COMPARE),
        }
        .encode(out)?;
        if next.remaining > 0 {
            self.open = Some(next);
        }
        Ok(())
    }

    fn data(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let wanted =
            usize::try_from(open.remaining).map_or(CHUNK, |remaining| remaining.min(CHUNK));
        self.chunk.resize(wanted.max(self.chunk.len()), 0);
        let read = loop {
            match open.file.read(&mut self.chunk[..wanted]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => {
                    let path = open.path.clone();
                    return Err(Error::Read { path, source });
                }
                Ok(read) => break read,
            }
        };
        if read == 0 {
            let path = open.path.clone();
            return Err(Error::Changed { path });
        }
        Request::Data(&self.chunk[..read]).encode(out)?;
        open.remaining -= read as u64;
        if open.remaining == 0 {
            self.open = None;
        }
        Ok(())
    }
}

fn flag(set: bool, flag: u8) -> u8 {
    if set { flag } else { 0 }
}

/// Its directory, then its name.
fn place(put: &Outgoing) -> (&[u8], &[u8]) {
    let path = put.to.as_bytes();
    let slash = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    path.split_at(slash)
}

fn time(time: SystemTime) -> Time {
    let (seconds, nanos) = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (i128::from(after.as_secs()), after.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            match before.subsec_nanos() {
                0 => (-i128::from(before.as_secs()), 0),
                nanos => (-i128::from(before.as_secs()) - 1, 1_000_000_000 - nanos),
            }
        }
    };
    Time {
        seconds: i64::try_from(seconds).unwrap_or(0),
        nanos,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frames of a batch with one large file, which is changed by `change` after the first piece.
    fn sent_with(
        change: impl Fn(&std::path::Path),
        keep: impl Fn(Source) -> Source,
    ) -> Result<(), Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("big");
        std::fs::write(&path, vec![7; 8 * PIECE]).unwrap();
        let from = crate::paths::HostPath::new(&path).unwrap();
        let delta = Delta {
            put: vec![Outgoing {
                to: ContainerPath::new("/big").unwrap(),
                mode: 0o644,
                modified: UNIX_EPOCH,
                body: Body::File {
                    from: keep(from.into()),
                    len: 8 * PIECE as u64,
                },
                in_place: false,
                there: There::No,
            }],
            ..Delta::default()
        };
        let (how, silence) = (Delivery::default(), Duration::from_secs(1));
        let mut encoder = Encoder::new(&delta, &how, Clock::of_nobody(), silence);
        assert!(encoder.fill(&mut Vec::new())?);
        change(&path);
        while encoder.fill(&mut Vec::new())? {}
        Ok(())
    }

    #[test]
    fn a_copy_whose_source_has_changed_meanwhile_is_broken_off() {
        let replace = |path: &std::path::Path| {
            let other = path.with_extension("new");
            std::fs::write(&other, vec![8; 8 * PIECE]).unwrap();
            std::fs::rename(other, path).unwrap();
        };
        let write_over = |path: &std::path::Path| {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_modified(UNIX_EPOCH).unwrap();
        };
        let cut = |path: &std::path::Path| {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_len(PIECE as u64).unwrap();
        };
        let remove = |path: &std::path::Path| std::fs::remove_file(path).unwrap();
        let grow = |path: &std::path::Path| {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_len(9 * PIECE as u64).unwrap();
        };
        let changes: [&dyn Fn(&std::path::Path); 4] = [&replace, &write_over, &cut, &remove];
        for change in changes {
            let broken_off = sent_with(change, |source| source);
            assert!(
                matches!(broken_off, Err(Error::Changed { .. })),
                "{broken_off:?}"
            );
        }
        sent_with(grow, |source| source).unwrap();
        sent_with(replace, Source::to_the_end).unwrap();
    }

    #[test]
    fn times_before_1970_are_kept_to_the_nanosecond() {
        let seconds_nanos = |at: SystemTime| (time(at).seconds, time(at).nanos);
        assert_eq!(seconds_nanos(UNIX_EPOCH + Duration::new(5, 7)), (5, 7));
        assert_eq!(seconds_nanos(UNIX_EPOCH - Duration::new(5, 0)), (-5, 0));
        assert_eq!(
            seconds_nanos(UNIX_EPOCH - Duration::new(5, 1)),
            (-6, 999_999_999)
        );
    }
}
