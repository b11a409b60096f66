//! How the `docker` command line is called for what only it can do: `compose` and `system dial-stdio`. Starts no process itself.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use crate::programs;

/// The `docker` program with the global flags and Compose flags of this call.
///
/// Every call of Compose gets the flags that the user gave us, so that both mean the same project on the same engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DockerCli {
    /// The program to call: `DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND`, or `docker`. Found as described at [`programs::find`].
    pub program: OsString,
    /// Docker's own flags before the plugin's name: `--context X`, `-H Y`, `--tls..`, `--config D`.
    pub global_flags: Vec<OsString>,
    /// Compose's flags: `-f`, `-p`, `--profile`, `--env-file`, `--project-directory`.
    pub compose_flags: Vec<OsString>,
    /// Further compose files made for this run (overrides), after the user's own.
    pub overrides: Vec<PathBuf>,
    /// The compose files that the flags or Compose's search name. They are passed explicitly once there are overrides.
    pub files: Vec<PathBuf>,
}

impl DockerCli {
    /// `docker [global flags] ARGS..`; an error where there is no such program.
    pub fn docker<I: Into<OsString>>(
        &self,
        args: impl IntoIterator<Item = I>,
    ) -> io::Result<tokio::process::Command> {
        let mut command = tokio::process::Command::new(programs::find(&self.program)?);
        command
            .args(&self.global_flags)
            .args(args.into_iter().map(Into::into));
        Ok(command)
    }

    /// `docker [global flags] compose [compose flags] ARGS..`; an error where there is no such program.
    pub fn compose<I: Into<OsString>>(
        &self,
        args: impl IntoIterator<Item = I>,
    ) -> io::Result<tokio::process::Command> {
        let mut command = self.docker(["compose"])?;
        command.args(&self.compose_flags);
        if !self.overrides.is_empty() {
            // One `-f` turns Compose's own search off, so the files it would find are passed too.
            if !self.names_files() {
                for file in &self.files {
                    command.arg("-f").arg(file);
                }
            }
            for file in &self.overrides {
                command.arg("-f").arg(file);
            }
        }
        command.args(args.into_iter().map(Into::into));
        Ok(command)
    }

    fn names_files(&self) -> bool {
        self.compose_flags.iter().any(|flag| {
            let flag = flag.to_string_lossy();
            flag == "-f" || flag == "--file" || flag.starts_with("--file=")
        })
    }
}
