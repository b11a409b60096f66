//! What the tools speak of: the project and its live-updated services, made ready by the same code as `up`'s.

use std::sync::Arc;

use crate::cli::ExitCode;
use crate::compose::Project;
use crate::docker::DockerCli;
use crate::harmless;
use crate::paths::HostPath;
use crate::service::Configuration;
use crate::service::configuration_of;
use crate::session::{self, complain};
use crate::watch::Verdict;

/// A project and what holds for each of its services that have a block.
pub struct Subject {
    pub project: Arc<Project>,
    pub services: Vec<Configuration>,
}

/// Reads the project; asks no engine. What is wrong is said on standard error.
pub async fn load(docker: &DockerCli) -> Result<Subject, ExitCode> {
    let (_, project) = session::load(docker).await?;
    let services = configurations(&project, &[])?;
    Ok(Subject { project, services })
}

/// What holds for the services named in `only`, or for all when none is named.
pub fn configurations(
    project: &Arc<Project>,
    only: &[String],
) -> Result<Vec<Configuration>, ExitCode> {
    let mut configurations = Vec::new();
    let mut complaints: Vec<String> = Vec::new();
    for name in only {
        if project.service(name).is_none() {
            complaints.push(session::no_such_service(project, name));
        }
    }
    for service in &project.services {
        let named = only.contains(&service.name);
        if !only.is_empty() && !named {
            continue;
        }
        match configuration_of(project, service) {
            Some(Ok(configuration)) => configurations.push(configuration),
            Some(Err(bad)) => complaints.push(bad),
            None if named => complaints.push(format!(
                "error: service `{}` is left alone: it has no `x-live-update` block\nhint: give it one, or leave it out here",
                harmless::value(&service.name)
            )),
            None => {}
        }
    }
    complaints.dedup();
    for complaint in &complaints {
        complain(complaint);
    }
    if complaints.is_empty() {
        Ok(configurations)
    } else {
        Err(ExitCode::Problems)
    }
}

impl Subject {
    /// The path by the name that the project has for it, where one of the two came through a link.
    pub fn known(&self, path: HostPath) -> HostPath {
        if self.concerns(&path) {
            return path;
        }
        // The last name stays: a link is a thing of its own (C5).
        let real = path
            .parent()
            .and_then(|parent| real(&parent))
            .zip(path.as_path().file_name())
            .map(|(parent, name)| parent.join(name));
        let Some(real) = real else { return path };
        let scopes = self.services.iter().map(|service| &service.scope);
        let roots = scopes.flat_map(|scope| scope.roots());
        let mut names = roots.chain(&self.project.sources).filter_map(|root| {
            let rest = real.below(&self::real(root)?)?.to_owned();
            Some(root.join(rest))
        });
        names.find(|name| self.concerns(name)).unwrap_or(path)
    }

    fn concerns(&self, path: &HostPath) -> bool {
        self.project.sources.contains(path)
            || self
                .services
                .iter()
                .any(|service| service.scope.verdict(path) != Verdict::Outside)
    }

    /// The width of the column that the services' names stand in.
    pub fn width(&self) -> usize {
        let names = self
            .project
            .services
            .iter()
            .map(|service| service.name.len());
        names.max().unwrap_or_default()
    }
}

fn real(path: &HostPath) -> Option<HostPath> {
    std::fs::canonicalize(path).ok().and_then(HostPath::new)
}

/// What a rebuild builds, in order.
pub fn builds(configuration: &Configuration) -> Vec<String> {
    crate::service::stages::names(&configuration.targets)
}
