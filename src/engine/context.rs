//! Which engine the user means, found in the Docker CLI's own order. Reads the CLI's configuration; connects to nothing.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::EngineError;
use crate::harmless;
use crate::plain_file;

/// The address that an engine listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A unix socket: its absolute path.
    Unix(PathBuf),
    /// A Windows named pipe: its path.
    Pipe(String),
    /// Any other address (ssh, tcp, TLS): the `docker` CLI dials it for us. The text is for messages.
    Dial(String),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Unix(path) => write!(f, "unix://{}", path.display()),
            Endpoint::Pipe(name) => write!(f, "npipe://{name}"),
            Endpoint::Dial(what) => f.write_str(what),
        }
    }
}

/// The environment, as a value so that tests need not change the real one.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// `DOCKER_HOST`; `None` when unset.
    pub host: Option<String>,
    /// `DOCKER_CONTEXT`; `None` when unset.
    pub context: Option<String>,
    /// The CLI's configuration directory: `DOCKER_CONFIG`, or `~/.docker`.
    pub config: Option<PathBuf>,
}

impl Surroundings {
    /// The environment of this process.
    pub fn real() -> Self {
        let named = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            host: named("DOCKER_HOST"),
            context: named("DOCKER_CONTEXT"),
            config: named("DOCKER_CONFIG")
                .map(PathBuf::from)
                .or_else(|| std::env::home_dir().map(|home| home.join(".docker"))),
        }
    }
}

/// The endpoint, looked for in the CLI's order: `--context`, `-H`, `DOCKER_HOST`, `DOCKER_CONTEXT`, `currentContext`, the default.
pub fn endpoint(flags: &[OsString], around: &Surroundings) -> Result<Endpoint, EngineError> {
    let config = flag(flags, "--config", None)
        .map(PathBuf::from)
        .or_else(|| around.config.clone());
    let host = flag(flags, "--host", Some("-H"));
    let context = match flag(flags, "--context", Some("-c")) {
        Some(context) => Some(context),
        None if host.is_some() || around.host.is_some() => None,
        None => around
            .context
            .clone()
            .or_else(|| config.as_deref().and_then(current_context)),
    };
    match context {
        Some(name) if name != "default" => {
            let config = config.unwrap_or_default();
            let host = context_host(&config, &name)?;
            Ok(parse(&host, &format!("context `{name}`, {host}")))
        }
        _ => Ok(match host.or_else(|| around.host.clone()) {
            Some(host) => parse(&host, &host),
            None => default_endpoint(),
        }),
    }
}

fn default_endpoint() -> Endpoint {
    if cfg!(windows) {
        Endpoint::Pipe(r"\\.\pipe\docker_engine".into())
    } else {
        Endpoint::Unix("/var/run/docker.sock".into())
    }
}

fn parse(host: &str, words: &str) -> Endpoint {
    let host = host.trim();
    if let Some(path) = host.strip_prefix("unix://") {
        // An abstract socket or a relative path is left to the CLI.
        if path.starts_with('/') && cfg!(unix) {
            return Endpoint::Unix(path.into());
        }
    }
    if let Some(name) = host.strip_prefix("npipe://")
        && cfg!(windows)
    {
        return Endpoint::Pipe(name.replace('/', r"\"));
    }
    Endpoint::Dial(words.to_owned())
}

/// The last value of a global flag, in the forms `--x v`, `--x=v`, `-X v`, `-Xv`.
fn flag(flags: &[OsString], long: &str, short: Option<&str>) -> Option<String> {
    let mut found = None;
    let mut rest = flags.iter();
    while let Some(word) = rest.next() {
        let word = word.to_string_lossy();
        if word == long || short.is_some_and(|short| word == short) {
            found = rest
                .next()
                .map(OsString::as_os_str)
                .map(OsStr::to_string_lossy)
                .map(String::from);
        } else if let Some(value) = word.strip_prefix(long).and_then(|v| v.strip_prefix('=')) {
            found = Some(value.to_owned());
        } else if let Some(value) = short.and_then(|short| word.strip_prefix(short))
            && !word.starts_with("--")
        {
            found = Some(value.strip_prefix('=').unwrap_or(value).to_owned());
        }
    }
    found
}

fn current_context(config: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct File {
        #[serde(rename = "currentContext", default)]
        current: String,
    }
    let text = plain_file::read(config.join("config.json")).ok()?;
    let file: File = serde_json::from_slice(&text).ok()?;
    Some(file.current).filter(|name| !name.is_empty())
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "Endpoints", default)]
    endpoints: Endpoints,
}

#[derive(Default, Deserialize)]
struct Endpoints {
    docker: Option<DockerEndpoint>,
}

#[derive(Deserialize)]
struct DockerEndpoint {
    #[serde(rename = "Host", default)]
    host: String,
}

/// The host of a named context. Its file is named by a hash of the context's name; reading every `Name` saves computing it.
fn context_host(config: &Path, name: &str) -> Result<String, EngineError> {
    let folder = config.join("contexts").join("meta");
    let shown = harmless::value(name);
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    for entry in entries {
        let Ok(text) = plain_file::read(entry.path().join("meta.json")) else {
            continue;
        };
        let Ok(meta) = serde_json::from_slice::<Meta>(&text) else {
            continue;
        };
        if meta.name == name {
            return meta
                .endpoints
                .docker
                .map(|docker| docker.host)
                .filter(|host| !host.is_empty())
                .ok_or_else(|| {
                    EngineError::Unreachable(format!(
                        "context `{shown}` has no Docker endpoint\nhint: see `docker context inspect {shown}`"
                    ))
                });
        }
    }
    Err(EngineError::Unreachable(format!(
        "there is no context `{shown}` in `{}`\nhint: see `docker context ls`, and what DOCKER_CONTEXT and `--context` say",
        harmless::value(&folder.to_string_lossy())
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    fn config(current: &str, contexts: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("config.json"),
            format!(r#"{{"currentContext":"{current}"}}"#),
        )
        .unwrap();
        for (number, (name, host)) in contexts.iter().enumerate() {
            let meta = folder.path().join(format!("contexts/meta/{number}"));
            std::fs::create_dir_all(&meta).unwrap();
            std::fs::write(
                meta.join("meta.json"),
                format!(r#"{{"Name":"{name}","Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#),
            )
            .unwrap();
        }
        folder
    }

    fn asked(words: &[&str], around: &Surroundings) -> String {
        endpoint(&flags(words), around).unwrap().to_string()
    }

    #[cfg(unix)]
    #[test]
    fn the_engine_is_found_in_the_clis_order() {
        let folder = config(
            "current",
            &[
                ("flagged", "unix:///flagged"),
                ("named", "unix:///named"),
                ("current", "unix:///current"),
                ("far", "ssh://me@far"),
            ],
        );
        let mut around = Surroundings {
            host: Some("unix:///env-host".into()),
            context: Some("named".into()),
            config: Some(folder.path().into()),
        };
        let both = ["--context", "flagged"];
        assert_eq!(asked(&both, &around), "unix:///flagged");
        assert_eq!(asked(&["--context=flagged"], &around), "unix:///flagged");
        assert_eq!(asked(&["-c", "flagged"], &around), "unix:///flagged");
        assert_eq!(asked(&["-H", "unix:///h"], &around), "unix:///h");
        assert_eq!(asked(&["-Hunix:///h"], &around), "unix:///h");
        assert_eq!(asked(&["--host=unix:///h"], &around), "unix:///h");
        assert_eq!(asked(&[], &around), "unix:///env-host");
        assert_eq!(asked(&["--context=default"], &around), "unix:///env-host");
        around.host = None;
        assert_eq!(asked(&[], &around), "unix:///named");
        around.context = None;
        assert_eq!(asked(&[], &around), "unix:///current");
        assert_eq!(
            asked(&["--context", "far"], &around),
            "context `far`, ssh://me@far"
        );
        around.config = None;
        assert_eq!(asked(&[], &around), "unix:///var/run/docker.sock");
        let config = folder.path().to_string_lossy().into_owned();
        assert_eq!(asked(&["--config", &config], &around), "unix:///current");
        assert_eq!(asked(&["-H", "tcp://h:2376"], &around), "tcp://h:2376");
    }

    #[test]
    fn an_unknown_context_is_named() {
        let folder = config("", &[]);
        let around = Surroundings {
            config: Some(folder.path().into()),
            ..Surroundings::default()
        };
        let error = endpoint(&flags(&["--context", "nope"]), &around).unwrap_err();
        assert!(error.to_string().starts_with("there is no context `nope`"));
    }
}
