//! What a container has at its paths: kinds, modes, lengths, content hashes, link targets.

use super::error::Error;
use super::link::{Link, unexpected};
use super::patience::Load;
use crate::protocol::{Kind, Reply, Request, Sought};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

/// All links' targets and all errors' words of one inventory together: those of the largest trees have a quarter of it.
const MOST_TEXT: usize = 16 * 1024 * 1024;

/// How many bytes of questions go out in one write.
const PIECE: usize = 64 * 1024;

/// A question about one path of the container; it is absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Which.
    pub path: Vec<u8>,
    /// What the host has there.
    pub sought: Sought,
}

/// The answer about one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// It is there.
    Found(Found),
    /// It cannot be described: not there (errno 2), or not readable.
    Unreadable {
        /// Which.
        path: Vec<u8>,
        /// The kernel's number.
        errno: u32,
        /// The reason in words.
        text: String,
    },
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// A file's length.
    pub size: u64,
    /// XXH3-128 of a file's content, if a file was sought and it is no longer than that; otherwise 0.
    pub hash: u128,
    /// A link's target.
    pub target: Vec<u8>,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Link<R, W> {
    /// Describes what the container has at these paths, entry by entry as it comes. A path that is missing or unreadable is an
    /// answer like any other. There is one answer to each question: an entry that nobody asked for is an error.
    pub async fn inventory(
        &mut self,
        wanted: &[Wanted],
        mut on_entry: impl FnMut(Entry),
    ) -> Result<(), Error> {
        self.begin()?;
        let bytes = wanted.iter().filter_map(|wanted| match wanted.sought {
            Sought::File { most } => Some(most),
            Sought::Anything | Sought::Directory => None,
        });
        let limit = self.patience.with(Load {
            entries: wanted.len(),
            bytes: bytes.fold(0, u64::saturating_add),
        });
        let mut questions = wanted.iter();
        let mut room = MOST_TEXT;
        // The answers come in the order of the questions: nobody is told of what was not asked, or more than a disk can say.
        let mut answered = move |path: &[u8], text: &[u8]| {
            let asked = questions.next().map(|wanted| wanted.path.as_slice());
            room = room.checked_sub(text.len()).ok_or(Error::Malformed)?;
            if asked == Some(path) {
                Ok(())
            } else {
                Err(Error::Malformed)
            }
        };
        // Questions and answers are under way at the same time: neither side ever waits for the other to listen.
        let (writer, incoming) = (&mut self.writer, &mut self.incoming);
        let asking = async {
            let mut piece = Vec::new();
            for wanted in wanted {
                Request::Look {
                    path: &wanted.path,
                    sought: wanted.sought,
                }
                .encode(&mut piece)?;
                if piece.len() >= PIECE {
                    // Taken when the helper has come to it, which may be after a large file.
                    limit.wait_to_the_end(writer.write_all(&piece)).await??;
                    piece.clear();
                }
            }
            Request::End.encode(&mut piece)?;
            limit.wait_to_the_end(writer.write_all(&piece)).await??;
            limit.wait_to_the_end(writer.flush()).await??;
            Ok::<(), Error>(())
        };
        let hearing = async {
            loop {
                match incoming.next(&limit).await? {
                    Reply::Done => return Ok(()),
                    Reply::Entry {
                        path,
                        kind,
                        mode,
                        size,
                        hash,
                        target,
                    } => {
                        answered(path, target)?;
                        on_entry(Entry::Found(Found {
                            path: path.to_vec(),
                            kind,
                            mode,
                            size,
                            hash,
                            target: target.to_vec(),
                        }));
                    }
                    Reply::Unreadable { path, errno, text } => {
                        answered(path, text)?;
                        on_entry(Entry::Unreadable {
                            path: path.to_vec(),
                            errno,
                            text: String::from_utf8_lossy(text).into_owned(),
                        });
                    }
                    other => return Err(unexpected(&other)),
                }
            }
        };
        tokio::try_join!(asking, hearing)?;
        self.end();
        Ok(())
    }
}
