//! The words of a resolved Compose project: what the other stages need to know of it. No files, no engine.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_yaml::Value;

use crate::paths::{ContainerPath, HostPath};

use super::block::Block;
use super::edited::Handed;

/// A resolved and checked Compose project.
#[derive(Clone, Debug, PartialEq)]
pub struct Project {
    /// Compose's project name.
    pub name: String,
    /// The project directory.
    pub dir: HostPath,
    /// Every file the model was read from: compose files (included and extended ones too) and env files (E7).
    pub sources: Vec<HostPath>,
    /// The services of the active profiles, in Compose's order.
    pub services: Vec<Service>,
}

impl Project {
    /// The service of that name.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }
}

/// One service of the project.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Service {
    /// Its key under `services`.
    pub name: String,
    /// The image it runs: `image:`, or what Compose names the built one.
    pub image: String,
    /// How the image is built; `None` for a service with only `image:` (B9).
    pub build: Option<Build>,
    /// D1: the services whose images this one's is built from, directly or not, bases first.
    pub bases: Vec<String>,
    /// D2: those of them that Compose builds by itself, before this one's: `additional_contexts: {x: service:NAME}`.
    pub bases_by_context: Vec<String>,
    /// `None`: started and left alone (B2).
    pub block: Option<Block>,
    /// Mounts, as the compose file has them (E6).
    pub mounts: Vec<Mount>,
    /// `read_only: true`.
    pub read_only: bool,
    /// `stop_grace_period`; Compose's default is 10 s.
    pub stop_grace_period: Option<Duration>,
    /// `attach: false` keeps it out of the log.
    pub attach: bool,
    /// `entrypoint`, when the compose file gives one.
    pub entrypoint: Option<Vec<String>>,
    /// `command`, when the compose file gives one.
    pub command: Option<Vec<String>>,
    /// All of it, as Compose resolves it.
    pub definition: Definition,
}

/// What Compose makes a service's image and containers from. When it differs after an edit, they are made again (E7); a
/// block is no part of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Definition {
    /// Its keys, without `build`, `develop` and the extensions.
    pub container: Value,
    /// Its `build`.
    pub image: Value,
    /// What stands beside the services: networks, volumes, configs, secrets.
    pub around: Arc<Value>,
    /// The configs and secrets that Compose puts into its containers when it makes them.
    pub handed: Handed,
}

impl Definition {
    /// Whether the compose file asks for no container at all.
    pub fn asks_for_none(&self) -> bool {
        let [scale, deploy] = self.scale();
        let replicas = deploy.and_then(|deploy| deploy.get("replicas"));
        scale.or(replicas).and_then(Value::as_u64) == Some(0)
    }

    /// The number of containers that the compose file asks for, however it says so.
    pub fn scale(&self) -> [Option<&Value>; 2] {
        ["scale", "deploy"].map(|key| self.container.get(key))
    }
}

/// How Compose builds a service's image.
#[derive(Clone, Debug, PartialEq)]
pub struct Build {
    /// The build context.
    pub context: HostPath,
    /// The Dockerfile; `None` when it is inline.
    pub dockerfile: Option<HostPath>,
    /// The ignore file in force (`<Dockerfile>.dockerignore` before `.dockerignore`), existing or not.
    pub ignore_file: HostPath,
    /// Further local directories of `additional_contexts`.
    pub additional_contexts: Vec<HostPath>,
    /// Those of them that are another service's image: its name, by the context's.
    pub service_contexts: BTreeMap<String, String>,
}

impl Build {
    /// Both names an ignore file can have (C2); the first that exists is in force.
    pub fn ignore_files(&self) -> Vec<HostPath> {
        let general = self.context.join(".dockerignore");
        match &self.dockerfile {
            Some(dockerfile) => {
                let mut own = dockerfile.as_path().as_os_str().to_owned();
                own.push(".dockerignore");
                HostPath::new(own).into_iter().chain([general]).collect()
            }
            None => vec![general],
        }
    }
}

/// One mount of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// What is mounted.
    pub kind: MountKind,
    /// Where.
    pub target: ContainerPath,
    /// Whether the container may write to it.
    pub read_only: bool,
}

impl Mount {
    /// The one of `mounts` that `path` lies in: the deepest wins.
    pub fn over<'a>(mounts: &'a [Self], path: &ContainerPath) -> Option<&'a Self> {
        mounts
            .iter()
            .filter(|mount| path.is_within(&mount.target))
            .max_by_key(|mount| mount.target.as_bytes().len())
    }

    /// A file or directory of this machine or of the engine's.
    pub fn is_of_a_host(&self) -> bool {
        match self.kind {
            MountKind::Bind(_) | MountKind::Unseen(_) | MountKind::Far(_) => true,
            MountKind::Volume(_) | MountKind::Tmpfs => false,
        }
    }

    /// What is mounted, by the name that it is known by.
    pub fn source(&self) -> Cow<'_, str> {
        match &self.kind {
            MountKind::Bind(source) => source.verbatim(),
            MountKind::Unseen(source) | MountKind::Far(source) | MountKind::Volume(source) => {
                Cow::Borrowed(source)
            }
            MountKind::Tmpfs => Cow::Borrowed("tmpfs"),
        }
    }
}

/// The kinds of mount that matter to a sync (E6). In a compose file a bind mount is always one of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountKind {
    /// A file or directory of this machine, by its name here: nothing is written through it.
    Bind(HostPath),
    /// One that the engine has by a name that says nothing here. It may well be the user's own: nothing is written through it.
    Unseen(String),
    /// A file or directory of another machine, where the engine runs.
    Far(String),
    /// A named or anonymous volume.
    Volume(String),
    /// Memory.
    Tmpfs,
}
