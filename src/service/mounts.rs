//! What a container's mounts carry in place of its own files (E6).

use std::fs;

use crate::compose::{Mount, MountKind};
use crate::paths::{ContainerPath, HostPath};
use crate::plan::Copy;

/// What of the host a bind mount carries at a path of the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound<'a> {
    /// Nothing: no mount, one of another kind, or a directory of another machine, where the engine runs.
    Nothing,
    /// The very file that a sync would bring there, as far as is known.
    TheFile,
    /// Another one, through this mount.
    Another(&'a Mount),
}

/// What stands at `to`, where a sync would bring `host`.
pub fn bound<'a>(mounts: &'a [Mount], host: &HostPath, to: &ContainerPath) -> Bound<'a> {
    let Some(mount) = Mount::over(mounts, to) else {
        return Bound::Nothing;
    };
    let source = match &mount.kind {
        MountKind::Bind(source) => source,
        // Of what stands where a sync goes, the synced file is the likeliest; and should it be another, it is not ours to write.
        MountKind::Unseen(_) => return Bound::TheFile,
        MountKind::Far(_) | MountKind::Volume(_) | MountKind::Tmpfs => return Bound::Nothing,
    };
    let Some(rest) = below(to, &mount.target) else {
        return Bound::Nothing;
    };
    let there = if rest.is_empty() {
        source.clone()
    } else {
        source.join(rest)
    };
    if there == *host || resolved(&there) == resolved(host) {
        Bound::TheFile
    } else {
        Bound::Another(mount)
    }
}

/// Whether one of these mounts hides with something else what a sync would bring to `to`.
pub fn is_hidden(mounts: &[Mount], host: &HostPath, to: &ContainerPath) -> bool {
    matches!(bound(mounts, host, to), Bound::Another(_))
}

/// Whether a container with these mounts sees the copied file itself.
pub fn is_live(mounts: &[Mount], copy: &Copy) -> bool {
    bound(mounts, &copy.from, &copy.to) == Bound::TheFile
}

/// The part of `path` below `root`, as host paths are joined.
pub fn below(path: &ContainerPath, root: &ContainerPath) -> Option<String> {
    let rest = path.as_bytes().strip_prefix(root.as_bytes())?;
    let rest = rest.strip_prefix(b"/").unwrap_or(rest);
    String::from_utf8(rest.to_vec()).ok()
}

/// The path without links in the directories above it, as far as those are there.
fn resolved(path: &HostPath) -> HostPath {
    let Some((parent, name)) = path.parent().zip(path.as_path().file_name()) else {
        return path.clone();
    };
    let real = fs::canonicalize(&parent).ok().and_then(HostPath::new);
    real.unwrap_or_else(|| resolved(&parent)).join(name)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn at(path: &str) -> ContainerPath {
        ContainerPath::new(path).unwrap()
    }

    #[test]
    fn what_a_bind_mount_carries_is_told_from_what_it_hides() {
        let folder = tempfile::tempdir().unwrap();
        let host = |path: &str| HostPath::new(folder.path()).unwrap().join(path);
        fs::create_dir_all(host("real/src")).unwrap();
        fs::create_dir(host("storage")).unwrap();
        std::os::unix::fs::symlink("real", host("link")).unwrap();
        let mount = |kind: MountKind, target: &str| Mount {
            kind,
            target: at(target),
            read_only: false,
        };
        let mounts = [
            mount(MountKind::Bind(host("real/src")), "/app"),
            mount(MountKind::Bind(host("storage")), "/app/storage"),
            mount(MountKind::Bind(host("not/made/yet")), "/new"),
            mount(MountKind::Unseen("/lima/src".into()), "/unseen"),
            mount(MountKind::Far("/srv/src".into()), "/far"),
        ];
        let carries = |path: &str, to: &str| bound(&mounts, &host(path), &at(to));
        for same in ["real/src/a/b", "link/src/a/b"] {
            assert_eq!(carries(same, "/app/a/b"), Bound::TheFile, "{same}");
        }
        assert_eq!(carries("real/src", "/app"), Bound::TheFile);
        let hidden = Bound::Another(&mounts[1]);
        assert_eq!(carries("real/src/storage/x", "/app/storage/x"), hidden);
        assert_eq!(carries("storage/x", "/app/storage/x"), Bound::TheFile);
        assert_eq!(carries("real/src/a", "/elsewhere/a"), Bound::Nothing);
        assert_eq!(carries("real/src/a", "/new/a"), Bound::Another(&mounts[2]));
        assert_eq!(carries("real/src/a", "/unseen/a"), Bound::TheFile);
        assert_eq!(carries("real/src/a", "/far/a"), Bound::Nothing);
    }
}
