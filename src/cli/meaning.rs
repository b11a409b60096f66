//! From a parsed command line to an [`Invocation`]: what the flags mean, and the form in which Compose takes them. Pure.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anstream::ColorChoice;

use crate::docker::DockerCli;
use crate::paths::HostPath;

use super::args::{CommandArgs, CommandLine, ComposeFlags, DownArgs, UpArgs};
use super::invocation::{Ansi, Changes, Command, Down, Invocation, Up};
use super::{Env, usage};

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
