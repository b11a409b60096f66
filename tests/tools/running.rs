//! A tool at work: started, awaited, and stopped whatever happens.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::docker::Docker;
use super::{Result, Tool, interrupt, process};

/// A tool that has one job: to end when it is asked to.
const TIME_TO_STOP: Duration = Duration::from_secs(20);

/// A tool that watches a project.
pub struct Running {
    tool: Tool,
    /// The docker command; the tool is its child.
    cli: Child,
    started: Instant,
    output: PathBuf,
}

impl Running {
    /// Starts `tool` for the compose file; what it prints goes to the file `output`.
    pub fn start(
        tool: Tool,
        docker: &Docker,
        file: &Path,
        project: &str,
        output: &Path,
    ) -> Result<Self> {
        let log = File::create(output)?;
        let started = Instant::now();
        let cli = docker
            .command()
            .args(tool.arguments(file, project))
            .envs(tool.environment().iter().copied())
            .current_dir(file.parent().unwrap_or(Path::new("/")))
            .stdout(Stdio::from(log.try_clone()?))
            .stderr(Stdio::from(log))
            // Ctrl-C is ours: it stops the tools in their own time.
            .process_group(0)
            .spawn()?;
        Ok(Self {
            tool,
            cli,
            started,
            output: output.into(),
        })
    }

    /// Waits until it says that it is ready, and tells how long that took from the start of the docker command.
    pub fn ready(&mut self, limit: Duration) -> Result<Duration> {
        loop {
            if self.output().lines().any(|line| self.tool.is_ready(line)) {
                return Ok(self.started.elapsed());
            }
            interrupt::check()?;
            if let Some(status) = self.cli.try_wait()? {
                return Err(self.complaint(&format!("ended ({status}) before it was ready")));
            }
            if self.started.elapsed() > limit {
                return Err(self.complaint(&format!("was not ready after {} s", limit.as_secs())));
            }
            sleep(Duration::from_micros(500));
        }
    }

    /// An error about the tool, with the end of what it printed.
    pub fn complaint(&self, what: &str) -> Box<dyn std::error::Error> {
        let output = self.output();
        let lines: Vec<_> = output.lines().collect();
        let end = lines[lines.len().saturating_sub(8)..].join("\n    ");
        format!("{} {what}\n    {end}", self.tool.name()).into()
    }

    /// All that it has printed so far.
    pub fn output(&self) -> String {
        std::fs::read(&self.output)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The processes that are the tool: all below the docker command, which both tools go through.
    pub fn processes(&self) -> Vec<u32> {
        process::descendants(self.cli.id())
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.cli.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(pid) = i32::try_from(self.cli.id()).ok().and_then(Pid::from_raw) else {
            return;
        };
        if !self.is_alive() {
            return;
        }
        let _ = kill_process(pid, Signal::INT);
        let asked = Instant::now();
        while asked.elapsed() < TIME_TO_STOP {
            if !self.is_alive() {
                return;
            }
            sleep(Duration::from_millis(10));
        }
        let _ = kill_process_group(pid, Signal::KILL);
        let _ = self.cli.wait();
    }
}
