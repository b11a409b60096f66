//! The state of a command line after some words: for completion, help and usage errors. Accepts more than the parser.

use std::path::PathBuf;

use clap::{Arg, ArgAction, CommandFactory};

use super::args::CommandLine;

/// What may come next.
pub struct Cursor {
    /// The command or subcommand that the words name.
    pub command: clap::Command,
    /// A word in a command's cursor that names no command.
    pub unknown_command: Option<String>,
    /// The flag whose value comes next; `None` when no value is due.
    pub pending: Option<Arg>,
    /// The flags given to this command so far.
    pub given: Vec<clap::Id>,
    /// Whether `--` was given, after which there are no flags.
    pub only_words: bool,
    /// The compose files given by `-f`.
    pub files: Vec<PathBuf>,
    /// The value of `--project-directory`.
    pub directory: Option<PathBuf>,
}

impl Cursor {
    /// The state after `words`, which follow the plugin's name.
    pub fn after(words: &[String]) -> Self {
        let mut command = CommandLine::command();
        command.build();
        let mut cursor = Self {
            command,
            unknown_command: None,
            pending: None,
            given: Vec::new(),
            only_words: false,
            files: Vec::new(),
            directory: None,
        };
        for word in words {
            cursor.step(word);
        }
        cursor
    }

    fn step(&mut self, word: &str) {
        if let Some(flag) = self.pending.take() {
            self.value(&flag, word);
        } else if word == "--" && !self.only_words {
            self.only_words = true;
        } else if word.starts_with('-') && word.len() > 1 && !self.only_words {
            let Some((flag, value)) = self.flag(word) else {
                return;
            };
            self.given.push(flag.get_id().clone());
            match value {
                Some(value) => self.value(&flag, value),
                None if takes_value(&flag) => self.pending = Some(flag),
                None => {}
            }
        } else if let Some(next) = self.command.find_subcommand(word).cloned() {
            self.command = next;
            self.given.clear();
        } else if self.command.has_subcommands() {
            self.unknown_command.get_or_insert_with(|| word.to_owned());
        }
    }

    fn value(&mut self, flag: &Arg, value: &str) {
        match flag.get_id().as_str() {
            "file" => self.files.push(value.into()),
            "project_directory" => self.directory = Some(value.into()),
            _ => {}
        }
    }

    /// The flag that `word` gives, with its value if the word contains one: `--file=a`, `-f=a`, `-fa`.
    pub fn flag<'a>(&self, word: &'a str) -> Option<(Arg, Option<&'a str>)> {
        let flags = || {
            self.command
                .get_arguments()
                .filter(|arg| !arg.is_positional())
        };
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            let flag = flags().find(|flag| flag.get_long() == Some(name))?;
            return Some((flag.clone(), value));
        }
        // Short flags may be joined; the first one with a value takes the rest.
        let mut rest = word.strip_prefix('-')?.chars();
        loop {
            let letter = rest.next()?;
            let flag = flags().find(|flag| flag.get_short() == Some(letter))?;
            if takes_value(flag) || rest.as_str().is_empty() {
                let value = rest.as_str().trim_start_matches('=');
                return Some((flag.clone(), (!rest.as_str().is_empty()).then_some(value)));
            }
        }
    }
}

fn takes_value(flag: &Arg) -> bool {
    matches!(flag.get_action(), ArgAction::Set | ArgAction::Append)
}
