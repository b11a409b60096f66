//! `convert`: the block that does what a service's `develop.watch` rules do, to be pasted (F2). Changes no file.

use crate::cli::ExitCode;
use crate::compose::block::Origin;
use crate::compose::{self, Project, Service};
use crate::docker::DockerCli;
use crate::harmless;
use crate::session::{self, complain};

use super::output::say;

/// Prints the blocks of the named services, or of all that have rules, as one piece of a compose file.
pub async fn run(docker: &DockerCli, named: &[String]) -> ExitCode {
    let project = match session::load(docker).await {
        Ok((_, project)) => project,
        Err(code) => return code,
    };
    let complaints: Vec<String> = named
        .iter()
        .filter_map(|name| complaint(&project, name))
        .collect();
    if !complaints.is_empty() {
        for text in complaints {
            complain(&text);
        }
        return ExitCode::Problems;
    }
    let mut text = String::new();
    let chosen = |service: &&Service| {
        has_rules(service) && (named.is_empty() || named.contains(&service.name))
    };
    for service in project.services.iter().filter(chosen) {
        let block = compose::convert(&project, &service.name);
        // One `services:` stands above them all.
        let block = match block.strip_prefix("services:\n") {
            Some(rest) if !text.is_empty() => rest,
            _ => &block,
        };
        text.push_str(block);
    }
    if text.is_empty() {
        complain("note: no service has `develop.watch` rules: there is nothing to convert");
    } else {
        say(text.trim_end());
    }
    ExitCode::Ok
}

fn has_rules(service: &Service) -> bool {
    let block = service.block.as_ref();
    block.is_some_and(|block| block.origin == Origin::DevelopWatch)
}

fn complaint(project: &Project, name: &str) -> Option<String> {
    let Some(service) = project.service(name) else {
        return Some(session::no_such_service(project, name));
    };
    let (why, hint) = match &service.block {
        _ if has_rules(service) => return None,
        Some(_) => (
            "has an `x-live-update` block already",
            "leave it out here; `docker liveupdate check` says whether it is right",
        ),
        None => (
            "has no `develop.watch` rules",
            "leave it out here, or write an `x-live-update` block by hand",
        ),
    };
    let name = harmless::value(name);
    Some(format!("error: service `{name}` {why}\nhint: {hint}"))
}
