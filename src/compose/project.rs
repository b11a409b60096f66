//! The types of a resolved Compose project, as far as other rooms need it. No files, no engine.

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
    /// The name after all of Compose's rules: `-p`, `name:`, or the directory.
    pub name: String,
    /// The directory that relative paths and the default name come from.
    pub dir: HostPath,
    /// Every file that the model was read from: compose files (included and extended ones too) and env files (E7).
    pub sources: Vec<HostPath>,
    /// The services of the active profiles, in Compose's order.
    pub services: Vec<Service>,
}

impl Project {
    /// The service called `name`; `None` when it does not exist or its profile is not active.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }
}

/// One service of the project.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Service {
    /// Its key under `services`.
    pub name: String,
    /// The image it runs: `image:`, or the name that Compose gives to the built one.
    pub image: String,
    /// How the image is built; `None` for a service with `image:` only (B9).
    pub build: Option<Build>,
    /// D1: the services whose images its own is built from, directly or not, bases first; empty for most.
    pub bases: Vec<String>,
    /// D2: those of the bases that Compose itself builds first: `additional_contexts: {x: service:NAME}`.
    pub bases_by_context: Vec<String>,
    /// `None`: the service is started and otherwise left alone (B2).
    pub block: Option<Block>,
    /// The compose file's mounts (E6).
    pub mounts: Vec<Mount>,
    /// `read_only: true`: the container's root file system cannot be written to.
    pub read_only: bool,
    /// `stop_grace_period`; `None` means Compose's default of 10 s.
    pub stop_grace_period: Option<Duration>,
    /// Whether its output is in the log; `attach: false` keeps it out.
    pub attach: bool,
    /// `entrypoint`, when the compose file gives one.
    pub entrypoint: Option<Vec<String>>,
    /// `command`, when the compose file gives one.
    pub command: Option<Vec<String>>,
    /// The whole service, as Compose resolves it.
    pub definition: Definition,
}

/// What Compose makes a service's image and containers from. When it differs after an edit, they are made again (E7). The
/// block is not part of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Definition {
    /// The service's keys, without `build`, `develop` and extensions.
    pub container: Value,
    /// The service's `build`; null without one.
    pub image: Value,
    /// The top-level keys beside `services`: networks, volumes, configs, secrets.
    pub around: Arc<Value>,
    /// The configs and secrets that Compose copies into its containers when it creates them.
    pub handed: Handed,
}

impl Definition {
    /// Whether the compose file asks for zero containers.
    pub fn asks_for_none(&self) -> bool {
        let [scale, deploy] = self.scale();
        let replicas = deploy.and_then(|deploy| deploy.get("replicas"));
        scale.or(replicas).and_then(Value::as_u64) == Some(0)
    }

    /// The number of containers that the compose file asks for: `scale` and `deploy.replicas`.
    pub fn scale(&self) -> [Option<&Value>; 2] {
        ["scale", "deploy"].map(|key| self.container.get(key))
    }
}

/// How Compose builds a service's image.
#[derive(Clone, Debug, PartialEq)]
pub struct Build {
    /// The build context's directory.
    pub context: HostPath,
    /// The Dockerfile; `None` when it is inline.
    pub dockerfile: Option<HostPath>,
    /// The ignore file in force (`<Dockerfile>.dockerignore` before `.dockerignore`), existing or not.
    pub ignore_file: HostPath,
    /// The local directories among `additional_contexts`.
    pub additional_contexts: Vec<HostPath>,
    /// Those of `additional_contexts` that are another service's image: context name to service name.
    pub service_contexts: BTreeMap<String, String>,
}

impl Build {
    /// Both names that an ignore file can have (C2); the first that exists is in force.
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
    /// The kind, with the source that the kind has.
    pub kind: MountKind,
    /// The path in the container.
    pub target: ContainerPath,
    /// Whether the container may only read it.
    pub read_only: bool,
}

impl Mount {
    /// The mount of `mounts` that `path` lies in; the deepest when there are several.
    pub fn over<'a>(mounts: &'a [Self], path: &ContainerPath) -> Option<&'a Self> {
        mounts
            .iter()
            .filter(|mount| path.is_within(&mount.target))
            .max_by_key(|mount| mount.target.as_bytes().len())
    }

    /// Whether it is a file or directory of some host: of this machine or of the engine's.
    pub fn is_of_a_host(&self) -> bool {
        match self.kind {
            MountKind::Bind(_) | MountKind::Unseen(_) | MountKind::Far(_) => true,
            MountKind::Volume(_) | MountKind::Tmpfs => false,
        }
    }

    /// The source, as the user knows it: a path, or a volume's name.
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

/// The kinds of mount that matter to a sync (E6). A bind mount of a compose file is always on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountKind {
    /// A file or directory of this machine, by its path here: nothing is written through it.
    Bind(HostPath),
    /// A path of the engine's that does not exist here by that name. It may still be the user's own files: nothing is written through it.
    Unseen(String),
    /// A file or directory of the remote machine that the engine runs on.
    Far(String),
    /// A volume: its name, empty for an anonymous one.
    Volume(String),
    /// A tmpfs: it is empty after each restart.
    Tmpfs,
}
