//! Docker's global flags before the plugin's name. Knows how they are written, not what they mean.

use std::ffi::{OsStr, OsString};

/// The plugin's name, as typed after `docker`.
pub const PLUGIN: &str = "liveupdate";

const WITH_VALUE: [(&str, Option<char>); 7] = [
    ("--config", None),
    ("--context", Some('c')),
    ("--host", Some('H')),
    ("--log-level", Some('l')),
    ("--tlscacert", None),
    ("--tlscert", None),
    ("--tlskey", None),
];
const SWITCHES: [(&str, Option<char>); 3] = [
    ("--debug", Some('D')),
    ("--tls", None),
    ("--tlsverify", None),
];

/// A command line, split at the plugin's name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Docker's own flags, each as it was written.
    pub global_flags: Vec<OsString>,
    /// Whether help was asked for before the plugin's name: `help liveupdate`, `--help liveupdate`.
    pub help: bool,
    /// What follows the plugin's name.
    pub rest: Vec<OsString>,
}

/// Splits `args`, which do not include the program.
///
/// Without the plugin's name, as when the binary is called directly, the rest begins at the first word that is not one of Docker's flags.
pub fn split(args: impl IntoIterator<Item = OsString>) -> Split {
    let mut args = args.into_iter().peekable();
    let mut split = Split::default();
    while let Some(arg) = args.next() {
        let text = arg.to_string_lossy().into_owned();
        match text.as_str() {
            // For both `docker-liveupdate help up` and `docker help liveupdate up`; `--help` alone is answered by the rest.
            "help" if !split.help => split.help = true,
            "--help" | "-h" if args.peek().is_some() => split.help = true,
            PLUGIN => {
                split.rest.extend(args);
                return split;
            }
            _ => match shape(&text) {
                Shape::Complete => split.global_flags.push(arg),
                Shape::ValueFollows => {
                    split.global_flags.push(arg);
                    split.global_flags.extend(args.next());
                }
                Shape::NotDockers => {
                    split.rest.push(arg);
                    split.rest.extend(args);
                    return split;
                }
            },
        }
    }
    split
}

/// Whether `flag` (`-c`, `--context`, `--context=x`) is one of Docker's global flags.
pub fn is_dockers(flag: &OsStr) -> bool {
    !matches!(shape(&flag.to_string_lossy()), Shape::NotDockers)
}

enum Shape {
    Complete,
    ValueFollows,
    NotDockers,
}

fn shape(arg: &str) -> Shape {
    if arg.starts_with("--") {
        let (name, value) = match arg.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (arg, None),
        };
        if SWITCHES.iter().any(|(long, _)| *long == name) {
            return Shape::Complete;
        }
        return match (WITH_VALUE.iter().any(|(long, _)| *long == name), value) {
            (true, Some(_)) => Shape::Complete,
            (true, None) => Shape::ValueFollows,
            (false, _) => Shape::NotDockers,
        };
    }
    let Some(cluster) = arg.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
        return Shape::NotDockers;
    };
    // Short flags may be joined (`-DH tcp://x`); the first one with a value takes the rest.
    for (at, letter) in cluster.char_indices() {
        if SWITCHES.iter().any(|(_, short)| *short == Some(letter)) {
            continue;
        }
        if WITH_VALUE.iter().any(|(_, short)| *short == Some(letter)) {
            return if at + letter.len_utf8() == cluster.len() {
                Shape::ValueFollows
            } else {
                Shape::Complete
            };
        }
        return Shape::NotDockers;
    }
    Shape::Complete
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> (String, bool, String) {
        let split = split(line.split_whitespace().map(OsString::from));
        let join = |words: &[OsString]| words.join(OsStr::new(" ")).into_string().unwrap();
        (join(&split.global_flags), split.help, join(&split.rest))
    }

    #[test]
    fn dockers_flags_before_the_name_are_taken_in_every_form() {
        for flags in [
            "",
            "--context x",
            "--context=x",
            "-c x",
            "-cx",
            "-H unix:///s --tls --tlsverify=false",
            "--host=tcp://h:1 --tlscacert a --tlscert=b --tlskey c",
            "-D -l debug --config /d",
            "--debug --log-level=info --config=/d",
            "-DH tcp://h:1",
            // A value may be the plugin's name.
            "--context liveupdate",
        ] {
            let line = format!("{flags} liveupdate -f a.yaml up --keep");
            assert_eq!(
                of(&line),
                (flags.into(), false, "-f a.yaml up --keep".into()),
                "{line}"
            );
        }
    }

    #[test]
    fn help_may_stand_before_the_name() {
        assert_eq!(of("help liveupdate"), (String::new(), true, String::new()));
        assert_eq!(of("help liveupdate up"), (String::new(), true, "up".into()));
        assert_eq!(
            of("--help liveupdate"),
            (String::new(), true, String::new())
        );
        assert_eq!(of("-D -h liveupdate up"), ("-D".into(), true, "up".into()));
    }

    #[test]
    fn the_binary_called_by_itself_works_the_same() {
        assert_eq!(of("up web"), (String::new(), false, "up web".into()));
        assert_eq!(
            of("--context x -f a.yaml up liveupdate"),
            (
                "--context x".into(),
                false,
                "-f a.yaml up liveupdate".into()
            )
        );
        assert_eq!(of("help up"), (String::new(), true, "up".into()));
        assert_eq!(of("--help"), (String::new(), false, "--help".into()));
    }
}
