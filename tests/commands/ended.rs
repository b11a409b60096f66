//! Told to end, a command ends with 130, and what it started ends with it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};

use crate::program::write_program;
use crate::project::{Project, project};

const WEB: &str = "services: {web: {image: busybox, x-live-update: [{sync: './src:/app'}]}}";

/// What the programs in a test hold open for writing as long as they live.
struct Pipe(PathBuf);

impl Pipe {
    fn new(project: &Project) -> Self {
        let path = project.beside("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        Self(path)
    }

    /// A program that starts another one, says so, and waits for ever.
    fn program(&self, path: &Path, before: &str) {
        let pipe = self.0.display();
        let script =
            format!("#!/bin/sh\n{before}\nexec 9> '{pipe}'\nsleep 10000 &\necho ready >&9\nwait\n");
        write_program(path, script);
    }

    /// Waits until `programs` of them are there.
    fn open(&self, programs: usize) -> BufReader<File> {
        let mut pipe = BufReader::new(File::open(&self.0).unwrap());
        for _ in 0..programs {
            let mut line = String::new();
            pipe.read_line(&mut line).unwrap();
            assert_eq!(line, "ready\n");
        }
        pipe
    }
}

fn start(tool: &mut Command) -> Child {
    tool.stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Ends the tool by `signal`; nobody has the pipe open after that.
#[track_caller]
fn ends(project: &Project, tool: Child, pipe: BufReader<File>, signal: Signal) {
    let process = i32::try_from(tool.id()).unwrap();
    kill_process(Pid::from_raw(process).unwrap(), signal).unwrap();
    project
        .said(&tool.wait_with_output().unwrap())
        .fails(130, "");
    let mut rest = String::new();
    // Its end is that of the last program that could write.
    { pipe }.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

/// A tool whose `docker` is `docker`.
fn tool(project: &Project, docker: &Path, line: &str) -> Command {
    let mut tool = Project::tool_in(&project.path());
    tool.args(line.split(' '))
        .env("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", docker);
    tool
}

#[test]
fn while_compose_reads_the_project() {
    for line in [
        "check",
        "explain src/a",
        "plan src/a",
        "verify",
        "convert",
        "up",
    ] {
        for signal in [Signal::TERM, Signal::INT] {
            let project = project(WEB).files(["src/a"]);
            let pipe = Pipe::new(&project);
            let docker = project.beside("docker");
            pipe.program(&docker, "");
            let tool = start(&mut tool(&project, &docker, line));
            // The model and the version are asked for side by side.
            let pipe = pipe.open(2);
            ends(&project, tool, pipe, signal);
        }
    }
}

#[test]
fn while_git_looks_for_changes() {
    let project = project(WEB).files(["src/a"]);
    let pipe = Pipe::new(&project);
    let tools = project.beside("tools");
    std::fs::create_dir(&tools).unwrap();
    pipe.program(&tools.join("git"), "");
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths(std::iter::once(tools).chain(std::env::split_paths(&path)));
    let mut tool = Project::tool_in(&project.path());
    let tool = start(tool.arg("plan").env("PATH", path.unwrap()));
    let pipe = pipe.open(1);
    ends(&project, tool, pipe, Signal::TERM);
}

#[test]
fn while_the_engine_is_dialled() {
    let project = project(WEB).files(["src/a"]);
    let pipe = Pipe::new(&project);
    let docker = project.beside("docker");
    let path = std::env::var_os("PATH").unwrap();
    let real = std::env::split_paths(&path)
        .map(|place| place.join("docker"))
        .find(|docker| docker.is_file())
        .unwrap();
    let compose = format!("[ \"$1\" = compose ] && exec '{}' \"$@\"", real.display());
    pipe.program(&docker, &compose);
    let mut tool = tool(&project, &docker, "verify");
    let tool = start(tool.env("DOCKER_HOST", "tcp://localhost:1"));
    let pipe = pipe.open(1);
    ends(&project, tool, pipe, Signal::TERM);
}

#[test]
fn down_passes_the_request_on_and_waits_for_its_end() {
    let project = project(WEB);
    let pipe = Pipe::new(&project);
    let docker = project.beside("docker");
    // As docker does: it is told, tells its own child, and ends after that.
    pipe.program(&docker, "trap 'kill $!; wait $!; echo stopped; exit 1' INT");
    let tool = start(&mut tool(&project, &docker, "down"));
    let mut pipe = pipe.open(1);
    let process = i32::try_from(tool.id()).unwrap();
    kill_process(Pid::from_raw(process).unwrap(), Signal::TERM).unwrap();
    let said = project.said(&tool.wait_with_output().unwrap());
    assert_eq!((said.code, said.out.as_str()), (130, "stopped\n"));
    assert_eq!(pipe.read(&mut [0]).unwrap(), 0);
}
