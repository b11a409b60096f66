//! Reads services from the resolved model of `docker compose config`: images, builds, mounts, processes. Knows nothing of blocks.

use std::sync::Arc;

use docker_compose_types as compose;
use serde::de::DeserializeOwned;
use serde_yaml::{Mapping, Value};

use crate::paths::{ContainerPath, HostPath};

use super::edited::Handed;
use super::project::{Build, Definition, Mount, MountKind, Service};
use super::yaml::{get, parse_duration, scalar_text, split_words, untagged};

/// What an image is built from, as far as only this room needs it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sourcing {
    /// A context that is no local directory: a git repository or the address of a tarball.
    pub remote_context: Option<String>,
    /// `additional_contexts`, name and value, remote ones and services included.
    pub contexts: Vec<(String, String)>,
    /// `build.args`; `None` for a name whose value comes from the environment.
    pub args: Vec<(String, Option<String>)>,
    /// `build.dockerfile_inline`, the Dockerfile's text.
    pub inline: Option<String>,
}

/// One service of the resolved model, and what its image is built from. The block is not read yet.
pub fn service(project: &str, name: &str, value: &Value) -> (Service, Sourcing) {
    let mut sourcing = Sourcing::default();
    let build = get(value, "build").and_then(|value| build(value, &mut sourcing));
    let text = |key: &str| get(value, key).and_then(scalar_text);
    let flag = |key: &str| get(value, key).and_then(Value::as_bool);
    let service = Service {
        name: name.to_owned(),
        image: text("image").unwrap_or_else(|| format!("{project}-{name}")),
        build,
        bases: Vec::new(),
        bases_by_context: Vec::new(),
        block: None,
        mounts: mounts(value),
        read_only: flag("read_only").unwrap_or(false),
        stop_grace_period: text("stop_grace_period").and_then(|text| parse_duration(&text)),
        attach: flag("attach").unwrap_or(true),
        entrypoint: piece(value, "entrypoint").map(|entrypoint| match entrypoint {
            compose::Entrypoint::Simple(text) => split_words(&text).unwrap_or(vec![text]),
            compose::Entrypoint::List(argv) => argv,
        }),
        command: piece(value, "command").map(|command| match command {
            compose::Command::Simple(text) => split_words(&text).unwrap_or(vec![text]),
            compose::Command::Args(argv) => argv,
        }),
        definition: Definition {
            container: without(value, &["build", "develop"]),
            image: get(value, "build").cloned().unwrap_or_default(),
            around: Arc::default(),
            handed: Handed::default(),
        },
    };
    (service, sourcing)
}

/// A copy of a mapping without `keys` and without extensions (`x-`).
pub fn without(value: &Value, keys: &[&str]) -> Value {
    let Value::Mapping(all) = untagged(value) else {
        return Value::default();
    };
    let stays = |key: &Value| {
        let key = key.as_str().unwrap_or_default();
        !key.starts_with("x-") && !keys.contains(&key)
    };
    all.iter()
        .filter(|(key, _)| stays(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect::<Mapping>()
        .into()
}

/// One part of the model as the Compose file's own type; `None` when it is absent or null.
fn piece<T: DeserializeOwned>(value: &Value, key: &str) -> Option<T> {
    let piece = get(value, key).filter(|piece| !piece.is_null())?;
    serde_yaml::from_value(piece.clone()).ok()
}

fn build(value: &Value, sourcing: &mut Sourcing) -> Option<Build> {
    let text = |key: &str| get(value, key).and_then(scalar_text);
    let context = match untagged(value) {
        Value::String(context) => context.clone(),
        _ => text("context")?,
    };
    sourcing.inline = text("dockerfile_inline");
    sourcing.args = arguments(value);
    if let Some(contexts) = get(value, "additional_contexts").and_then(Value::as_mapping) {
        sourcing.contexts = contexts
            .iter()
            .filter_map(|(name, source)| Some((scalar_text(name)?, scalar_text(source)?)))
            .collect();
    }
    let Some(context) = HostPath::new(&context).filter(|_| !is_remote(&context)) else {
        sourcing.remote_context = Some(context);
        return None;
    };
    let dockerfile = match &sourcing.inline {
        Some(_) => None,
        None => Some(context.join(text("dockerfile").unwrap_or_else(|| "Dockerfile".into()))),
    };
    let additional_contexts = sourcing
        .contexts
        .iter()
        .filter(|(_, source)| !is_remote(source))
        .filter_map(|(_, source)| HostPath::new(source))
        .collect();
    let service_contexts = sourcing
        .contexts
        .iter()
        .filter_map(|(name, source)| {
            let service = source.strip_prefix("service:")?;
            Some((name.clone(), service.to_owned()))
        })
        .collect();
    let mut build = Build {
        ignore_file: context.join(".dockerignore"),
        context,
        dockerfile,
        additional_contexts,
        service_contexts,
    };
    // Which of the two is in force is decided later, on the disk; until then the general one is assumed.
    if let Some(general) = build.ignore_files().pop() {
        build.ignore_file = general;
    }
    Some(build)
}

fn arguments(build: &Value) -> Vec<(String, Option<String>)> {
    let split = |text: &str| match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (text.to_owned(), None),
    };
    // The Compose types' mapping form cannot hold a null value (one taken from the environment).
    if let Some(map) = get(build, "args").and_then(Value::as_mapping) {
        return map
            .iter()
            .filter_map(|(name, value)| Some((scalar_text(name)?, scalar_text(value))))
            .collect();
    }
    match piece(build, "args") {
        Some(compose::BuildArgs::List(list)) => list.iter().map(|text| split(text)).collect(),
        Some(compose::BuildArgs::Simple(text)) => vec![split(&text)],
        _ => Vec::new(),
    }
}

/// Whether the builder fetches this context itself.
pub fn is_remote(context: &str) -> bool {
    context.contains("://")
        || context.starts_with("git@")
        || context.starts_with("github.com/")
        || context.starts_with("service:")
}

fn mounts(service: &Value) -> Vec<Mount> {
    let volumes = get(service, "volumes").and_then(Value::as_sequence);
    let mut mounts: Vec<Mount> = volumes.into_iter().flatten().filter_map(mount).collect();
    let tmpfs = match piece(service, "tmpfs") {
        Some(compose::Tmpfs::Simple(one)) => vec![one],
        Some(compose::Tmpfs::List(list)) => list,
        None => Vec::new(),
    };
    mounts.extend(tmpfs.iter().filter_map(|text| {
        // `/run:size=64m`: the options do not matter here.
        let (target, options) = text.split_once(':').unwrap_or((text, ""));
        Some(Mount {
            kind: MountKind::Tmpfs,
            target: ContainerPath::new(target)?,
            read_only: options.split(',').any(|option| option == "ro"),
        })
    }));
    mounts
}

fn mount(value: &Value) -> Option<Mount> {
    // The resolved model has the long form only. Of its keys, those are kept that the Compose type knows and we need.
    let keep = ["type", "source", "target", "read_only"];
    let map: Mapping = untagged(value)
        .as_mapping()?
        .iter()
        .filter(|(key, _)| key.as_str().is_some_and(|key| keep.contains(&key)))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let volume: compose::AdvancedVolumes = serde_yaml::from_value(Value::Mapping(map)).ok()?;
    let kind = match volume._type.as_str() {
        "bind" => MountKind::Bind(HostPath::new(volume.source?)?),
        "tmpfs" => MountKind::Tmpfs,
        // Named and anonymous volumes, and mounts that behave like one (images, clusters, pipes).
        _ => MountKind::Volume(volume.source.unwrap_or_default()),
    };
    Some(Mount {
        kind,
        target: ContainerPath::new(volume.target)?,
        read_only: volume.read_only,
    })
}
