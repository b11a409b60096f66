//! What a container has at its paths: kinds, modes, lengths, content hashes, link targets.

use super::error::Error;
use super::link::{Link, unexpected};
use super::protocol::{Kind, Reply, Request};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

/// How many bytes of questions go out in one write.
const PIECE: usize = 64 * 1024;

/// A question about the container's files; paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A path and, if it is a directory, all that is below it. Links below it are not followed.
    Tree(Vec<u8>),
    /// Exactly one path.
    Path(Vec<u8>),
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
    /// XXH3-128 of a file's content, if it was asked for.
    pub hash: u128,
    /// A link's target.
    pub target: Vec<u8>,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Link<R, W> {
    /// Describes what the container has, entry by entry as it comes; with `content`, files are read and hashed.
    /// A path that is missing or unreadable is an answer like any other.
    pub async fn inventory(
        &mut self,
        wanted: &[Wanted],
        content: bool,
        mut on_entry: impl FnMut(Entry),
    ) -> Result<(), Error> {
        self.begin()?;
        // Questions and answers are under way at the same time: neither side ever waits for the other to listen.
        let (writer, incoming) = (&mut self.writer, &mut self.incoming);
        let asking = async {
            let mut piece = Vec::new();
            for wanted in wanted {
                match wanted {
                    Wanted::Tree(path) => Request::Walk { path, content }.encode(&mut piece)?,
                    Wanted::Path(path) => Request::Look { path, content }.encode(&mut piece)?,
                }
                if piece.len() >= PIECE {
                    writer.write_all(&piece).await?;
                    piece.clear();
                }
            }
            Request::End.encode(&mut piece)?;
            writer.write_all(&piece).await?;
            writer.flush().await?;
            Ok::<(), Error>(())
        };
        let hearing = async {
            loop {
                match incoming.next().await? {
                    Reply::Done => return Ok(()),
                    Reply::Entry {
                        path,
                        kind,
                        mode,
                        size,
                        hash,
                        target,
                    } => on_entry(Entry::Found(Found {
                        path: path.to_vec(),
                        kind,
                        mode,
                        size,
                        hash,
                        target: target.to_vec(),
                    })),
                    Reply::Unreadable { path, errno, text } => on_entry(Entry::Unreadable {
                        path: path.to_vec(),
                        errno,
                        text: String::from_utf8_lossy(text).into_owned(),
                    }),
                    other => return Err(unexpected(&other)),
                }
            }
        };
        tokio::try_join!(asking, hearing)?;
        self.end();
        Ok(())
    }
}
