//! The names of services and profiles in compose files, read cheaply for completion. Compose is not asked, so `include` and `extends` are not followed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_yaml::Value;

use crate::harmless;
use crate::plain_file;

/// The file names that Compose looks for, in its order, each with its override.
const DEFAULTS: [(&str, &str); 4] = [
    ("compose.yaml", "compose.override.yaml"),
    ("compose.yml", "compose.override.yml"),
    ("docker-compose.yml", "docker-compose.override.yml"),
    ("docker-compose.yaml", "docker-compose.override.yaml"),
];

/// The names that the files define.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub services: BTreeSet<String>,
    pub profiles: BTreeSet<String>,
}

/// The names in `files`; if there are none, in the files that Compose finds in `directory` or above it. Unreadable files are skipped.
pub fn names(files: &[PathBuf], directory: &Path) -> Names {
    let mut names = Names::default();
    let found = if files.is_empty() {
        search(directory)
    } else {
        files.to_vec()
    };
    for file in found {
        let Ok(text) = plain_file::read(directory.join(file)) else {
            continue;
        };
        let Ok(model) = serde_yaml::from_slice::<Value>(&text) else {
            continue;
        };
        let Some(services) = model.get("services").and_then(Value::as_mapping) else {
            continue;
        };
        for (name, service) in services {
            names.services.extend(name.as_str().and_then(shown));
            let profiles = service.get("profiles").and_then(Value::as_sequence);
            for profile in profiles.into_iter().flatten() {
                names.profiles.extend(profile.as_str().and_then(shown));
            }
        }
    }
    names
}

/// A name that the shell can show; Compose allows no others.
fn shown(name: &str) -> Option<String> {
    (harmless::value(name) == name).then(|| name.to_owned())
}

fn search(directory: &Path) -> Vec<PathBuf> {
    for directory in directory.ancestors() {
        for (file, beside) in DEFAULTS {
            let file = directory.join(file);
            if file.is_file() {
                return vec![file, directory.join(beside)];
            }
        }
    }
    Vec::new()
}
