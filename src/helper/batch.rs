//! A batch of changes on its way into the container: what to remove, what to put, and the files' content as it is on disk now.

use super::error::Error;
use super::link::{Clock, Link, unexpected};
use super::patience::{Limit, Load};
use crate::protocol::{CHUNK, COMPARE, IN_PLACE, Reply, Request, Time};
use crate::source::Source;
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

/// Changes that come into force together.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Absolute paths in the container to remove. A directory goes only when it is empty by then; a path that is not there is fine.
    pub remove: Vec<Vec<u8>>,
    /// What has to be there. Missing parents are made (mode 0755, their parent's owner).
    pub put: Vec<Item>,
}

/// One thing that has to be there.
#[derive(Debug, Clone)]
pub struct Item {
    /// Absolute path in the container.
    pub to: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Modification time.
    pub mtime: SystemTime,
    /// A file may be there already, with this mode: it is left as it is then, and that is told.
    pub may_be_there: bool,
    /// What it is. A directory in its way that holds anything the batch does not remove refuses the batch with
    /// [`Code::NotEmpty`](super::Code::NotEmpty).
    pub content: Content,
}

impl Item {
    /// Whether its content was sent ahead.
    pub fn is_ahead(&self) -> bool {
        matches!(self.content, Content::Ahead { .. })
    }

    /// Its content lies in the helper's directory by that name.
    pub fn send_ahead_as(&mut self, name: Vec<u8>) {
        if let Content::File { from, in_place } = &self.content {
            self.content = Content::Ahead {
                name,
                from: from.clone(),
                in_place: *in_place,
            };
        }
    }

    /// Its content comes with the batch after all.
    pub fn send_by_stream(&mut self) {
        if let Content::Ahead { from, in_place, .. } = &self.content {
            self.content = Content::File {
                from: from.clone(),
                in_place: *in_place,
            };
        }
    }
}

/// What an [`Item`] is.
#[derive(Debug, Clone)]
pub enum Content {
    /// A directory. One that exists keeps owner and mode, also behind a link.
    Directory,
    /// A directory whose mode was changed: one that exists keeps its owner and gets this mode.
    DirectoryMode,
    /// A file.
    File {
        /// Where its content is on the host.
        from: Source,
        /// Write into the inode that is there, if there is one: for bind-mounted files and watchers of single files.
        in_place: bool,
    },
    /// A file whose content was put into the helper's own directory.
    Ahead {
        /// Its name there.
        name: Vec<u8>,
        /// Where it came from: should it not be there, it goes by the stream.
        from: Source,
        /// As for a file.
        in_place: bool,
    },
    /// A small file, read already.
    Bytes {
        /// Its content.
        bytes: bytes::Bytes,
        /// As for a file.
        in_place: bool,
    },
    /// A symbolic link.
    Symlink {
        /// What it points to.
        target: Vec<u8>,
    },
}

/// A path that was not touched while the rest of its batch came into force: on its way root's rights would have been lent to
/// somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Which.
    pub path: Vec<u8>,
    /// Why, in words.
    pub why: String,
}

/// What came of a [`Batch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Files, links and new directories put in place.
    pub placed: u32,
    /// Paths removed; those that were not there do not count.
    pub removed: u32,
    /// Directories to be removed that stay, for what only the container has in them.
    pub kept: u32,
    /// Paths that were left out.
    pub closed: Vec<Closed>,
    /// Files that were there already.
    pub same: Vec<Vec<u8>>,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Link<R, W> {
    /// Puts a batch in force: all of it, or after an error nothing (unless the error says `partly`).
    pub async fn apply(&mut self, batch: &Batch) -> Result<Applied, Error> {
        self.begin()?;
        let limit = self.patience.with(batch.load());
        let mut encoder = Encoder::new(batch, self.clock, self.patience.silence);
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
        let answer = self.outcome(batch, &limit).await;
        // Answered to its end, for good or ill.
        if matches!(answer, Ok(_) | Err(Error::Refused { .. })) {
            self.end();
        }
        answer
    }

    async fn outcome(&mut self, batch: &Batch, limit: &Limit) -> Result<Applied, Error> {
        let (mut closed, mut same) = (Vec::new(), Vec::new());
        let mut room = MOST_CLOSED;
        let mut names = batch.names_that_may_be_there();
        loop {
            match self.incoming.next(limit).await? {
                Reply::Applied {
                    placed,
                    removed,
                    kept,
                } => {
                    return Ok(Applied {
                        placed,
                        removed,
                        kept,
                        closed,
                        same,
                    });
                }
                // No more than there was to do, and no longer than a path and a reason are, whoever answers.
                Reply::Closed { path, text }
                    if closed.len() < batch.most_answers()
                        && path.len().max(text.len()) <= MOST_SAID =>
                {
                    room = room
                        .checked_sub(path.len() + text.len())
                        .ok_or(Error::Malformed)?;
                    closed.push(Closed {
                        path: path.to_vec(),
                        why: String::from_utf8_lossy(text).into_owned(),
                    });
                }
                Reply::Same { path } => {
                    names = names.checked_sub(path.len()).ok_or(Error::Malformed)?;
                    same.push(path.to_vec());
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

impl Batch {
    fn load(&self) -> Load {
        let bytes = self.put.iter().map(|item| match &item.content {
            Content::File { from, .. } | Content::Ahead { from, .. } => {
                // What counts is looked at again when it is read; this is for the time it may take.
                std::fs::metadata(from.path().as_path()).map_or(0, |found| found.len())
            }
            Content::Bytes { bytes, .. } => bytes.len() as u64,
            _ => 0,
        });
        Load {
            entries: self.remove.len() + self.put.len(),
            bytes: bytes.fold(0, u64::saturating_add),
        }
    }

    /// The bytes of all names that may be there already: an answer has no more.
    fn names_that_may_be_there(&self) -> usize {
        let names = self.put.iter().filter(|item| item.may_be_there);
        names.map(|item| item.to.len()).sum()
    }

    /// A directory with a mode is two.
    fn most_answers(&self) -> usize {
        self.remove.len() + 2 * self.put.len()
    }
}

/// Turns a batch into frames, piece by piece. Reads files, blocking.
struct Encoder {
    remove: std::vec::IntoIter<Vec<u8>>,
    put: std::vec::IntoIter<Item>,
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
    fn new(batch: &Batch, clock: Clock, silence: Duration) -> Self {
        let Batch {
            mut remove,
            mut put,
        } = batch.clone();
        // Directory by directory: the helper keeps each directory's path once.
        remove.sort_unstable();
        // Each before what is in it.
        put.sort_by(|one, other| place(one).cmp(&place(other)));
        Self {
            remove: remove.into_iter(),
            put: put.into_iter(),
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
            Request::Begin.encode(out)?;
        }
        // Once for each piece of a large file.
        if let Some(open) = self.open.take_if(|open| open.has_changed()) {
            return Err(Error::Changed { path: open.path });
        }
        while out.len() < PIECE {
            if self.open.is_some() {
                self.data(out)?;
            } else if let Some(path) = self.remove.next() {
                Request::Remove { path: &path }.encode(out)?;
            } else if let Some(item) = self.put.next() {
                self.item(&item, out)?;
            } else {
                let until_ms = self.clock.after(self.silence);
                Request::Commit { until_ms }.encode(out)?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn item(&mut self, item: &Item, out: &mut Vec<u8>) -> Result<(), Error> {
        let (path, mode) = (item.to.as_slice(), item.mode & 0o7777);
        let mtime = time(item.mtime);
        match &item.content {
            Content::Directory => Request::Directory { path, mode }.encode(out)?,
            Content::DirectoryMode => {
                Request::Directory { path, mode }.encode(out)?;
                Request::Mode { path, mode }.encode(out)?;
            }
            Content::Symlink { target } => Request::Symlink {
                path,
                target,
                mtime,
            }
            .encode(out)?,
            Content::File { from, in_place } => {
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
                self.file(item, *in_place, next, out)?;
            }
            Content::Ahead { name, in_place, .. } => Request::Ahead {
                path,
                mode,
                mtime,
                flags: if *in_place { IN_PLACE } else { 0 },
                name,
            }
            .encode(out)?,
            Content::Bytes { bytes, in_place } => {
                let next = Open {
                    path: PathBuf::new(),
                    file: Box::new(std::io::Cursor::new(bytes.clone())),
                    remaining: bytes.len() as u64,
                    opened: None,
                };
                self.file(item, *in_place, next, out)?;
            }
        }
        Ok(())
    }

    /// Announces a file, whose content is sent next; an empty one has nothing to send.
    fn file(
        &mut self,
        item: &Item,
        in_place: bool,
        next: Open,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        Request::File {
            path: &item.to,
            mode: item.mode & 0o7777,
            mtime: time(item.mtime),
            length: next.remaining,
            flags: flag(in_place, IN_PLACE) | flag(item.may_be_there, COMPARE),
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

/// An item's directory, then its name.
fn place(item: &Item) -> (&[u8], &[u8]) {
    let slash = item.to.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    item.to.split_at(slash)
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
        let batch = Batch {
            remove: Vec::new(),
            put: vec![Item {
                to: b"/big".to_vec(),
                mode: 0o644,
                mtime: UNIX_EPOCH,
                may_be_there: false,
                content: Content::File {
                    from: keep(from.into()),
                    in_place: false,
                },
            }],
        };
        let mut encoder = Encoder::new(&batch, Clock::of_nobody(), Duration::from_secs(1));
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
