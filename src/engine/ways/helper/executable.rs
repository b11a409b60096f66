//! The helper's executable on its way into a container: whether it may go there, which one, where, and how it is put. Does
//! not start it.

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

/// The hidden directory in a container, below the root or below a volume that can be written.
pub(in crate::engine) const HIDDEN: &str = ".liveupdate";

/// What the user said against the helper: for all services, or (`off`) in the block of this one.
pub fn helper_forbidden(off: bool) -> Option<&'static str> {
    if std::env::var_os("LIVEUPDATE_HELPER").is_some_and(|value| value == "off") {
        Some("LIVEUPDATE_HELPER=off")
    } else {
        off.then_some("the block says `helper: off`")
    }
}

impl Docker {
    /// The executable for this container, and where it can stand there, as `survey` sees it; the error is why there is none.
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

    /// Puts the helper that a container's process runs under to `place`, before the container starts.
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
            // It was not made to run under one either.
            _ => Ok(()),
        }
    }

    /// The containers in which a helper's directory was left although its helper is gone: the archive can take nothing
    /// away. Where a process runs under the helper, it stays for the next start.
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
        names.sort();
        names
    }

    /// Whether something stands at `place`.
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

    /// By the engine's name; empty when the image does not say.
    async fn architecture_of(&self, container: &Container) -> Result<String, EngineError> {
        let image = self.inner.api.inspect_image(&container.image_id).await;
        image
            .map(|image| image.architecture.unwrap_or_default())
            .map_err(|error| refused(error, &container.id))
    }
}

/// A directory for the helper that root alone can reach into: the hidden one below the root, or below a volume where the
/// root is read-only. Whoever could write to a directory on the way could put a program of his own there, which would be
/// started as root.
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

/// Where the helper could stand, the best place first.
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
    // Made for it, where the tool itself has started the container.
    if volumes.contains(&&hidden) {
        return vec![hidden];
    }
    let below = |volume: &ContainerPath| volume.join(std::path::Path::new(HIDDEN));
    volumes.into_iter().map(below).collect()
}

/// The first directory on the way to `home`, itself included, that somebody other than root could write to.
async fn someone_elses(
    survey: &mut Survey<'_>,
    home: &ContainerPath,
) -> Result<Option<ContainerPath>, EngineError> {
    let mut way: Vec<ContainerPath> =
        std::iter::successors(Some(home.clone()), ContainerPath::parent).collect();
    way.reverse();
    for directory in way {
        match survey.stat(&directory).await? {
            // Not made yet: it will be root's.
            None => break,
            Some(seen) if seen.is_roots_alone() => {}
            Some(_) => return Ok(Some(directory)),
        }
    }
    Ok(None)
}

/// The name is new each time: what an older one left may still be running, and cannot be written over. Before the count it
/// is this session's alone: by that a helper knows those that were left behind.
fn new_name(home: &ContainerPath) -> ContainerPath {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static SESSION: LazyLock<u64> =
        LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("serve-{:016x}-{count}", *SESSION);
    home.join(std::path::Path::new(&name))
}
