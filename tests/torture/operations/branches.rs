//! A git repository in the project with two branches that differ in every way, for checkouts.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the tracked files are, below the project.
pub const TRACKED: &str = "src/tracked";

/// The repository.
pub struct Branches {
    home: PathBuf,
    on_other: bool,
}

impl Branches {
    /// Makes it, with `one` checked out.
    pub fn plant(home: &Path) -> io::Result<Self> {
        let branches = Self {
            home: home.into(),
            on_other: false,
        };
        let tracked = home.join(TRACKED);
        fs::create_dir_all(tracked.join("lib"))?;
        branches.git(&["init", "--quiet", "--initial-branch=one"])?;
        for index in 0..40 {
            fs::write(
                tracked.join(format!("lib/both{index}")),
                format!("one {index}\n"),
            )?;
            fs::write(tracked.join(format!("lib/same{index}")), "the same\n")?;
        }
        fs::write(tracked.join("swap"), "a file on one\n")?;
        symlink("lib/both0", tracked.join("link"))?;
        branches.commit("one")?;

        branches.git(&["checkout", "--quiet", "-b", "other"])?;
        for index in 0..40 {
            let both = tracked.join(format!("lib/both{index}"));
            if index % 3 == 0 {
                fs::remove_file(both)?;
            } else {
                fs::write(both, format!("other, longer {index}\n"))?;
            }
            fs::create_dir_all(tracked.join("deep/er"))?;
            fs::write(tracked.join(format!("deep/er/new{index}")), "new\n")?;
        }
        fs::remove_file(tracked.join("swap"))?;
        fs::create_dir(tracked.join("swap"))?;
        fs::write(tracked.join("swap/file"), "a directory on other\n")?;
        fs::set_permissions(tracked.join("lib/same0"), fs::Permissions::from_mode(0o755))?;
        fs::remove_file(tracked.join("link"))?;
        symlink("nowhere", tracked.join("link"))?;
        branches.commit("other")?;

        branches.git(&["checkout", "--quiet", "--force", "one"])?;
        Ok(branches)
    }

    /// Goes to the other branch; what was changed by hand is lost, as people do it.
    pub fn switch(&mut self) -> io::Result<&'static str> {
        let to = if self.on_other { "one" } else { "other" };
        self.git(&["checkout", "--quiet", "--force", to])?;
        self.on_other = !self.on_other;
        Ok(to)
    }

    fn commit(&self, name: &str) -> io::Result<()> {
        self.git(&["add", "--force", TRACKED])?;
        self.git(&["commit", "--quiet", "--message", name])
    }

    fn git(&self, arguments: &[&str]) -> io::Result<()> {
        let settings = [
            "user.name=torture",
            "user.email=torture@localhost",
            "core.hooksPath=/dev/null",
            "gc.auto=0",
        ];
        let output = Command::new("git")
            .current_dir(&self.home)
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(Stdio::null())
            .output()?;
        if output.status.success() {
            return Ok(());
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(format!("git: {}", complaint.trim())))
    }
}
