//! The command line and Docker's plugin questions in, a [`Command`] out. Prints nothing, starts nothing.
//!
//! | file | what it answers |
//! |---|---|
//! | `metadata` | Docker's question who we are (asked before every call) |
//! | `global` | Docker's own flags before the plugin's name |
//! | `args`, `usage` | the command line as clap reads it, its help and its errors |
//! | `meaning`, [`invocation`] | what the user asks for, as plain values |
//! | `cursor`, `complete`, `services` | what could come next (shell completion) |
//! | [`exit`] | the exit codes |
//! | [`shutdown`], [`keys`] | how a running session is told to end, or to do something |

mod args;
mod complete;
mod cursor;
pub mod exit;
mod global;
pub mod invocation;
pub mod keys;
mod meaning;
mod metadata;
mod services;
pub mod shutdown;
mod usage;

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Parser, ValueEnum};

pub use exit::ExitCode;
pub use invocation::{Ansi, Changes, Command, Down, Format, Invocation, Scale, Up};
pub use keys::{Key, Keys};
pub use shutdown::{Reason, Shutdown};

use crate::paths::HostPath;
use args::CommandLine;
use cursor::Cursor;

/// The parts of the environment that a command line's meaning depends on.
#[derive(Clone, Debug, Default)]
pub struct Env {
    /// `DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND`: the CLI that called us. During completion it is this program itself.
    pub docker: Option<OsString>,
    /// `COMPOSE_ANSI`; `None` when it is unset or has another value.
    pub ansi: Option<Ansi>,
    /// `COMPOSE_FILE`, split at its separator; used for completion only.
    pub compose_files: Vec<OsString>,
    /// The directory that relative paths start from; `None` when it no longer exists.
    pub current_dir: Option<HostPath>,
}

impl Env {
    /// The environment of this process.
    pub fn of_process() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let files = set("COMPOSE_FILE").map(|files| match set("COMPOSE_PATH_SEPARATOR") {
            Some(separator) => files
                .to_string_lossy()
                .split(&*separator.to_string_lossy())
                .map(OsString::from)
                .collect(),
            None => std::env::split_paths(&files).map(OsString::from).collect(),
        });
        Self {
            docker: set("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND"),
            ansi: set("COMPOSE_ANSI").and_then(|ansi| Ansi::from_str(ansi.to_str()?, false).ok()),
            compose_files: files.unwrap_or_default(),
            current_dir: HostPath::current_dir(),
        }
    }
}

/// What a command line asks for.
#[derive(Debug)]
pub enum Parsed {
    /// Docker asked for the metadata; this JSON goes to standard output.
    Metadata(String),
    /// Help; goes to standard output, exit code 0.
    Help(String),
    /// The answer to a completion request; goes to standard output.
    Complete(String),
    /// The command line is wrong: the message for standard error; exit code [`ExitCode::Usage`].
    UsageError(String),
    /// A command to run.
    Run(Box<Invocation>),
}

/// Parses a command line, whose first word is the program's name.
///
/// Pure except for the completion of service names, which reads the compose files.
pub fn parse(argv: impl IntoIterator<Item = OsString>, env: &Env) -> Parsed {
    let mut words = argv.into_iter().skip(1).peekable();
    if words.peek().is_some_and(|arg| arg == metadata::QUESTION) {
        return Parsed::Metadata(metadata::answer());
    }
    if let Some(described) = words.peek().and_then(|arg| complete::question(arg)) {
        let words = words
            .skip(1)
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        return Parsed::Complete(complete::answer(words, described, env));
    }
    let mut split = global::split(words);
    if !split.help && split.rest.first().is_some_and(|word| word == "help") {
        split.rest.remove(0);
        split.help = true;
    }
    let words: Vec<String> = split
        .rest
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let cursor = Cursor::after(&words);
    if split.help {
        return match cursor.unknown_command {
            Some(name) => Parsed::UsageError(usage::unknown_command(&name)),
            None => Parsed::Help(usage::help(cursor.command)),
        };
    }
    let program = OsString::from("docker liveupdate");
    let mut line = match CommandLine::try_parse_from(std::iter::once(program).chain(split.rest)) {
        Ok(line) => line,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            return Parsed::Help(usage::help(cursor.command));
        }
        Err(error) => return Parsed::UsageError(usage::wrong(&error, cursor.command)),
    };
    let command = match line.command.take() {
        _ if line.version => args::CommandArgs::version(),
        Some(command) => command,
        None => return Parsed::Help(usage::help(cursor.command)),
    };
    match Invocation::new(line, command, split.global_flags, env) {
        Ok(invocation) => Parsed::Run(Box::new(invocation)),
        Err(wrong) => Parsed::UsageError(wrong),
    }
}

#[cfg(test)]
mod tests;
