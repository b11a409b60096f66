//! What stands below a path in a container, through its archive: hashed while it streams, held never. Compares nothing.
//!
//! The engine's archive shows volumes and bind mounts as the container sees them, and what lies under a tmpfs instead of the tmpfs.

use std::collections::BTreeMap;

use tar::EntryType;
use xxhash_rust::xxh3::Xxh3;

use super::archive::read::Reader;
use super::archive::survey::member_path;
use super::client::Docker;
use super::{ContainerId, EngineError, Fingerprint};
use crate::paths::ContainerPath;

type Found = BTreeMap<ContainerPath, Fingerprint>;

impl Docker {
    pub(super) async fn fingerprints_through_archive(
        &self,
        id: &ContainerId,
        roots: &[ContainerPath],
    ) -> Result<Found, EngineError> {
        let mut found = Found::new();
        for root in roots {
            let Some(archive) = self.archive_of(id, root, "").await? else {
                continue;
            };
            read(archive, root, &mut found).await?;
            // A target that is a link is written through, so what is below it is read through (E6). It is a link all the same.
            if let Some(link @ Fingerprint::Link { .. }) = found.get(root).cloned()
                && let Some(archive) = self.archive_of(id, root, "/.").await?
            {
                read(archive, root, &mut found).await?;
                found.insert(root.clone(), link);
            }
        }
        Ok(found)
    }
}

async fn read(
    mut archive: Reader<hyper::body::Incoming>,
    root: &ContainerPath,
    found: &mut Found,
) -> Result<(), EngineError> {
    // Names of one inode come once with content, then as links to that name.
    let mut hard_links = Vec::new();
    while let Some(member) = archive.next().await? {
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
