//! Finds a service's containers by Compose's labels, and converts the engine's descriptions into [`Container`]s.

use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum};
use bollard::query_parameters::InspectContainerOptions;
use futures_util::StreamExt;
use serde::Deserialize;
use tokio::time::timeout;

use super::binds::{Named, device, kind};
use super::client::{Docker, refused};
use super::transport::{SHORT, escaped};
use super::{Container, ContainerId, EngineError, State};
use crate::compose::{Mount, MountKind, Project, TieKind};
use crate::harmless;
use crate::life::{Doing, Life};
use crate::paths::ContainerPath;

/// Compose's label for the project.
pub(super) const PROJECT: &str = "com.docker.compose.project";
/// Compose's label for the service.
pub(super) const SERVICE: &str = "com.docker.compose.service";
/// Compose's label for containers made by `compose run`.
pub(super) const ONE_OFF: &str = "com.docker.compose.oneoff";
const NUMBER: &str = "com.docker.compose.container-number";

/// More containers than an engine can run of one service: a bridge network has room for 1,023.
const MOST: usize = 4096;
/// How many containers are inspected at a time; each such group adds this much to the time limit.
const AT_ONCE: usize = 32;
const EACH: Duration = Duration::from_millis(100);

/// An entry of the engine's list. Only these fields of it are read.
#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "Id")]
    id: String,
}

impl Docker {
    pub(super) async fn find(&self, service: &str) -> Result<Vec<Container>, EngineError> {
        let mut found = self.each(service, |id| self.inspect(id)).await?;
        found.sort_unstable_by(|a, b| (a.number, &a.id).cmp(&(b.number, &b.id)));
        Ok(found)
    }

    /// A service's containers, as far as it matters to services that depend on them.
    pub async fn lives(&self, service: &str) -> Result<Vec<Life>, EngineError> {
        let look = |id: ContainerId| async move {
            let seen = self.details(&id).await?;
            Ok(life(id, seen))
        };
        let mut lives = self.each(service, look).await?;
        lives.sort_unstable_by(|a, b| (a.number, &a.id).cmp(&(b.number, &b.id)));
        Ok(lives)
    }

    /// Inspects all containers of a service, one-offs left out.
    async fn each<T, L: Future<Output = Result<T, EngineError>>>(
        &self,
        service: &str,
        look: impl Fn(ContainerId) -> L,
    ) -> Result<Vec<T>, EngineError> {
        let labels = vec![
            format!("{PROJECT}={}", self.inner.project),
            format!("{SERVICE}={service}"),
            format!("{ONE_OFF}=False"),
        ];
        let filters = serde_json::json!({ "label": labels }).to_string();
        let target = format!(
            "/containers/json?all=true&filters={}",
            escaped(filters.as_bytes())
        );
        let nobody = ContainerId(String::new());
        let listed: Vec<Listed> = self.ask_json(&target, &nobody).await?;
        if listed.len() > MOST {
            return Err(EngineError::Unreachable(format!(
                "the Docker engine tells of more than {MOST} containers of `{service}`"
            )));
        }
        let patience = SHORT + EACH * u32::try_from(listed.len()).unwrap_or(u32::MAX);
        let looks = listed
            .into_iter()
            .map(|listed| look(ContainerId(listed.id)));
        let mut looks = futures_util::stream::iter(looks).buffer_unordered(AT_ONCE);
        let mut found = Vec::new();
        let all = async {
            while let Some(look) = looks.next().await {
                match look {
                    Ok(seen) => found.push(seen),
                    // It was removed since it was listed, or is being removed, which the engine reports in many ways.
                    Err(EngineError::Gone(_) | EngineError::Refused(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        };
        timeout(patience, all).await.unwrap_or_else(|_| {
            let within = patience.as_secs();
            Err(EngineError::Unreachable(format!(
                "the Docker engine did not describe the containers of `{service}` within {within} s"
            )))
        })?;
        Ok(found)
    }

    /// One container as it is now.
    pub async fn inspect(&self, id: ContainerId) -> Result<Container, EngineError> {
        let seen = self.details(&id).await?;
        let mut container = describe(id, seen, &self.inner.project);
        self.tell_whose(&mut container).await?;
        Ok(container)
    }

    async fn details(&self, id: &ContainerId) -> Result<ContainerInspectResponse, EngineError> {
        self.inner
            .api
            .inspect_container(&id.0, None::<InspectContainerOptions>)
            .await
            .map_err(|error| refused(error, id))
    }

    /// Remembers the compose files' mounts, whose sources are paths of this machine.
    pub fn know_mounts(&self, project: &Project) {
        *self
            .inner
            .named
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Named::of(project);
    }

    /// Replaces the engine's sources of the mounts by this machine's paths where they are known.
    async fn tell_whose(&self, container: &mut Container) -> Result<(), EngineError> {
        for mount in &mut container.mounts {
            let source = match &mount.kind {
                MountKind::Unseen(source) => Some(source.clone()),
                MountKind::Volume(name) => self.directory_of(name, &container.id).await?,
                _ => None,
            };
            let Some(source) = source else {
                continue;
            };
            let named = &self.inner.named;
            let named = named.lock().unwrap_or_else(PoisonError::into_inner);
            let path = named.source(&container.service, &mount.target);
            let kind = kind(&source, path, self.inner.machine, Named::is_here);
            match (&mount.kind, kind) {
                // On another machine it is treated as a volume, whatever it is made of.
                (MountKind::Volume(_), MountKind::Far(_)) => {}
                (_, kind) => mount.kind = kind,
            }
        }
        Ok(())
    }

    /// The directory that a volume is made of; `None` when it is a plain volume.
    async fn directory_of(
        &self,
        volume: &str,
        about: &ContainerId,
    ) -> Result<Option<String>, EngineError> {
        // An anonymous volume never is.
        if volume.len() == 64 && volume.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        match self.inner.api.inspect_volume(volume).await {
            Ok(volume) => {
                let options = volume.options.into_iter().collect();
                Ok(device(&options).map(str::to_owned))
            }
            Err(error) => match refused(error, about) {
                // It was removed with its container by now, or is no volume at all, such as the source of an image mount.
                EngineError::Gone(_) | EngineError::Refused(_) => Ok(None),
                error => Err(error),
            },
        }
    }
}

/// A container's name without the project: `web-1` for `shop-web-1`.
pub(super) fn short_name<'a>(name: &'a str, project: &str) -> &'a str {
    name.strip_prefix(project)
        .and_then(|rest| rest.strip_prefix(['-', '_']))
        .filter(|rest| !rest.is_empty())
        .unwrap_or(name)
}

fn life(id: ContainerId, seen: ContainerInspectResponse) -> Life {
    let state = seen.state.unwrap_or_default();
    let host = seen.host_config.unwrap_or_default();
    let labels = seen.config.and_then(|config| config.labels);
    let number = labels.as_ref().and_then(|labels| labels.get(NUMBER));
    let joined = |mode: &Option<String>| {
        let id = mode.as_deref()?.strip_prefix("container:")?;
        Some(id.to_owned())
    };
    let mut joins = Vec::new();
    for (kind, mode) in [
        (TieKind::Network, &host.network_mode),
        (TieKind::Ipc, &host.ipc_mode),
        (TieKind::Pid, &host.pid_mode),
    ] {
        joins.extend(joined(mode).map(|id| (kind, id)));
    }
    let volumes = host.volumes_from.unwrap_or_default();
    joins.extend(volumes.iter().map(|from| {
        let id = from.split(':').next().unwrap_or(from);
        (TieKind::Volumes, id.to_owned())
    }));
    Life {
        id: id.0,
        number: number.and_then(|number| number.parse().ok()).unwrap_or(0),
        doing: match state.status {
            Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING) => {
                Doing::Runs
            }
            Some(ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::RESTARTING) => {
                Doing::Ended
            }
            _ => Doing::Rests,
        },
        // For a container that was never started the engine reports the year 1.
        began: state
            .started_at
            .and_then(|began| humantime::parse_rfc3339(&began).ok())
            .filter(|began| *began > SystemTime::UNIX_EPOCH),
        by_policy: seen.restart_count.is_some_and(|count| count > 0),
        joins,
    }
}

fn describe(id: ContainerId, seen: ContainerInspectResponse, project: &str) -> Container {
    let config = seen.config.unwrap_or_default();
    let host = seen.host_config.unwrap_or_default();
    let state = seen.state.unwrap_or_default();
    let labels = config.labels.unwrap_or_default();
    let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
    let name = seen.name.unwrap_or_default();
    let name = name.trim_start_matches('/');
    let mut mounts: Vec<Mount> = seen
        .mounts
        .unwrap_or_default()
        .into_iter()
        .filter_map(|mount| {
            let source = mount.source.unwrap_or_default();
            let kind = match mount.typ.as_deref() {
                // Whose files they are is found out later.
                Some("bind") => MountKind::Unseen(source),
                Some("tmpfs") => MountKind::Tmpfs,
                _ => MountKind::Volume(mount.name.unwrap_or(source)),
            };
            Some(Mount {
                kind,
                target: ContainerPath::new(mount.destination?)?,
                read_only: mount.rw == Some(false),
            })
        })
        .collect();
    // A service's `tmpfs:` is not listed among the engine's mounts.
    for (target, options) in host.tmpfs.unwrap_or_default() {
        if let Some(target) = ContainerPath::new(&target) {
            mounts.push(Mount {
                kind: MountKind::Tmpfs,
                target,
                read_only: options.split(',').any(|option| option == "ro"),
            });
        }
    }
    let bindings = seen
        .network_settings
        .unwrap_or_default()
        .ports
        .unwrap_or_default();
    let published = bindings
        .into_iter()
        .filter(|(port, _)| port.ends_with("/tcp"))
        .filter_map(|(_, hosts)| hosts)
        .flatten();
    let mut addresses: Vec<String> = published
        .filter_map(|binding| {
            let host = match binding.host_ip.as_deref() {
                None | Some("" | "0.0.0.0" | "::") => "localhost".to_owned(),
                Some(address) if address.contains(':') => format!("[{address}]"),
                Some(address) => address.to_owned(),
            };
            Some(format!("{host}:{}", binding.host_port?))
        })
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    mounts.sort_unstable_by(|a, b| a.target.cmp(&b.target));
    Container {
        name: harmless::value(short_name(name, project)).into_owned(),
        service: label(SERVICE),
        number: label(NUMBER).parse().unwrap_or(0),
        image_id: seen.image.unwrap_or_default(),
        state: match state.status {
            Some(ContainerStateStatusEnum::CREATED) => State::Created,
            Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING) => {
                State::Running
            }
            Some(ContainerStateStatusEnum::PAUSED) => State::Paused,
            Some(ContainerStateStatusEnum::RESTARTING) => State::Restarting,
            Some(ContainerStateStatusEnum::EXITED) => State::Exited {
                code: state.exit_code.unwrap_or(0),
            },
            _ => State::Gone,
        },
        started: state.started_at.unwrap_or_default(),
        mounts,
        read_only: host.readonly_rootfs == Some(true),
        tty: config.tty == Some(true),
        stop_signal: config
            .stop_signal
            .filter(|signal| !signal.is_empty())
            .unwrap_or_else(|| "SIGTERM".to_owned()),
        init: host.init == Some(true),
        user: config.user.unwrap_or_default(),
        group_add: host.group_add.unwrap_or_default(),
        workdir: config.working_dir.unwrap_or_default(),
        addresses,
        id,
    }
}
