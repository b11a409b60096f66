//! E7: an edit of a compose file, env file, Dockerfile or ignore file takes effect; a broken one is reported and the last
//! good model stays.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::compose::{self, Project, Service};
use crate::engine::{Engine as _, State};
use crate::paths::HostPath;

use super::configuration::{arrange_runs, configuration_of, relatives};
use super::disk::Disk;
use super::route::Session;
use super::worker::{Message, look_at};

/// An editor's save, or a `git checkout`, touches several of them within this time.
const GATHER: Duration = Duration::from_millis(50);

/// Whether, and when, the model has to be read again.
#[derive(Debug, Default)]
pub struct Reload {
    due: Option<Instant>,
    /// A file of the model changed, not only one that says what is watched.
    model: bool,
}

impl Reload {
    /// Whether `path` says anything about the model or about what is watched.
    pub fn hear(&mut self, project: &Project, path: &HostPath) {
        let model = project.sources.contains(path);
        let watching = project
            .services
            .iter()
            .filter_map(|service| service.build.as_ref())
            .any(|build| {
                build.ignore_files().contains(path) || build.dockerfile.as_ref() == Some(path)
            });
        if model || watching {
            self.model |= model;
            self.due = Some(Instant::now() + GATHER);
        }
    }

    /// Resolves when it is time.
    pub async fn due(&self) {
        match self.due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }
}

impl Session {
    /// Reads the model again and hands each worker what concerns it.
    pub(super) async fn reload(&mut self, reload: &mut Reload) {
        let model = reload.model;
        *reload = Reload::default();
        let project = match compose::load(&self.cli).await {
            Ok(loaded) => {
                for warning in loaded.warnings {
                    self.reporter.notice(None, warning.render(false));
                }
                loaded.project
            }
            Err(error) => {
                let text = error.render(false);
                let text = text.strip_prefix("error: ").unwrap_or(&text);
                self.reporter.problem(
                    None,
                    text,
                    Some("the last good configuration stays in force until this is fixed"),
                );
                return;
            }
        };
        let new: BTreeSet<String> = project
            .services
            .iter()
            .filter(|service| self.project.service(&service.name).is_none())
            .map(|service| service.name.clone())
            .collect();
        if project != self.project || !model {
            self.adopt(project).await;
        }
        if model {
            self.reporter
                .notice(None, "the configuration was read again");
            self.bring_up(new);
        }
    }

    async fn adopt(&mut self, project: Project) {
        let mut configurations = Vec::new();
        for service in project
            .services
            .iter()
            .filter(|service| self.is_chosen(service))
        {
            match configuration_of(&project, service) {
                Some(Ok(configuration)) => configurations.push(configuration),
                Some(Err(bad)) => {
                    self.reporter.problem(
                        None,
                        bad,
                        Some("the last good configuration stays in force until this is fixed"),
                    );
                    return;
                }
                None => {}
            }
        }
        let scopes = configurations
            .iter()
            .map(|configuration| Arc::clone(&configuration.scope))
            .collect();
        match self.watcher.reconfigure(scopes, project.sources.clone()) {
            Ok(notices) => notices
                .iter()
                .for_each(|notice| self.reporter.notice(None, notice.to_string())),
            Err(error) => self.reporter.problem(None, error.to_string(), None),
        }
        let kept: BTreeSet<String> = configurations
            .iter()
            .map(|configuration| configuration.service.name.clone())
            .collect();
        self.workers.retain(|name, _| kept.contains(name));
        self.scopes.retain(|name, _| kept.contains(name));
        arrange_runs(
            &self.engine,
            project
                .services
                .iter()
                .filter(|service| self.is_chosen(service)),
        );
        self.project = project;
        self.builder.know(relatives(&configurations));
        for configuration in configurations {
            let name = configuration.service.name.clone();
            if let Some(worker) = self.workers.get(&name) {
                self.scopes.insert(name, Arc::clone(&configuration.scope));
                let _ = worker.send(Message::Configure(Box::new(configuration)));
            } else {
                let disk = Disk::of(look_at(Arc::clone(&configuration.scope)).await);
                self.hire(configuration, disk, None, false, BTreeSet::new());
            }
        }
        self.reporter
            .notice(None, "the configuration was read again");
    }

    /// As `docker compose up` does: what changed is recreated, what did not, an edited block among it, is left alone. What
    /// is stopped stays so. Beside the loop, for it can take long.
    fn bring_up(&mut self, new: BTreeSet<String>) {
        let (engine, reporter) = (Arc::clone(&self.engine), self.reporter.clone());
        let services: Vec<String> = self
            .project
            .services
            .iter()
            .filter(|service| self.is_chosen(service))
            .map(|service| service.name.clone())
            .collect();
        self.tasks.spawn(async move {
            let mut concerned = Vec::new();
            for name in services {
                let containers = match engine.containers(&name).await {
                    Ok(containers) => containers,
                    Err(error) => {
                        let what = format!("its containers cannot be looked at: {error}");
                        let hint = "save the compose file again to bring it up";
                        reporter.problem(Some(&name), what, Some(hint));
                        Vec::new()
                    }
                };
                if new.contains(&name)
                    || containers
                        .iter()
                        .any(|container| container.state == State::Running)
                {
                    concerned.push(name);
                }
            }
            if concerned.is_empty() {
                return;
            }
            let mut show = |line: &str| reporter.build(None, line);
            if let Err(error) = engine.up(&concerned, &[], &mut show).await {
                reporter.problem(
                    None,
                    error.to_string(),
                    Some("fix the configuration and save"),
                );
            }
        });
    }

    fn is_chosen(&self, service: &Service) -> bool {
        self.up.services.is_empty() || self.up.services.contains(&service.name)
    }
}
