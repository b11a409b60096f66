//! The docker command, with the plugin under test among its plugins. Knows nothing of projects.

use std::ffi::OsStr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::Result;

/// A docker command line and the engine that it speaks to.
pub struct Docker {
    environment: Vec<(String, String)>,
    config: TempDir,
}

impl Docker {
    /// The user's docker with `plugin` as its `liveupdate`; `environment` goes over the present one.
    pub fn with_plugin(plugin: &Path, environment: Vec<(String, String)>) -> Result<Self> {
        if !plugin.is_file() {
            return Err(format!("there is no plugin at `{}`", plugin.display()).into());
        }
        let config = tempfile::Builder::new()
            .prefix("liveupdate-docker-")
            .tempdir()?;
        let plugins = config.path().join("cli-plugins");
        std::fs::create_dir(&plugins)?;
        symlink(plugin.canonicalize()?, plugins.join("docker-liveupdate"))?;
        if let Some(users) = users_config(&environment) {
            for name in ["config.json", "contexts"] {
                if users.join(name).exists() {
                    symlink(users.join(name), config.path().join(name))?;
                }
            }
            if let Ok(entries) = std::fs::read_dir(users.join("cli-plugins")) {
                for entry in entries.flatten() {
                    if entry.file_name() != "docker-liveupdate" {
                        symlink(entry.path(), plugins.join(entry.file_name()))?;
                    }
                }
            }
        }
        let docker = Self {
            environment,
            config,
        };
        docker.check()?;
        Ok(docker)
    }

    /// An error that helps when there is no engine or no Compose.
    fn check(&self) -> Result<()> {
        let checks = [
            ["compose", "version"].as_slice(),
            &["version", "--format", "{{.Server.Version}}"],
        ];
        for check in checks {
            self.ask(check).map_err(|error| {
                format!(
                    "{error}\nhint: `eval \"$(tests/engine.sh env)\"` after `tests/engine.sh up`"
                )
            })?;
        }
        Ok(())
    }

    /// A `docker` command to be completed.
    pub fn command(&self) -> Command {
        let mut command = Command::new("docker");
        command
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .env("DOCKER_CONFIG", self.config.path())
            .stdin(Stdio::null());
        command
    }

    /// What `docker ARGS..` prints, without the end of its last line; what it complains of when it fails.
    pub fn ask<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<String> {
        let output = self.command().args(arguments).output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim_end().into());
        }
        let words: Vec<_> = arguments
            .iter()
            .map(|word| word.as_ref().to_string_lossy())
            .collect();
        Err(format!(
            "`docker {}` failed: {}",
            words.join(" "),
            String::from_utf8_lossy(&output.stderr).trim_end()
        )
        .into())
    }

    /// Runs `docker ARGS..`, which may say as much as it likes.
    pub fn run(&self, arguments: &[&str]) -> Result<()> {
        let status = self
            .command()
            .args(arguments)
            .stdout(Stdio::null())
            .status()?;
        if !status.success() {
            return Err(format!("`docker {}` failed: {status}", arguments.join(" ")).into());
        }
        Ok(())
    }

    /// Where a running container's files can be seen on this machine, whatever the engine keeps them in, until it ends.
    pub fn root_dir(&self, container: &str) -> Result<PathBuf> {
        let pid = self.ask(&["inspect", "--format", "{{.State.Pid}}", container])?;
        let path = PathBuf::from(format!("/proc/{pid}/root"));
        // The number may be that of another machine's process: the engine names each container after its ID.
        let name = std::fs::read_to_string(path.join("etc/hostname")).unwrap_or_default();
        if !name.is_empty() && container.starts_with(name.trim()) {
            return Ok(path);
        }
        Err(format!("the files of container `{container}` cannot be seen from here").into())
    }

    /// Where the container's files can be seen on this machine, from its first start to its removal.
    pub fn merged_dir(&self, container: &str) -> Result<PathBuf> {
        let format = "{{.GraphDriver.Data.MergedDir}}";
        let path = PathBuf::from(self.ask(&["inspect", "--format", format, container])?);
        if path.is_dir() {
            return Ok(path);
        }
        Err(format!(
            "the files of container `{container}` cannot be seen from here: this needs a local engine with the \
             overlay2 storage driver, and root"
        )
        .into())
    }

    /// The running containers of a project's service, by number.
    pub fn containers(&self, project: &str, service: &str) -> Result<Vec<String>> {
        let listed = self.ask(&[
            "ps",
            "--quiet",
            "--no-trunc",
            "--filter",
            &format!("label=com.docker.compose.project={project}"),
            "--filter",
            &format!("label=com.docker.compose.service={service}"),
        ])?;
        Ok(listed.lines().map(Into::into).collect())
    }
}

fn users_config(environment: &[(String, String)]) -> Option<PathBuf> {
    let given = environment
        .iter()
        .find(|(key, _)| key == "DOCKER_CONFIG")
        .map(|(_, value)| PathBuf::from(value));
    given
        .or_else(|| std::env::var_os("DOCKER_CONFIG").map(PathBuf::from))
        .or_else(|| std::env::home_dir().map(|home| home.join(".docker")))
}
