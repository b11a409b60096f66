//! What of a project one service needs to know. Starts nothing.

use std::sync::Arc;

use crate::compose::{Project, Service};
use crate::paths::HostPath;
use crate::plain_file;
use crate::plan::Rules;
use crate::watch::Scope;

use super::stages::{self, Target};

/// What of the project one service needs; replaced as a whole by a reload.
#[derive(Debug)]
pub struct Configuration {
    /// The project it is of.
    pub project: Arc<Project>,
    /// The service.
    pub service: Service,
    /// Its rules.
    pub rules: Rules,
    /// What is watched for it.
    pub scope: Arc<Scope>,
    /// What is built when it is rebuilt: its bases first, then itself.
    pub targets: Vec<Target>,
    /// Whether a rebuild can be done at all (B9).
    pub can_build: bool,
}

/// What is watched for `service`; a pattern that cannot be read is said with its file and line.
pub fn scope_of(project: &Project, service: &Service) -> Result<Scope, String> {
    let scope = Scope::of(project, service, |file| plain_file::read_if_any(file));
    scope
        .map(|scope| scope.without_own_output(own_output()))
        .map_err(|bad| {
            let lines: Vec<String> = bad.iter().map(|bad| format!("error: {bad}")).collect();
            lines.join("\n")
        })
}

/// What one worker needs to know of the project; `None` for a service that is left alone.
pub fn configuration_of(
    project: &Arc<Project>,
    service: &Service,
) -> Option<Result<Configuration, String>> {
    let rules = Rules::of(project, service)?;
    let scope = match scope_of(project, service) {
        Ok(scope) => Arc::new(scope),
        Err(bad) => return Some(Err(bad)),
    };
    // What a rebuild builds: its bases first (D2), then itself.
    let targets = stages::goes(project, [service]).concat();
    let can_build = targets
        .last()
        .is_some_and(|target| target.service == service.name);
    Some(Ok(Configuration {
        project: Arc::clone(project),
        service: service.clone(),
        rules,
        scope,
        targets,
        can_build,
    }))
}

/// `docker liveupdate up > up.log` in the project directory: the files our own output goes to.
fn own_output() -> Vec<HostPath> {
    // Only Linux says where an open file is; elsewhere such a file has to be ignored by rule.
    let link = |number| std::fs::read_link(format!("/proc/self/fd/{number}")).ok();
    [1, 2]
        .into_iter()
        .filter_map(link)
        .filter_map(HostPath::new)
        .filter(|path| path.as_path().is_file())
        .collect()
}
