//! Writes the tar streams that the engine unpacks. Sizes come from the opened file; no more than that is read from it. Knows no engine.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::Stream;
use tokio::io::AsyncReadExt;

use crate::paths::{ContainerPath, HostPath};
use crate::source::Source;

const BLOCK: usize = 512;

/// Bytes passed to the connection at once.
const PIECE: usize = 128 * 1024;

/// After this many bytes of a file its metadata is read again: it may have been saved meanwhile.
const LOOK_AGAIN: u64 = 1 << 20;

/// A member to be written.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its path in the container.
    pub to: ContainerPath,
    /// The name in the archive, relative to the destination.
    pub name: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Modification time; nanoseconds are kept.
    pub modified: SystemTime,
    /// Numeric user ID, not mapped.
    pub uid: u64,
    /// Numeric group ID, not mapped.
    pub gid: u64,
    /// A file's content, a link's target, or a directory.
    pub content: Content,
}

/// The content of an [`Entry`].
#[derive(Clone, Debug)]
pub enum Content {
    /// A file whose content is in memory.
    Bytes(Bytes),
    /// A file on the host's disk.
    File(Source),
    /// A symbolic link: its target.
    Link(Vec<u8>),
    /// A directory, which has no content.
    Directory,
}

/// How the writing went. It is complete only if the end marker was written.
#[derive(Debug, Default)]
pub struct StreamReport {
    /// Whether the end marker was written.
    pub whole: bool,
    /// Files that no longer existed when they were to be opened: left out.
    pub vanished: Vec<ContainerPath>,
    /// Files that grew while they were read: cut to their size when opened.
    pub grown: Vec<ContainerPath>,
    /// The file that ended early: the stream was cut there.
    pub shrunk: Option<ContainerPath>,
    /// The file that was overwritten or replaced while it was read: the stream was cut there.
    pub changed: Option<ContainerPath>,
    /// The file that could not be read, and why: the stream was cut there, or not begun.
    pub unreadable: Option<(HostPath, String)>,
}

/// The report while the archive is being written.
pub type SharedStory = Arc<Mutex<StreamReport>>;

/// The archive as a stream of pieces. An error in it means "cut the connection"; the report says why.
pub fn stream(
    entries: Vec<Entry>,
) -> (
    impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    SharedStory,
) {
    let story = SharedStory::default();
    let writer = Writer {
        entries: entries.into(),
        buffer: BytesMut::with_capacity(PIECE + 4 * BLOCK),
        current: None,
        ended: false,
        story: Arc::clone(&story),
    };
    let stream = futures_util::stream::try_unfold(writer, |mut writer| async move {
        let piece = writer.piece().await?;
        Ok(piece.map(|piece| (piece, writer)))
    });
    (stream, story)
}

struct Writer {
    entries: VecDeque<Entry>,
    buffer: BytesMut,
    current: Option<OpenFile>,
    ended: bool,
    story: SharedStory,
}

struct OpenFile {
    file: tokio::fs::File,
    to: ContainerPath,
    from: Source,
    opened: std::fs::Metadata,
    left: u64,
    /// Bytes read since its metadata was last read.
    unseen: u64,
    padding: usize,
}

impl Writer {
    async fn piece(&mut self) -> io::Result<Option<Bytes>> {
        while self.buffer.len() < PIECE && !self.ended {
            if let Some(open) = self.current.take() {
                self.go_on(open).await?;
            } else if let Some(entry) = self.entries.pop_front() {
                self.begin(entry).await?;
            } else {
                self.buffer.put_bytes(0, 2 * BLOCK);
                self.ended = true;
                self.tell(|story| story.whole = true);
            }
        }
        Ok((!self.buffer.is_empty()).then(|| self.buffer.split().freeze()))
    }

    async fn begin(&mut self, entry: Entry) -> io::Result<()> {
        match &entry.content {
            Content::Bytes(bytes) => {
                header(&mut self.buffer, &entry, bytes.len() as u64);
                self.buffer.extend_from_slice(bytes);
                self.buffer.put_bytes(0, padding(bytes.len() as u64));
            }
            Content::Link(_) | Content::Directory => header(&mut self.buffer, &entry, 0),
            Content::File(from) => {
                let source = from.clone();
                let opened = tokio::task::spawn_blocking(move || source.open()).await;
                let (file, seen) = match opened.map_err(io::Error::other).flatten() {
                    Ok((file, seen)) => (tokio::fs::File::from_std(file), seen),
                    // It no longer exists or is of another kind, which a later batch will bring.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        self.tell(|story| story.vanished.push(entry.to.clone()));
                        return Ok(());
                    }
                    Err(error) => return Err(self.unreadable(from.path(), error)),
                };
                header(&mut self.buffer, &entry, seen.len());
                self.current = Some(OpenFile {
                    file,
                    to: entry.to.clone(),
                    from: from.clone(),
                    left: seen.len(),
                    unseen: 0,
                    padding: padding(seen.len()),
                    opened: seen,
                });
            }
        }
        Ok(())
    }

    async fn go_on(&mut self, mut open: OpenFile) -> io::Result<()> {
        if open.left == 0 {
            // There is one byte more than announced: it grows, and a later batch brings the rest.
            if let Ok(1) = open.file.read(&mut [0]).await {
                self.tell(|story| story.grown.push(open.to.clone()));
            }
            self.buffer.put_bytes(0, open.padding);
            return Ok(());
        }
        let room = PIECE.saturating_sub(self.buffer.len()).max(BLOCK) as u64;
        self.buffer.reserve(clamp(room));
        let mut limited = (&mut open.file).take(open.left.min(room));
        let read = match limited.read_buf(&mut self.buffer).await {
            Ok(read) => read,
            Err(error) => return Err(self.unreadable(open.from.path(), error)),
        };
        open.unseen += read as u64;
        if open.unseen >= LOOK_AGAIN {
            open.unseen = 0;
            if open.from.has_changed(&open.opened) {
                self.tell(|story| story.changed = Some(open.to.clone()));
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
        if read == 0 {
            self.tell(|story| story.shrunk = Some(open.to.clone()));
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        open.left -= read as u64;
        self.current = Some(open);
        Ok(())
    }

    fn unreadable(&self, from: &HostPath, error: io::Error) -> io::Error {
        self.tell(|story| story.unreadable = Some((from.clone(), error.to_string())));
        error
    }

    fn tell(&self, what: impl FnOnce(&mut StreamReport)) {
        what(&mut self.story.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn clamp(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

fn padding(size: u64) -> usize {
    // Less than a block, so it fits.
    clamp(size.wrapping_neg() % BLOCK as u64)
}

/// The largest numbers that the fixed fields hold; larger ones go into an extended header.
const LARGEST_SIZE: u64 = 0o777_7777_7777;
const LARGEST_ID: u64 = 0o777_7777;

/// One header, preceded by a PAX header for everything that the old fields cannot hold.
fn header(out: &mut BytesMut, entry: &Entry, size: u64) {
    let link: &[u8] = match &entry.content {
        Content::Link(target) => target,
        _ => b"",
    };
    let mut records = Vec::new();
    let mut record = |key: &str, value: &[u8]| pax(&mut records, key, value);
    // Plain fields hold 100 bytes, and have no defined encoding beyond ASCII.
    let plain = |bytes: &[u8]| bytes.len() <= 100 && bytes.is_ascii();
    if !plain(&entry.name) {
        record("path", &entry.name);
    }
    if !plain(link) {
        record("linkpath", link);
    }
    if size > LARGEST_SIZE {
        record("size", size.to_string().as_bytes());
    }
    if entry.uid > LARGEST_ID {
        record("uid", entry.uid.to_string().as_bytes());
    }
    if entry.gid > LARGEST_ID {
        record("gid", entry.gid.to_string().as_bytes());
    }
    let (seconds, exact) = modified(entry.modified);
    if let Some(exact) = exact {
        record("mtime", exact.as_bytes());
    }
    if !records.is_empty() {
        let mut extended = tar::Header::new_ustar();
        extended.set_entry_type(tar::EntryType::XHeader);
        put_bytes(&mut extended.as_old_mut().name, b"PaxHeaders.0");
        extended.set_mode(0o644);
        extended.set_uid(0);
        extended.set_gid(0);
        extended.set_mtime(0);
        extended.set_size(records.len() as u64);
        extended.set_cksum();
        out.extend_from_slice(extended.as_bytes());
        out.extend_from_slice(&records);
        out.put_bytes(0, padding(records.len() as u64));
    }
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(match entry.content {
        Content::Bytes(_) | Content::File(_) => tar::EntryType::Regular,
        Content::Link(_) => tar::EntryType::Symlink,
        Content::Directory => tar::EntryType::Directory,
    });
    let fields = header.as_old_mut();
    put_bytes(&mut fields.name, &entry.name);
    put_bytes(&mut fields.linkname, link);
    header.set_mode(entry.mode & 0o7777);
    header.set_uid(entry.uid.min(LARGEST_ID));
    header.set_gid(entry.gid.min(LARGEST_ID));
    header.set_size(size.min(LARGEST_SIZE));
    header.set_mtime(seconds);
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
}

/// As many bytes as the field holds; the extended header has all of them.
fn put_bytes(field: &mut [u8; 100], bytes: &[u8]) {
    let length = bytes.len().min(field.len());
    field[..length].copy_from_slice(&bytes[..length]);
}

/// Whole seconds for the old field, and the exact time if that is not all.
fn modified(time: SystemTime) -> (u64, Option<String>) {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) if since.subsec_nanos() == 0 && since.as_secs() <= LARGEST_SIZE => {
            (since.as_secs(), None)
        }
        Ok(since) => (
            since.as_secs().min(LARGEST_SIZE),
            Some(format!("{}.{:09}", since.as_secs(), since.subsec_nanos())),
        ),
        Err(before) => {
            let before = before.duration();
            (
                0,
                Some(format!(
                    "-{}.{:09}",
                    before.as_secs(),
                    before.subsec_nanos()
                )),
            )
        }
    }
}

/// A record `LENGTH KEY=VALUE\n`, where the length includes itself.
fn pax(records: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = 1 + key.len() + 1 + value.len() + 1;
    let mut length = rest + 1;
    while length.to_string().len() + rest != length {
        length = length.to_string().len() + rest;
    }
    records.extend_from_slice(format!("{length} {key}=").as_bytes());
    records.extend_from_slice(value);
    records.push(b'\n');
}

#[cfg(test)]
mod tests;
