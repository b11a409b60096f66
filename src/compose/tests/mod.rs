//! The promises of the block, told by tables: what is written, and the exact text that comes back.

mod bad_blocks;
mod bases;
mod blocks;
mod convert;
mod edited;
mod files;
mod readme;
mod robust;
mod same_plan;
mod schema;
mod watch_rules;

use std::collections::BTreeMap;
use std::io;

use serde_yaml::{Mapping, Value};

use crate::paths::HostPath;

use super::{Block, Entry, FileKind, Files, Problem, Project, Sources, project_from};

/// A project directory `/p`, in memory. What Compose resolved is worked out for simple files, or given.
#[derive(Clone)]
pub struct Situation {
    files: BTreeMap<HostPath, Vec<u8>>,
    mains: Vec<HostPath>,
    resolved: Option<String>,
}

impl Files for Situation {
    fn read(&self, path: &HostPath) -> io::Result<Vec<u8>> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        self.files.get(path).cloned().ok_or_else(missing)
    }

    fn kind(&self, path: &HostPath) -> Option<FileKind> {
        if self.files.contains_key(path) {
            return Some(FileKind::File);
        }
        let below = self.files.keys().any(|file| file.below(path).is_some());
        below.then_some(FileKind::Directory)
    }
}

pub fn host(path: &str) -> HostPath {
    HostPath::new("/p").unwrap().join(path)
}

/// `/p/compose.yaml` with this text, beside a Dockerfile and some sources.
#[must_use]
pub fn compose(text: &str) -> Situation {
    Situation {
        files: BTreeMap::new(),
        mains: vec![host("compose.yaml")],
        resolved: None,
    }
    .file("compose.yaml", text)
    .file("Dockerfile", "FROM busybox\n")
    .file("src/app.py", "")
    .file("static/x.css", "")
    .file("package.json", "")
}

/// One service `web`, built from `/p`, with this block (indented as below `x-live-update:`).
#[must_use]
pub fn web(block: &str) -> Situation {
    let block: String = block
        .lines()
        .flat_map(|line| {
            [
                "      ", line, "
",
            ]
        })
        .collect();
    compose(&format!(
        "services:\n  web:\n    build: .\n    x-live-update:\n{block}"
    ))
}

impl Situation {
    #[must_use]
    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(host(path), text.as_bytes().to_vec());
        self
    }

    #[must_use]
    pub fn without(mut self, path: &str) -> Self {
        self.files.remove(&host(path));
        self
    }

    /// A further `-f`.
    #[must_use]
    pub fn and_file(mut self, path: &str, text: &str) -> Self {
        self.mains.push(host(path));
        self.file(path, text)
    }

    #[must_use]
    pub fn resolved(mut self, text: &str) -> Self {
        self.resolved = Some(text.to_owned());
        self
    }

    pub fn load(&self) -> (Option<Project>, Vec<Problem>) {
        let entry = Entry {
            cwd: host(""),
            project_dir: host(""),
            files: self.mains.clone(),
            env_files: vec![host(".env")],
            environment: BTreeMap::from([("TAG".to_owned(), "dev".to_owned())]),
        };
        let sources = Sources::gather(&entry, self);
        let resolved = self.resolved.clone().unwrap_or_else(|| self.resolve());
        project_from(&resolved, &sources, self)
    }

    /// All problems, as the user sees them.
    #[track_caller]
    pub fn says(&self, expected: &str) {
        let said: Vec<String> = self.load().1.iter().map(ToString::to_string).collect();
        assert_eq!(said.join("\n\n"), expected.trim_matches('\n'));
    }

    /// The only thing wrong is this message.
    #[track_caller]
    pub fn refuses(&self, message: &str) {
        let (project, problems) = self.load();
        let said: Vec<String> = problems.iter().map(|it| it.message.clone()).collect();
        assert_eq!(said, [message]);
        assert!(project.is_none());
    }

    #[track_caller]
    pub fn project(&self) -> Project {
        let (project, problems) = self.load();
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        project.unwrap_or_else(|| panic!("{}", said.join("\n\n")))
    }

    #[track_caller]
    pub fn block(&self) -> Block {
        self.project()
            .service("web")
            .unwrap()
            .block
            .clone()
            .unwrap()
    }

    /// What Compose makes of one simple file: long build forms, absolute paths.
    fn resolve(&self) -> String {
        let text = &self.files[&self.mains[0]];
        let mut model: Value = serde_yaml::from_slice(text).unwrap();
        model.apply_merge().unwrap();
        model["name"] = "shop".into();
        let Some(services) = model.get_mut("services").and_then(Value::as_mapping_mut) else {
            return serde_yaml::to_string(&model).unwrap();
        };
        for (_, service) in services.iter_mut() {
            if service.get("profiles").is_some() {
                *service = Value::Null;
                continue;
            }
            if let Some(build) = service.get_mut("build") {
                if let Some(context) = build.as_str() {
                    let context = Value::from(context);
                    *build = Value::Mapping(Mapping::from_iter([("context".into(), context)]));
                }
                let context = build["context"].as_str().unwrap().to_owned();
                if !context.contains("://") {
                    build["context"] = host(&context).verbatim().as_ref().into();
                }
            }
            let rules = service
                .get_mut("develop")
                .and_then(|it| it.get_mut("watch"));
            for rule in rules.and_then(Value::as_sequence_mut).into_iter().flatten() {
                rule["path"] = host(rule["path"].as_str().unwrap())
                    .verbatim()
                    .as_ref()
                    .into();
            }
        }
        services.retain(|_, service| !service.is_null());
        serde_yaml::to_string(&model).unwrap()
    }
}
