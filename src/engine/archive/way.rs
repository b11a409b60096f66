//! Whether a path can be written through the engine without lending its rights to somebody in the container. The engine
//! follows every link as root, whoever made it; so a way is looked at beforehand, name by name.
//!
//! What the engine cannot be asked for is that nothing changes between the look and the write: that is left to the helper, which
//! keeps descriptors.

use std::collections::{BTreeSet, VecDeque};

use super::super::{Container, EngineError};
use super::survey::{Kind, Seen, Survey};
use crate::compose::{Mount, MountKind};
use crate::harmless;
use crate::paths::ContainerPath;

/// As many links as a kernel follows.
const LINKS: usize = 40;

impl Survey<'_> {
    /// Looks at all directories on the way to these paths, as they are named.
    pub async fn look_at_ways<'p>(
        &mut self,
        paths: impl Iterator<Item = &'p ContainerPath>,
    ) -> Result<(), EngineError> {
        let above = |path: &ContainerPath| {
            std::iter::successors(path.parent(), ContainerPath::parent).collect::<Vec<_>>()
        };
        let ways: BTreeSet<ContainerPath> = paths.flat_map(above).collect();
        let ways: Vec<ContainerPath> = ways.into_iter().collect();
        self.look_at_all(&ways).await
    }

    /// Why nothing is written to this path, if so.
    pub async fn closed(
        &mut self,
        container: &Container,
        path: &ContainerPath,
    ) -> Result<Option<String>, EngineError> {
        let Some(parent) = path.parent() else {
            return Ok(None);
        };
        let mut ahead: VecDeque<Vec<u8>> = names(parent.as_bytes()).collect();
        let root = || ContainerPath::new("/");
        let Some(mut at) = root() else {
            return Ok(None);
        };
        let mut links = 0;
        while let Some(name) = ahead.pop_front() {
            if name == b".." {
                at = at.parent().unwrap_or(at);
                continue;
            }
            let Some(next) = ContainerPath::new([at.as_bytes(), b"/", &name].concat()) else {
                return Ok(None);
            };
            match self.look(&next).await? {
                // What is missing is made, and nothing can be below it.
                None => return Ok(None),
                Some(seen) if seen.kind == Kind::Link => {
                    links += 1;
                    let directory = self.look(&at).await?;
                    if links > LINKS || !is_roots(&seen, directory.as_ref()) {
                        let target = self.target(&next).await?.unwrap_or_default();
                        return Ok(Some(format!(
                            "leads through the link `{next}` -> `{}`, which is not root's: the engine would follow it with root's rights",
                            harmless::value(&String::from_utf8_lossy(&target))
                        )));
                    }
                    let Some(target) = self.target(&next).await? else {
                        return Ok(None);
                    };
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
        // Where a mount carries something of the host by the path's own name, nothing is sent in the first place.
        if links > 0
            && let Some(mount) = Mount::over(&container.mounts, &at)
            && let MountKind::Bind(source) = &mount.kind
        {
            return Ok(Some(format!(
                "leads through a link to `{at}`, where `{source}` of the host is mounted"
            )));
        }
        Ok(None)
    }
}

/// Whether root alone could have put a link there.
fn is_roots(link: &Seen, directory: Option<&Seen>) -> bool {
    link.owner.uid == 0
        && directory.is_none_or(|directory| directory.owner.uid == 0 && !directory.is_shared())
}

fn names(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    path.split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
        .map(<[u8]>::to_vec)
}
