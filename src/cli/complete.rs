//! Shell completion as Docker asks for it: what could stand at the end of this command line? Reads compose files for service names, nothing else.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ValueHint};

use super::place::Place;
use super::services::{self, Names};
use super::{Env, global};

/// Whether `arg` is a completion's question, and if so whether descriptions are wanted.
pub fn question(arg: &std::ffi::OsStr) -> Option<bool> {
    match arg.to_str()? {
        "__complete" => Some(true),
        "__completeNoDesc" => Some(false),
        _ => None,
    }
}

/// Cobra's directives: what the shell is to add to our answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Directive {
    Files = 0,
    Nothing = 4,
    Directories = 16,
}

/// A value and what it means.
type Candidate = (String, String);

/// The answer to a question with these `words`, the plugin's name first and the unfinished word last.
pub fn answer(mut words: Vec<String>, described: bool, env: &Env) -> String {
    if words.first().is_some_and(|word| word == global::PLUGIN) {
        words.remove(0);
    }
    let unfinished = words.pop().unwrap_or_default();
    let (candidates, directive) = Place::after(&words).candidates(&unfinished, env);
    let mut text = String::new();
    for (value, description) in candidates {
        let _ = if described && !description.is_empty() {
            writeln!(text, "{value}\t{description}")
        } else {
            writeln!(text, "{value}")
        };
    }
    let _ = writeln!(text, ":{}", directive as u8);
    text
}

impl Place {
    fn candidates(&self, unfinished: &str, env: &Env) -> (Vec<Candidate>, Directive) {
        if let Some(flag) = &self.pending {
            return self.values(flag, unfinished, env);
        }
        if unfinished.starts_with('-') && !self.only_words {
            if unfinished.contains('=') {
                return match self.flag(unfinished) {
                    Some((flag, Some(value))) => self.values(&flag, value, env),
                    _ => (Vec::new(), Directive::Nothing),
                };
            }
            return (self.flags(unfinished), Directive::Nothing);
        }
        if self.command.has_subcommands() {
            let commands = self
                .command
                .get_subcommands()
                .map(|command| (command.get_name().to_owned(), text(command.get_about())));
            return (starting(commands, unfinished), Directive::Nothing);
        }
        match self.command.get_positionals().next() {
            Some(positional) => self.values(positional, unfinished, env),
            None => (Vec::new(), Directive::Nothing),
        }
    }

    fn flags(&self, unfinished: &str) -> Vec<Candidate> {
        let flags = self.command.get_arguments().filter(|arg| {
            !arg.is_positional()
                && !arg.is_hide_set()
                && (matches!(arg.get_action(), ArgAction::Append)
                    || !self.given.contains(arg.get_id()))
        });
        let spelled = flags.flat_map(|flag| {
            let about = text(flag.get_help());
            let long = flag.get_long().map(|long| format!("--{long}"));
            let short = flag.get_short().map(|short| format!("-{short}"));
            long.into_iter()
                .chain(short)
                .map(move |name| (name, about.clone()))
        });
        starting(spelled, unfinished)
    }

    fn values(&self, arg: &Arg, unfinished: &str, env: &Env) -> (Vec<Candidate>, Directive) {
        match arg.get_value_hint() {
            ValueHint::FilePath => return (Vec::new(), Directive::Files),
            ValueHint::DirPath => return (Vec::new(), Directive::Directories),
            _ => {}
        }
        let plain = |name: String| (name, String::new());
        let values: Vec<Candidate> = match arg.get_id().as_str() {
            "services" => self.names(env).services.into_iter().map(plain).collect(),
            "scale" => self
                .names(env)
                .services
                .into_iter()
                .map(|name| plain(format!("{name}=")))
                .collect(),
            "profile" => self.names(env).profiles.into_iter().map(plain).collect(),
            _ => arg
                .get_possible_values()
                .into_iter()
                .map(|value| (value.get_name().to_owned(), text(value.get_help())))
                .collect(),
        };
        (starting(values, unfinished), Directive::Nothing)
    }

    fn names(&self, env: &Env) -> Names {
        let current = env
            .current_dir
            .as_ref()
            .map_or(Path::new("."), |dir| dir.as_path());
        // Files given by `-f` are relative to where we are; those that Compose finds are in the project's directory.
        let (files, directory) = if !self.files.is_empty() {
            (self.files.clone(), current.to_path_buf())
        } else if !env.compose_files.is_empty() {
            (
                env.compose_files.iter().map(PathBuf::from).collect(),
                current.to_path_buf(),
            )
        } else {
            let directory = self
                .directory
                .as_deref()
                .map_or(current.to_path_buf(), |dir| current.join(dir));
            (Vec::new(), directory)
        };
        services::names(&files, &directory)
    }
}

fn text(styled: Option<&clap::builder::StyledStr>) -> String {
    styled.map(ToString::to_string).unwrap_or_default()
}

fn starting(candidates: impl IntoIterator<Item = Candidate>, unfinished: &str) -> Vec<Candidate> {
    candidates
        .into_iter()
        .filter(|(value, _)| value.starts_with(unfinished))
        .collect()
}
