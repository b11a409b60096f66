//! What stands below a path in a container, through its archive: hashed while it streams, held never. Compares nothing.
//!
//! The engine's archive shows volumes and bind mounts as the container sees them, and what lies under a tmpfs instead of the tmpfs.

use std::collections::BTreeMap;

use tar::EntryType;
use xxhash_rust::xxh3::Xxh3;

use super::archive::read::{Member, Reader};
use super::archive::survey::member_path;
use super::client::Docker;
use super::transport::{MIB, size};
use super::{ContainerId, EngineError, Fingerprint};
use crate::paths::ContainerPath;

type Found = BTreeMap<ContainerPath, Fingerprint>;

/// What is kept of all roots of a container: files of a large repository with all its packages, and their names.
const MOST_ENTRIES: usize = 2_000_000;
const MOST_NAMES: usize = 256 * 1024 * 1024;

/// What is read of one root. At a disk's speed that takes minutes; whoever has more below a synced folder is better told.
const MOST_BYTES: u64 = 256 * 1024 * MIB;

impl Docker {
    pub(super) async fn fingerprints_through_archive(
        &self,
        id: &ContainerId,
        roots: &[ContainerPath],
    ) -> Result<Found, EngineError> {
        let mut found = Found::new();
        let mut left = Left {
            entries: MOST_ENTRIES,
            names: MOST_NAMES,
        };
        for root in roots {
            let Some(archive) = self.archive_of(id, root, "").await? else {
                continue;
            };
            read(archive, root, &mut found, &mut left).await?;
            // A target that is a link is written through, so what is below it is read through (E6). It is a link all the same.
            if let Some(link @ Fingerprint::Link { .. }) = found.get(root).cloned()
                && let Some(archive) = self.archive_of(id, root, "/.").await?
            {
                read(archive, root, &mut found, &mut left).await?;
                found.insert(root.clone(), link);
            }
        }
        Ok(found)
    }
}

/// How much more may be found.
struct Left {
    entries: usize,
    names: usize,
}

impl Left {
    /// Counts a member before its content is read; `taken` was read of its root so far.
    fn take(
        &mut self,
        root: &ContainerPath,
        member: &Member,
        taken: u64,
    ) -> Result<(), EngineError> {
        let too_much = |what: &str| {
            Err(EngineError::Refused(format!(
                "`{root}` in the container holds more than {what}"
            )))
        };
        let names = member.name.len() + member.link.len();
        match (
            self.entries.checked_sub(1),
            self.names.checked_sub(names),
            taken.saturating_add(member.size),
        ) {
            (None, ..) => too_much(&format!("{MOST_ENTRIES} entries")),
            (_, None, _) => too_much(&format!("{} of names", size(MOST_NAMES as u64))),
            (.., bytes) if bytes > MOST_BYTES => too_much(&size(MOST_BYTES)),
            (Some(entries), Some(names), _) => {
                (self.entries, self.names) = (entries, names);
                Ok(())
            }
        }
    }
}

async fn read(
    mut archive: Reader<hyper::body::Incoming>,
    root: &ContainerPath,
    found: &mut Found,
    left: &mut Left,
) -> Result<(), EngineError> {
    // Names of one inode come once with content, then as links to that name.
    let mut hard_links = Vec::new();
    while let Some(member) = archive.next().await? {
        left.take(root, &member, archive.taken)?;
        let Some(path) = member_path(root, &member.name) else {
            continue;
        };
        let mode = member.mode;
        let print = match member.kind {
            EntryType::Regular | EntryType::Continuous => {
                let mut hasher = Xxh3::new();
                while let Some(bytes) = archive.content().await? {
                    hasher.update(&bytes);
                }
                let hash = hasher.digest128();
                Fingerprint::File { mode, hash }
            }
            EntryType::Directory => Fingerprint::Directory { mode },
            EntryType::Symlink => Fingerprint::Link {
                target: member.link,
            },
            EntryType::Link => {
                hard_links.extend(member_path(root, &member.link).map(|first| (path, first)));
                continue;
            }
            _ => Fingerprint::Other,
        };
        found.insert(path, print);
    }
    for (path, first) in hard_links {
        let print = found.get(&first).cloned().unwrap_or(Fingerprint::Other);
        found.insert(path, print);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(size: u64) -> Member {
        Member {
            name: b"name".to_vec(),
            kind: EntryType::Regular,
            mode: 0o644,
            uid: 0,
            gid: 0,
            size,
            link: Vec::new(),
        }
    }

    #[test]
    fn what_is_found_has_limits_of_number_names_and_bytes() {
        let root = ContainerPath::new("/app").unwrap();
        let (entries, names) = (2, 11);
        let mut left = Left { entries, names };
        let mut why = |taken, size| {
            let outcome = left.take(&root, &member(size), taken);
            outcome.err().map(|error| error.to_string())
        };
        let told = |what| Some(format!("`/app` in the container holds more than {what}"));
        assert_eq!(why(1, MOST_BYTES - 1), None);
        assert_eq!(why(1, MOST_BYTES), told("256 GiB"));
        assert_eq!(why(0, u64::MAX), told("256 GiB"));
        assert_eq!(why(0, 0), None);
        assert_eq!(why(0, 0), told("2000000 entries"));
        let (entries, names) = (2, 3);
        let outcome = Left { entries, names }.take(&root, &member(0), 0);
        assert!(outcome.is_err_and(|error| error.to_string().ends_with("256 MiB of names")));
    }
}
