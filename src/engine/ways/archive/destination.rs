//! The directory into which an archive is extracted to write a path: the root, or a writable mount under a read-only root; and
//! which mounts cannot be written this way (traps 5 and 7). Asks nothing.

use crate::compose::{Mount, MountKind};
use crate::engine::{Container, EngineError};
use crate::harmless;
use crate::paths::ContainerPath;

/// The `path=` of a PUT; names in the archive are relative to it.
pub type Destination = ContainerPath;

/// The destination for `path`, or why there is none.
pub fn destination(
    container: &Container,
    path: &ContainerPath,
) -> Result<Destination, EngineError> {
    let root = || ContainerPath::new("/").ok_or_else(|| EngineError::Refused(String::new()));
    let name = &container.name;
    let said = |why: String| format!("cannot write `{path}` in {name}: {why}");
    // The mount will be there after a rebuild too.
    let no = |why: String| Err(EngineError::InVain(said(why)));
    let Some(mount) = Mount::over(&container.mounts, path) else {
        if container.read_only {
            return Err(EngineError::Refused(said(
                "the container's root file system is read-only\nhint: sync into a volume, or take `read_only: true` out of the service for development".to_owned(),
            )));
        }
        return root();
    };
    let target = &mount.target;
    if mount.read_only {
        return no(format!("`{target}` is mounted read-only"));
    }
    match &mount.kind {
        MountKind::Tmpfs => no(format!(
            "`{target}` is a tmpfs, which the engine's copy does not reach\nhint: only the in-container helper can write there; sync to another directory, or take the tmpfs out for development"
        )),
        // The engine replaces files by removing and creating them, which a mounted file does not allow.
        MountKind::Bind(_) | MountKind::Unseen(_) | MountKind::Far(_) if target == path => {
            no(format!(
                "it is itself mounted from `{}`\nhint: a file that is mounted needs no sync; mount its directory, or take the mount out",
                harmless::value(&mount.source())
            ))
        }
        MountKind::Bind(_) | MountKind::Unseen(_) => no(format!(
            "`{}` of the host is mounted at `{target}`, and what is the host's is not written through a mount",
            harmless::value(&mount.source())
        )),
        MountKind::Far(_) | MountKind::Volume(_) if container.read_only => Ok(target.clone()),
        MountKind::Far(_) | MountKind::Volume(_) => root(),
    }
}

/// The name that a path has in an archive for that destination.
pub fn name_below(destination: &Destination, path: &ContainerPath) -> Vec<u8> {
    let name = path
        .as_bytes()
        .strip_prefix(destination.as_bytes())
        .unwrap_or(path.as_bytes());
    name.strip_prefix(b"/").unwrap_or(name).to_vec()
}
