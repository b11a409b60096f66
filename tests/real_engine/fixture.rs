//! A project of one test: its containers carry Compose's labels, and are gone when it is dropped.

use std::ffi::OsString;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use docker_liveupdate::docker::DockerCli;
use docker_liveupdate::engine::{
    Body, Container, Delta, Docker, Ended, Engine, Exec, LogLine, LogsFrom, Outgoing, Output,
    Sought, There, Wanted,
};
use docker_liveupdate::paths::ContainerPath;
use futures_util::{Stream, StreamExt};

use crate::api;

/// The image that every test engine has.
pub const IMAGE: &str = "busybox:1.37";

/// A process that lives until it is told to end.
pub const WAITS: &[&str] = &[
    "sh",
    "-c",
    "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done",
];

/// One test's project.
pub struct Project {
    pub name: String,
    pub engine: Docker,
}

/// Questions about these paths, whatever the length of what is there.
pub fn wanted<P: AsRef<[u8]>>(paths: impl IntoIterator<Item = P>) -> Wanted {
    paths
        .into_iter()
        .map(|path| (at(path), Sought::File { most: u64::MAX }))
        .collect()
}

/// The same, with so many others that they are answered from a listing.
pub fn many<P: AsRef<[u8]>>(paths: impl IntoIterator<Item = P>) -> Wanted {
    let mut wanted = wanted(paths);
    wanted.extend((0..100).map(|number| (at(format!("/nothing/{number}")), Sought::Anything)));
    wanted
}

/// A container's output line by line; nothing may be missing.
pub fn lines(output: impl Stream<Item = Output> + Unpin) -> impl Stream<Item = LogLine> + Unpin {
    output.flat_map(|output| match output {
        Output::Lines(lines) => futures_util::stream::iter(lines),
        Output::Gap(why) => panic!("something may be missing: {why}"),
    })
}

/// The CLI as the user would call it.
pub fn cli() -> DockerCli {
    DockerCli {
        program: OsString::from("docker"),
        ..DockerCli::default()
    }
}

impl Project {
    /// What the container writes, line by line.
    pub fn logs(
        &self,
        container: &Container,
        from: LogsFrom,
    ) -> impl Stream<Item = LogLine> + Unpin {
        lines(self.engine.logs(&container.id, from))
    }

    /// A project with a name of its own on the engine of the environment.
    #[track_caller]
    pub fn connect() -> impl Future<Output = Self> {
        Self::connect_with(cli())
    }

    /// The same with global flags of one's own.
    #[track_caller]
    pub fn connect_with(cli: DockerCli) -> impl Future<Output = Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lutest-{}-{count}", std::process::id());
        async move {
            let engine = Docker::connect(&cli, &name).await.unwrap_or_else(|error| {
                panic!("these tests need a Docker Engine (see tests/engine.sh): {error}")
            });
            // These tests are about the plain Engine API; `up` is tested with the helper.
            engine.forbid_helper(["web".to_owned()].into());
            Self { name, engine }
        }
    }

    /// Starts a container of service `web` with further `docker run` flags, and a command.
    #[track_caller]
    pub fn run(&self, flags: &[&str], command: &[&str]) -> impl Future<Output = Container> {
        self.make(&["run", "-d"], flags, command)
    }

    /// Starts a container of service `web` whose process is a shell with this script.
    pub async fn run_script(&self, flags: &[&str], script: &str) -> Container {
        self.run(flags, &["sh", "-c", script]).await
    }

    /// Starts a container of service `web` with a disk at `path` that a megabyte fills.
    pub async fn run_with_small_disk(&self, path: &str) -> Container {
        let volume = format!("{}-small", self.name);
        let project = format!("com.docker.compose.project={}", self.name);
        let tmpfs = "-o type=tmpfs -o device=tmpfs -o o=size=1m";
        let mut create = vec!["volume", "create", "--label", &project];
        create.extend(tmpfs.split(' '));
        create.push(&volume);
        docker(&create);
        self.run(&["-v", &format!("{volume}:{path}")], WAITS).await
    }

    /// Like `run`, but made and not started.
    #[track_caller]
    pub fn create(&self, flags: &[&str], command: &[&str]) -> impl Future<Output = Container> {
        self.make(&["create"], flags, command)
    }

    /// Like `run`, of another image; updates go through the helper.
    #[track_caller]
    pub fn run_image(&self, image: &str, command: &[&str]) -> impl Future<Output = Container> {
        self.engine.forbid_helper([].into());
        self.make_of(&["run", "-d"], &[], image, command)
    }

    #[track_caller]
    fn make(
        &self,
        verb: &[&str],
        flags: &[&str],
        command: &[&str],
    ) -> impl Future<Output = Container> {
        self.make_of(verb, flags, IMAGE, command)
    }

    #[track_caller]
    fn make_of(
        &self,
        verb: &[&str],
        flags: &[&str],
        image: &str,
        command: &[&str],
    ) -> impl Future<Output = Container> {
        let project = format!("com.docker.compose.project={}", self.name);
        let mut args = verb.to_vec();
        let labels = [
            project.as_str(),
            "com.docker.compose.service=web",
            "com.docker.compose.oneoff=False",
            "com.docker.compose.container-number=1",
        ];
        for label in labels {
            args.extend(["--label", label]);
        }
        args.extend(flags);
        args.push(image);
        args.extend(command);
        let id = docker(&args).trim().to_owned();
        let engine = self.engine.clone();
        async move {
            let id = docker_liveupdate::engine::ContainerId(id);
            engine.inspect(id).await.unwrap()
        }
    }

    /// The only container of service `web`.
    pub async fn web(&self) -> Container {
        let mut found = self.engine.containers("web").await.unwrap();
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    /// What a shell in the container says, as root.
    pub async fn sh(&self, container: &Container, script: &str) -> String {
        let exec = Exec {
            argv: ["sh", "-c", script].map(String::from).to_vec(),
            user: Some("0".to_owned()),
            ..Exec::default()
        };
        let mut said = Vec::new();
        let ended = self
            .engine
            .run(container, &exec, &mut |_, bytes| {
                said.extend_from_slice(bytes);
            })
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&said).trim_end().to_owned();
        assert_eq!(ended, Ended::Exit(0), "`{script}` said: {said}");
        said
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        api::remove_project(&self.name);
    }
}

/// What the CLI says; it must succeed.
#[track_caller]
pub fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "docker {args:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A path in a container.
#[track_caller]
pub fn at(path: impl AsRef<[u8]>) -> ContainerPath {
    ContainerPath::new(path).unwrap()
}

/// A small file with mode 0640, modified at a known time.
#[track_caller]
pub fn file(to: impl AsRef<[u8]>, content: impl Into<Bytes>) -> Outgoing {
    outgoing(to, Body::Bytes(content.into()))
}

/// Anything, with mode 0640 and modified at 1700000000.25.
#[track_caller]
pub fn outgoing(to: impl AsRef<[u8]>, body: Body) -> Outgoing {
    Outgoing {
        to: at(to),
        mode: 0o640,
        modified: UNIX_EPOCH + Duration::new(1_700_000_000, 250_000_000),
        body,
        in_place: false,
        there: There::No,
    }
}

/// Copies only.
pub fn put(put: impl IntoIterator<Item = Outgoing>) -> Delta {
    Delta {
        put: put.into_iter().collect(),
        ..Delta::default()
    }
}

/// Deletes only.
pub fn remove<const FILES: usize, const FOLDERS: usize>(
    files: [&str; FILES],
    folders: [&str; FOLDERS],
) -> Delta {
    Delta {
        remove: files.iter().map(at).collect(),
        remove_dirs: folders.iter().map(at).collect(),
        ..Delta::default()
    }
}
