//! What the user asks for, as plain values for the other rooms. Knows neither clap nor how Docker's flags are written.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anstream::ColorChoice;

use super::args::{CommandArgs, CommandLine, ComposeFlags, DownArgs, UpArgs};
use super::{Env, usage};
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
    fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Always => "always",
            Self::Auto => "auto",
        }
    }

    fn choice(self) -> ColorChoice {
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

impl Invocation {
    /// The meaning of a parsed command line, or what is wrong with it.
    pub(super) fn new(
        line: CommandLine,
        command: CommandArgs,
        global_flags: Vec<OsString>,
        env: &Env,
    ) -> Result<Self, String> {
        let no_color = matches!(&command, CommandArgs::Up(up) if up.no_color);
        let ansi = if no_color {
            Some(Ansi::Never)
        } else {
            line.compose.ansi.or(env.ansi)
        };
        Ok(Self {
            docker: DockerCli {
                program: env.docker.clone().unwrap_or_else(|| "docker".into()),
                global_flags,
                compose_flags: compose_flags(line.compose),
                ..DockerCli::default()
            },
            color: ansi.map_or(ColorChoice::Auto, Ansi::choice),
            command: meaning(command, env)?,
        })
    }
}

fn meaning(command: CommandArgs, env: &Env) -> Result<Command, String> {
    Ok(match command {
        CommandArgs::Up(args) => Command::Up(up(args)),
        CommandArgs::Check(args) => Command::Check {
            format: args.format,
        },
        CommandArgs::Explain(args) => Command::Explain {
            files: absolute(args.files, env)?,
            format: args.format.format,
        },
        CommandArgs::Plan(args) => Command::Plan {
            changes: if args.files.is_empty() {
                Changes::Since(args.since.unwrap_or_else(|| "HEAD".to_owned()))
            } else {
                Changes::Files(absolute(args.files, env)?)
            },
            format: args.format.format,
        },
        CommandArgs::Verify(args) => Command::Verify {
            services: args.services.services,
            fix: args.fix,
            format: args.format.format,
        },
        CommandArgs::Schema => Command::Schema,
        CommandArgs::Convert(args) => Command::Convert {
            services: args.services,
        },
        CommandArgs::Down(args) => Command::Down(down(args)),
        CommandArgs::Version(args) => Command::Version {
            short: args.short,
            format: args.format.format,
        },
    })
}

fn up(args: UpArgs) -> Up {
    let mut start_flags: Vec<OsString> = Vec::new();
    for (given, flag) in [
        (args.force_recreate, "--force-recreate"),
        (args.quiet_pull, "--quiet-pull"),
        (args.remove_orphans, "--remove-orphans"),
        (args.renew_anon_volumes, "--renew-anon-volumes"),
    ] {
        if given {
            start_flags.push(flag.into());
        }
    }
    Up {
        services: args.services.services,
        build: !args.no_build,
        logs: !args.no_logs,
        keep: args.keep,
        format: args.format.format,
        no_deps: args.no_deps,
        pull: args.pull,
        start_flags,
        scale: args.scale,
        stop_timeout: args
            .timeout
            .map(|seconds| Duration::from_secs(seconds.into())),
    }
}

fn down(args: DownArgs) -> Down {
    let mut flags: Vec<OsString> = Vec::new();
    if args.remove_orphans {
        flags.push("--remove-orphans".into());
    }
    if let Some(which) = args.rmi {
        flags.extend(["--rmi".into(), which.into()]);
    }
    if let Some(seconds) = args.timeout {
        flags.extend(["--timeout".into(), seconds.to_string().into()]);
    }
    if args.volumes {
        flags.push("--volumes".into());
    }
    Down {
        flags,
        services: args.services.services,
    }
}

/// The flags as Compose takes them, each name followed by its value.
fn compose_flags(given: ComposeFlags) -> Vec<OsString> {
    let mut flags: Vec<OsString> = Vec::new();
    let mut push = |name: &str, value: OsString| flags.extend([name.into(), value]);
    for file in given.file {
        push("-f", file.into());
    }
    if let Some(name) = given.project_name {
        push("-p", name.into());
    }
    for profile in given.profile {
        push("--profile", profile.into());
    }
    for file in given.env_file {
        push("--env-file", file.into());
    }
    if let Some(directory) = given.project_directory {
        push("--project-directory", directory.into());
    }
    if let Some(ansi) = given.ansi {
        push("--ansi", ansi.as_str().into());
    }
    if let Some(kind) = given.progress {
        push("--progress", kind.into());
    }
    if let Some(number) = given.parallel {
        push("--parallel", number.to_string().into());
    }
    if given.compatibility {
        flags.push("--compatibility".into());
    }
    flags
}

fn absolute(files: Vec<PathBuf>, env: &Env) -> Result<Vec<HostPath>, String> {
    files
        .into_iter()
        .map(|file| match &env.current_dir {
            Some(directory) => Ok(directory.join(file)),
            None => HostPath::new(&file).ok_or_else(|| usage::no_directory_for(&file)),
        })
        .collect()
}
