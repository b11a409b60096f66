//! `explain`: what a change of each file means to each service, asked of the scope and the planner that `up` has.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::{ExitCode, Format};
use crate::compose::block::{HelperUse, Step};
use crate::docker::DockerCli;
use crate::engine::{Docker, Engine as _, State, Via, helper_forbidden};
use crate::harmless;
use crate::paths::HostPath;
use crate::plan::rules::Mapping;
use crate::plan::{Idle, LiveUpdate, Plan};
use crate::report::json::{plan_fields, via, via_reason};
use crate::service::{self, Configuration};
use crate::watch::{IgnoredBy, Verdict, look};

use super::output::{DIM, TITLE, beside, count, list, say, say_object, style_of};
use super::plan::{REREAD, consequences, plan_of, say_source};
use super::subject::{self, Subject, builds};

/// An engine that does not answer by then is not needed for an answer either.
const PATIENCE: Duration = Duration::from_secs(2);

/// Explains each file for itself: a change of it alone, as it is on disk now.
pub async fn run(docker: &DockerCli, files: Vec<HostPath>, format: Format) -> ExitCode {
    let subject = match subject::load(docker).await {
        Ok(subject) => subject,
        Err(code) => return code,
    };
    let ways = ways(docker, &subject).await;
    for (index, file) in files.into_iter().enumerate() {
        let file = subject.known(file);
        if format == Format::Text && index > 0 {
            say("");
        }
        explain(&subject, &ways, &file, format);
    }
    ExitCode::Ok
}

/// The way that updates of each service take: as its running containers have it, or else as the user wants it.
async fn ways(docker: &DockerCli, subject: &Subject) -> BTreeMap<String, Via> {
    let mut ways = BTreeMap::new();
    for service in &subject.services {
        let off = service.rules.block().helper == HelperUse::Off;
        let forbidden = helper_forbidden(off);
        ways.insert(
            service.service.name.clone(),
            forbidden.map_or(Via::Helper, |why| Via::EngineApi(why.to_owned())),
        );
    }
    let ask = async {
        let engine = Docker::connect(docker, &subject.project.name).await?;
        for (name, way) in ways.iter_mut().filter(|(_, way)| **way == Via::Helper) {
            for container in engine.containers(name).await? {
                if container.state == State::Running && *way == Via::Helper {
                    *way = engine.expected_way(&container).await;
                }
            }
        }
        Ok::<(), crate::engine::EngineError>(())
    };
    // Without an engine there is no container that could have it otherwise.
    let _ = tokio::time::timeout(PATIENCE, ask).await;
    ways
}

fn explain(subject: &Subject, ways: &BTreeMap<String, Via>, file: &HostPath, format: Format) {
    let width = subject.width();
    let there = There::at(file);
    if format == Format::Text {
        say(&format!("{TITLE}{file}{TITLE:#}{}", there.text()));
    }
    for service in &subject.services {
        let way = ways.get(&service.service.name).unwrap_or(&Via::Helper);
        let meaning = Meaning::of(service, way, file, there);
        if format == Format::Json {
            say_object("explain", meaning.fields(file, there));
        } else {
            let text = meaning.text();
            let line = beside(&service.service.name, width, text, style_of(&meaning.plan));
            say(&format!("  {}", line.replace('\n', "\n  ")));
        }
    }
    for name in left_alone(subject, file) {
        if format == Format::Json {
            let fields = json!({
                "path": file.verbatim(), "service": name, "watched": false, "action": "nothing",
                "reason": LEFT_ALONE,
            });
            say_object("explain", fields);
        } else {
            let line = beside(name, width, format!("nothing: {LEFT_ALONE}"), DIM);
            say(&format!("  {line}"));
        }
    }
    if subject.project.sources.contains(file) {
        if format == Format::Json {
            say_source(file);
        } else {
            say(&format!("  {REREAD}"));
        }
    }
}

const LEFT_ALONE: &str = "it has no `x-live-update` block and is left alone";

/// The services without a block that are built from this file, and not on the way to one with a block.
fn left_alone<'a>(subject: &'a Subject, file: &HostPath) -> Vec<&'a str> {
    let services = &subject.project.services;
    services
        .iter()
        .filter(|service| service.block.is_none())
        .filter(|service| {
            !services
                .iter()
                .any(|other| other.bases.contains(&service.name))
        })
        .filter(|service| {
            let context = service.build.as_ref().map(|build| &build.context);
            context.is_some_and(|context| file.below(context).is_some())
        })
        .map(|service| service.name.as_str())
        .collect()
}

/// What stands at the file's path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum There {
    Nothing,
    Directory,
    Link,
    File,
}

impl There {
    fn at(path: &HostPath) -> Self {
        match fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() => Self::Directory,
            Ok(found) if found.is_symlink() => Self::Link,
            Ok(_) => Self::File,
            Err(_) => Self::Nothing,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Nothing => " (not there: explained as deleted)",
            Self::Directory => " (a directory, for itself)",
            Self::Link => " (a link)",
            Self::File => "",
        }
    }
}

/// What a change of one file means to one service.
struct Meaning<'a> {
    service: &'a Configuration,
    way: &'a Via,
    verdict: Verdict,
    plan: Plan,
    /// For a plan that does nothing: why, more exactly than a batch needs to say it.
    nothing: Option<String>,
    /// Watched files below a directory.
    below: Option<usize>,
}

impl<'a> Meaning<'a> {
    fn of(service: &'a Configuration, way: &'a Via, file: &HostPath, there: There) -> Self {
        let plan = plan_of(service, std::slice::from_ref(file));
        let mut meaning = Self {
            service,
            way,
            verdict: service.scope.verdict(file),
            plan,
            nothing: None,
            below: None,
        };
        if meaning.plan == Plan::Nothing(Idle::NothingChanged)
            && matches!(meaning.verdict, Verdict::Watched { .. })
        {
            meaning.nothing = Some(nothing(service, file, there).to_owned());
        }
        if there == There::Directory {
            let below = look::below(&service.scope, file);
            let is_file = |path: &&HostPath| There::at(path) != There::Directory;
            meaning.below = Some(below.iter().filter(is_file).count());
        }
        meaning
    }

    fn text(&self) -> String {
        let mut text = match (&self.verdict, &self.nothing) {
            (Verdict::Ignored(why), _) => format!("nothing: ignored, {why}"),
            (Verdict::Outside, _) => {
                let roots: Vec<String> = self
                    .service
                    .scope
                    .roots()
                    .map(|root| format!("`{root}`"))
                    .collect();
                format!("nothing: not watched, it lies outside of {}", list(&roots))
            }
            (Verdict::Watched { .. }, Some(nothing)) => format!("nothing: {nothing}"),
            (Verdict::Watched { .. }, None) => self.plan.to_string(),
        };
        let mut lines = consequences(self.service, &self.plan);
        if let Plan::LiveUpdate(update) = &self.plan {
            for (command, step) in self.not_run(update) {
                let command = harmless::value(&command);
                lines.push(format!("not run: {command} ({step}): no trigger matches"));
            }
            if self.is_hidden(update) {
                lines.push("the copy is left out: another file is mounted there".into());
            } else if self.is_live(update) {
                lines.push(
                    "the copy is left out: the container sees the file through its bind mount"
                        .into(),
                );
            } else if update.touches_container() {
                lines.push(format!("goes through {}", self.way));
            }
        }
        match self.below {
            Some(0) if self.verdict == Verdict::Outside => {}
            Some(0) => lines.push("nothing watched below".to_owned()),
            Some(below) => lines.push(format!(
                "{} below; `plan` shows what they do together",
                count(below, "watched file", "watched files")
            )),
            None => {}
        }
        for line in lines {
            text.push_str("\n  ");
            text.push_str(&line);
        }
        text
    }

    fn fields(&self, file: &HostPath, there: There) -> Value {
        let mut fields = plan_fields(&self.plan);
        fields["path"] = file.verbatim().into();
        fields["exists"] = (there != There::Nothing).into();
        fields["service"] = self.service.service.name.as_str().into();
        fields["watched"] = matches!(self.verdict, Verdict::Watched { .. }).into();
        match &self.verdict {
            Verdict::Ignored(why) => {
                fields["reason"] = why.to_string().into();
                fields["ignored_by"] = why_fields(why);
            }
            Verdict::Outside => {
                fields["reason"] = "outside of every watched path".into();
                let roots = self.service.scope.roots();
                fields["roots"] = roots.map(|root| root.verbatim()).collect::<Vec<_>>().into();
            }
            Verdict::Watched { root } => fields["root"] = root.verbatim().into(),
        }
        if let Some(nothing) = &self.nothing {
            fields["reason"] = nothing.as_str().into();
        }
        if let Plan::LiveUpdate(update) = &self.plan {
            let not_run = self.not_run(update).into_iter();
            fields["not_run"] = not_run
                .map(|(command, step)| json!({"command": command, "step": step.number, "reason": "no trigger matches"}))
                .collect();
            fields["live"] = self.is_live(update).into();
            fields["via"] = via(self.way).into();
            fields["via_reason"] = via_reason(self.way).into();
        }
        if matches!(self.plan, Plan::Rebuild(_)) {
            fields["builds"] = json!(builds(self.service));
        }
        if let Some(below) = self.below {
            fields["below"] = below.into();
        }
        fields
    }

    /// The commands and the last step that the plan leaves out.
    fn not_run(&self, update: &LiveUpdate) -> Vec<(String, &Step)> {
        let rules = &self.service.rules;
        let is_due = |index| update.steps.iter().any(|due| due.index == index);
        let works = rules.works().iter().enumerate();
        let left = works.filter(|(index, _)| !is_due(*index));
        left.map(|(_, work)| (work.text(), &work.step)).collect()
    }

    /// E6, by the mounts that the compose file gives.
    fn is_hidden(&self, update: &LiveUpdate) -> bool {
        let mounts = &self.service.service.mounts;
        let mut copies = update.copies.iter();
        copies.any(|copy| service::is_hidden(mounts, &copy.from, &copy.to))
    }

    /// E6, by the mounts that the compose file gives.
    fn is_live(&self, update: &LiveUpdate) -> bool {
        let mounts = &self.service.service.mounts;
        let mut copies = update.copies.iter();
        copies.any(|copy| service::is_live(mounts, copy))
    }
}

/// Why a change of a watched file does nothing.
fn nothing(service: &Configuration, file: &HostPath, there: There) -> &'static str {
    match service.rules.mapping(file) {
        Mapping::WatchOnly(_) => {
            "it is watched for a trigger alone, and there is nothing to trigger"
        }
        _ if there == There::Directory => "a directory asks for nothing by itself",
        _ => "it is not there, and what it would lie in is missing as a whole: that is no deletion",
    }
}

fn why_fields(why: &IgnoredBy) -> Value {
    match why {
        IgnoredBy::IgnoreFile {
            file,
            line,
            pattern,
        } => {
            json!({"file": file.verbatim(), "line": line, "pattern": pattern})
        }
        IgnoredBy::BlockIgnore {
            service,
            place,
            pattern,
        } => {
            json!({"service": service, "key": "ignore", "place": place, "pattern": pattern})
        }
        IgnoredBy::Only { service } => json!({"service": service, "key": "only"}),
        IgnoredBy::OwnOutput => json!({"rule": "own-output"}),
        IgnoredBy::Git => json!({"rule": "git"}),
        IgnoredBy::Editor { pattern } => json!({"rule": "editor", "pattern": pattern}),
    }
}
