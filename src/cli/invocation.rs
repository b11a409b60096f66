//! What the user asks for, as plain values for the other rooms. Knows not how a command line is written.

use std::ffi::OsString;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anstream::ColorChoice;

use crate::docker::DockerCli;
use crate::paths::HostPath;

/// A whole command line, checked.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// How to call Docker and Compose with the flags of this command line.
    pub docker: DockerCli,
    /// The command, with its own options.
    pub command: Command,
    /// By `--ansi`; `Auto` depends on the terminal and `NO_COLOR`, for each stream.
    pub color: ColorChoice,
}

/// The commands, with their checked options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `up`: build, start, follow the logs, live-update until told to end.
    Up(Up),
    /// `check`: reports all problems of the configuration.
    Check {
        /// Text or JSON.
        format: Format,
    },
    /// `explain FILE..`: what each of the files means to each service.
    Explain {
        /// The files, never empty; they need not exist.
        files: Vec<HostPath>,
        /// Text or JSON.
        format: Format,
    },
    /// `plan`: what these changes would do as one batch.
    Plan {
        /// Files, or a git revision.
        changes: Changes,
        /// Text or JSON.
        format: Format,
    },
    /// `verify [SERVICE..] [--fix]`: compares the containers' synced paths with the host.
    Verify {
        /// The services; all when empty.
        services: Vec<String>,
        /// Whether to repair what differs.
        fix: bool,
        /// Text or JSON.
        format: Format,
    },
    /// `schema`: the JSON Schema of the block.
    Schema,
    /// `convert [SERVICE..]`: the block that does what `develop.watch` does.
    Convert {
        /// The services; all when empty.
        services: Vec<String>,
    },
    /// `down`: `docker compose down`. Everything that `up` leaves behind is in the containers.
    Down(Down),
    /// `version`: this program's version.
    Version {
        /// Whether to print the number only.
        short: bool,
        /// Text or JSON.
        format: Format,
    },
}

/// What `up` was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one per flag of the command line"
)]
pub struct Up {
    /// The services to start; all when empty.
    pub services: Vec<String>,
    /// Whether to build first (not with `--no-build`).
    pub build: bool,
    /// Whether to show the containers' logs (not with `--no-logs`).
    pub logs: bool,
    /// Whether to leave the containers running at the end.
    pub keep: bool,
    /// Text or JSON.
    pub format: Format,
    /// Whether to leave alone the services that the named ones depend on; applies to the start only.
    pub no_deps: bool,
    /// `--pull POLICY`, for the first build and start.
    pub pull: Option<String>,
    /// Flags for the first `docker compose up` only: `--force-recreate`, `--remove-orphans` and the like.
    pub start_flags: Vec<OsString>,
    /// `--scale SERVICE=NUM`, for every `docker compose up` that has the service in it.
    pub scale: Vec<Scale>,
    /// How long containers get to stop at the end; `None` for their own `stop_grace_period`.
    pub stop_timeout: Option<Duration>,
}

/// The options of `down`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Down {
    /// Compose's own flags, as they are passed to `docker compose down`.
    pub flags: Vec<OsString>,
    /// The services; when empty, all of them and the networks.
    pub services: Vec<String>,
}

/// The changes that `plan` plans for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// These files, never empty; one that does not exist counts as deleted.
    Files(Vec<HostPath>),
    /// The files that differ from this revision, by git.
    Since(String),
}

/// The form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs, one object a line.
    Json,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// When to use colours, as with Compose's `--ansi`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Ansi {
    /// Never.
    Never,
    /// Always, also into files and pipes.
    Always,
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
}

impl Ansi {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Always => "always",
            Self::Auto => "auto",
        }
    }

    pub(super) fn choice(self) -> ColorChoice {
        match self {
            Self::Never => ColorChoice::Never,
            Self::Always => ColorChoice::Always,
            Self::Auto => ColorChoice::Auto,
        }
    }
}

/// The number of containers that a service is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scale {
    /// A service's name, not yet checked against the project.
    pub service: String,
    /// The number of containers; 0 is allowed.
    pub count: u32,
}

impl FromStr for Scale {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "write SERVICE=NUM, such as web=2";
        let (service, count) = text.split_once('=').ok_or(wrong)?;
        if service.is_empty() {
            return Err(wrong);
        }
        Ok(Self {
            service: service.to_owned(),
            count: count.parse().map_err(|_| wrong)?,
        })
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.service, self.count)
    }
}
