//! Turns the resolved model and the raw files into a checked [`Project`] and all problems. Reads the disk through [`Files`] only.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_yaml::Value;

use crate::paths::HostPath;

use super::disk::Files;
use super::edited::Handed;
use super::finding::{Findings, Seg, YamlPath};
use super::model::{self, Sourcing};
use super::problem::{Problem, Severity};
use super::project::{Project, Service};
use super::reader::{self, Names, ReadBlock, Written};
use super::sources::Sources;
use super::trace::Trace;
use super::yaml::{get, scalar_text, undouble_dollars, untagged};
use super::{bases, checks, names, watch_rules};

/// One service while it is read and checked.
#[derive(Debug)]
pub struct Draft {
    /// The service; block and bases are filled in as they are read.
    pub service: Service,
    /// What its image is built from.
    pub sourcing: Sourcing,
    /// Its block with locations; `None` without one.
    pub block: Option<ReadBlock>,
    /// It has `develop.watch` beside `x-live-update`, which is ignored then.
    pub shadowed_watch: bool,
    /// It has an `x-develop`, which nobody reads: a renamed `develop`.
    pub renamed_develop: bool,
}

impl Draft {
    /// The path `services.<name>`.
    pub fn at(&self) -> YamlPath {
        YamlPath::service(&self.service.name)
    }
}

/// Reads `resolved`, the output of `docker compose config`, which was made from `sources`. With any error there is no project.
pub fn project_from(
    resolved: &str,
    sources: &Sources,
    disk: &dyn Files,
) -> (Option<Project>, Vec<Problem>) {
    let mut model: Value = match serde_yaml::from_str(resolved) {
        Ok(model) => model,
        Err(error) => {
            let message =
                format!("the model that `docker compose config` wrote cannot be read: {error}");
            return (None, vec![bare(message)]);
        }
    };
    undouble_dollars(&mut model);
    add_included_steps(&mut model, sources);
    let trace = Trace::new(sources, &model);
    let mut found = Findings::default();
    let mut names = match get(&model, "x-live-update") {
        Some(value) => reader::read_names(
            value,
            &YamlPath::root().key("x-live-update"),
            &trace,
            &mut found,
        ),
        None => Names::default(),
    };
    let project_name = get(&model, "name")
        .and_then(scalar_text)
        .unwrap_or_default();
    let mut drafts: Vec<Draft> = services(&model)
        .map(|(name, value)| draft(&project_name, &name, value, &trace, &mut names, &mut found))
        .collect();
    fill_in(&mut drafts, &model, sources, disk);
    names::check(&names, sources, &mut found);
    bases::fill(&project_name, &mut drafts, sources, disk, &mut found);
    checks::check(&mut drafts, sources, disk, &mut found);
    let failed = found.has_errors();
    let problems = in_reading_order(trace.problems(found), sources);
    let project = (!failed).then(|| Project {
        name: project_name,
        dir: sources.project_dir.clone(),
        sources: sources.all(),
        services: drafts
            .into_iter()
            .map(|draft| {
                let mut service = draft.service;
                service.block = draft.block.map(|read| read.block);
                service
            })
            .collect(),
    });
    (project, problems)
}

/// Reads one service of the model, and its block from `x-live-update` or else from `develop.watch`.
fn draft(
    project: &str,
    name: &str,
    value: &Value,
    trace: &Trace<'_>,
    names: &mut Names,
    found: &mut Findings,
) -> Draft {
    let (service, sourcing) = model::service(project, name, value);
    let at = YamlPath::service(name);
    let own = get(value, "x-live-update");
    let rules = get(value, "develop").and_then(|develop| get(develop, "watch"));
    let block = match (own, rules) {
        (Some(block), _) => {
            let at = at.key("x-live-update");
            Some(reader::read_block(block, &at, trace, names, found))
        }
        (None, Some(rules)) => {
            let at = at.key("develop").key("watch");
            Some(watch_rules::read(rules, &at, trace, trace.sources(), found))
        }
        (None, None) => None,
    };
    Draft {
        service,
        sourcing,
        block,
        shadowed_watch: rules.is_some() && own.is_some(),
        renamed_develop: get(value, "x-develop").is_some(),
    }
}

/// Fills in what a service alone does not tell: the ignore file in force, and what stands beside the services.
fn fill_in(drafts: &mut [Draft], model: &Value, sources: &Sources, disk: &dyn Files) {
    let around = Arc::new(model::without(model, &["name", "services"]));
    for draft in drafts {
        if let Some(build) = &mut draft.service.build {
            let files = build.ignore_files();
            if let Some(file) = files.into_iter().find(|file| disk.kind(file).is_some()) {
                build.ignore_file = file;
            }
        }
        let definition = &mut draft.service.definition;
        definition.around = Arc::clone(&around);
        definition.handed = Handed::of(&definition.container, &around, sources);
    }
}

/// Adds the named steps of included files, which belong to the project as the included services do (B3): Compose drops them.
fn add_included_steps(model: &mut Value, sources: &Sources) {
    let steps = sources.included_steps();
    let (false, Value::Mapping(model)) = (steps.is_empty(), model) else {
        return;
    };
    let empty = || Value::Mapping(serde_yaml::Mapping::new());
    let top = model.entry("x-live-update".into()).or_insert_with(empty);
    let Value::Mapping(top) = top else {
        return;
    };
    let Value::Mapping(known) = top.entry("steps".into()).or_insert_with(empty) else {
        return;
    };
    for (name, step) in steps {
        known.entry(name).or_insert(step);
    }
}

/// Reads a single block as if it stood in `dir`: the reader without Compose, for fuzzing and editors.
pub fn read_block(yaml: &str, dir: &HostPath) -> (super::Block, Vec<Problem>) {
    let value: Value = match serde_yaml::from_str(yaml) {
        Ok(value) => value,
        Err(error) => return (super::Block::default(), vec![bare(error.to_string())]),
    };
    let mut found = Findings::default();
    let read = reader::read_block(
        &value,
        &YamlPath::root(),
        &Alone(dir),
        &mut Names::default(),
        &mut found,
    );
    let problems = found.list.into_iter().map(|finding| Problem {
        severity: finding.severity,
        service: finding.at.service,
        step: finding.at.step,
        message: finding.message,
        hint: finding.hint,
        location: None,
    });
    (read.block, problems.collect())
}

/// A block that is in no file.
struct Alone<'d>(&'d HostPath);

impl Written for Alone<'_> {
    fn dir(&self, _: &[Seg]) -> HostPath {
        self.0.clone()
    }

    fn part(&self, _: &[Seg]) -> usize {
        0
    }
}

impl Written for Trace<'_> {
    fn dir(&self, path: &[Seg]) -> HostPath {
        Trace::dir(self, path)
    }

    fn part(&self, path: &[Seg]) -> usize {
        self.written(path).map_or(0, |written| written.part)
    }
}

fn services(model: &Value) -> impl Iterator<Item = (String, &Value)> {
    get(model, "services")
        .and_then(|services| untagged(services).as_mapping())
        .into_iter()
        .flat_map(|services| services.iter())
        .filter_map(|(name, value)| Some((scalar_text(name)?, value)))
}

fn bare(message: String) -> Problem {
    Problem {
        severity: Severity::Error,
        service: None,
        step: None,
        message,
        hint: None,
        location: None,
    }
}

/// Sorts problems file by file in the order of reading, each from top to bottom, and drops repetitions at one location.
fn in_reading_order(mut problems: Vec<Problem>, sources: &Sources) -> Vec<Problem> {
    let order: BTreeMap<&HostPath, usize> = sources
        .files
        .iter()
        .enumerate()
        .map(|(index, file)| (&file.path, index))
        .collect();
    problems.sort_by_key(|problem| match &problem.location {
        Some(place) => (
            order.get(&place.file).copied().unwrap_or(usize::MAX),
            place.line,
            place.column,
        ),
        None => (usize::MAX, 0, 0),
    });
    problems.dedup();
    problems
}
