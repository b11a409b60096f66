//! What is at paths of a container, found through its archive: content is hashed as it streams and never stored. Compares nothing.
//!
//! The engine's archive shows volumes and bind mounts as the container sees them, but not a tmpfs: it shows what the tmpfs covers.

use std::collections::BTreeSet;
use std::time::Duration;

use tar::EntryType;
use xxhash_rust::xxh3::Xxh3;

use super::read::{Member, Reader};
use super::survey::member_path;
use crate::engine::Fingerprints;
use crate::engine::client::Docker;
use crate::engine::{ContainerId, EngineError, Fingerprint, Sought, Wanted};
use crate::paths::ContainerPath;

/// Up to this many paths are asked for one by one.
const FEW: usize = 16;
/// An archive also contains what only the container has. This many bytes of that are skipped, plus a multiple of what was asked for;
/// beyond that, the remaining paths are asked for one by one.
const PASSED_OVER: u64 = 256 * 1024 * 1024;
/// Starting a helper takes as long as reading this many bytes ..
const LITTLE: u64 = 8 * 1024 * 1024;
/// .. in this many files.
const HANDFUL: usize = 300;
/// The time limit of one comparison, not counting its bytes.
const PATIENCE: Duration = Duration::from_secs(60);
/// The bytes per second of a slow engine, for the time limit.
const SLOWEST: u64 = 1024 * 1024;

impl Docker {
    pub(super) async fn fingerprints_through_archive(
        &self,
        id: &ContainerId,
        wanted: &Wanted,
        roots: &[ContainerPath],
    ) -> Result<Fingerprints, EngineError> {
        let budget = bytes(wanted).saturating_mul(4).saturating_add(PASSED_OVER);
        let limit = PATIENCE + Duration::from_secs(budget / SLOWEST);
        let search = async {
            let search = self.search(id, wanted, roots, budget).await?;
            self.finish(id, search).await
        };
        tokio::time::timeout(limit, search)
            .await
            .unwrap_or_else(|_| {
                Err(EngineError::Refused(format!(
                    "what is in the container could not be compared within {}",
                    humantime::format_duration(limit)
                )))
            })
    }

    /// Like `fingerprints_through_archive`, if that takes no longer than starting a helper would; otherwise `None`.
    pub(in crate::engine::ways) async fn fingerprints_of_little(
        &self,
        id: &ContainerId,
        wanted: &Wanted,
        roots: &[ContainerPath],
    ) -> Result<Option<Fingerprints>, EngineError> {
        if wanted.len() > HANDFUL || bytes(wanted) > LITTLE {
            return Ok(None);
        }
        let search = self.search(id, wanted, roots, LITTLE).await?;
        if search.one_by_one.len() > FEW {
            return Ok(None);
        }
        self.finish(id, search).await.map(Some)
    }

    /// Reads the archives of the roots; what they do not show within the budget remains to be asked for one by one.
    async fn search<'a>(
        &self,
        id: &ContainerId,
        wanted: &'a Wanted,
        roots: &[ContainerPath],
        budget: u64,
    ) -> Result<Search<'a>, EngineError> {
        let mut search = Search {
            wanted,
            above: BTreeSet::new(),
            links: BTreeSet::new(),
            found: Fingerprints::new(),
            one_by_one: Vec::new(),
            budget,
        };
        if wanted.len() <= FEW {
            search.one_by_one.extend(wanted.keys().cloned());
        } else {
            search.note_what_is_above();
            for root in roots {
                self.tree(id, root, &mut search).await?;
            }
        }
        Ok(search)
    }

    async fn finish(
        &self,
        id: &ContainerId,
        mut search: Search<'_>,
    ) -> Result<Fingerprints, EngineError> {
        for path in std::mem::take(&mut search.one_by_one) {
            if let Some(mut archive) = self.archive_of(id, &path, "").await?
                && let Some(member) = archive.next().await?
            {
                search.see(path.clone(), &member, &mut archive).await?;
                self.follow(id, &path, &mut search).await?;
            }
        }
        let wanted = search.wanted;
        search.found.retain(|path, _| wanted.contains_key(path));
        Ok(search.found)
    }

    async fn tree(
        &self,
        id: &ContainerId,
        root: &ContainerPath,
        search: &mut Search<'_>,
    ) -> Result<(), EngineError> {
        let Some(archive) = self.archive_of(id, root, "").await? else {
            return Ok(());
        };
        search.read(archive, root).await?;
        // An archive shows a link as a link. Since we write through links, what is below one is read through it too (E6).
        let mut followed = BTreeSet::new();
        while let Some(link) = search.link_on_the_way(root, &followed) {
            if let Some(archive) = self.archive_of(id, &link, "/.").await? {
                let itself = search.found.get(&link).cloned();
                search.read(archive, &link).await?;
                search.keep_unless_directory(&link, itself);
            }
            followed.insert(link);
        }
        Ok(())
    }

    /// A link to a directory counts as that directory where a directory is wanted.
    async fn follow(
        &self,
        id: &ContainerId,
        path: &ContainerPath,
        search: &mut Search<'_>,
    ) -> Result<(), EngineError> {
        if !search.is_link_on_the_way(path) {
            return Ok(());
        }
        if let Some(mut archive) = self.archive_of(id, path, "/.").await?
            && let Some(Member {
                kind: EntryType::Directory,
                mode,
                ..
            }) = archive.next().await?
        {
            search
                .found
                .insert(path.clone(), Fingerprint::Directory { mode });
        }
        Ok(())
    }
}

/// How many bytes the wanted files have together.
fn bytes(wanted: &Wanted) -> u64 {
    let lengths = wanted.values().map(|sought| match sought {
        Sought::File { most } => *most,
        Sought::Anything | Sought::Directory => 0,
    });
    lengths.fold(0, u64::saturating_add)
}

/// What was asked for, and what is known so far.
struct Search<'a> {
    wanted: &'a Wanted,
    /// All directories above the wanted paths.
    above: BTreeSet<ContainerPath>,
    /// Those of them that are links, and are not wanted themselves.
    links: BTreeSet<ContainerPath>,
    found: Fingerprints,
    /// The paths that have to be asked for one by one.
    one_by_one: Vec<ContainerPath>,
    /// How many bytes may still be skipped.
    budget: u64,
}

impl Search<'_> {
    fn note_what_is_above(&mut self) {
        for path in self.wanted.keys() {
            let mut directory = path.parent();
            while let Some(above) = directory {
                directory = above.parent();
                if !self.above.insert(above) {
                    break;
                }
            }
        }
    }

    /// Whether a link is where the host has a directory, or where something below is wanted: it may lead to one.
    fn is_link_on_the_way(&self, path: &ContainerPath) -> bool {
        let sought = self.wanted.get(path) == Some(&Sought::Directory) || self.above.contains(path);
        sought && matches!(self.found.get(path), Some(Fingerprint::Link { .. }))
    }

    /// The next such link at or below `root` that was not `followed` yet.
    fn link_on_the_way(
        &self,
        root: &ContainerPath,
        followed: &BTreeSet<ContainerPath>,
    ) -> Option<ContainerPath> {
        let links = self.found.iter();
        let links = links.filter(|(_, print)| matches!(print, Fingerprint::Link { .. }));
        let links = links.map(|(path, _)| path);
        let asked_for = links.filter(|path| *path == root || self.is_link_on_the_way(path));
        let is_next = |path: &&ContainerPath| path.is_within(root) && !followed.contains(*path);
        asked_for.chain(&self.links).find(is_next).cloned()
    }

    /// What is behind a link does not replace the link itself, unless a directory is wanted and it is one.
    fn keep_unless_directory(&mut self, path: &ContainerPath, itself: Option<Fingerprint>) {
        let sought = self.wanted.get(path) == Some(&Sought::Directory);
        let there = matches!(self.found.get(path), Some(Fingerprint::Directory { .. }));
        if let Some(itself) = itself.filter(|_| !(sought && there)) {
            self.found.insert(path.clone(), itself);
        }
    }

    async fn read(
        &mut self,
        mut archive: Reader<hyper::body::Incoming>,
        root: &ContainerPath,
    ) -> Result<(), EngineError> {
        // Of a file's hard links, the first has the content; the others are links to its name.
        let mut hard_links = Vec::new();
        while let Some(member) = archive.next().await? {
            if archive.taken.saturating_add(member.size) > self.budget {
                let left = self.wanted.keys().filter(|path| {
                    path.is_within(root) && *path != root && !self.found.contains_key(*path)
                });
                self.one_by_one.extend(left.cloned());
                break;
            }
            let Some(path) = member_path(root, &member.name) else {
                continue;
            };
            if !self.wanted.contains_key(&path) && path != *root {
                if member.kind == EntryType::Symlink && self.above.contains(&path) {
                    self.links.insert(path);
                }
                continue;
            }
            if member.kind == EntryType::Link {
                hard_links.extend(member_path(root, &member.link).map(|first| (path, first)));
            } else {
                self.see(path, &member, &mut archive).await?;
            }
        }
        self.budget = self.budget.saturating_sub(archive.taken);
        for (path, first) in hard_links {
            match self.found.get(&first) {
                // It was hashed as the length wanted for the other name.
                Some(Fingerprint::File { mode, hash }) if *hash != 0 => {
                    let print = Fingerprint::File {
                        mode: *mode,
                        hash: *hash,
                    };
                    self.found.insert(path, print);
                }
                _ => self.one_by_one.push(path),
            }
        }
        Ok(())
    }

    /// Records one member of an archive; its content is read if it can be the wanted one.
    async fn see(
        &mut self,
        path: ContainerPath,
        member: &Member,
        archive: &mut Reader<hyper::body::Incoming>,
    ) -> Result<(), EngineError> {
        let mode = member.mode;
        let print = match member.kind {
            EntryType::Regular | EntryType::Continuous | EntryType::Link => {
                let sought = self.wanted.get(&path);
                let hash = if let Some(Sought::File { most }) = sought
                    && member.size <= *most
                {
                    let mut hasher = Xxh3::new();
                    while let Some(bytes) = archive.content().await? {
                        hasher.update(&bytes);
                    }
                    hasher.digest128()
                } else {
                    0
                };
                Fingerprint::File { mode, hash }
            }
            EntryType::Directory => Fingerprint::Directory { mode },
            EntryType::Symlink => Fingerprint::Link {
                target: member.link.clone(),
            },
            _ => Fingerprint::Other,
        };
        self.found.insert(path, print);
        Ok(())
    }
}
