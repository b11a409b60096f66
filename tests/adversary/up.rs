//! `docker liveupdate up` on the house: started, listened to, measured, interrupted.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;

use crate::house::House;
use crate::settings::Way;
use crate::tools::docker::Docker;
use crate::tools::{Result, process};

/// The first start includes a build.
const TIME_TO_START: Duration = Duration::from_secs(180);
/// Only a tool that hangs takes so long.
const TIME_TO_END: Duration = Duration::from_secs(30);

/// The running tool. It is the docker command's child.
pub struct Up {
    cli: Child,
    output: PathBuf,
    /// So much of the output was read.
    read: u64,
    said: Vec<Said>,
    plugin: u32,
}

/// Something that the tool said, but for the container's own log lines.
pub struct Said {
    pub at: SystemTime,
    pub event: Value,
}

impl Up {
    /// Starts it, and waits until it is ready for edits.
    pub fn start(docker: &Docker, house: &House, way: Way) -> Result<Self> {
        let output = house.project.beside("output");
        let log = File::create(&output)?;
        let mut command = docker.command();
        command
            .args(["liveupdate", "-f"])
            .arg(&house.project.file)
            .args(["-p", &house.project.name])
            .args(["up", "--keep", "--format", "json"])
            .env_remove("LIVEUPDATE_HELPER")
            .current_dir(house.project.home())
            .stdout(Stdio::from(log.try_clone()?))
            .stderr(Stdio::from(log))
            .process_group(0);
        if way == Way::Archive {
            command.env("LIVEUPDATE_HELPER", "off");
        }
        let mut up = Self {
            cli: command.spawn()?,
            output,
            read: 0,
            said: Vec::new(),
            plugin: 0,
        };
        let begun = Instant::now();
        while !up
            .said()?
            .iter()
            .any(|said| said.event["event"] == "started")
        {
            if !up.is_alive() || begun.elapsed() > TIME_TO_START {
                return Err(format!("`up` did not start:\n{}", up.end_of_output()).into());
            }
            sleep(Duration::from_millis(50));
        }
        let below = process::descendants(up.cli.id());
        up.plugin = below
            .into_iter()
            .find(|pid| process::name(*pid).is_some_and(|name| name.starts_with("docker-liveupd")))
            .ok_or("the plugin's process is not found")?;
        Ok(up)
    }

    /// All that it said so far, in order. The container's log lines are left out: there may be very many.
    pub fn said(&mut self) -> Result<&[Said]> {
        let mut new = Vec::new();
        let mut file = File::open(&self.output)?;
        file.seek(SeekFrom::Start(self.read))?;
        file.read_to_end(&mut new)?;
        // A line that is not whole yet is read again.
        let whole = new
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        self.read += whole as u64;
        for line in String::from_utf8_lossy(&new[..whole]).lines() {
            if line.contains(r#""event":"log""#) {
                continue;
            }
            let Ok(event) = serde_json::from_str::<Value>(line) else {
                continue;
            };
            let time = event["time"].as_str().unwrap_or_default();
            let at = humantime::parse_rfc3339(time).unwrap_or(SystemTime::UNIX_EPOCH);
            self.said.push(Said { at, event });
        }
        Ok(&self.said)
    }

    pub fn is_alive(&mut self) -> bool {
        matches!(self.cli.try_wait(), Ok(None))
    }

    /// The most memory that it ever had, in MiB.
    pub fn peak_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.plugin));
        let kib = status
            .unwrap_or_default()
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.split_whitespace().next()?.parse::<u32>().ok());
        f64::from(kib.unwrap_or(0)) / 1024.0
    }

    /// Ctrl-C: its exit code, and how long it took. An error when it does not end.
    pub fn interrupt(&mut self) -> Result<(Option<i32>, Duration)> {
        let begun = Instant::now();
        kill_process(self.pid()?, Signal::INT)?;
        while begun.elapsed() < TIME_TO_END {
            if let Some(status) = self.cli.try_wait()? {
                return Ok((status.code(), begun.elapsed()));
            }
            sleep(Duration::from_millis(10));
        }
        Err(format!("`up` did not end within {} s", TIME_TO_END.as_secs()).into())
    }

    fn pid(&self) -> Result<Pid> {
        let pid = i32::try_from(self.cli.id()).ok().and_then(Pid::from_raw);
        pid.ok_or_else(|| "no process has such a number".into())
    }

    /// Its last lines, for people.
    pub fn end_of_output(&self) -> String {
        let bytes = std::fs::read(&self.output).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines = text
            .lines()
            .filter(|line| !line.contains(r#""event":"log""#));
        let lines: Vec<String> = lines.map(|line| line.chars().take(500).collect()).collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// Where all of it is.
    pub fn output(&self) -> &Path {
        &self.output
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if !self.is_alive() {
            return;
        }
        if self.interrupt().is_err()
            && let Ok(pid) = self.pid()
        {
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = self.cli.wait();
        }
    }
}
