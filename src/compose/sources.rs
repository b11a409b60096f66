//! The raw files that a model is made from: compose files, included and extended ones, env files. Knows which file refers to
//! which, but not what a step is.

use std::collections::{BTreeMap, BTreeSet};

use serde_yaml::Value;

use crate::paths::HostPath;
use crate::plain_file::Odd;

use super::interpolate::interpolate;
use super::yaml::{get, key_text, untagged};

mod gather;

/// Where the reading starts, as flags, environment and Compose's search say.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The current directory; shown file names are relative to it.
    pub cwd: HostPath,
    /// The project directory, by `--project-directory` or the first compose file.
    pub project_dir: HostPath,
    /// The compose files, in merge order.
    pub files: Vec<HostPath>,
    /// The env files; the project directory's `.env` when none is given.
    pub env_files: Vec<HostPath>,
    /// The environment of this process.
    pub environment: BTreeMap<String, String>,
}

/// One raw compose file.
#[derive(Clone, Debug)]
pub struct RawFile {
    /// Absolute.
    pub path: HostPath,
    /// The file's text, invalid UTF-8 replaced.
    pub text: String,
    /// Its YAML documents, with merge keys and tags as written; empty when it is not YAML.
    pub documents: Vec<Value>,
    /// The directory that its `include`, `extends` and `env_file` are relative to.
    base: HostPath,
    /// The files it includes, as indices; each `include` entry is a group.
    includes: Vec<Vec<usize>>,
    /// The files that its services extend, as indices by the text that names them.
    extends: BTreeMap<String, usize>,
}

impl RawFile {
    /// The directory that relative paths of its blocks are relative to (B5).
    pub fn dir(&self) -> HostPath {
        self.path.parent().unwrap_or_else(|| self.path.clone())
    }
}

/// One file's part of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'s> {
    /// Index of the file.
    pub file: usize,
    /// Index of the document in it.
    pub document: usize,
    /// The service's name in that file, which may differ for an extended one.
    pub service: &'s str,
}

/// All raw files of a model.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The current directory; shown file names are relative to it.
    pub cwd: HostPath,
    /// The directory that relative paths and the default name come from.
    pub project_dir: HostPath,
    /// The compose files that were read, each once.
    pub files: Vec<RawFile>,
    /// The top-level files as indices, in merge order.
    pub main: Vec<usize>,
    /// The variables for interpolation: environment over env files.
    pub variables: BTreeMap<String, String>,
    /// Needed files that are no regular files, and what they are instead: they are never opened.
    pub odd: Vec<(HostPath, Odd)>,
    env_files: BTreeSet<HostPath>,
    /// What the included files' own env files set, in the order of reading.
    included_variables: Vec<(String, String)>,
}

impl Sources {
    /// Every file that the model depends on: compose files, those of `include` and `extends`, and env files (E7).
    pub fn all(&self) -> Vec<HostPath> {
        let compose = self.files.iter().map(|file| file.path.clone());
        compose.chain(self.env_files.iter().cloned()).collect()
    }

    /// All values that the environment and the model's env files give a variable, the strongest first.
    pub fn values_of<'s>(&'s self, variable: &'s str) -> impl Iterator<Item = &'s str> {
        let included = self.included_variables.iter();
        let included = included.filter(move |(name, _)| name == variable);
        let own = self.variables.get(variable).into_iter();
        own.chain(included.map(|(_, value)| value))
            .map(String::as_str)
    }

    /// The included files, as indices. Compose takes their services, but leaves their top-level `x-` keys out of the model.
    pub fn included(&self) -> BTreeSet<usize> {
        self.files
            .iter()
            .flat_map(|file| file.includes.iter().flatten())
            .copied()
            .filter(|index| !self.main.contains(index))
            .collect()
    }

    /// The named steps of included files (B3), with variables filled in.
    pub fn included_steps(&self) -> Vec<(Value, Value)> {
        self.included()
            .into_iter()
            .flat_map(|index| &self.files[index].documents)
            .filter_map(|document| get(get(document, "x-live-update")?, "steps"))
            .filter_map(|steps| untagged(steps).as_mapping())
            .flatten()
            .map(|(name, step)| (name.clone(), self.filled_in(step)))
            .collect()
    }

    fn filled_in(&self, value: &Value) -> Value {
        match untagged(value) {
            Value::String(text) => {
                Value::String(interpolate(text, &self.variables).unwrap_or_else(|| text.clone()))
            }
            Value::Sequence(items) => items.iter().map(|item| self.filled_in(item)).collect(),
            Value::Mapping(map) => Value::Mapping(
                map.iter()
                    .map(|(key, value)| (key.clone(), self.filled_in(value)))
                    .collect(),
            ),
            other => other.clone(),
        }
    }

    /// The parts that are merged into `service`, in merge order.
    pub fn parts<'s>(&'s self, service: &'s str) -> Vec<Part<'s>> {
        let mut parts = Vec::new();
        let mut seen = BTreeSet::new();
        for &file in &self.main {
            self.file_parts(file, service, &mut seen, &mut parts);
        }
        parts
    }

    /// The names of all services in any file, whether their profile is active or not.
    pub fn service_names(&self) -> BTreeSet<String> {
        let documents = self.files.iter().flat_map(|file| &file.documents);
        documents
            .filter_map(|document| untagged(get(document, "services")?).as_mapping())
            .flat_map(|services| services.keys().filter_map(key_text))
            .collect()
    }

    /// The profiles that `service` is in.
    pub fn profiles(&self, service: &str) -> Vec<String> {
        let parts = self.parts(service);
        let values = parts.into_iter().filter_map(|part| self.value(part));
        values
            .filter_map(|value| get(value, "profiles"))
            .flat_map(|profiles| self.texts(profiles))
            .collect()
    }

    /// The raw value of a part.
    pub fn value(&self, part: Part<'_>) -> Option<&Value> {
        let document = self.files.get(part.file)?.documents.get(part.document)?;
        get(get(document, "services")?, part.service)
    }

    fn file_parts<'s>(
        &'s self,
        index: usize,
        service: &'s str,
        seen: &mut BTreeSet<(usize, usize, &'s str)>,
        parts: &mut Vec<Part<'s>>,
    ) {
        let Some(file) = self.files.get(index) else {
            return;
        };
        for document in 0..file.documents.len() {
            self.part_with_bases(
                Part {
                    file: index,
                    document,
                    service,
                },
                seen,
                parts,
            );
        }
        for &included in file.includes.iter().flatten() {
            if included != index && !self.main.contains(&included) {
                self.file_parts(included, service, seen, parts);
            }
        }
    }

    fn part_with_bases<'s>(
        &'s self,
        part: Part<'s>,
        seen: &mut BTreeSet<(usize, usize, &'s str)>,
        parts: &mut Vec<Part<'s>>,
    ) {
        let Some(value) = self.value(part) else {
            return;
        };
        if !seen.insert((part.file, part.document, part.service)) {
            return;
        }
        if let Some((file, name)) = extended(value) {
            match file {
                None => {
                    for document in 0..self.files[part.file].documents.len() {
                        let base = Part {
                            document,
                            service: name,
                            ..part
                        };
                        self.part_with_bases(base, seen, parts);
                    }
                }
                Some(file) => {
                    if let Some(&index) = self.files[part.file].extends.get(file) {
                        for document in 0..self.files[index].documents.len() {
                            let base = Part {
                                file: index,
                                document,
                                service: name,
                            };
                            self.part_with_bases(base, seen, parts);
                        }
                    }
                }
            }
        }
        parts.push(part);
    }

    /// One text or a list of them, interpolated; those that cannot be are left out.
    fn texts(&self, value: &Value) -> Vec<String> {
        let items = match untagged(value) {
            Value::Sequence(items) => items.as_slice(),
            _ => std::slice::from_ref(value),
        };
        items
            .iter()
            .filter_map(|item| interpolate(untagged(item).as_str()?, &self.variables))
            .collect()
    }
}

/// The file and the service that `extends` names.
fn extended(service: &Value) -> Option<(Option<&str>, &str)> {
    let extends = get(service, "extends")?;
    match untagged(extends) {
        Value::String(name) => Some((None, name)),
        _ => Some((
            get(extends, "file").and_then(|file| untagged(file).as_str()),
            untagged(get(extends, "service")?).as_str()?,
        )),
    }
}
