//! A Compose project of one test: its files on the host, its containers as `docker` shows them. Gone when it is dropped.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;

use crate::api;
use crate::session::{DEADLINE, Session};
use crate::tree::{self, Tree};

/// A service `web` of the image that every test engine has; it ends at once when it is told to.
pub const DOCKERFILE: &str = "\
FROM busybox:1.37
COPY src /app
CMD [\"sleep\", \"100000\"]
";

/// A Compose project in a folder of its own, under a name of its own.
pub struct Project {
    folder: TempDir,
    /// Compose's project name.
    pub name: String,
}

impl Project {
    /// A project with this compose file.
    pub fn new(compose: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let project = Self {
            folder: tempfile::Builder::new()
                .prefix("liveupdate-")
                .tempdir()
                .unwrap(),
            name: format!("lutest-{}-{count}", std::process::id()),
        };
        project.write("compose.yaml", compose);
        project
    }

    /// A project with one service `web`, built from `src` into `/app`, with `steps` as its block.
    pub fn web(steps: &str) -> Self {
        Self::web_with("", steps)
    }

    /// The same, with further lines of the service.
    pub fn web_with(lines: &str, steps: &str) -> Self {
        let project = Self::new(&web(lines, steps));
        project.write("Dockerfile", DOCKERFILE);
        project.write("src/a.txt", "one");
        project
    }

    /// A project that is a copy of a folder.
    pub fn copy_of(folder: &Path) -> Self {
        let project = Self::new("");
        project.remove("compose.yaml");
        copy_all(folder, project.folder.path());
        project
    }

    /// A path of the project on the host.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a file, with the folders above it.
    #[track_caller]
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// The text of a file on the host.
    #[track_caller]
    pub fn read(&self, path: impl AsRef<Path>) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// Replaces a piece of a file's text, which must be there.
    #[track_caller]
    pub fn replace(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "`{from}` is not in {path}:\n{text}");
        self.write(path, text.replace(from, to));
    }

    /// Makes a folder, with those above it.
    #[track_caller]
    pub fn mkdir(&self, path: impl AsRef<Path>) {
        fs::create_dir_all(self.path(path)).unwrap();
    }

    /// Removes a file, a link, or a folder with all that is in it.
    #[track_caller]
    pub fn remove(&self, path: impl AsRef<Path>) {
        let path = self.path(path);
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }

    /// Renames within the project, over what is there.
    #[track_caller]
    pub fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) {
        let to = self.path(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::rename(self.path(from), to).unwrap();
    }

    /// Makes a symbolic link.
    #[track_caller]
    pub fn link(&self, to: &str, path: impl AsRef<Path>) {
        std::os::unix::fs::symlink(to, self.path(path)).unwrap();
    }

    /// Gives a file another name.
    #[track_caller]
    pub fn hard_link(&self, file: &str, path: &str) {
        fs::hard_link(self.path(file), self.path(path)).unwrap();
    }

    /// Sets permissions.
    #[track_caller]
    pub fn chmod(&self, path: impl AsRef<Path>, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Sets the time of the last change.
    #[track_caller]
    pub fn touch(&self, path: impl AsRef<Path>, seconds: u64) {
        let file = fs::File::options()
            .write(true)
            .open(self.path(path))
            .unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
            .unwrap();
    }

    /// Somebody else makes more containers of a service, or fewer: `web=2`.
    #[track_caller]
    pub fn scale_by_hand(&self, scale: &str) {
        let up = ["up", "-d", "--no-build", "--no-recreate", "--scale", scale];
        self.compose(&up);
    }

    /// Runs `docker compose` on the project; it must succeed.
    #[track_caller]
    pub fn compose(&self, args: &[&str]) -> String {
        let output = self.command("docker", &["compose"]).args(args).output();
        said(&output.unwrap(), args)
    }

    /// Runs a program in the project's folder; it must succeed.
    #[track_caller]
    pub fn host(&self, program: &str, args: &[&str]) -> String {
        let output = Command::new(program)
            .args(args)
            .current_dir(self.folder.path())
            .output();
        said(&output.unwrap(), args)
    }

    /// Our tool on this project: the arguments after `docker liveupdate -p NAME`.
    pub fn tool(&self, args: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_docker-liveupdate"), &["liveupdate"]);
        command.args(args).stdin(Stdio::null());
        command
    }

    fn command(&self, program: &str, before: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(before)
            .args(["-p", &self.name])
            .current_dir(self.folder.path());
        // What whoever starts the tests has set for his own projects.
        for name in [
            "PORT",
            "COMPOSE_FILE",
            "COMPOSE_PROFILES",
            "LIVEUPDATE_HELPER",
        ] {
            command.env_remove(name);
        }
        command
    }

    /// `docker liveupdate up`, started and ready for edits.
    #[track_caller]
    pub fn up(&self) -> Session<'_> {
        self.up_with(&[])
    }

    /// The same with further arguments of `up`.
    #[track_caller]
    pub fn up_with(&self, args: &[&str]) -> Session<'_> {
        let mut up = self.begin(args);
        up.wait_for("the session has started", |event| {
            event["event"] == "started"
        });
        up
    }

    /// `docker liveupdate up` that may still be building.
    pub fn begin(&self, args: &[&str]) -> Session<'_> {
        let mut command = self.tool(&["up", "--format", "json"]);
        command.args(args);
        self.follow(command)
    }

    /// A session of `up --format json` that the test put together.
    pub fn follow(&self, mut command: Command) -> Session<'_> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        Session::of(self, command.spawn().unwrap())
    }

    /// `web` is its first container, `web-2` its second.
    pub fn container(&self, container: &str) -> String {
        let numbered = container
            .rsplit_once('-')
            .is_some_and(|(_, number)| number.parse::<u32>().is_ok());
        let number = if numbered { "" } else { "-1" };
        format!("{}-{container}{number}", self.name)
    }

    /// One field of `docker inspect`; empty when there is no such container.
    pub fn inspect(&self, container: &str, field: &str) -> String {
        api::inspect(&self.container(container), field)
    }

    /// The container's ID: another one after it was recreated.
    pub fn id(&self, container: &str) -> String {
        self.inspect(container, "{{.Id}}")
    }

    /// When it was started last: another time after a restart.
    pub fn started_at(&self, container: &str) -> String {
        self.inspect(container, "{{.State.StartedAt}}")
    }

    /// Runs `docker VERB.. CONTAINER`; it must succeed.
    #[track_caller]
    pub fn docker(&self, verb: &[&str], container: &str) {
        let output = Command::new("docker")
            .args(verb)
            .arg(self.container(container))
            .output();
        said(&output.unwrap(), verb);
    }

    /// The container's process ends, and nobody told the engine to stop it. It has an init, or it would not hear.
    #[track_caller]
    pub fn crash(&self, container: &str) {
        let deadline = Instant::now() + DEADLINE;
        let mut ran = false;
        loop {
            // One that was just made may not run yet.
            let runs = self.inspect(container, "{{.State.Running}}") == "true";
            if ran && !runs {
                return;
            }
            ran |= runs;
            assert!(Instant::now() < deadline, "{container} does not crash");
            for kill in [&["kill", "1"][..], &["/busybox", "kill", "1"]] {
                let mut exec = Command::new("docker");
                exec.args(["exec", &self.container(container)]).args(kill);
                // Its own end may come before its answer.
                let _ = exec.output();
            }
        }
    }

    /// What a shell in the container says, as root; what it complains of when it fails.
    pub fn sh(&self, container: &str, script: &str) -> String {
        api::sh(&self.container(container), script)
    }

    /// What stands at `path` in the container, running or not.
    pub fn tree(&self, container: &str, path: &str) -> Option<Tree> {
        api::tree(&self.container(container), path)
    }

    /// The text of a file in the container, running or not.
    pub fn file(&self, container: &str, path: &str) -> Option<String> {
        tree::text(self.tree(container, path)?)
    }

    /// What stands at `path` on the host.
    #[track_caller]
    pub fn host_tree(&self, path: &str) -> Tree {
        tree::of_host(&self.path(path))
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        api::remove_project(&self.name);
    }
}

/// One service of a compose file, with these lines.
pub fn service(name: &str, lines: &str) -> String {
    let mut text = format!("  {name}:\n");
    for line in lines.lines() {
        let _ = writeln!(text, "    {line}");
    }
    text
}

/// The compose file of a project with one service `web`; `steps` is the block, as a list or a mapping.
pub fn web(lines: &str, steps: &str) -> String {
    let mut compose = String::from(
        "services:\n  web:\n    build: .\n    init: true\n    stop_grace_period: 2s\n",
    );
    for line in lines.lines() {
        let _ = writeln!(compose, "    {line}");
    }
    if !steps.is_empty() {
        compose.push_str("    x-live-update:\n");
    }
    for line in steps.lines() {
        let _ = writeln!(compose, "      {line}");
    }
    compose
}

#[track_caller]
fn said(output: &Output, args: &[&str]) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

fn copy_all(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy_all(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
