//! `plan`: what some changes would do as one batch, by the planner and the look at the disk that `up` has. Touches nothing.

use std::collections::BTreeSet;

use serde_json::json;

use crate::cli::{Changes, ExitCode, Format};
use crate::docker::DockerCli;
use crate::paths::HostPath;
use crate::plan::rules::Target;
use crate::plan::{self, Debts, Plan};
use crate::report::json::plan_fields;
use crate::service::Configuration;
use crate::session::complain;
use crate::watch::{Change, look};

use super::git;
use super::output::{DIM, beside, list, say, say_object, style_of};
use super::subject::{self, Subject, builds};

/// Unwatched paths that are named before the rest is counted.
const NAMED: usize = 5;

/// Prints one plan per service.
pub async fn run(docker: &DockerCli, changes: Changes, format: Format) -> ExitCode {
    let subject = match subject::load(docker).await {
        Ok(subject) => subject,
        Err(code) => return code,
    };
    let paths = match paths(&subject, changes).await {
        Ok(paths) => paths,
        Err(wrong) => {
            complain(&wrong);
            return ExitCode::Problems;
        }
    };
    let mut unwatched: BTreeSet<&HostPath> = paths.iter().collect();
    for service in &subject.services {
        let batch: BTreeSet<HostPath> = paths
            .iter()
            .flat_map(|path| look::below(&service.scope, path))
            .collect();
        // What lies below a path follows it in the order.
        let has = |path: &HostPath| {
            let next = batch.range(path..).next();
            next.is_some_and(|next| next.below(path).is_some())
        };
        unwatched.retain(|path| !has(path));
        let batch: Vec<HostPath> = batch.into_iter().collect();
        show(&subject, service, &plan_of(service, &batch), format);
    }
    let sources: BTreeSet<&HostPath> = paths
        .iter()
        .filter(|path| subject.project.sources.contains(path))
        .collect();
    unwatched.retain(|path| !sources.contains(path));
    show_sources(&sources, format);
    show_unwatched(&unwatched, format);
    ExitCode::Ok
}

/// What an edit of a compose file or env file does, whoever else watches it (E7).
pub const REREAD: &str = "`up` reads the configuration from it again: a service whose own keys change is recreated, an edited block recreates nothing";

/// The same for programs.
pub fn say_source(path: &HostPath) {
    say_object("source", json!({"path": path.verbatim(), "reason": REREAD}));
}

fn show_sources(sources: &BTreeSet<&HostPath>, format: Format) {
    for path in sources {
        if format == Format::Json {
            say_source(path);
        } else {
            say(&format!("{path}: {REREAD}"));
        }
    }
}

/// The plan that `up` would make of these paths as one batch, with nothing owed from before.
pub fn plan_of(service: &Configuration, paths: &[HostPath]) -> Plan {
    let mut batch = look::look(&service.scope, paths);
    let unseen = paths.iter().filter(|path| is_deleted_source(service, path));
    batch.extend(unseen.cloned().map(Change::Removed));
    batch.sort_unstable_by(|one, other| one.path().cmp(other.path()));
    plan::plan(&service.rules, &batch, &Debts::default())
}

/// A sync's source that is not there: a session that saw the file knows that it was deleted (C5); here the user says so.
fn is_deleted_source(service: &Configuration, path: &HostPath) -> bool {
    let block = service.rules.block();
    let build = service.service.build.as_ref();
    block.syncs.iter().any(|sync| sync.local == *path)
        && build.is_none_or(|build| build.context != *path)
        && service.scope.watches(path)
        && path.as_path().symlink_metadata().is_err()
}

async fn paths(subject: &Subject, changes: Changes) -> Result<Vec<HostPath>, String> {
    match changes {
        Changes::Files(files) => Ok(files.into_iter().map(|file| subject.known(file)).collect()),
        Changes::Since(revision) => {
            let dir = &subject.project.dir;
            let paths = git::changed_since(dir, &revision).await?;
            Ok(paths.into_iter().map(|path| subject.known(path)).collect())
        }
    }
}

fn show(subject: &Subject, service: &Configuration, plan: &Plan, format: Format) {
    let name = &service.service.name;
    if format == Format::Json {
        let mut fields = plan_fields(plan);
        fields["service"] = name.as_str().into();
        if matches!(plan, Plan::Rebuild(_)) {
            fields["builds"] = json!(builds(service));
        }
        say_object("plan", fields);
        return;
    }
    let mut text = plan.to_string();
    for line in consequences(service, plan) {
        text.push_str("\n  ");
        text.push_str(&line);
    }
    say(&beside(name, subject.width(), text, style_of(plan)));
}

/// What follows from a plan and is not in it.
pub fn consequences(service: &Configuration, plan: &Plan) -> Vec<String> {
    use crate::compose::block::TriggerMode;

    let mut lines = Vec::new();
    match plan {
        Plan::Nothing(_) => return lines,
        Plan::Rebuild(_) if !service.can_build => {
            lines.push("cannot be done: the service has only an `image:`".to_owned());
        }
        Plan::Rebuild(because) => {
            lines.push(format!("build {}", builds(service).join(", then ")));
            // F1: what a sync rule holds as well follows.
            let path = because.path();
            if let Some(path) = path.filter(|path| service.rules.follows_rebuild(path)) {
                let targets = service.rules.targets(path);
                lines.extend(targets.map(|Target { to, sync }| {
                    format!(
                        "then copy it to {to}, where the image has it not ({})",
                        sync.step
                    )
                }));
            }
        }
        Plan::LiveUpdate(_) => {}
    }
    if service.rules.block().trigger_mode == TriggerMode::Manual {
        lines.push(
            "waits for the key `u` (or the signal USR1): trigger_mode is `manual`".to_owned(),
        );
    }
    lines
}

fn show_unwatched(unwatched: &BTreeSet<&HostPath>, format: Format) {
    if unwatched.is_empty() {
        return;
    }
    if format == Format::Json {
        let paths: Vec<_> = unwatched.iter().map(|path| path.verbatim()).collect();
        say_object("unwatched", json!({ "paths": paths }));
        return;
    }
    let mut named: Vec<String> = unwatched
        .iter()
        .take(NAMED)
        .map(ToString::to_string)
        .collect();
    if unwatched.len() > NAMED {
        named.push(format!("{} more", unwatched.len() - NAMED));
    }
    say(&format!(
        "{DIM}watched for no service: {} (`explain` says why){DIM:#}",
        list(&named)
    ));
}
