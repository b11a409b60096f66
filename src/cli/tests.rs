//! The command line's promises, without Docker and without a process.

use std::time::Duration;

use super::*;

fn env() -> Env {
    Env {
        current_dir: HostPath::new("/p"),
        ..Env::default()
    }
}

pub fn parsed(line: &str) -> Parsed {
    let argv = std::iter::once("docker-liveupdate").chain(line.split_whitespace());
    parse(argv.map(OsString::from), &env())
}

#[track_caller]
fn run(line: &str) -> Invocation {
    match parsed(line) {
        Parsed::Run(invocation) => *invocation,
        other => panic!("{line}: {other:?}"),
    }
}

/// Through Docker and by itself.
#[track_caller]
fn means(line: &str, command: &Command) {
    assert_eq!(
        run(&format!("liveupdate {line}")).command,
        *command,
        "{line}"
    );
    assert_eq!(run(line).command, *command, "by itself: {line}");
}

fn up() -> Up {
    Up {
        build: true,
        logs: true,
        ..Up::default()
    }
}

fn path(path: &str) -> HostPath {
    HostPath::new(path).unwrap()
}

#[test]
fn every_command_that_looks_and_tells_is_understood() {
    let services = || vec!["web".to_owned(), "db".to_owned()];
    let text = Format::Text;
    for (line, command) in [
        ("check", Command::Check { format: text }),
        (
            "check --format json",
            Command::Check {
                format: Format::Json,
            },
        ),
        (
            "check --format=json",
            Command::Check {
                format: Format::Json,
            },
        ),
        (
            "explain src/a /abs/b ../c",
            Command::Explain {
                files: vec![path("/p/src/a"), path("/abs/b"), path("/c")],
                format: text,
            },
        ),
        (
            "plan",
            Command::Plan {
                changes: Changes::Since("HEAD".to_owned()),
                format: text,
            },
        ),
        (
            "plan --since main",
            Command::Plan {
                changes: Changes::Since("main".to_owned()),
                format: text,
            },
        ),
        (
            "plan a",
            Command::Plan {
                changes: Changes::Files(vec![path("/p/a")]),
                format: text,
            },
        ),
        (
            "plan -- --odd",
            Command::Plan {
                changes: Changes::Files(vec![path("/p/--odd")]),
                format: text,
            },
        ),
        (
            "verify",
            Command::Verify {
                services: vec![],
                fix: false,
                format: text,
            },
        ),
        (
            "verify web --fix db",
            Command::Verify {
                services: services(),
                fix: true,
                format: text,
            },
        ),
    ] {
        means(line, &command);
    }
}

#[test]
fn every_command_that_does_or_prints_is_understood() {
    let services = || vec!["web".to_owned(), "db".to_owned()];
    let text = Format::Text;
    for (line, command) in [
        ("up", Command::Up(up())),
        ("schema", Command::Schema),
        (
            "convert web db",
            Command::Convert {
                services: services(),
            },
        ),
        ("down", Command::Down(Down::default())),
        (
            "down -v --remove-orphans --rmi=local -t 3 web db",
            Command::Down(Down {
                flags: [
                    "--remove-orphans",
                    "--rmi",
                    "local",
                    "--timeout",
                    "3",
                    "--volumes",
                ]
                .map(OsString::from)
                .to_vec(),
                services: services(),
            }),
        ),
        (
            "version",
            Command::Version {
                short: false,
                format: text,
            },
        ),
        (
            "version --short",
            Command::Version {
                short: true,
                format: text,
            },
        ),
        (
            "--version",
            Command::Version {
                short: false,
                format: text,
            },
        ),
        (
            "-v",
            Command::Version {
                short: false,
                format: text,
            },
        ),
    ] {
        means(line, &command);
    }
}

#[test]
fn up_takes_what_users_of_compose_up_are_used_to() {
    for (line, expected) in [
        (
            "up web",
            Up {
                services: vec!["web".to_owned()],
                ..up()
            },
        ),
        (
            "up --no-build",
            Up {
                build: false,
                ..up()
            },
        ),
        ("up --build --watch", up()),
        (
            "up --no-logs --keep --keep",
            Up {
                logs: false,
                keep: true,
                ..up()
            },
        ),
        (
            "up --format=json",
            Up {
                format: Format::Json,
                ..up()
            },
        ),
        (
            "up --no-deps",
            Up {
                no_deps: true,
                ..up()
            },
        ),
        (
            "up -t 5",
            Up {
                stop_timeout: Some(Duration::from_secs(5)),
                ..up()
            },
        ),
        (
            "up --pull always",
            Up {
                pull: Some("always".to_owned()),
                ..up()
            },
        ),
        (
            "up --force-recreate -V --remove-orphans",
            Up {
                start_flags: [
                    "--force-recreate",
                    "--remove-orphans",
                    "--renew-anon-volumes",
                ]
                .map(OsString::from)
                .to_vec(),
                ..up()
            },
        ),
        (
            "up --scale web=2 --scale=db=0",
            Up {
                scale: vec![
                    Scale {
                        service: "web".to_owned(),
                        count: 2,
                    },
                    Scale {
                        service: "db".to_owned(),
                        count: 0,
                    },
                ],
                ..up()
            },
        ),
    ] {
        assert_eq!(run(line).command, Command::Up(expected), "{line}");
    }
}

#[test]
fn dockers_and_composes_flags_go_on_to_the_cli_as_they_were_given() {
    let docker = run(
        "--context x -H=unix:///s --tlsverify -D liveupdate -f a.yaml --file=b.yaml -p shop --profile dev \
         --profile=test --env-file .env.dev --project-directory /d --ansi never --progress=plain up",
    )
    .docker;
    assert_eq!(docker.program, "docker");
    assert_eq!(
        docker.global_flags.join(" ".as_ref()),
        "--context x -H=unix:///s --tlsverify -D"
    );
    assert_eq!(
        docker.compose_flags.join(" ".as_ref()),
        "-f a.yaml -f b.yaml -p shop --profile dev --profile test --env-file .env.dev --project-directory /d \
         --ansi never --progress plain"
    );
}

#[test]
fn the_cli_that_called_us_is_the_cli_we_call() {
    let env = Env {
        docker: Some("/opt/docker".into()),
        ..env()
    };
    let argv = ["docker-liveupdate", "liveupdate", "up"].map(OsString::from);
    match parse(argv, &env) {
        Parsed::Run(invocation) => assert_eq!(invocation.docker.program, "/opt/docker"),
        other => panic!("{other:?}"),
    }
}

#[cfg(unix)]
#[test]
fn file_names_need_not_be_utf_8() {
    use std::os::unix::ffi::OsStringExt;

    let name = OsString::from_vec(b"a\xff.yaml".to_vec());
    let argv = ["docker-liveupdate", "liveupdate", "-f"].map(OsString::from);
    let argv = argv
        .into_iter()
        .chain([name.clone(), "explain".into(), name.clone()]);
    match parse(argv, &env()) {
        Parsed::Run(invocation) => {
            assert_eq!(invocation.docker.compose_flags, ["-f".into(), name.clone()]);
            let files = vec![path("/p").join(&name)];
            assert_eq!(
                invocation.command,
                Command::Explain {
                    files,
                    format: Format::Text
                }
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn colour_follows_ansi_and_no_color() {
    use anstream::ColorChoice;

    assert_eq!(run("up").color, ColorChoice::Auto);
    assert_eq!(run("--ansi never up").color, ColorChoice::Never);
    assert_eq!(run("--ansi=always up").color, ColorChoice::Always);
    assert_eq!(run("--ansi=always up --no-color").color, ColorChoice::Never);
}

#[test]
fn a_file_is_relative_to_a_directory_that_exists() {
    let argv = ["docker-liveupdate", "explain", "a"].map(OsString::from);
    match parse(argv, &Env::default()) {
        Parsed::UsageError(text) => assert!(
            text.contains("`a` is relative to a directory that is gone"),
            "{text}"
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn dockers_question_is_answered_before_anything_else() {
    let Parsed::Metadata(text) = parsed("docker-cli-plugin-metadata") else {
        panic!("no metadata");
    };
    assert!(text.contains(r#""SchemaVersion":"0.1.0""#), "{text}");
}
