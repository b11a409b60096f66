//! Which files the reading starts from: compose files, env files and project directory, by Compose's own rules. Starts no process.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::paths::HostPath;

use super::disk::Files;
use super::load::LoadError;
use super::sources::Entry;

/// Finds compose files, env files and project directory by Compose's own rules.
pub fn find(
    flags: &[OsString],
    cwd: HostPath,
    environment: BTreeMap<String, String>,
    disk: &dyn Files,
) -> Result<Entry, LoadError> {
    let mut named = flag_values(flags, &["-f", "--file"]);
    let project_flag = flag_values(flags, &["--project-directory"]).pop();
    let env_flags = flag_values(flags, &["--env-file"]);
    let mut project_dir = project_flag.as_ref().map(|dir| cwd.join(dir));
    let mut env_files: Vec<HostPath> = env_flags.iter().map(|file| cwd.join(file)).collect();
    if env_files.is_empty()
        && let Some(list) = environment.get("COMPOSE_ENV_FILES")
    {
        env_files = list.split(',').map(|file| cwd.join(file)).collect();
    }
    if named.is_empty() {
        let near = project_dir.as_ref().unwrap_or(&cwd).join(".env");
        let env_files = if env_files.is_empty() {
            std::slice::from_ref(&near)
        } else {
            &env_files
        };
        named = files_of_environment(env_files, &environment, disk);
    }
    let files = if named.is_empty() {
        search(&cwd, project_dir.as_ref(), disk)?
    } else {
        for name in &named {
            let text = name.to_string_lossy();
            if text == "-" || text.contains("://") || text.starts_with("git@") {
                return Err(LoadError::NotAFile(text.into_owned()));
            }
        }
        named.iter().map(|file| cwd.join(file)).collect()
    };
    let first_dir = files.first().and_then(HostPath::parent);
    let project_dir = project_dir
        .take()
        .or(first_dir)
        .unwrap_or_else(|| cwd.clone());
    if env_files.is_empty() {
        env_files.push(project_dir.join(".env"));
    }
    Ok(Entry {
        cwd,
        project_dir,
        files,
        env_files,
        environment,
    })
}

/// The files that `COMPOSE_FILE` names, which may also be set in an env file; empty when it names none.
fn files_of_environment(
    env_files: &[HostPath],
    environment: &BTreeMap<String, String>,
    disk: &dyn Files,
) -> Vec<OsString> {
    let mut variables = BTreeMap::new();
    for file in env_files {
        if let Ok(text) = disk.read(file) {
            let text = String::from_utf8_lossy(&text).into_owned();
            variables.extend(super::interpolate::read_env_file(&text));
        }
    }
    variables.extend(environment.clone());
    if let Some(list) = variables
        .get("COMPOSE_FILE")
        .filter(|list| !list.is_empty())
    {
        let default = if cfg!(windows) { ";" } else { ":" };
        let separator = variables
            .get("COMPOSE_PATH_SEPARATOR")
            .map_or(default, String::as_str);
        return list.split(separator).map(OsString::from).collect();
    }
    Vec::new()
}

/// The values of a flag, written as `--flag value` or `--flag=value`.
fn flag_values(flags: &[OsString], names: &[&str]) -> Vec<OsString> {
    let mut values = Vec::new();
    let mut flags = flags.iter();
    while let Some(flag) = flags.next() {
        if names.iter().any(|name| flag == OsStr::new(name)) {
            values.extend(flags.next().cloned());
            continue;
        }
        let text = flag.to_string_lossy();
        for name in names {
            let value = text
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('='));
            values.extend(value.map(OsString::from));
        }
    }
    values
}

const NAMES: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];
const OVERRIDES: [&str; 4] = [
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// Compose's search: the current directory, then upwards. An override file is looked for beside the file that is found.
fn search(
    cwd: &HostPath,
    project_dir: Option<&HostPath>,
    disk: &dyn Files,
) -> Result<Vec<HostPath>, LoadError> {
    let start = project_dir.unwrap_or(cwd);
    let first_of = |dir: &HostPath, names: &[&str]| {
        names
            .iter()
            .map(|name| dir.join(Path::new(name)))
            .find(|path| disk.kind(path).is_some())
    };
    let mut dir = Some(start.clone());
    while let Some(here) = dir {
        if let Some(file) = first_of(&here, &NAMES) {
            let beside = first_of(&here, &OVERRIDES);
            return Ok([file].into_iter().chain(beside).collect());
        }
        dir = here.parent();
    }
    Err(LoadError::NoFile(start.clone()))
}
