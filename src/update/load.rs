//! Reads what is to be copied, once for all containers, and knows it by content.

use std::fs::File;
use std::io::{self, Read as _};

use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

use crate::paths::HostPath;
use crate::plan::Copy;
use crate::service::update::{Loaded, Unread};
use crate::source::Source;
use crate::transfer::{Body, Fingerprint};
use crate::watch::{Entry, Kind};

/// Files up to this size are held in memory while they travel, in bytes.
const SMALL: u64 = 1 << 20;
/// All files of one batch together hold at most this much memory, in bytes; the rest is streamed from the disk.
const HELD_AT_MOST: u64 = 64 << 20;

/// Reads all copies of a batch.
pub fn load(copies: &[Copy]) -> (Loaded, Vec<(HostPath, Unread)>) {
    let mut loaded = Loaded::default();
    let mut unread = Vec::new();
    let mut held = 0;
    for copy in copies {
        // One file for several places is read once.
        if loaded.has(&copy.from) {
            continue;
        }
        let source = Source::below(copy.from.clone(), copy.depth);
        match read(&source, &copy.entry, HELD_AT_MOST - held) {
            Ok((body, fingerprint)) => {
                if let Body::Bytes(bytes) = &body {
                    held += bytes.len() as u64;
                }
                loaded.insert(copy.from.clone(), body, fingerprint);
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                unread.push((copy.from.clone(), Unread::Refused(error.to_string())));
            }
            Err(_) => unread.push((copy.from.clone(), Unread::Changed)),
        }
    }
    (loaded, unread)
}

/// What `entry` would be in a container.
pub fn fingerprint(source: &Source, entry: &Entry) -> io::Result<Fingerprint> {
    read(source, entry, 0).map(|(_, fingerprint)| fingerprint)
}

fn read(source: &Source, entry: &Entry, may_hold: u64) -> io::Result<(Body, Fingerprint)> {
    let mode = entry.mode;
    match &entry.kind {
        Kind::File { .. } => read_file(source, mode, may_hold),
        Kind::Directory => Ok((
            Body::Directory { set_mode: false },
            Fingerprint::Directory { mode },
        )),
        Kind::Link { target } => {
            let target = target.as_os_str().as_encoded_bytes().to_vec();
            Ok((Body::Link(target.clone()), Fingerprint::Link { target }))
        }
        Kind::Special | Kind::Unreadable { .. } => Err(io::ErrorKind::Unsupported.into()),
    }
}

fn read_file(source: &Source, mode: u32, may_hold: u64) -> io::Result<(Body, Fingerprint)> {
    let (mut file, meta) = source.open()?;
    if meta.len() <= SMALL.min(may_hold) {
        // A file that grows meanwhile is taken as far as it goes; its event brings the rest.
        let mut content = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or_default());
        file.take(2 * SMALL).read_to_end(&mut content)?;
        let hash = xxhash_rust::xxh3::xxh3_128(&content);
        return Ok((
            Body::Bytes(Bytes::from(content)),
            Fingerprint::File { mode, hash },
        ));
    }
    let (len, hash) = hash(&mut file)?;
    Ok((
        Body::File {
            from: source.clone(),
            len,
        },
        Fingerprint::File { mode, hash },
    ))
}

fn hash(file: &mut File) -> io::Result<(u64, u128)> {
    let mut hasher = Xxh3::new();
    let mut buffer = vec![0; 64 << 10];
    let mut len = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((len, hasher.digest128())),
            Ok(read) => {
                len += read as u64;
                hasher.update(&buffer[..read]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::block::Step;
    use crate::paths::ContainerPath;

    fn copy(path: &HostPath, kind: Kind) -> Copy {
        Copy {
            from: path.clone(),
            depth: 1,
            to: ContainerPath::new("/x").unwrap(),
            entry: Entry::of(kind),
            step: Step::new(1),
            in_place: false,
        }
    }

    #[test]
    fn small_files_travel_in_memory_and_large_ones_from_the_disk_with_the_same_hash() {
        let dir = tempfile::tempdir().unwrap();
        let path = HostPath::new(dir.path().join("f")).unwrap();
        let content = vec![7_u8; 300_000];
        std::fs::write(&path, &content).unwrap();
        let entry = copy(&path, Kind::File { len: 0 }).entry;
        let source = Source::from(path.clone());
        let (body, held) = read(&source, &entry, HELD_AT_MOST).unwrap();
        assert_eq!(body, Body::Bytes(content.into()));
        let (body, streamed) = read(&source, &entry, 0).unwrap();
        assert_eq!(
            body,
            Body::File {
                from: source,
                len: 300_000
            }
        );
        assert_eq!(held, streamed);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_put_in_the_place_of_a_file_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = HostPath::new(dir.path().join("f")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        let (_, unread) = load(&[copy(&path, Kind::File { len: 1 })]);
        assert_eq!(unread, [(path, Unread::Changed)]);
    }

    #[test]
    fn a_file_that_is_gone_again_is_told_and_the_others_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let there = HostPath::new(dir.path().join("there")).unwrap();
        let gone = HostPath::new(dir.path().join("gone")).unwrap();
        std::fs::write(&there, "x").unwrap();
        let kind = Kind::File { len: 1 };
        let (loaded, unread) = load(&[copy(&gone, kind.clone()), copy(&there, kind)]);
        assert!(loaded.get(&there).is_some());
        assert_eq!(unread, [(gone, Unread::Changed)]);
    }
}
