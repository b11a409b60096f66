//! Reads the tar streams that the engine answers with, member by member, without storing content. Requests nothing itself.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tar::EntryType;

use super::super::EngineError;
use crate::engine::transport::words;
use crate::harmless;

const BLOCK: usize = 512;

/// The longest extended header that is accepted: enough for paths and link targets, not for megabytes of attributes.
const LONGEST_EXTENSION: u64 = 1024 * 1024;

/// How many extended headers may precede a member; there are four kinds of them.
const MOST_EXTENSIONS: usize = 16;

/// No file and no stream is larger than this: a header with a larger size is invalid.
const LARGEST: u64 = i64::MAX as u64;

/// A member's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The name as in the archive, without a trailing slash.
    pub name: Vec<u8>,
    /// File, directory, link or another kind of tar entry.
    pub kind: EntryType,
    /// Permission bits, set-user-ID, set-group-ID and sticky included.
    pub mode: u32,
    /// Numeric user ID.
    pub uid: u64,
    /// Numeric group ID.
    pub gid: u64,
    /// Bytes of content that follow.
    pub size: u64,
    /// The target of a link; empty for other kinds.
    pub link: Vec<u8>,
}

/// Where the bytes come from: the engine's answer, or a test's data.
pub trait Chunks {
    /// The next bytes; `None` at the end.
    fn more(&mut self) -> impl Future<Output = Result<Option<Bytes>, EngineError>> + Send;
}

impl Chunks for Incoming {
    async fn more(&mut self) -> Result<Option<Bytes>, EngineError> {
        loop {
            match self.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Some(Err(error)) => {
                    return Err(EngineError::Unreachable(format!(
                        "the engine broke off an archive: {}",
                        words(&error)
                    )));
                }
            }
        }
    }
}

/// A tar stream that is being read.
pub struct Reader<S> {
    source: S,
    buffer: BytesMut,
    /// Bytes of the current member's content and padding that are not read yet.
    left: u64,
    padding: u64,
    /// Bytes taken from the source so far.
    pub taken: u64,
}

impl<S: Chunks> Reader<S> {
    /// Starts before the first member.
    pub fn new(source: S) -> Self {
        Self {
            source,
            buffer: BytesMut::new(),
            left: 0,
            padding: 0,
            taken: 0,
        }
    }

    /// The next member; the rest of the current one's content is skipped.
    pub async fn next(&mut self) -> Result<Option<Member>, EngineError> {
        let mut extended = Extended::default();
        for _ in 0..=MOST_EXTENSIONS {
            while self.content().await?.is_some() {}
            if !self.fill(BLOCK).await? {
                return Ok(None);
            }
            let block = self.buffer.split_to(BLOCK);
            if block.iter().all(|&byte| byte == 0) {
                return Ok(None);
            }
            let header = tar::Header::from_byte_slice(&block);
            // A block that is no header must not be taken for one: its sizes and names would be meaningless.
            if header.cksum().ok() != Some(checksum(&block)) {
                return Err(broken(&"a header's checksum is wrong"));
            }
            let size = header.entry_size().map_err(|error| broken(&error))?;
            self.expect(size)?;
            match header.entry_type() {
                EntryType::XHeader => extended.read_pax(&self.whole(size).await?),
                EntryType::XGlobalHeader => {
                    self.whole(size).await?;
                }
                EntryType::GNULongName => {
                    extended.name = Some(until_nul(&self.whole(size).await?).to_vec());
                }
                EntryType::GNULongLink => {
                    extended.link = Some(until_nul(&self.whole(size).await?).to_vec());
                }
                // A map of its holes would precede the content. The engine writes no sparse files.
                EntryType::GNUSparse => return Err(broken(&"a sparse file")),
                kind => {
                    let size = extended.size.unwrap_or(size);
                    let has_content = matches!(kind, EntryType::Regular | EntryType::Continuous);
                    let size = if has_content { size } else { 0 };
                    self.expect(size)?;
                    let mut name = extended
                        .name
                        .unwrap_or_else(|| header.path_bytes().into_owned());
                    while name.len() > 1 && name.ends_with(b"/") {
                        name.pop();
                    }
                    return Ok(Some(Member {
                        name,
                        kind,
                        mode: header.mode().map_err(|error| broken(&error))? & 0o7777,
                        uid: match extended.uid {
                            Some(uid) => uid,
                            None => header.uid().map_err(|error| broken(&error))?,
                        },
                        gid: match extended.gid {
                            Some(gid) => gid,
                            None => header.gid().map_err(|error| broken(&error))?,
                        },
                        size,
                        link: extended.link.unwrap_or_else(|| {
                            header.link_name_bytes().unwrap_or_default().into_owned()
                        }),
                    }));
                }
            }
        }
        Err(broken(&"extended headers without end"))
    }

    /// The next piece of the current member's content; `None` at its end.
    pub async fn content(&mut self) -> Result<Option<Bytes>, EngineError> {
        while self.left > 0 || self.padding > 0 {
            if self.buffer.is_empty() && !self.fill(1).await? {
                return Err(broken(&"it ends in the middle"));
            }
            if self.left > 0 {
                let length = self.buffer.len().min(clamp(self.left));
                self.left -= length as u64;
                return Ok(Some(self.buffer.split_to(length).freeze()));
            }
            let length = self.buffer.len().min(clamp(self.padding));
            self.padding -= length as u64;
            let _ = self.buffer.split_to(length);
        }
        Ok(None)
    }

    fn expect(&mut self, size: u64) -> Result<(), EngineError> {
        if size > LARGEST {
            return Err(broken(&"a size that no file has"));
        }
        self.left = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
        Ok(())
    }

    async fn whole(&mut self, size: u64) -> Result<Vec<u8>, EngineError> {
        if size > LONGEST_EXTENSION {
            return Err(broken(&"an extended header of more than 1 MiB"));
        }
        let mut all = Vec::new();
        while let Some(piece) = self.content().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }

    /// Waits until `length` bytes are there; `false` at the end of the stream.
    async fn fill(&mut self, length: usize) -> Result<bool, EngineError> {
        while self.buffer.len() < length {
            match self.source.more().await? {
                Some(bytes) => {
                    self.taken += bytes.len() as u64;
                    self.buffer.extend_from_slice(&bytes);
                }
                None if self.buffer.is_empty() => return Ok(false),
                None => return Err(broken(&"it ends in the middle")),
            }
        }
        Ok(true)
    }
}

#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
}

impl Extended {
    /// Records have the form `LENGTH KEY=VALUE\n`; only the length says where one ends, since names may contain line breaks.
    fn read_pax(&mut self, mut records: &[u8]) {
        while let Some((key, value, rest)) = first_record(records) {
            records = rest;
            let number = || std::str::from_utf8(value).ok()?.parse().ok();
            match key {
                b"path" => self.name = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => self.size = number(),
                b"uid" => self.uid = number(),
                b"gid" => self.gid = number(),
                _ => {}
            }
        }
    }
}

/// The first record's key and value, and what follows it.
fn first_record(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = records.iter().position(|&byte| byte == b' ')?;
    let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
    let record = records.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], &records[length..]))
}

/// The sum of a header's bytes, with its own field counted as spaces.
fn checksum(block: &[u8]) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    let (before, rest) = block.split_at(block.len().min(148));
    let after = rest.get(8..).unwrap_or_default();
    sum(before) + 8 * u32::from(b' ') + sum(after)
}

fn clamp(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

fn broken(why: &dyn std::fmt::Display) -> EngineError {
    let why = why.to_string();
    let why = harmless::value(&why);
    EngineError::Unreachable(format!("the engine's archive is unreadable: {why}"))
}

#[cfg(test)]
pub mod tests;
