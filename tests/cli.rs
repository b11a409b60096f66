//! The plugin contract, with the built binary and the real `docker` command line. No engine is needed.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

#[path = "shared/program.rs"]
mod program;

use program::write_program;

/// Docker's configuration folder with our plugin in it, and nothing else.
struct Installed {
    folder: TempDir,
}

impl Installed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plugins = folder.path().join("cli-plugins");
        fs::create_dir(&plugins).unwrap();
        symlink(
            env!("CARGO_BIN_EXE_docker-liveupdate"),
            plugins.join("docker-liveupdate"),
        )
        .unwrap();
        Self { folder }
    }

    /// A Compose plugin that notes its arguments, says so through the pipe `started`, and ends when the pipe `end` is opened.
    fn with_compose(self, code: u8) -> Self {
        let here = self.path().display().to_string();
        self.script(
            "cli-plugins/docker-compose",
            &format!(
                r#"if [ "$1" = docker-cli-plugin-metadata ]; then
  echo '{{"SchemaVersion": "0.1.0", "Vendor": "test"}}'
else
  echo "$DOCKER_CLI_PLUGIN_SOCKET" > "{here}/socket"
  echo "$@" > "{here}/started"
  read -r _ < "{here}/end"
  exit {code}
fi"#
            ),
        );
        for pipe in ["started", "end"] {
            rustix::fs::mkfifoat(
                rustix::fs::CWD,
                self.path().join(pipe),
                rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            )
            .unwrap();
        }
        self
    }

    fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        write_program(&path, format!("#!/bin/sh\n{text}\n"));
        path
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What Compose was called with, as soon as it was.
    fn compose_was_called_with(&self) -> String {
        fs::read_to_string(self.path().join("started"))
            .unwrap()
            .trim_end()
            .to_owned()
    }

    /// Waits until the Docker that started Compose has told it to end, as it does by closing Compose's socket.
    #[cfg(target_os = "linux")]
    fn compose_was_told_to_end(&self) {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::{SocketAddr, UnixStream};

        let name = fs::read_to_string(self.path().join("socket")).unwrap();
        let name = name.trim_end().trim_start_matches('@');
        assert!(!name.is_empty());
        let socket = SocketAddr::from_abstract_name(name).unwrap();
        while UnixStream::connect_addr(&socket).is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    fn let_compose_end(&self) {
        fs::write(self.path().join("end"), "now\n").unwrap();
    }

    fn docker(&self) -> Command {
        let mut docker = Command::new("docker");
        docker
            .env("DOCKER_CONFIG", self.path())
            .env("DOCKER_HOST", "unix:///there/is/no/engine.sock")
            .env_remove("DOCKER_CONTEXT")
            .current_dir(self.path())
            .stdin(Stdio::null());
        docker
    }

    /// Calls `docker LINE` and returns exit code, standard output and standard error.
    #[track_caller]
    fn call(&self, line: &str) -> (i32, String, String) {
        let output = self.docker().args(line.split(' ')).output().unwrap();
        texts(&output)
    }
}

/// The binary by itself, as if called by a `docker` at `docker`.
fn plugin(docker: &Path) -> Command {
    let mut plugin = Command::new(env!("CARGO_BIN_EXE_docker-liveupdate"));
    plugin
        .env("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", docker)
        .stdin(Stdio::null());
    plugin
}

fn texts(output: &Output) -> (i32, String, String) {
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8(output.stdout.clone()).unwrap(),
        String::from_utf8(output.stderr.clone()).unwrap(),
    )
}

#[test]
fn docker_accepts_the_plugin_and_lists_it() {
    let installed = Installed::new();
    let (_, listed, _) = installed.call("info --format {{.ClientInfo.Plugins|json}}");
    let plugins: Vec<serde_json::Value> = serde_json::from_str(listed.trim()).unwrap();
    let ours = plugins
        .iter()
        .find(|plugin| plugin["Name"] == "liveupdate")
        .unwrap();
    assert_eq!(ours["Err"], serde_json::Value::Null, "{ours}");
    assert_eq!(ours["Version"], concat!("v", env!("CARGO_PKG_VERSION")));

    let (_, help, _) = installed.call("--help");
    assert!(
        help.contains("liveupdate*") && help.contains("Live Update for Docker Compose"),
        "{help}"
    );
}

#[test]
fn docker_shows_our_help_in_every_form() {
    let installed = Installed::new();
    let root = installed.call("liveupdate --help");
    assert_eq!(root.0, 0, "{root:?}");
    assert!(
        root.1
            .starts_with("Usage:  docker liveupdate [OPTIONS] COMMAND\n"),
        "{root:?}"
    );
    for form in [
        "liveupdate",
        "help liveupdate",
        "--log-level error liveupdate -h",
    ] {
        assert_eq!(installed.call(form), root, "{form}");
    }

    let up = installed.call("help liveupdate up");
    assert!(
        up.1.starts_with("Usage:  docker liveupdate up [OPTIONS] [SERVICE...]\n"),
        "{up:?}"
    );
    for form in [
        "liveupdate up --help",
        "liveupdate help up",
        "--log-level=error liveupdate up -h",
    ] {
        assert_eq!(installed.call(form), up, "{form}");
    }
}

#[test]
fn a_usage_error_exits_125_with_a_hint() {
    let installed = Installed::new();
    assert_eq!(
        installed.call("liveupdate chekc"),
        (
            125,
            String::new(),
            "error: unknown command `chekc`\n\
             hint: did you mean `check`?\n\n\
             Usage:  docker liveupdate [OPTIONS] COMMAND\n\n\
             Run 'docker liveupdate --help' for more information\n"
                .to_owned()
        )
    );
}

#[test]
fn the_version_is_shown_on_either_way() {
    let installed = Installed::new();
    let expected = format!("docker liveupdate version v{}\n", env!("CARGO_PKG_VERSION"));
    for form in [
        "liveupdate version",
        "liveupdate --version",
        "liveupdate -v",
    ] {
        assert_eq!(
            installed.call(form),
            (0, expected.clone(), String::new()),
            "{form}"
        );
    }
}

#[test]
fn docker_completes_our_commands_values_and_services() {
    let installed = Installed::new();
    fs::write(
        installed.path().join("compose.yaml"),
        "services: {web: {image: x}, db: {image: y}}",
    )
    .unwrap();
    for (line, expected) in [
        ("__completeNoDesc liveupdate ver", "verify\nversion\n:4\n"),
        ("__complete liveupdate up ", "db\nweb\n:4\n"),
        (
            "__complete liveupdate check --format j",
            "json\tFor programs, one object a line\n:4\n",
        ),
        ("__complete liveupdate --project-directory ", ":16\n"),
        ("__complete liveupdate explain ", ":0\n"),
    ] {
        // Whether descriptions come is the CLI's choice.
        let (code, stdout, stderr) = installed.call(line);
        let values = |text: &str| {
            text.lines()
                .map(|line| line.split('\t').next().unwrap_or_default().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(code, 0, "{line}: {stderr}");
        assert_eq!(values(&stdout), values(expected), "{line}");
    }
}

#[test]
fn compose_gets_the_flags_of_docker_and_of_compose_and_the_commands_own() {
    let installed = Installed::new().with_compose(0);
    let mut docker = installed
        .docker()
        .args(["--log-level", "error", "liveupdate"])
        .args(["-f", "a.yaml", "-p", "shop", "--profile=dev"])
        .args(["down", "-v", "--timeout", "3", "web"])
        .spawn()
        .unwrap();
    assert_eq!(
        installed.compose_was_called_with(),
        "--log-level error compose -f a.yaml -p shop --profile dev down --timeout 3 --volumes web"
    );
    installed.let_compose_end();
    assert_eq!(docker.wait().unwrap().code(), Some(0));
}

#[test]
fn what_docker_could_not_do_exits_2() {
    let installed = Installed::new().with_compose(17);
    let mut docker = installed
        .docker()
        .args(["liveupdate", "down"])
        .spawn()
        .unwrap();
    assert_eq!(installed.compose_was_called_with(), "compose down");
    installed.let_compose_end();
    assert_eq!(docker.wait().unwrap().code(), Some(2));

    let missing = installed.path().join("no-docker");
    let (code, _, stderr) = texts(&plugin(&missing).arg("down").output().unwrap());
    assert_eq!(code, 2);
    assert!(
        stderr.starts_with("error: `") && stderr.contains("\nhint: install the Docker CLI"),
        "{stderr}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_docker_that_is_told_to_end_without_a_terminal_passes_it_on_through_its_socket() {
    let installed = Installed::new().with_compose(0);
    let mut docker = installed
        .docker()
        .args(["liveupdate", "down"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Compose has started, so everybody listens.
    installed.compose_was_called_with();
    let pid = rustix::process::Pid::from_child(&docker);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    installed.compose_was_told_to_end();
    installed.let_compose_end();
    assert_eq!(docker.wait().unwrap().code(), Some(130));
}

#[test]
fn the_closed_plugin_socket_ends_what_runs() {
    let installed = Installed::new();
    // A Docker that goes on until it is interrupted.
    let docker = installed.script(
        "docker",
        "trap 'kill $!; echo interrupted; exit 0' INT\nsleep 600 &\necho started\nwait",
    );
    let socket = installed.path().join("plugin.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let mut child = plugin(&docker)
        .args(["liveupdate", "down"])
        .env("DOCKER_CLI_PLUGIN_SOCKET", &socket)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "started\n");

    drop(listener.accept().unwrap());

    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "interrupted\n");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn help_into_a_closed_pipe_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = plugin(Path::new("docker"))
        .arg("--help")
        .stdout(writer)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn the_metadata_needs_neither_engine_nor_home_nor_a_working_directory() {
    let output = Command::new(env!("CARGO_BIN_EXE_docker-liveupdate"))
        .arg("docker-cli-plugin-metadata")
        .env_clear()
        .current_dir("/")
        .stdin(File::open("/dev/null").unwrap())
        .output()
        .unwrap();
    let (code, stdout, stderr) = texts(&output);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let metadata: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(metadata["SchemaVersion"], "0.1.0");
}
