//! The helper's executable on its way into a container: whether it may go there, which one, where, and how it is copied. Does not
//! start it.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::future::join_all;

use crate::compose::MountKind;
use crate::engine::client::{Docker, refused};
use crate::engine::ways::archive::survey::{Kind, Survey};
use crate::engine::{Body, Container, ContainerId, Delta, EngineError, Outgoing, There};
use crate::harmless;
use crate::helper;
use crate::paths::ContainerPath;

/// The hidden directory in a container, in the root or in a writable volume.
pub(in crate::engine) const HIDDEN: &str = ".liveupdate";

/// What forbids the helper: the variable for all services, or (`off`) the block of this one; `None` when nothing does.
pub fn helper_forbidden(off: bool) -> Option<&'static str> {
    if std::env::var_os("LIVEUPDATE_HELPER").is_some_and(|value| value == "off") {
        Some("LIVEUPDATE_HELPER=off")
    } else {
        off.then_some("the block says `helper: off`")
    }
}

impl Docker {
    /// The executable for this container and where it can be put, as far as `survey` can see; the error says why there is none.
    pub(super) async fn executable_for(
        &self,
        container: &Container,
        survey: &mut Survey<'_>,
    ) -> Result<(Bytes, ContainerPath), String> {
        let architecture = self
            .architecture_of(container)
            .await
            .map_err(|error| error.to_string())?;
        let binary = helper::binary(&architecture).ok_or_else(|| {
            format!(
                "this build has no helper for {}",
                harmless::value(&architecture)
            )
        })?;
        let home = home(container, survey).await?;
        Ok((binary, new_name(&home)))
    }

    /// Copies the helper that a container's process runs under to `place`, before the container starts.
    pub(in crate::engine) async fn put_init(
        &self,
        container: &Container,
        place: &str,
    ) -> Result<(), EngineError> {
        let architecture = self.architecture_of(container).await?;
        match (helper::binary(&architecture), ContainerPath::new(place)) {
            (Some(binary), Some(to)) => {
                let survey = &mut Survey::new(self, &container.id);
                if let Some(home) = to.parent()
                    && let Some(directory) = someone_elses(survey, &home).await?
                {
                    return Err(EngineError::Refused(format!(
                        "`{directory}` in {} can be written by others than root, so what its process runs under would be anybody's\nhint: use `restart_container`, or make that directory root's in the image",
                        container.name
                    )));
                }
                self.put_executable(container, survey, &to, binary).await
            }
            // The container was not created to run under a helper either.
            _ => Ok(()),
        }
    }

    /// The containers in which a helper's directory is left although its helper is gone: the archive cannot delete. Where a process runs
    /// under the helper, the directory stays for the next start.
    pub(in crate::engine) async fn left_behind(&self, ids: Vec<ContainerId>) -> Vec<String> {
        let Some(hidden) = ContainerPath::new(format!("/{HIDDEN}")) else {
            return Vec::new();
        };
        let looks = ids.into_iter().map(|id| {
            let hidden = &hidden;
            async move {
                let container = self.inspect(id).await.ok()?;
                let is_mounted = container.mounts.iter().any(|mount| mount.target == *hidden);
                if is_mounted || self.any_supervised(std::slice::from_ref(&container.service)) {
                    return None;
                }
                let seen = Survey::new(self, &container.id).stat(hidden).await.ok()??;
                seen.is_roots_alone().then_some(container.name)
            }
        });
        let mut names: Vec<String> = join_all(looks).await.into_iter().flatten().collect();
        names.sort_unstable();
        names
    }

    /// Whether there is something at `place`.
    pub(in crate::engine) async fn has(
        &self,
        container: &Container,
        place: &str,
    ) -> Result<bool, EngineError> {
        let Some(place) = ContainerPath::new(place) else {
            return Ok(false);
        };
        let seen = Survey::new(self, &container.id).stat(&place).await?;
        Ok(seen.is_some())
    }

    pub(super) async fn put_executable(
        &self,
        container: &Container,
        survey: &mut Survey<'_>,
        to: &ContainerPath,
        binary: Bytes,
    ) -> Result<(), EngineError> {
        if let Some(home) = to.parent()
            && let Some(seen) = survey.stat(&home).await?
            && seen.kind != Kind::Directory
        {
            // A copy would replace it, and it is not ours.
            return Err(EngineError::Refused(format!(
                "the container has a `{home}` of its own that is no directory"
            )));
        }
        let outgoing = Outgoing {
            to: to.clone(),
            mode: 0o755,
            modified: SystemTime::now(),
            body: Body::Bytes(binary),
            in_place: false,
            there: There::No,
        };
        let delta = Delta {
            put: vec![outgoing],
            ..Delta::default()
        };
        let put = self.put_where(container, survey, &delta).await?;
        match put.closed.into_iter().next() {
            None => Ok(()),
            Some((path, why)) => Err(EngineError::Refused(format!("`{path}` {why}"))),
        }
    }

    /// The architecture by the engine's name; empty when the image does not say.
    async fn architecture_of(&self, container: &Container) -> Result<String, EngineError> {
        let image = self.inner.api.inspect_image(&container.image_id).await;
        image
            .map(|image| image.architecture.unwrap_or_default())
            .map_err(|error| refused(error, &container.id))
    }
}

/// A directory for the helper that only root can write to: the hidden one in the root, or in a volume where the root is read-only.
/// Whoever could write to a directory on the way could put a program of his own there, which would then be started as root.
async fn home(container: &Container, survey: &mut Survey<'_>) -> Result<ContainerPath, String> {
    let mut why_not = "the root is read-only and no volume can be written".to_owned();
    for home in homes(container) {
        match someone_elses(survey, &home).await {
            Ok(None) => return Ok(home),
            Ok(Some(directory)) => {
                why_not = format!("`{directory}` can be written by others than root");
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Err(why_not)
}

/// Where the helper could be put, the best place first.
fn homes(container: &Container) -> Vec<ContainerPath> {
    let Some(hidden) = ContainerPath::new(format!("/{HIDDEN}")) else {
        return Vec::new();
    };
    if !container.read_only {
        return vec![hidden];
    }
    let volumes: Vec<&ContainerPath> = container
        .mounts
        .iter()
        .filter(|mount| !mount.read_only && matches!(mount.kind, MountKind::Volume(_)))
        .map(|mount| &mount.target)
        .collect();
    // A volume made for it, where this tool has started the container.
    if volumes.contains(&&hidden) {
        return vec![hidden];
    }
    let below = |volume: &ContainerPath| volume.join(std::path::Path::new(HIDDEN));
    volumes.into_iter().map(below).collect()
}

/// The first directory on the way to `home`, itself included, that a user other than root could write to.
async fn someone_elses(
    survey: &mut Survey<'_>,
    home: &ContainerPath,
) -> Result<Option<ContainerPath>, EngineError> {
    let mut way: Vec<ContainerPath> =
        std::iter::successors(Some(home.clone()), ContainerPath::parent).collect();
    way.reverse();
    for directory in way {
        match survey.stat(&directory).await? {
            // It does not exist yet, and will belong to root.
            None => break,
            Some(seen) if seen.is_roots_alone() => {}
            Some(_) => return Ok(Some(directory)),
        }
    }
    Ok(None)
}

/// A new name each time, since an executable that still runs cannot be overwritten. The part before the number is this session's
/// alone, by which a helper recognises those that were left behind.
fn new_name(home: &ContainerPath) -> ContainerPath {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static SESSION: LazyLock<u64> =
        LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("serve-{:016x}-{count}", *SESSION);
    home.join(std::path::Path::new(&name))
}
