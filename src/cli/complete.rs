//! Shell completion as Docker asks for it: what could come next on this command line? Reads compose files for service names, nothing else.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ValueHint};

use super::cursor::Cursor;
use super::services::{self, Names};
use super::{Env, global};

/// Whether `arg` asks for completion, and if so whether descriptions are wanted.
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
    /// 4, and 2: no space after the value, as more of it is to come.
    NothingYet = 6,
    Directories = 16,
}

/// A value and its description.
type Candidate = (String, String);

/// The answer for these `words`, the plugin's name first and the unfinished word last.
pub fn answer(mut words: Vec<String>, described: bool, env: &Env) -> String {
    if words.first().is_some_and(|word| word == global::PLUGIN) {
        words.remove(0);
    }
    let unfinished = words.pop().unwrap_or_default();
    let (candidates, directive) = Cursor::after(&words).candidates(&unfinished, env);
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

impl Cursor {
    fn candidates(&self, unfinished: &str, env: &Env) -> (Vec<Candidate>, Directive) {
        if self.unknown_command.is_some() {
            return (Vec::new(), Directive::Nothing);
        }
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
        if arg.get_id() == "scale" {
            let values = self.names(env).services.into_iter();
            let values = values.map(|name| (format!("{name}="), String::new()));
            return (starting(values, unfinished), Directive::NothingYet);
        }
        let plain = |name: String| (name, String::new());
        let values: Vec<Candidate> = match arg.get_id().as_str() {
            "services" => self.names(env).services.into_iter().map(plain).collect(),
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
        // Files given by `-f` are relative to the current directory; those that Compose finds are in the project's directory.
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

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::{Parsed, parse};
    use super::*;
    use crate::paths::HostPath;

    /// What completion offers after `line` in a project with the services `api` and `web`, whose last word is unfinished.
    fn offers(line: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write(
            "compose.yaml",
            "services: {web: {image: x, profiles: [dev]}, api: {image: y}}",
        );
        write("compose.override.yaml", "services: {db: {image: z}}");
        write("other.yaml", "services: {solo: {image: x}}");
        write("broken.yaml", "services: [");
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        let env = Env {
            current_dir: HostPath::new(folder.path().join("sub")),
            ..Env::default()
        };
        let argv = std::iter::once("docker-liveupdate").chain(line.split(' '));
        match parse(argv.map(OsString::from), &env) {
            Parsed::Complete(text) => text.trim_end().replace('\t', " -- ").replace('\n', " | "),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn completion_offers_what_can_stand_there() {
        let mut shown = String::new();
        for line in [
            "__complete liveupdate ",
            "__completeNoDesc liveupdate c",
            "__completeNoDesc liveupdate -f x.yaml --profile a ve",
            "__completeNoDesc liveupdate up --no",
            "__completeNoDesc liveupdate up --no-logs --no",
            "__completeNoDesc liveupdate down -",
            "__complete liveupdate check --format ",
            "__completeNoDesc liveupdate check --format=j",
            "__completeNoDesc liveupdate --ansi ",
            "__completeNoDesc liveupdate down --rmi l",
            "__complete liveupdate up ",
            "__complete liveupdate up web a",
            "__complete liveupdate up -- w",
            "__complete liveupdate -f ../other.yaml up ",
            "__complete liveupdate -f../other.yaml up ",
            "__complete liveupdate -f ../broken.yaml -f ../missing.yaml verify ",
            "__complete liveupdate up --scale ",
            "__complete liveupdate --profile ",
            "__complete liveupdate -f ",
            "__complete liveupdate --file=",
            "__complete liveupdate --env-file ",
            "__complete liveupdate --project-directory ",
            "__complete liveupdate --project-name ",
            "__complete liveupdate explain ",
            "__complete liveupdate plan a ",
            "__complete liveupdate plan --since ",
            "__complete liveupdate schema ",
            "__complete liveupdate nonsense ",
        ] {
            let _ = writeln!(shown, "{line:?}\n    {}", offers(line));
        }
        insta::assert_snapshot!(shown, @r#"
"__complete liveupdate "
    up -- Build, start, follow the logs and live-update, until Ctrl-C | check -- Check the configuration and show all of its problems | explain -- Explain what a change of a file does: which rule, which step, where to, and why | plan -- Show the plan for some changes as one batch, and touch nothing | verify -- Compare the containers' synced paths with the host by content | schema -- Print the JSON Schema of x-live-update, for editors | convert -- Print the x-live-update block that does what develop.watch does | down -- Stop and remove containers and networks, as `docker compose down` does; nothing of `up` is left | version -- Show the version | :4
"__completeNoDesc liveupdate c"
    check | convert | :4
"__completeNoDesc liveupdate -f x.yaml --profile a ve"
    verify | version | :4
"__completeNoDesc liveupdate up --no"
    --no-build | --no-logs | --no-deps | :4
"__completeNoDesc liveupdate up --no-logs --no"
    --no-build | --no-deps | :4
"__completeNoDesc liveupdate down -"
    --remove-orphans | --rmi | --timeout | -t | --volumes | -v | --help | -h | :4
"__complete liveupdate check --format "
    text -- For people | json -- For programs, one object a line | :4
"__completeNoDesc liveupdate check --format=j"
    json | :4
"__completeNoDesc liveupdate --ansi "
    never | always | auto | :4
"__completeNoDesc liveupdate down --rmi l"
    local | :4
"__complete liveupdate up "
    api | db | web | :4
"__complete liveupdate up web a"
    api | :4
"__complete liveupdate up -- w"
    web | :4
"__complete liveupdate -f ../other.yaml up "
    solo | :4
"__complete liveupdate -f../other.yaml up "
    solo | :4
"__complete liveupdate -f ../broken.yaml -f ../missing.yaml verify "
    :4
"__complete liveupdate up --scale "
    api= | db= | web= | :6
"__complete liveupdate --profile "
    dev | :4
"__complete liveupdate -f "
    :0
"__complete liveupdate --file="
    :0
"__complete liveupdate --env-file "
    :0
"__complete liveupdate --project-directory "
    :16
"__complete liveupdate --project-name "
    :4
"__complete liveupdate explain "
    :0
"__complete liveupdate plan a "
    :0
"__complete liveupdate plan --since "
    :4
"__complete liveupdate schema "
    :4
"__complete liveupdate nonsense "
    :4
"#);
    }

    #[test]
    fn completion_finds_services_in_the_files_that_the_environment_names() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("x.yaml"), "services: {solo: {image: x}}").unwrap();
        let env = Env {
            compose_files: vec!["x.yaml".into()],
            current_dir: HostPath::new(folder.path()),
            ..Env::default()
        };
        let names = answer(
            ["liveupdate", "up", ""].map(str::to_owned).to_vec(),
            true,
            &env,
        );
        assert_eq!(names, "solo\n:4\n");
    }
}
