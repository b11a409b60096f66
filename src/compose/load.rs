//! Runs `docker compose config` for the resolved model, gathers the raw files, and hands both to `resolve`. The only file here
//! that starts a process.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Output;

use crate::children::{self, Limits};
use crate::docker::DockerCli;
use crate::paths::HostPath;
use crate::plain_file::Odd;

use super::disk::{Asked, Disk};
use super::entry;
use super::problem::{Problem, Severity};
use super::project::Project;
use super::resolve::project_from;
use super::sources::Sources;

mod error;
mod words;

pub use error::LoadError;
use words::{check_version, complaint, location_of_context};

/// A project that can be started.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Checked: it has warnings at most.
    pub project: Project,
    /// Warnings, in reading order; empty when there are none.
    pub warnings: Vec<Problem>,
    /// The top level's compose files, as named by flags, the environment or Compose's search: for [`DockerCli::files`].
    pub files: Vec<PathBuf>,
}

/// Loads and checks the project that `cli` names.
pub async fn load(cli: &DockerCli) -> Result<Loaded, LoadError> {
    let cwd = HostPath::current_dir().ok_or_else(|| LoadError::NotAFile(".".into()))?;
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    load_at(cli, cwd, environment).await
}

async fn load_at(
    cli: &DockerCli,
    cwd: HostPath,
    environment: BTreeMap<String, String>,
) -> Result<Loaded, LoadError> {
    let entry = entry::find(&cli.compose_flags, cwd, environment, &Disk)?;
    let asked = Asked::default();
    let sources = Sources::gather(&entry, &asked);
    let looked_at = asked.paths();
    // Checked before Compose is asked: it would block on a FIFO, or read a device without end.
    if !sources.odd.is_empty() {
        return Err(LoadError::Problems {
            problems: sources.odd.iter().map(odd_file).collect(),
            sources: may_put_it_right(&sources, &looked_at, Asked::default()),
        });
    }
    // The version is asked for at the same time, so that an old Compose is recognised without a second wait.
    let (model, version) = tokio::join!(
        output(cli.compose(["config"])),
        output(cli.docker(["compose", "version", "--short"])),
    );
    let no_docker = |reason| LoadError::NoDocker {
        program: cli.program.to_string_lossy().into_owned(),
        reason,
    };
    let (model, version) = (model.map_err(no_docker)?, version.map_err(no_docker)?);
    check_version(&version)?;
    let disk = Asked::default();
    if !model.status.success() {
        let said = String::from_utf8_lossy(&model.stderr);
        let may_help = may_put_it_right(&sources, &looked_at, disk);
        return Err(refused(&said, &sources, may_help));
    }
    let (project, problems) =
        project_from(&String::from_utf8_lossy(&model.stdout), &sources, &disk);
    match project {
        Some(project) => Ok(Loaded {
            project,
            warnings: problems,
            files: entry
                .files
                .iter()
                .map(|file| file.as_path().into())
                .collect(),
        }),
        None => Err(LoadError::Problems {
            problems,
            sources: may_put_it_right(&sources, &looked_at, disk),
        }),
    }
}

/// Compose's complaint `said` about the files, located in them where that is possible.
fn refused(said: &str, sources: &Sources, may_help: Vec<HostPath>) -> LoadError {
    let (message, hint) = complaint(said, sources);
    match location_of_context(&message, sources) {
        Some(location) => LoadError::Problems {
            problems: vec![Problem {
                severity: Severity::Error,
                service: None,
                step: None,
                message,
                hint,
                location: Some(location),
            }],
            sources: may_help,
        },
        None => LoadError::Compose {
            message,
            hint,
            sources: may_help,
        },
    }
}

/// The model's files, existing or not, and what else was read: ignore files and Dockerfiles.
fn may_put_it_right(sources: &Sources, looked_at: &[HostPath], asked: Asked) -> Vec<HostPath> {
    let mut files = sources.all();
    files.extend_from_slice(looked_at);
    files.extend(asked.paths());
    files
}

fn odd_file((file, odd): &(HostPath, Odd)) -> Problem {
    Problem {
        severity: Severity::Error,
        service: None,
        step: None,
        message: format!("`{file}` {odd}"),
        hint: Some(odd.hint().to_owned()),
        location: None,
    }
}

async fn output(command: std::io::Result<tokio::process::Command>) -> std::io::Result<Output> {
    children::output(command?, Limits::NONE).await
}
