//! Encodes a batch as frames, with the files' content as it is on disk now. Reads files, blocking; sends nothing.

use super::batch::Delivery;
use super::error::Error;
use super::link::Clock;
use crate::paths::ContainerPath;
use crate::protocol::{CHUNK, COMPARE, IN_PLACE, Request, Time};
use crate::source::Source;
use crate::transfer::{Body, Delta, Outgoing, There};
use std::io::Read as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How many bytes are read and encoded before they are written.
pub(super) const PIECE: usize = 256 * 1024;

/// Turns a batch into frames, piece by piece.
pub(super) struct Encoder {
    remove: std::vec::IntoIter<ContainerPath>,
    put: std::vec::IntoIter<Outgoing>,
    how: Delivery,
    open: Option<Open>,
    chunk: Vec<u8>,
    begun: bool,
    clock: Clock,
    /// The helper gives the batch up when it has heard nothing for this long.
    silence: Duration,
}

/// A file whose content is being sent.
struct Open {
    path: PathBuf,
    file: Box<dyn std::io::Read + Send>,
    /// Bytes of the announced length that are still to be sent.
    remaining: u64,
    /// Its path, and its metadata when it was opened.
    opened: Option<(Source, std::fs::Metadata)>,
}

impl Open {
    /// It was saved again meanwhile, so what was sent of it is useless.
    fn has_changed(&self) -> bool {
        let opened = self.opened.as_ref();
        opened.is_some_and(|(from, opened)| from.has_changed(opened))
    }
}

impl Encoder {
    pub(super) fn new(delta: &Delta, how: &Delivery, clock: Clock, silence: Duration) -> Self {
        let Delta {
            mut remove,
            mut put,
            remove_dirs,
        } = delta.clone();
        remove.extend(remove_dirs);
        // Sorted, because the helper stores each directory's path once.
        remove.sort_unstable();
        // A directory comes before what is in it.
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

    /// Appends frames to `out` until a piece is full or the batch is complete. Returns whether there is more.
    pub(super) fn fill(&mut self, out: &mut Vec<u8>) -> Result<bool, Error> {
        if !std::mem::replace(&mut self.begun, true) {
            let hold = self.how.hold;
            Request::Begin { hold }.encode(out)?;
        }
        // Checked once for each piece of a large file.
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

    /// Announces a file, whose content is sent next; an empty one has none.
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

/// The sort key: its directory, then its name.
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
