//! A Compose project in a temporary folder, and what the tool says of it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Files of one project; gone when it is dropped.
pub struct Project {
    folder: TempDir,
}

/// What a call said, with the project's folder written as `DIR`.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// A new project with this compose file.
#[must_use]
pub fn project(compose: &str) -> Project {
    let project = Project {
        folder: tempfile::tempdir().unwrap(),
    };
    fs::create_dir(project.path()).unwrap();
    project.file("compose.yaml", compose)
}

impl Project {
    /// Named like its folder, so that Compose names the project so.
    pub fn path(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join("shop")
    }

    /// A place outside of the project.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    /// Writes a file, and the directories above it.
    #[must_use]
    pub fn file(self, name: &str, content: &str) -> Self {
        self.write(name, content);
        self
    }

    /// Writes empty files.
    #[must_use]
    pub fn files<const N: usize>(self, names: [&str; N]) -> Self {
        names
            .into_iter()
            .fold(self, |project, name| project.file(name, ""))
    }

    /// Writes a file later on.
    pub fn write(&self, name: &str, content: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path().join(name)).unwrap();
    }

    /// The tool by itself, in `directory`; there is no engine.
    pub fn tool_in(directory: &Path) -> Command {
        let mut tool = Self::asked_in(directory);
        tool.arg("liveupdate");
        tool
    }

    /// The same, asked what could stand at the end of `line`.
    pub fn completion_in(directory: &Path, line: &str) -> Command {
        let mut tool = Self::asked_in(directory);
        tool.args(["__completeNoDesc", "liveupdate"])
            .args(line.split(' '));
        tool
    }

    fn asked_in(directory: &Path) -> Command {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_docker-liveupdate"));
        tool.current_dir(directory)
            .env("PWD", directory)
            .env("DOCKER_HOST", "unix:///there/is/no/engine.sock")
            .stdin(Stdio::null());
        for name in [
            "DOCKER_CONTEXT",
            "COMPOSE_FILE",
            "COMPOSE_PROFILES",
            "COMPOSE_PROJECT_NAME",
            "LIVEUPDATE_HELPER",
        ] {
            tool.env_remove(name);
        }
        tool
    }

    /// Calls the tool with the words of `line`.
    #[track_caller]
    pub fn call(&self, line: &str) -> Said {
        let output = Project::tool_in(&self.path())
            .args(line.split(' '))
            .output();
        self.said(&output.unwrap())
    }

    pub fn said(&self, output: &Output) -> Said {
        let dir = self.path().display().to_string();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&dir, "DIR");
        let said = Said {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        };
        assert!(
            !said.err.contains("no Compose plugin"),
            "these tests need Docker Compose (see tests/engine.sh): {}",
            said.err
        );
        said
    }

    /// Calls git, away from the user's own configuration.
    #[track_caller]
    pub fn git(&self, line: &str) {
        let output = git(&self.path(), line.split(' '));
        assert!(output.status.success(), "git {line}: {output:?}");
    }

    /// A git repository with all files in its first commit.
    #[must_use]
    pub fn committed(self) -> Self {
        self.git("init --quiet");
        self.git("add --all");
        self.git("commit --quiet --message first");
        self
    }
}

fn git(dir: &Path, args: impl Iterator<Item = impl AsRef<OsStr>>) -> Output {
    Command::new("git")
        .args(["-c", "user.name=test", "-c", "user.email=test@localhost"])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .unwrap()
}

impl Said {
    /// All went well, with exactly this text.
    #[track_caller]
    pub fn is(self, expected: &str) {
        assert_eq!(
            (self.out.trim_end(), self.err.as_str(), self.code),
            (expected.trim(), "", 0)
        );
    }

    /// It failed with this code and exactly this complaint.
    #[track_caller]
    pub fn fails(self, code: i32, expected: &str) {
        assert_eq!((self.out.as_str(), self.err.trim()), ("", expected.trim()));
        assert_eq!(self.code, code);
    }

    /// The lines as objects.
    #[track_caller]
    pub fn objects(&self) -> Vec<serde_json::Value> {
        let lines = self.out.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}
