//! Reads the raw files of a model: from the compose files on, whatever `include`, `extends` and `env_file` refer to.

use std::collections::BTreeMap;

use serde::Deserialize as _;
use serde_yaml::Value;

use crate::compose::disk::Files;
use crate::compose::interpolate::{interpolate, read_env_file};
use crate::compose::yaml::{get, untagged};
use crate::paths::HostPath;
use crate::plain_file::Odd;

use super::{Entry, RawFile, Sources, extended};

impl Sources {
    /// Reads every file that `entry` leads to. Compose reports what cannot be read, except for files that would make it hang:
    /// those are in `odd`.
    pub fn gather(entry: &Entry, disk: &dyn Files) -> Self {
        let mut variables = BTreeMap::new();
        let mut odd = Vec::new();
        for file in &entry.env_files {
            match disk.read(file) {
                Ok(text) => variables.extend(read_env_file(&String::from_utf8_lossy(&text))),
                Err(error) => odd.extend(odd_env_file(&error).map(|odd| (file.clone(), odd))),
            }
        }
        // Compose also looks into the current directory, unless it is told which files to read.
        let near = entry.cwd.join(".env");
        if entry.env_files == [entry.project_dir.join(".env")]
            && entry.env_files != [near.clone()]
            && let Err(error) = disk.read(&near)
        {
            odd.extend(odd_env_file(&error).map(|odd| (near, odd)));
        }
        // The process's environment wins over env files, as in Compose.
        variables.extend(entry.environment.clone());
        let mut sources = Self {
            cwd: entry.cwd.clone(),
            project_dir: entry.project_dir.clone(),
            files: Vec::new(),
            main: Vec::new(),
            variables,
            odd,
            env_files: entry.env_files.iter().cloned().collect(),
            included_variables: Vec::new(),
        };
        let mut main = Vec::new();
        for file in &entry.files {
            main.extend(sources.add(file, &entry.project_dir, disk));
        }
        sources.main = main;
        sources
    }

    fn add(&mut self, path: &HostPath, base: &HostPath, disk: &dyn Files) -> Option<usize> {
        if let Some(known) = self.files.iter().position(|file| file.path == *path) {
            return Some(known);
        }
        let text = match disk.read(path) {
            Ok(text) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) => {
                self.note(path, Odd::of(&error));
                return None;
            }
        };
        let documents: Result<Vec<Value>, _> = serde_yaml::Deserializer::from_str(&text)
            .map(Value::deserialize)
            .collect();
        let documents = documents.unwrap_or_default();
        let index = self.files.len();
        self.files.push(RawFile {
            path: path.clone(),
            text,
            documents: documents.clone(),
            base: base.clone(),
            includes: Vec::new(),
            extends: BTreeMap::new(),
        });
        for document in &documents {
            self.follow_includes(index, document, disk);
            let services = get(document, "services").and_then(|it| untagged(it).as_mapping());
            for service in services.into_iter().flat_map(|map| map.values()) {
                self.follow_service(index, service, disk);
            }
        }
        Some(index)
    }

    fn follow_includes(&mut self, index: usize, document: &Value, disk: &dyn Files) {
        let base = self.files[index].base.clone();
        for entry in get(document, "include")
            .and_then(|it| untagged(it).as_sequence())
            .into_iter()
            .flatten()
        {
            let paths = match get(entry, "path") {
                Some(paths) => self.texts(paths),
                None => self.texts(entry),
            };
            let Some(first) = paths.first() else {
                continue;
            };
            let first = base.join(first);
            let included_base = match get(entry, "project_directory").map(|it| self.texts(it)) {
                Some(dirs) if !dirs.is_empty() => base.join(&dirs[0]),
                _ => first.parent().unwrap_or_else(|| base.clone()),
            };
            let env_files: Vec<HostPath> = match get(entry, "env_file") {
                Some(files) => self
                    .texts(files)
                    .iter()
                    .map(|file| base.join(file))
                    .collect(),
                None => vec![included_base.join(".env")]
                    .into_iter()
                    .filter(|default| disk.kind(default).is_some())
                    .collect(),
            };
            for file in env_files {
                if let Ok(text) = disk.read(&file) {
                    let text = String::from_utf8_lossy(&text);
                    self.included_variables.extend(read_env_file(&text));
                }
                self.add_env_file(file, disk);
            }
            let group: Vec<usize> = paths
                .iter()
                .filter_map(|path| self.add(&base.join(path), &included_base, disk))
                .collect();
            self.files[index].includes.push(group);
        }
    }

    fn follow_service(&mut self, index: usize, service: &Value, disk: &dyn Files) {
        let base = self.files[index].base.clone();
        if let Some((Some(file), _)) = extended(service) {
            let file = file.to_owned();
            if let Some(text) = interpolate(&file, &self.variables) {
                let path = base.join(text);
                let extended_base = path.parent().unwrap_or_else(|| base.clone());
                if let Some(found) = self.add(&path, &extended_base, disk) {
                    self.files[index].extends.insert(file, found);
                }
            }
        }
        // Compose reads the labels the same way.
        let both = ["env_file", "label_file"].map(|key| get(service, key));
        for files in both.into_iter().flatten() {
            let entries = match untagged(files) {
                Value::Sequence(entries) => entries.clone(),
                other => vec![other.clone()],
            };
            for entry in &entries {
                for path in self.texts(get(entry, "path").unwrap_or(entry)) {
                    self.add_env_file(base.join(path), disk);
                }
            }
        }
    }

    fn add_env_file(&mut self, path: HostPath, disk: &dyn Files) {
        if self.env_files.contains(&path) {
            return;
        }
        if let Err(error) = disk.read(&path) {
            self.note(&path, odd_env_file(&error));
        }
        self.env_files.insert(path);
    }

    fn note(&mut self, path: &HostPath, odd: Option<Odd>) {
        let known = self.odd.iter().any(|(file, _)| file == path);
        if !known {
            self.odd.extend(odd.map(|odd| (path.clone(), odd)));
        }
    }
}

/// A directory called `.env` may be a Python environment: Compose skips it, and reports other directories itself.
fn odd_env_file(error: &std::io::Error) -> Option<Odd> {
    Odd::of(error).filter(|odd| *odd != Odd::Directory)
}
