//! Runs `docker compose config` for the resolved model, gathers the raw files, and hands both to `resolve`. The only file here
//! that starts a process.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Output;

use serde_yaml::{Mapping, Value};

use crate::children::{self, Limits};
use crate::docker::DockerCli;
use crate::harmless;
use crate::paths::HostPath;
use crate::plain_file::Odd;

use super::disk::{Asked, Disk};
use super::entry;
use super::finding::YamlPath;
use super::problem::{Location, Problem, Severity};
use super::project::Project;
use super::resolve::project_from;
use super::sources::Sources;
use super::trace::Trace;

/// The first version of Compose that resolves what we need (`include`, `develop`).
const OLDEST: (u64, u64) = (2, 20);

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

/// Why there is no project.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The configuration is wrong: all problems, warnings among them, in reading order.
    #[error("{}", render(.problems))]
    Problems {
        /// At least one of them is an error.
        problems: Vec<Problem>,
        /// The files that were read or looked for: a change of one of them may fix it (E7).
        sources: Vec<HostPath>,
    },
    /// Compose itself refused the files.
    #[error("{}", harmless::quoted(.message))]
    Compose {
        /// Compose's message, in our form.
        message: String,
        /// What to try, when we know more than Compose.
        hint: Option<String>,
        /// The files that were read or looked for: a change of one of them may fix it (E7).
        sources: Vec<HostPath>,
    },
    /// No compose file in this directory or any above it.
    #[error("no compose file in `{0}` or any directory above it")]
    NoFile(HostPath),
    /// The compose file comes from standard input or an address, and cannot be read a second time.
    #[error("`-f {}` cannot be read again when it changes", harmless::value(.0))]
    NotAFile(String),
    /// `docker` itself cannot be run.
    #[error("`{}` cannot be run: {}", harmless::value(.program), harmless::value(&.reason.to_string()))]
    NoDocker {
        /// The program that was called, as configured.
        program: String,
        /// The system's error.
        reason: std::io::Error,
    },
    /// The CLI has no Compose plugin; its message.
    #[error("docker has no Compose plugin: {}", harmless::value(.0))]
    NoComposePlugin(String),
    /// The Compose plugin is installed but fails; its message.
    #[error("`docker compose version` fails: {}", harmless::value(.0))]
    ComposeFails(String),
    /// The Compose plugin is too old.
    #[error("Docker Compose {} is too old: version {}.{} or later is needed", harmless::value(.found), OLDEST.0, OLDEST.1)]
    ComposeTooOld {
        /// The version it reports.
        found: String,
    },
}

impl LoadError {
    /// What to do about it; `None` for problems, which carry their own hints.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Problems { .. } => None,
            Self::Compose { hint, .. } => {
                let hint = hint.as_deref().map(harmless::value);
                hint.map(Cow::into_owned)
            }
            Self::NoFile(_) => {
                Some("go to a project's directory, or name its file with `-f`".into())
            }
            Self::NotAFile(_) => Some("write it to a file and name that with `-f`".into()),
            Self::NoDocker { .. } => {
                Some("install Docker's command line and put it on `PATH`".into())
            }
            Self::NoComposePlugin(_) => {
                Some("install it: https://docs.docker.com/compose/install/".into())
            }
            Self::ComposeFails(_) => {
                Some("put the plugin right, or install it again: https://docs.docker.com/compose/install/".into())
            }
            Self::ComposeTooOld { .. } => {
                Some("update it: https://docs.docker.com/compose/install/".into())
            }
        }
    }

    /// The files whose change may fix it (E7); empty when no file can.
    pub fn sources(&self) -> &[HostPath] {
        match self {
            Self::Problems { sources, .. } | Self::Compose { sources, .. } => sources,
            _ => &[],
        }
    }

    /// The error as a list of problems.
    pub fn problems(&self) -> Cow<'_, [Problem]> {
        match self {
            Self::Problems { problems, .. } => Cow::Borrowed(problems),
            other => Cow::Owned(vec![Problem {
                severity: Severity::Error,
                service: None,
                step: None,
                message: match other {
                    // `Problem` quotes its message itself.
                    Self::Compose { message, .. } => message.clone(),
                    other => other.to_string(),
                },
                hint: other.hint(),
                location: None,
            }]),
        }
    }

    /// The error as a user sees it, with hints, without a trailing newline.
    pub fn render(&self, color: bool) -> String {
        let problems = self.problems();
        let problems: Vec<String> = problems.iter().map(|one| one.render(color)).collect();
        problems.join("\n\n")
    }
}

fn render(problems: &[Problem]) -> String {
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    problems.join("\n\n")
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
        let (message, hint) = complaint(&said, &sources);
        if let Some(location) = location_of_context(&message, &sources) {
            let problem = Problem {
                severity: Severity::Error,
                service: None,
                step: None,
                message,
                hint,
                location: Some(location),
            };
            return Err(LoadError::Problems {
                problems: vec![problem],
                sources: may_put_it_right(&sources, &looked_at, disk),
            });
        }
        return Err(LoadError::Compose {
            message,
            hint,
            sources: may_put_it_right(&sources, &looked_at, disk),
        });
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

fn check_version(version: &Output) -> Result<(), LoadError> {
    let said = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let numbers = version_numbers(&said);
    match numbers {
        Some(numbers) if version.status.success() => {
            if numbers < OLDEST {
                return Err(LoadError::ComposeTooOld { found: said });
            }
            Ok(())
        }
        // A version that we cannot read (a development build) is taken to be new enough.
        None if version.status.success() && !said.is_empty() => Ok(()),
        _ => {
            let complaint = String::from_utf8_lossy(&version.stderr);
            let first = complaint.lines().find(|line| !line.trim().is_empty());
            let first = first.unwrap_or("it says nothing").trim().to_owned();
            Err(if is_docker_s_own(&complaint) {
                LoadError::NoComposePlugin(first)
            } else {
                LoadError::ComposeFails(first)
            })
        }
    }
}

/// Whether the complaint is from the Docker CLI, which does not know `compose` and prints its own usage, and not from a plugin.
fn is_docker_s_own(complaint: &str) -> bool {
    let words = [
        "docker [OPTIONS] COMMAND",
        "unknown command: docker compose",
        "is not a docker command",
    ];
    words.iter().any(|words| complaint.contains(words))
}

fn version_numbers(text: &str) -> Option<(u64, u64)> {
    let mut numbers = text.trim_start_matches('v').split(['.', '-', '+', '~']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Finds the line of an `additional_contexts` entry that names a missing service: Compose's message has no line.
fn location_of_context(message: &str, sources: &Sources) -> Option<Location> {
    let rest = message.strip_prefix("service \"")?;
    let (service, rest) = rest.split_once('"')?;
    let (_, context) = rest.split_once("as additional contexts ")?;
    let at = YamlPath::service(service)
        .key("build")
        .key("additional_contexts")
        .key(context.trim());
    // There is no resolved model yet, but the service is known.
    let name = Value::from(service);
    let services = Mapping::from_iter([(name, Value::Null)]);
    let model = Mapping::from_iter([(Value::from("services"), Value::Mapping(services))]);
    Trace::new(sources, &Value::Mapping(model)).location(&at, false)
}

/// Compose's complaint in our form, with a hint where we know more.
fn complaint(said: &str, sources: &Sources) -> (String, Option<String>) {
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("time=") && !line.starts_with("WARN"))
        .collect();
    let message = if lines.is_empty() {
        "`docker compose config` failed without a word".to_owned()
    } else {
        lines.join("\n")
    };
    let message = message.trim_end_matches('.').to_owned();
    let quoted = |marker: &str| {
        let rest = message.split_once(marker)?.1;
        let rest = rest.trim_start();
        let rest = rest.strip_prefix('"')?;
        Some(rest.split('"').next()?.to_owned())
    };
    // A base service in an inactive profile, or one that does not exist.
    if let Some(name) = quoted("unknown service").or_else(|| quoted("undefined service")) {
        let hint = if sources.service_names().contains(&name) {
            let profiles = sources.profiles(&name);
            match profiles.first() {
                Some(profile) => format!(
                    "`{name}` is in profile `{profile}`, which is not active: add `--profile {profile}`"
                ),
                None => format!("`{name}` is not active here: check its `profiles`"),
            }
        } else {
            let names = sources.service_names();
            let near = crate::nearest::nearest(&name, names.iter().map(String::as_str));
            match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "name a service of this project".to_owned(),
            }
        };
        return (message, Some(hint));
    }
    let hint = if message.contains("yaml:") {
        Some("the file is not valid YAML: look at that line and the one before it".to_owned())
    } else if message.contains("required variable") {
        Some("set it in the environment or in `.env`".to_owned())
    } else if message.contains("no such file") {
        Some("check the path; it is relative to the project directory".to_owned())
    } else {
        Some("`docker compose config` says the same: put it right there first".to_owned())
    };
    (message, hint)
}
