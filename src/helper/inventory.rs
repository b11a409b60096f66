//! Asks what a container has at given paths: kinds, modes, lengths, content hashes, link targets.

use super::error::Error;
use super::link::{Link, unexpected};
use super::patience::{Limit, Load};
use crate::paths::ContainerPath;
use crate::protocol::{Code, Kind, Reply, Request, Sought};
use crate::transfer::{Fingerprint, Wanted};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

/// The most bytes that all link targets and error texts of one inventory may have; those of the largest trees have a quarter of it.
const MOST_TEXT: usize = 16 * 1024 * 1024;

/// How many bytes of questions are sent in one write.
const PIECE: usize = 64 * 1024;

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Link<R, W> {
    /// Describes what the container has at these paths, each as its answer comes. A path that is missing or unreadable is an answer
    /// like any other. Each question has one answer: an answer that was not asked for is an error.
    pub async fn inventory(
        &mut self,
        wanted: &Wanted,
        mut on_entry: impl FnMut(&ContainerPath, Result<Fingerprint, Error>),
    ) -> Result<(), Error> {
        self.begin()?;
        let bytes = wanted.values().filter_map(|sought| match sought {
            Sought::File { most } => Some(*most),
            Sought::Anything | Sought::Directory => None,
        });
        let limit = self.patience.with(Load {
            entries: wanted.len(),
            bytes: bytes.fold(0, u64::saturating_add),
        });
        let mut questions = wanted.keys();
        let mut room = MOST_TEXT;
        // The answers come in the order of the questions. One that was not asked for, or is longer than possible, is an error.
        let mut answered = move |path: &[u8], text: &[u8]| {
            room = room.checked_sub(text.len()).ok_or(Error::Malformed)?;
            let asked = questions.next().filter(|asked| asked.as_bytes() == path);
            asked.ok_or(Error::Malformed)
        };
        // Questions are sent while answers are read, so that neither side waits for the other to read.
        let (writer, incoming) = (&mut self.writer, &mut self.incoming);
        let asking = ask(writer, wanted, &limit);
        let hearing = async {
            loop {
                match incoming.next(&limit).await? {
                    Reply::Done => return Ok(()),
                    Reply::Entry {
                        path,
                        kind,
                        mode,
                        hash,
                        target,
                    } => {
                        let found = fingerprint(kind, mode & 0o7777, hash, target);
                        on_entry(answered(path, target)?, Ok(found));
                    }
                    Reply::Unreadable { path, errno, text } => {
                        let why = Error::Refused {
                            code: Code::System,
                            errno,
                            partly: false,
                            path: path.to_vec(),
                            text: String::from_utf8_lossy(text).into_owned(),
                        };
                        on_entry(answered(path, text)?, Err(why));
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

/// Sends one question for each wanted path, and then the end of the questions.
async fn ask<W: AsyncWrite + Unpin>(
    writer: &mut W,
    wanted: &Wanted,
    limit: &Limit,
) -> Result<(), Error> {
    let mut piece = Vec::new();
    for (path, sought) in wanted {
        Request::Describe {
            path: path.as_bytes(),
            sought: *sought,
        }
        .encode(&mut piece)?;
        if piece.len() >= PIECE {
            // The helper reads this only when it gets to it, which may be after it has hashed a large file.
            limit.wait_to_the_end(writer.write_all(&piece)).await??;
            piece.clear();
        }
    }
    Request::End.encode(&mut piece)?;
    limit.wait_to_the_end(writer.write_all(&piece)).await??;
    limit.wait_to_the_end(writer.flush()).await??;
    Ok(())
}

fn fingerprint(kind: Kind, mode: u32, hash: u128, target: &[u8]) -> Fingerprint {
    match kind {
        Kind::File => Fingerprint::File { mode, hash },
        Kind::Directory => Fingerprint::Directory { mode },
        Kind::Symlink => Fingerprint::Link {
            target: target.to_vec(),
        },
        Kind::Other => Fingerprint::Other,
    }
}
