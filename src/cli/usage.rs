//! What is wrong with a command line, in the project's words and with a hint. Parses nothing.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::harmless;
use crate::nearest::nearest;

use super::args::CommandLine;
use super::exit::ExitCode;
use super::global;

pub const ROOT_EXAMPLES: &str = "\
Docker's own flags (--context, -H, --config and such) go before `liveupdate`.

Examples:
  docker liveupdate up                       build, start, and keep all services up to date
  docker liveupdate -f compose.dev.yaml up web
  docker liveupdate check                    is the configuration right?
  docker liveupdate explain src/app.py       what does a change of this file do?
  docker --context remote liveupdate up      the same on another engine";

pub const UP_EXAMPLES: &str = "\
Keys in a terminal: r rebuild, u apply what waits, p pause, v verify, q quit, ? help.
Without one, the signal USR1 applies what waits.

Examples:
  docker liveupdate up                       all services of the project
  docker liveupdate up --no-build web        one service, from the image there is
  docker liveupdate up --format json         one object a line, for programs";

pub const EXPLAIN_EXAMPLES: &str = "\
Examples:
  docker liveupdate explain src/app.py package.json";

pub const PLAN_EXAMPLES: &str = "\
Examples:
  docker liveupdate plan                     what has changed since the last commit
  docker liveupdate plan --since main
  docker liveupdate plan src/app.py package.json";

pub const VERIFY_EXAMPLES: &str = "\
Examples:
  docker liveupdate verify                   exit code 1 when a container differs
  docker liveupdate verify --fix web         and put it right";

/// Commands of Compose that people will try here.
const COMPOSES: [&str; 22] = [
    "attach", "build", "config", "cp", "create", "events", "exec", "images", "kill", "logs", "ls",
    "pause", "port", "ps", "pull", "push", "restart", "rm", "run", "start", "stop", "top",
];

/// The help of `command`.
pub fn help(mut command: clap::Command) -> String {
    let mut text = command.render_help().to_string();
    if command.has_subcommands() {
        text.push_str("\nExit codes:\n");
        for code in ExitCode::ALL {
            let _ = writeln!(text, "  {:<4} {}", code.code(), code.meaning());
        }
        text.push_str(
            "\nRun 'docker liveupdate COMMAND --help' for more information on a command.\n",
        );
    }
    text
}

/// clap's error in our own words.
pub fn wrong(error: &clap::Error, command: clap::Command) -> String {
    let said = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let arg = flag_alone(match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(texts)) => texts.first().map_or("", String::as_str),
        _ => said(ContextKind::InvalidArg).unwrap_or_default(),
    });
    let value = said(ContextKind::InvalidValue).unwrap_or_default();
    let (message, hint) = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let name = said(ContextKind::InvalidSubcommand).unwrap_or_default();
            return unknown_command(name);
        }
        ErrorKind::UnknownArgument => unknown_argument(arg, said(ContextKind::SuggestedArg)),
        ErrorKind::InvalidValue if value.is_empty() => {
            (format!("`{arg}` needs a value"), possible(error))
        }
        ErrorKind::InvalidValue => (
            format!("`{value}` is not a value of `{arg}`"),
            possible(error),
        ),
        ErrorKind::ValueValidation => (
            format!("`{value}` is not a value of `{arg}`"),
            std::error::Error::source(error).map(ToString::to_string),
        ),
        ErrorKind::TooManyValues => (
            format!("`{arg}` takes no value"),
            Some(format!("write `{arg}` alone, or leave it out")),
        ),
        ErrorKind::MissingRequiredArgument => (
            format!("`{arg}` is missing"),
            Some("name at least one".to_owned()),
        ),
        ErrorKind::ArgumentConflict => (
            format!(
                "`{arg}` and `{}` exclude each other",
                flag_alone(said(ContextKind::PriorArg).unwrap_or_default())
            ),
            Some("use one of them".to_owned()),
        ),
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            (first.trim_start_matches("error: ").replace('\'', "`"), None)
        }
    };
    shown(&message, hint.as_deref(), Some(command))
}

/// The error for a relative path when the current directory no longer exists.
pub fn no_directory_for(file: &Path) -> String {
    shown(
        &format!(
            "`{}` is relative to a directory that is gone",
            file.to_string_lossy()
        ),
        Some("change to an existing directory, or write the whole path"),
        None,
    )
}

/// The error for a command that does not exist.
pub fn unknown_command(name: &str) -> String {
    let root = CommandLine::command();
    let known = root.get_subcommands().map(clap::Command::get_name);
    let near = nearest(name, known);
    let hint = if name == "watch" {
        "`docker liveupdate up` builds, starts and watches".to_owned()
    } else if COMPOSES.contains(&name) {
        format!("`{name}` is a command of Compose: `docker compose {name}`")
    } else if let Some(near) = near {
        format!("did you mean `{near}`?")
    } else {
        "`docker liveupdate --help` shows the commands".to_owned()
    };
    shown(
        &format!("unknown command `{name}`"),
        Some(&hint),
        Some(root),
    )
}

fn unknown_argument(arg: &str, near: Option<&str>) -> (String, Option<String>) {
    let name = arg.split('=').next().unwrap_or(arg);
    if !arg.starts_with('-') {
        let hint = "there is nothing more to name here";
        return (
            format!("unexpected argument `{arg}`"),
            Some(hint.to_owned()),
        );
    }
    let hint = if is_composes(name) {
        Some(format!(
            "`{name}` goes before the command: `docker liveupdate {name} .. COMMAND`"
        ))
    } else if global::is_dockers(OsStr::new(name)) {
        Some(format!(
            "`{name}` is a flag of Docker itself: `docker {name} .. liveupdate COMMAND`"
        ))
    } else if matches!(name, "-d" | "--detach") {
        Some("the session stays in the foreground: it is what keeps the containers up to date; `--keep` leaves them running at its end".to_owned())
    } else {
        near.map(|near| format!("did you mean `{near}`?"))
    };
    (format!("unknown flag `{name}`"), hint)
}

fn is_composes(name: &str) -> bool {
    CommandLine::command().get_arguments().any(|arg| {
        arg.get_long()
            .is_some_and(|long| name.strip_prefix("--") == Some(long))
            || arg.get_short().is_some_and(|short| {
                name.strip_prefix('-')
                    .is_some_and(|name| name.chars().eq([short]))
            })
    })
}

fn possible(error: &clap::Error) -> Option<String> {
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) if !values.is_empty() => {
            Some(format!("one of: {}", values.join(", ")))
        }
        _ => None,
    }
}

/// clap's `--format <FORMAT>` and `<FILE>...` as users type or read them: `--format`, `FILE`.
fn flag_alone(arg: &str) -> &str {
    let word = arg.split_whitespace().next().unwrap_or(arg);
    word.trim_end_matches("...")
        .trim_matches(['<', '>', '[', ']'])
}

fn shown(message: &str, hint: Option<&str>, command: Option<clap::Command>) -> String {
    // Message and hint may quote words of the command line.
    let mut text = format!("error: {}\n", harmless::value(message));
    if let Some(hint) = hint {
        let _ = writeln!(text, "hint: {}", harmless::value(hint));
    }
    if let Some(mut command) = command {
        let usage = command.render_usage().to_string();
        let usage = usage.trim_start_matches("Usage:").trim();
        let name = command.get_bin_name().unwrap_or("docker liveupdate");
        let _ = write!(
            text,
            "\nUsage:  {usage}\n\nRun '{name} --help' for more information\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::Parsed;
    use super::super::tests::parsed;
    use super::*;

    #[track_caller]
    fn help(line: &str) -> String {
        match parsed(line) {
            Parsed::Help(text) => text,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[track_caller]
    fn wrong(line: &str) -> String {
        match parsed(line) {
            Parsed::UsageError(text) => text.lines().take(2).collect::<Vec<_>>().join("\n"),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn help_is_the_same_in_every_form() {
        for (command, usage) in [
            ("", "docker liveupdate [OPTIONS] COMMAND"),
            ("up", "docker liveupdate up [OPTIONS] [SERVICE...]"),
            ("plan", "docker liveupdate plan [OPTIONS] [FILE...]"),
            ("schema", "docker liveupdate schema"),
        ] {
            let text = help(&format!("help liveupdate {command}"));
            assert!(text.starts_with(&format!("Usage:  {usage}\n\n")), "{text}");
            for form in [
                "liveupdate C --help",
                "liveupdate C -h",
                "--help liveupdate C",
                "liveupdate help C",
                "help C",
                "C --help",
                "-D liveupdate C --help",
                "liveupdate --help C",
                "liveupdate -p up C --help",
            ] {
                let line = form.replace('C', command);
                assert_eq!(help(&line), text, "{line}");
            }
        }
        assert_eq!(help("liveupdate"), help("help liveupdate"));
        assert_eq!(help(""), help("help liveupdate"));
    }

    #[test]
    fn help_documents_every_exit_code_and_shows_examples() {
        let text = help("liveupdate");
        for code in ExitCode::ALL {
            assert!(
                text.contains(&format!("  {:<4} {}\n", code.code(), code.meaning())),
                "{text}"
            );
        }
        for command in ["", "up", "explain", "plan", "verify"] {
            assert!(
                help(&format!("help {command}")).contains("\nExamples:\n"),
                "{command}"
            );
        }
    }

    #[test]
    fn a_wrong_command_line_says_what_to_write_instead() {
        let mut shown = String::new();
        for line in [
            "liveupdate nonsense",
            "liveupdate chekc",
            "liveupdate logs",
            "liveupdate watch",
            "help liveupdate nonsense",
            "liveupdate up -f x.yaml",
            "liveupdate up --project-name=x",
            "liveupdate up --context=x",
            "liveupdate up -d",
            "liveupdate up --no-biuld",
            "liveupdate up --keep=maybe",
            "liveupdate check --format xml",
            "liveupdate check --format",
            "liveupdate up --scale web",
            "liveupdate up --scale web=many",
            "liveupdate down -t soon",
            "liveupdate --parallel many up",
            "liveupdate explain",
            "liveupdate plan a --since b",
            "liveupdate schema x",
            "liveupdate -f - up",
        ] {
            let _ = writeln!(shown, "{line}\n{}", wrong(line));
        }
        insta::assert_snapshot!(shown, @r#"
liveupdate nonsense
error: unknown command `nonsense`
hint: `docker liveupdate --help` shows the commands
liveupdate chekc
error: unknown command `chekc`
hint: did you mean `check`?
liveupdate logs
error: unknown command `logs`
hint: `logs` is a command of Compose: `docker compose logs`
liveupdate watch
error: unknown command `watch`
hint: `docker liveupdate up` builds, starts and watches
help liveupdate nonsense
error: unknown command `nonsense`
hint: `docker liveupdate --help` shows the commands
liveupdate up -f x.yaml
error: unknown flag `-f`
hint: `-f` goes before the command: `docker liveupdate -f .. COMMAND`
liveupdate up --project-name=x
error: unknown flag `--project-name`
hint: `--project-name` goes before the command: `docker liveupdate --project-name .. COMMAND`
liveupdate up --context=x
error: unknown flag `--context`
hint: `--context` is a flag of Docker itself: `docker --context .. liveupdate COMMAND`
liveupdate up -d
error: unknown flag `-d`
hint: the session stays in the foreground: it is what keeps the containers up to date; `--keep` leaves them running at its end
liveupdate up --no-biuld
error: unknown flag `--no-biuld`
hint: did you mean `--no-build`?
liveupdate up --keep=maybe
error: `--keep` takes no value
hint: write `--keep` alone, or leave it out
liveupdate check --format xml
error: `xml` is not a value of `--format`
hint: one of: text, json
liveupdate check --format
error: `--format` needs a value
hint: one of: text, json
liveupdate up --scale web
error: `web` is not a value of `--scale`
hint: write SERVICE=NUM, such as web=2
liveupdate up --scale web=many
error: `web=many` is not a value of `--scale`
hint: write SERVICE=NUM, such as web=2
liveupdate down -t soon
error: `soon` is not a value of `--timeout`
hint: write a number of seconds, such as 10
liveupdate --parallel many up
error: `many` is not a value of `--parallel`
hint: write a number, such as 4
liveupdate explain
error: `FILE` is missing
hint: name at least one
liveupdate plan a --since b
error: `FILE` and `--since` exclude each other
hint: use one of them
liveupdate schema x
error: unexpected argument `x`
hint: there is nothing more to name here
liveupdate -f - up
error: `-` is not a value of `--file`
hint: standard input can be read only once, and the files are read again when they change
"#);
    }
}
