//! An engine of the torture test's own, to be restarted at will; gone when dropped. Made by `tests/engine.sh`.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::tools::Result;

/// The script that makes engines.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/engine.sh");

/// A private engine.
pub struct PrivateEngine {
    state: TempDir,
    /// What leads docker commands to it.
    pub environment: Vec<(String, String)>,
}

impl PrivateEngine {
    /// Whether its packages are on this machine already, so that it starts in seconds.
    pub fn is_at_hand() -> bool {
        std::env::var_os("LIVEUPDATE_ENGINE_DIR")
            .is_some_and(|folder| Path::new(&folder).join("root/usr/sbin/dockerd").exists())
    }

    /// A new one, with the image that the torture needs.
    pub fn start() -> Result<Self> {
        let state = tempfile::Builder::new().prefix("lut-engine-").tempdir()?;
        let mut engine = Self {
            state,
            environment: Vec::new(),
        };
        engine.script("up")?;
        let printed = engine.script("env")?;
        engine.environment = printed
            .lines()
            .filter_map(|line| line.strip_prefix("export ")?.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.trim_matches('\'').to_owned()))
            .collect();
        engine.script("images busybox:1.37")?;
        Ok(engine)
    }

    /// Ends the daemon as a shutdown of the machine would, and starts it again.
    pub fn restart(&self) -> Result<()> {
        let pid_file = self.state.path().join("dockerd.pid");
        let pid: i32 = std::fs::read_to_string(pid_file)?.trim().parse()?;
        let pid = rustix::process::Pid::from_raw(pid).ok_or("the engine's process is gone")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        while rustix::process::test_kill_process(pid).is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        self.script("up").map(|_| ())
    }

    fn script(&self, arguments: &str) -> Result<String> {
        let output = Command::new(SCRIPT)
            .args(arguments.split(' '))
            .env("LIVEUPDATE_ENGINE", "private")
            .env("LIVEUPDATE_ENGINE_STATE_DIR", self.state.path())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .output()?;
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout)?);
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        Err(format!("tests/engine.sh {arguments}: {}", complaint.trim()).into())
    }
}

impl Drop for PrivateEngine {
    fn drop(&mut self) {
        let _ = self.script("purge");
    }
}
