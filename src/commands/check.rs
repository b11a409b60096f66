//! `check`: the configuration, all problems at once with their lines. Starts nothing, asks no engine.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::cli::{ExitCode, Format};
use crate::compose::block::Origin;
use crate::compose::{self, Block, Location, Problem, Project, Severity, Which};
use crate::docker::DockerCli;
use crate::harmless;
use crate::plain_file;
use crate::session::{complain, exit_code};
use crate::watch::ignored::PatternList;
use crate::watch::{BadIgnore, Scope};

use super::covered::{Covered, covered};
use super::output::{DIM, GOOD, count, list, say, say_object};

/// Says what is wrong, or in one line what is fine.
pub async fn run(docker: &DockerCli, format: Format) -> ExitCode {
    let (project, mut problems, code) = match compose::load(docker).await {
        Ok(loaded) => (Some(loaded.project), loaded.warnings, ExitCode::Ok),
        Err(error) => {
            let code = exit_code(&error);
            (None, error.problems().into_owned(), code)
        }
    };
    if let Some(project) = &project {
        problems.extend(bad_patterns(project));
    }
    let errors = of(&problems, Severity::Error);
    let warnings = of(&problems, Severity::Warning);
    show(&problems, format);
    let fine = project.filter(|_| errors == 0);
    if format == Format::Json {
        let fields = json!({
            "ok": fine.is_some(), "errors": errors, "warnings": warnings,
            "services": fine.as_ref().map(service_fields),
        });
        say_object("check", fields);
    } else if let Some(project) = &fine {
        say(&summary(project, warnings));
        for service in &project.services {
            for covered in covered(service) {
                say(&format!(
                    "{DIM}{}  {}{DIM:#}",
                    harmless::value(&service.name),
                    covered.text()
                ));
            }
        }
    } else {
        let mut parts = vec![count(errors, "error", "errors")];
        if warnings > 0 {
            parts.push(count(warnings, "warning", "warnings"));
        }
        complain(&format!("\n{}", list(&parts)));
    }
    match code {
        ExitCode::Ok if fine.is_none() => ExitCode::Problems,
        code => code,
    }
}

fn of(problems: &[Problem], severity: Severity) -> usize {
    let same = |problem: &&Problem| problem.severity == severity;
    problems.iter().filter(same).count()
}

fn show(problems: &[Problem], format: Format) {
    let color = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    for (index, problem) in problems.iter().enumerate() {
        if format == Format::Json {
            say_object("problem", problem_fields(problem));
        } else {
            let gap = if index > 0 { "\n" } else { "" };
            complain(&format!("{gap}{}", problem.render(color)));
        }
    }
}

/// The ignore patterns and files that cannot be read; what several services share is said once.
fn bad_patterns(project: &Project) -> Vec<Problem> {
    let mut bad: Vec<BadIgnore> = Vec::new();
    for service in &project.services {
        let found = Scope::of(project, service, |file| plain_file::read_if_any(file)).err();
        for one in found.into_iter().flatten() {
            if !bad.contains(&one) {
                bad.push(one);
            }
        }
    }
    bad.iter().map(bad_pattern).collect()
}

fn bad_pattern(bad: &BadIgnore) -> Problem {
    let location = match bad {
        BadIgnore::Pattern {
            list: PatternList::File(file),
            bad: pattern,
        } => {
            let line = pattern.line;
            let text = plain_file::read(file).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            Some(Location {
                file: file.clone(),
                shown: file.to_string(),
                line,
                column: 1,
                text: text
                    .lines()
                    .nth(line.saturating_sub(1))
                    .unwrap_or_default()
                    .to_owned(),
            })
        }
        _ => None,
    };
    let message = match bad {
        BadIgnore::Pattern { bad, .. } if location.is_some() => bad.to_string(),
        bad => bad.to_string(),
    };
    // The pattern's complaint has what to write on a second line.
    let (message, hint) = match message.split_once('\n') {
        Some((message, hint)) => (
            message.to_owned(),
            Some(hint.trim_start_matches("hint: ").to_owned()),
        ),
        None => (message, None),
    };
    Problem {
        severity: Severity::Error,
        service: None,
        step: None,
        message,
        hint,
        location,
    }
}

fn problem_fields(problem: &Problem) -> Value {
    let location = problem.location.as_ref();
    json!({
        "severity": problem.severity.word(), "service": problem.service,
        "step": problem.step.as_ref().and_then(Which::number), "named_step": problem.step.as_ref().and_then(Which::name),
        "message": problem.message, "hint": problem.hint,
        "file": location.map(|location| location.file.verbatim()),
        "line": location.map(|location| location.line), "column": location.map(|location| location.column),
    })
}

fn service_fields(project: &Project) -> Value {
    let services = project.services.iter().map(|service| {
        let steps = service.block.as_ref().map(steps);
        let origin = service.block.as_ref().map(|block| match block.origin {
            Origin::LiveUpdate => "x-live-update",
            Origin::DevelopWatch => "develop.watch",
        });
        let covered: Vec<Value> = covered(service).iter().map(Covered::fields).collect();
        json!({"name": service.name, "from": origin, "steps": steps, "covered": covered})
    });
    services.collect()
}

/// What is fine, in one line.
fn summary(project: &Project, warnings: usize) -> String {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for service in &project.services {
        let name = harmless::value(&service.name);
        match &service.block {
            Some(block) => with.push(format!("{name} ({})", steps_text(block))),
            None => without.push(name.into_owned()),
        }
    }
    // Writing to a string cannot fail.
    let mut line = format!("{GOOD}ok{GOOD:#}: {}", list(&with));
    if !without.is_empty() {
        let verb = if without.len() == 1 { "is" } else { "are" };
        let _ = write!(line, "; {} {verb} left alone", list(&without));
    }
    if warnings > 0 {
        let _ = write!(line, "; {}", count(warnings, "warning", "warnings"));
    }
    line
}

fn steps_text(block: &Block) -> String {
    let steps = steps(block);
    match block.origin {
        _ if block.always_rebuilds() => "rebuilt on every change".to_owned(),
        Origin::LiveUpdate => count(steps, "step", "steps"),
        Origin::DevelopWatch => {
            format!("{} of develop.watch", count(steps, "rule", "rules"))
        }
    }
}

/// How many steps, as they are written.
fn steps(block: &Block) -> usize {
    let rules = block.fall_back_on.iter().chain(&block.watch_only);
    let numbers: BTreeSet<usize> = block
        .initial_sync
        .iter()
        .chain(rules.map(|rule| &rule.step))
        .chain(block.syncs.iter().map(|sync| &sync.step))
        .chain(block.works.iter().map(|work| &work.step))
        .map(|step| step.number)
        .collect();
    numbers.len()
}
