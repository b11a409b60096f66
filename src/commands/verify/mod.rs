//! `verify`: the containers' synced paths against the host, by content, by the comparison that `up` makes; `--fix` repairs files.

mod report;

use std::sync::Arc;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use serde_json::json;

use crate::cli::{ExitCode, Format};
use crate::compose::block::Step;
use crate::docker::DockerCli;
use crate::engine::{Container, Docker, Engine, EngineError, Fingerprint, State};
use crate::harmless;
use crate::paths::HostPath;
use crate::plan::{self, Because, Debts, LiveUpdate, Plan};
use crate::service::compare::{self, Comparison, Wanted};
use crate::service::disk::Disk;
use crate::service::update::Unread;
use crate::service::{Configuration, Doubt, Ledger};
use crate::session::{Loading, complain, scan, unpaid};
use crate::update;
use crate::watch::{Looks, look};

use super::output::{DIM, count, say, say_object};
use super::subject::configurations;
use report::{Repair, Report, row};

/// Containers that are compared at the same time: more of them only take turns on the engine's disk.
const AT_ONCE: usize = 4;

/// Compares every container of the services, or of all when none is named.
pub async fn run(docker: &DockerCli, services: &[String], fix: bool, format: Format) -> ExitCode {
    let loading = match Loading::of(docker).await {
        Ok(loading) => loading,
        Err(code) => return code,
    };
    let configurations = match configurations(&loading.project, services) {
        Ok(configurations) => configurations,
        Err(code) => return code,
    };
    let engine = &loading.engine.asking_once();
    let project = loading.project.name.as_str();
    let listing = configurations.iter();
    let listed = join_all(listing.map(|service| containers(engine, service))).await;
    let mut code = ExitCode::Ok;
    let mut subjects = Vec::new();
    let looks = Arc::new(Looks::default());
    for (service, containers) in configurations.iter().zip(listed) {
        let containers = match containers {
            Ok(containers) => containers,
            Err(error) => {
                complain(&format!("error: {error}"));
                return ExitCode::Docker;
            }
        };
        if containers.is_empty() {
            show_no_container(&service.service.name, format);
            if !service.service.definition.asks_for_none() {
                code = ExitCode::Problems;
            }
        }
        let disk = Arc::new(Disk::of(scan(&looks, &service.scope).await));
        subjects.extend(containers.into_iter().map(|container| Subject {
            engine,
            project,
            service,
            container,
            disk: Arc::clone(&disk),
        }));
    }
    let names = subjects.iter().map(|subject| subject.container.name.len());
    let width = names.max().unwrap_or_default().max("CONTAINER".len());
    if format == Format::Text && !subjects.is_empty() {
        say(&format!(
            "{DIM}{}{DIM:#}",
            row("CONTAINER", width, ["SAME", "CHANGED", "MISSING", "STALE"])
        ));
    }
    let verified = subjects.into_iter().map(|subject| subject.verify(fix));
    let mut reports = stream::iter(verified).buffered(AT_ONCE);
    while let Some(report) = reports.next().await {
        match format {
            Format::Text => report.print(width),
            Format::Json => say_object("verify", report.fields()),
        }
        code = match (code, report.code()) {
            (ExitCode::Docker, _) | (_, ExitCode::Docker) => ExitCode::Docker,
            (ExitCode::Ok, other) => other,
            (code, _) => code,
        };
    }
    code
}

async fn containers(
    engine: &Docker,
    service: &Configuration,
) -> Result<Vec<Container>, EngineError> {
    let mut containers = engine.containers(&service.service.name).await?;
    containers.retain(|container| container.state != State::Gone);
    Ok(containers)
}

fn show_no_container(service: &str, format: Format) {
    let reason = "no container; `docker liveupdate up` starts one";
    if format == Format::Json {
        say_object(
            "verify",
            json!({"service": service, "container": null, "reason": reason}),
        );
    } else {
        complain(&format!("note: {}: {reason}", harmless::value(service)));
    }
}

/// One container to verify.
struct Subject<'a> {
    engine: &'a Docker,
    /// The project's name.
    project: &'a str,
    service: &'a Configuration,
    container: Container,
    /// What its service's disk holds.
    disk: Arc<Disk>,
}

impl Subject<'_> {
    async fn verify(self, fix: bool) -> Report {
        let found = self.compare().await;
        let repair = match &found {
            Ok(found) if fix && !found.is_clean() => Some(self.repair(found).await),
            _ => None,
        };
        Report {
            service: self.service.service.name.clone(),
            container: self.container.name,
            found,
            repair,
        }
    }

    async fn compare(&self) -> Result<Comparison, EngineError> {
        let rules = &self.service.rules;
        // A Dockerfile need not be in the image; a file of `fall_back_on` that differs there is what the user wants to know.
        let is_content = |path: &HostPath| {
            !matches!(
                rules.asks_for_rebuild(path),
                Some(Because::BuildFile { .. })
            )
        };
        let synced = compare::synced(rules, &self.disk);
        let present = synced.filter(|(path, _)| is_content(path));
        let owed = unpaid::of_the_session(self.project, &self.engine.place());
        let gone = owed.get(&self.container.id).into_iter().flatten();
        // It may be there again, or belong elsewhere by now.
        let is_gone = |path: &&HostPath| std::fs::symlink_metadata(path).is_err();
        let gone = gone.filter(|path| self.service.scope.watches(path) && is_gone(path));
        let wanted = Wanted {
            expected: compare::expected(rules, present, &self.container),
            gone: compare::gone(rules, gone, &self.container),
        };
        let comparing = update::compare(self.engine, rules, &self.container, wanted);
        let name = &self.container.name;
        let say = || complain(&format!("note: {name} is still being compared"));
        update::if_slow(comparing, update::SLOW, say).await
    }

    async fn repair(&self, found: &Comparison) -> Repair {
        let mut drift: Vec<HostPath> = found.drift().cloned().collect();
        // A directory comes before what lies in it.
        drift.sort_unstable();
        let batch = look::look(&self.service.scope, &drift);
        let update = match plan::plan(&self.service.rules, &batch, &Debts::default()) {
            Plan::LiveUpdate(update) => update,
            Plan::Rebuild(because) => {
                return Repair::Failed {
                    why: format!("it asks for a rebuild, {because}"),
                    hint: "`docker liveupdate up` rebuilds it".to_owned(),
                };
            }
            Plan::Nothing(idle) => {
                return Repair::Failed {
                    why: idle.to_string(),
                    hint: "files change while they are compared: try again".to_owned(),
                };
            }
        };
        if let Err(error) = self.bring(&update, found).await {
            return Repair::Failed {
                why: error,
                hint: "`docker liveupdate up` rebuilds what cannot be put in place".to_owned(),
            };
        }
        // What was put there is not taken for granted.
        match self.compare().await {
            Ok(now) if now.left() == 0 => Repair::Done {
                paths: drift.len(),
                left_out: left_out(&update),
            },
            Ok(now) => Repair::Failed {
                why: format!("{} still differ", count(now.left(), "path", "paths")),
                hint: "something in the container, or on the host, writes to them meanwhile"
                    .to_owned(),
            },
            Err(error) => Repair::Failed {
                why: error.to_string(),
                hint: "try again".to_owned(),
            },
        }
    }

    /// Brings the files, and nothing but the files.
    async fn bring(&self, update: &LiveUpdate, found: &Comparison) -> Result<(), String> {
        let copies = update.copies.clone();
        let (loaded, unread) = tokio::task::spawn_blocking(move || update::load(&copies))
            .await
            .map_err(|error| error.to_string())?;
        let refused = unread.iter().find_map(|(path, why)| match why {
            Unread::Refused(why) => {
                Some(format!("`{path}` cannot be read: {}", harmless::value(why)))
            }
            Unread::Changed => None,
        });
        if let Some(refused) = refused {
            return Err(refused);
        }
        let ledger = Ledger::new(self.container.clone(), found.drift().cloned().collect());
        let stands = |path: &HostPath| {
            let mut known = found.changed.iter().chain(&found.stale);
            let (_, _, there) = known.find(|(known, ..)| known == path)?;
            Some(matches!(there, Fingerprint::Directory { .. }))
        };
        let delta = ledger.delta(update, &loaded, stands, |_| Doubt::Perhaps);
        if delta.is_empty() {
            return Ok(());
        }
        match self.engine.apply(&self.container, &delta).await {
            Ok(applied) => match applied.closed.first() {
                None => Ok(()),
                Some((path, why)) => Err(format!("`{path}` was not touched: it {why}")),
            },
            Err(error) => Err(error.to_string()),
        }
    }
}

/// What a live update would have done after the files.
fn left_out(update: &LiveUpdate) -> Vec<(String, Step)> {
    let works = update.steps.iter().map(|due| &due.work);
    works.map(|work| (work.text(), work.step.clone())).collect()
}
