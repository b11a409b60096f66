//! Whether a path can be written through the engine without lending the engine's rights to a user in the container. The engine
//! follows every link as root, whoever made it, so each way is checked beforehand, name by name.
//!
//! The engine cannot guarantee that nothing changes between the check and the write; only the helper can, which keeps descriptors.

use std::collections::{BTreeSet, VecDeque};

use super::survey::{Kind, Seen, Survey};
use crate::compose::Mount;
use crate::engine::{Container, EngineError};
use crate::harmless;
use crate::paths::ContainerPath;

/// As many links as a kernel follows.
const LINKS: usize = 40;

impl Survey<'_> {
    /// Looks at all directories on the way to these paths, as they are written.
    pub async fn stat_ways<'p>(
        &mut self,
        paths: impl Iterator<Item = &'p ContainerPath>,
    ) -> Result<(), EngineError> {
        let above = |path: &ContainerPath| {
            std::iter::successors(path.parent(), ContainerPath::parent).collect::<Vec<_>>()
        };
        let ways: BTreeSet<ContainerPath> = paths.flat_map(above).collect();
        let ways: Vec<ContainerPath> = ways.into_iter().collect();
        self.stat_all(&ways).await
    }

    /// Why this path must not be written; `None` when it may be.
    pub async fn closed(
        &mut self,
        container: &Container,
        path: &ContainerPath,
    ) -> Result<Option<String>, EngineError> {
        let Some(way) = self.way_to(path).await? else {
            return Ok(None);
        };
        let Route {
            at,
            links,
            makers,
            first,
        } = way;
        // The owner of the target could have written there anyway.
        if let Some((link, target)) = first {
            let owner = self.stat(&at).await?.map(|seen| seen.owner.uid);
            if links > LINKS || makers.len() != 1 || owner != makers.first().copied() {
                return Ok(Some(format!(
                    "leads through the link `{link}` -> `{}`, which is not root's: the engine would follow it with root's rights",
                    harmless::value(&String::from_utf8_lossy(&target))
                )));
            }
        }
        // Where a mount carries files of the host by the path's own name, nothing is sent in the first place.
        if links > 0
            && let Some(mount) = Mount::over(&container.mounts, &at)
            && mount.is_of_a_host()
        {
            return Ok(Some(format!(
                "leads through a link to `{at}`, where `{}` of the host is mounted",
                harmless::value(&mount.source())
            )));
        }
        Ok(None)
    }

    /// Follows the way to the directory that holds `path`; `None` when it has none, or changes meanwhile.
    async fn way_to(&mut self, path: &ContainerPath) -> Result<Option<Route>, EngineError> {
        let Some(parent) = path.parent() else {
            return Ok(None);
        };
        let mut ahead: VecDeque<Vec<u8>> = names(parent.as_bytes()).collect();
        let root = || ContainerPath::new("/");
        let Some(mut at) = root() else {
            return Ok(None);
        };
        let mut links = 0;
        let mut makers: BTreeSet<u64> = BTreeSet::new();
        let mut first = None;
        while let Some(name) = ahead.pop_front() {
            if name == b".." {
                at = at.parent().unwrap_or(at);
                continue;
            }
            let Some(next) = ContainerPath::new([at.as_bytes(), b"/", &name].concat()) else {
                return Ok(None);
            };
            match self.stat(&next).await? {
                // What is missing is created where the way has led so far.
                None => break,
                Some(seen) if seen.kind == Kind::Link => {
                    links += 1;
                    let directory = self.stat(&at).await?;
                    let Some(target) = self.target(&next).await? else {
                        return Ok(None);
                    };
                    let could_make_it = makers_of(&seen, directory.as_ref());
                    if !could_make_it.is_empty() || links > LINKS {
                        makers.extend(could_make_it);
                        first.get_or_insert_with(|| (next, target.clone()));
                        if links > LINKS {
                            break;
                        }
                    }
                    for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
                        ahead.push_front(name);
                    }
                    if target.starts_with(b"/")
                        && let Some(root) = root()
                    {
                        at = root;
                    }
                }
                Some(_) => at = next,
            }
        }
        Ok(Some(Route {
            at,
            links,
            makers,
            first,
        }))
    }
}

/// Where a way leads, and the links on it.
struct Route {
    at: ContainerPath,
    links: usize,
    /// The users other than root who may have made one of the links.
    makers: BTreeSet<u64>,
    /// The first link that root alone did not make, with its target.
    first: Option<(ContainerPath, Vec<u8>)>,
}

/// The users other than root who could have put a link there: its owner, and the owner of its directory. If others may change names
/// in that directory too, it could have been any user.
fn makers_of(link: &Seen, directory: Option<&Seen>) -> Vec<u64> {
    const NOBODY_KNOWS: u64 = u64::MAX;
    let directory = directory.map(|seen| (seen.owner.uid, seen.is_shared()));
    let (owner, shared) = directory.unwrap_or_default();
    let mut makers = vec![link.owner.uid, owner];
    if shared {
        makers.push(NOBODY_KNOWS);
    }
    makers.retain(|uid| *uid != 0);
    makers
}

fn names(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    path.split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
        .map(<[u8]>::to_vec)
}
