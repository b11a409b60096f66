//! The command line that a service's containers run only under `up`: the block's own entrypoint, or the process under the helper
//! (so that it can be restarted without its container). It is set in a Compose override made for the session; `docker compose up`
//! without us gives the plain service again.

mod given_up;
mod unkept;

pub use given_up::Supervision;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use bollard::query_parameters as query;
use serde_json::json;

use super::client::{Docker, refused};
use super::ways::helper::HIDDEN;
use super::{Container, ContainerId, Engine, EngineError, State};
use crate::docker::DockerCli;
use crate::harmless;
use crate::helper;
use crate::own_folder::{self, OwnFolder};

/// A service that under `up` runs another command line than the compose file and image say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntrypointOverride {
    /// The service's name.
    pub service: String,
    /// Its image, whose command line applies where neither block nor compose file has one.
    pub image: String,
    /// The block's entrypoint, or the compose file's; `None` for the image's.
    pub entrypoint: Option<Vec<String>>,
    /// The block's command, or the compose file's; `None` for the image's.
    pub command: Option<Vec<String>>,
    /// Whether its process is to run under the helper.
    pub supervised: bool,
    /// Whether its root is read-only: then the helper gets a volume of its own.
    pub needs_home: bool,
    /// The service's `stop_grace_period`; `None` means the engine's default.
    pub grace: Option<Duration>,
}

/// What is known about the services with another command line.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    services: Vec<EntrypointOverride>,
    /// For each service, the build contexts that are existing images, by context name.
    contexts: BTreeMap<String, BTreeMap<String, String>>,
    /// The path of the override; `None` until it is written.
    file: Option<PathBuf>,
    /// Services whose process must be process 1, by their present images.
    inits: BTreeSet<String>,
    /// Services whose start under the helper failed.
    given_up: BTreeSet<String>,
    /// What was reported already, so as not to repeat it.
    said: BTreeSet<String>,
}

impl Overrides {
    /// Whether the process runs under the helper, as far as is known.
    fn keeps(&self, run: &EntrypointOverride) -> bool {
        let unkept = |services: &BTreeSet<String>| services.contains(&run.service);
        run.supervised && !unkept(&self.inits) && !unkept(&self.given_up)
    }

    /// The command line with the override, if there is one.
    pub(super) fn cli(&self, cli: &DockerCli) -> DockerCli {
        DockerCli {
            overrides: self.file.iter().cloned().collect(),
            ..cli.clone()
        }
    }
}

impl Docker {
    /// From now on these services have another command line; it takes effect with their next `up` or `recreate`. If the helper is
    /// forbidden by then ([`Docker::forbid_helper`]), no process runs under it.
    pub fn run_under(&self, mut services: Vec<EntrypointOverride>) {
        for runs in &mut services {
            let allowed = self.why_forbidden(&runs.service).is_none();
            runs.supervised &= allowed;
            runs.needs_home &= allowed;
        }
        self.runs().services = services;
    }

    /// From now on these contexts of the services' builds are existing images, and are not built on the way.
    pub fn take_images_for_contexts(&self, contexts: BTreeMap<String, BTreeMap<String, String>>) {
        self.runs().contexts = contexts;
    }

    /// The session is over: ends the helpers and removes what was made for this session. Returns the containers in which something is
    /// left of a helper that was killed.
    pub async fn close(&self) -> Vec<String> {
        let left = self.close_helpers().await;
        let file = self.runs().file.take();
        if let Some(file) = file {
            // It may have been removed already.
            let _ = std::fs::remove_file(file);
        }
        left
    }

    pub(super) fn takes_images_for_contexts(&self, services: &[String]) -> bool {
        let runs = self.runs();
        services.is_empty() && !runs.contexts.is_empty()
            || services
                .iter()
                .any(|service| runs.contexts.contains_key(service))
    }

    pub(super) fn runs(&self) -> std::sync::MutexGuard<'_, Overrides> {
        // A panic while the lock was held cannot have left this half changed.
        self.inner
            .runs
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Whether any of `services` (of all when empty) needs the helper before it starts.
    pub(super) fn any_supervised(&self, services: &[String]) -> bool {
        let runs = self.runs();
        runs.services
            .iter()
            .any(|run| runs.keeps(run) && (services.is_empty() || services.contains(&run.service)))
    }

    /// Writes the override for the present images; reports services that cannot run under the helper, which then run as they are.
    pub(super) async fn write_override(
        &self,
        output: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(), EngineError> {
        let (services, contexts) = {
            let runs = self.runs();
            (runs.services.clone(), runs.contexts.clone())
        };
        if services.is_empty() && contexts.is_empty() {
            return Ok(());
        }
        let mut written: BTreeMap<String, serde_json::Value> = BTreeMap::new();
        for runs in &services {
            if let Some(service) = self.one_override(runs, output).await? {
                written.insert(runs.service.clone(), service);
            }
        }
        for (service, contexts) in contexts {
            let contexts = contexts.into_iter();
            let images = contexts.map(|(name, image)| (name, format!("docker-image://{image}")));
            let images: BTreeMap<String, String> = images.collect();
            let service = written.entry(service).or_insert_with(|| json!({}));
            service["build"] = json!({ "additional_contexts": images });
        }
        // JSON is valid YAML. `$` is doubled, or Compose would take it for a variable.
        let text = json!({ "services": written })
            .to_string()
            .replace('$', "$$");
        let unwritable = |error: std::io::Error| {
            EngineError::Refused(format!(
                "the override for this run cannot be written: {error}"
            ))
        };
        let name = own_folder::name_of(&self.inner.project, &self.place());
        let file = OwnFolder::find()
            .and_then(|folder| folder.write_override(&name, &text))
            .map_err(unwritable)?;
        self.runs().file = Some(file);
        Ok(())
    }

    async fn one_override(
        &self,
        runs: &EntrypointOverride,
        output: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Option<serde_json::Value>, EngineError> {
        let image = match self.inner.api.inspect_image(&runs.image).await {
            Ok(image) => image,
            // The image is not built yet, or the build failed: it is asked for again at the next start.
            Err(bollard::errors::Error::DockerResponseServerError {
                status_code: 404, ..
            }) => return Ok(None),
            Err(error) => return Err(refused(error, &ContainerId(String::new()))),
        };
        let config = image.config.unwrap_or_default();
        let architecture = image.architecture.unwrap_or_default();
        let has_helper = helper::has_binary(&architecture);
        let argv = whole_command(
            runs,
            config.entrypoint.unwrap_or_default(),
            config.cmd.unwrap_or_default(),
        );
        let own_init = unkept::own_init(&argv).filter(|_| runs.supervised);
        let helper = {
            let mut all = self.runs();
            all.inits.remove(&runs.service);
            if own_init.is_some() {
                all.inits.insert(runs.service.clone());
            }
            all.keeps(runs) && has_helper
        };
        let home = json!([{ "type": "volume", "target": format!("/{HIDDEN}") }]);
        let why = match own_init {
            _ if !runs.supervised => None,
            _ if !has_helper => Some(format!(
                "this build has no helper for {}",
                harmless::value(&architecture)
            )),
            Some(init) => Some(format!(
                "its init `{}` has to be process 1",
                harmless::value(init)
            )),
            None => None,
        };
        if let Some(why) = why {
            self.say_once(&runs.service, &why, output);
        }
        if !helper {
            return Ok(Some(without_helper(runs, has_helper.then_some(home))));
        }
        let entrypoint: Vec<String> = [init().as_str(), "init", "--"]
            .map(str::to_owned)
            .into_iter()
            .chain(argv)
            .collect();
        let mut service = json!({ "entrypoint": entrypoint, "command": [] });
        if runs.needs_home {
            // The engine cannot copy into a read-only root, but it can into a volume.
            service["volumes"] = home;
        }
        Ok(Some(service))
    }

    fn say_once(&self, service: &str, why: &str, output: &mut (dyn FnMut(&str) + Send)) {
        let line = format!("{service}: {}", instead(why));
        if self.runs().said.insert(line.clone()) {
            output(&line);
        }
    }

    /// Copies the helper into containers that were created but not started.
    pub(super) async fn put_helpers(&self, services: &[String]) -> Result<(), EngineError> {
        let names: Vec<String> = {
            let runs = self.runs();
            let all = runs
                .services
                .iter()
                .filter(|run| runs.keeps(run))
                .map(|run| run.service.clone());
            all.filter(|name| services.is_empty() || services.contains(name))
                .collect()
        };
        for name in names {
            for container in self.containers(&name).await? {
                if container.state == State::Created {
                    self.put_init(&container, &init()).await?;
                }
            }
        }
        Ok(())
    }

    /// Starts a container. If the helper that its process runs under was removed, it is copied there again.
    pub(super) async fn start_container(&self, container: &Container) -> Result<(), EngineError> {
        if self.any_supervised(std::slice::from_ref(&container.service))
            && self.runs_under_helper(&container.id).await
            && !self.has(container, &init()).await?
        {
            self.put_init(container, &init()).await?;
        }
        self.inner
            .api
            .start_container(&container.id.0, None::<query::StartContainerOptions>)
            .await
            .map_err(|error| refused(error, &container.id))?;
        self.begin_anew(&container.id).await;
        Ok(())
    }

    /// Whether the container was created to run under the helper, whatever the compose file says now.
    async fn runs_under_helper(&self, id: &ContainerId) -> bool {
        let seen = self.inner.api.inspect_container(&id.0, None);
        let entrypoint = seen.await.ok().and_then(|seen| seen.config?.entrypoint);
        entrypoint.is_some_and(|argv| argv.first() == Some(&init()))
    }

    /// Replaces the helper that the container's process runs under by this version's; takes effect at the next start.
    pub(super) async fn renew_init(&self, container: &Container) -> Result<(), EngineError> {
        if self.runs_under_helper(&container.id).await {
            self.put_init(container, &init()).await?;
        }
        Ok(())
    }

    /// How long the container's process has to stop.
    pub(super) fn grace_of(&self, container: &Container) -> Option<Duration> {
        self.runs()
            .services
            .iter()
            .find(|run| run.service == container.service)?
            .grace
    }
}

/// The override of a service whose process runs as it is. Updates may still go through the helper, which needs its `home`.
fn without_helper(runs: &EntrypointOverride, home: Option<serde_json::Value>) -> serde_json::Value {
    let mut service = serde_json::Map::new();
    if let Some(entrypoint) = &runs.entrypoint {
        service.insert("entrypoint".into(), json!(entrypoint));
    }
    if let Some(command) = &runs.command {
        service.insert("command".into(), json!(command));
    }
    if let Some(home) = home.filter(|_| runs.needs_home) {
        service.insert("volumes".into(), home);
    }
    service.into()
}

/// The end of a message: what is done without the helper, and why.
fn instead(why: &str) -> String {
    format!("{why}; the container is restarted where its process would be")
}

/// The file name of the helper that a container's process runs under. The helper that updates use has another one.
fn init() -> String {
    format!("/{HIDDEN}/init")
}

/// The command line of the container, as Compose and the engine combine it: an entrypoint in the compose file discards the image's
/// command.
fn whole_command(
    runs: &EntrypointOverride,
    image_entrypoint: Vec<String>,
    image_command: Vec<String>,
) -> Vec<String> {
    let command = match (&runs.command, &runs.entrypoint) {
        (Some(command), _) => command.clone(),
        (None, Some(_)) => Vec::new(),
        (None, None) => image_command,
    };
    let mut whole = runs.entrypoint.clone().unwrap_or(image_entrypoint);
    whole.extend(command);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(entrypoint: Option<&str>, command: Option<&str>) -> String {
        let list = |text: Option<&str>| text.map(|text| vec![text.to_owned()]);
        let runs = EntrypointOverride {
            service: "web".into(),
            image: "web".into(),
            entrypoint: list(entrypoint),
            command: list(command),
            supervised: true,
            needs_home: false,
            grace: None,
        };
        whole_command(&runs, vec!["image-entry".into()], vec!["image-cmd".into()]).join(" ")
    }

    #[test]
    fn the_process_is_the_one_the_service_really_has() {
        assert_eq!(whole(None, None), "image-entry image-cmd");
        assert_eq!(whole(None, Some("cmd")), "image-entry cmd");
        assert_eq!(whole(Some("entry"), None), "entry");
        assert_eq!(whole(Some("entry"), Some("cmd")), "entry cmd");
    }
}
