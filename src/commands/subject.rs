//! What the tools speak of: the project and its live-updated services, made ready by the same code as `up`'s.

use crate::cli::ExitCode;
use crate::compose::Project;
use crate::docker::DockerCli;
use crate::paths::HostPath;
use crate::session::worker::Configuration;
use crate::session::{self, complain, configuration_of};
use crate::watch::Verdict;

/// A project and what holds for each of its services that have a block.
pub struct Subject {
    pub project: Project,
    pub services: Vec<Configuration>,
}

/// Reads the project; asks no engine. What is wrong is said on standard error.
pub async fn load(docker: &DockerCli) -> Result<Subject, ExitCode> {
    let (_, project) = session::load(docker).await?;
    let services = configurations(&project, &[])?;
    if services.is_empty() {
        complain("note: no service has an `x-live-update` block or `develop.watch` rules");
    }
    Ok(Subject { project, services })
}

/// What holds for the services named in `only`, or for all when none is named.
pub fn configurations(project: &Project, only: &[String]) -> Result<Vec<Configuration>, ExitCode> {
    let mut configurations = Vec::new();
    let mut complaints: Vec<String> = Vec::new();
    for name in only {
        if project.service(name).is_none() {
            complaints.push(unknown(project, name));
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
                service.name
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

fn unknown(project: &Project, name: &str) -> String {
    let near = project
        .services
        .iter()
        .map(|service| (strsim::jaro(name, &service.name), &service.name))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|(one, _), (two, _)| one.total_cmp(two));
    let hint = match near {
        Some((_, near)) => format!("did you mean `{near}`?"),
        None => {
            "name a service of this project; `docker compose config --services` lists them".into()
        }
    };
    format!("error: there is no service `{name}`\nhint: {hint}")
}

impl Subject {
    /// The path by the name that the project has for it: one that came through a link elsewhere is looked up by its real name.
    pub fn known(&self, path: HostPath) -> HostPath {
        if self.concerns(&path) {
            return path;
        }
        // The last name stays: a link is a thing of its own (C5).
        let real = path
            .parent()
            .zip(path.as_path().file_name())
            .and_then(|(parent, name)| {
                let parent = std::fs::canonicalize(parent).ok().and_then(HostPath::new)?;
                Some(parent.join(name))
            });
        match real {
            Some(real) if self.concerns(&real) => real,
            _ => path,
        }
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

/// What a rebuild builds, in order.
pub fn builds(configuration: &Configuration) -> Vec<String> {
    let targets = configuration.targets.iter();
    targets.map(|target| target.service.clone()).collect()
}
