//! A directory that stands for a container's file system, with a helper that serves it.

use crate::program::write_program;
use docker_liveupdate::helper::{Code, Delivery, Error, Link, Terms};
use docker_liveupdate::paths::{ContainerPath, HostPath};
use docker_liveupdate::transfer::{Applied, Body, Delta, Fingerprint, Outgoing, There};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};
use tokio::process::{Child, ChildStdin, ChildStdout};

pub type Pipes = Link<ChildStdout, ChildStdin>;

/// The longest that anything in these tests may take. Nobody waits so long unless something is broken.
const PATIENCE: Duration = Duration::from_secs(90);

/// A temporary directory with the helper's executable in it.
pub struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let place = Self { directory };
        fs::create_dir(place.path("home")).unwrap();
        fs::create_dir(place.path("host")).unwrap();
        fs::create_dir(place.path("app")).unwrap();
        place
    }

    /// What the host does before it starts a helper.
    pub fn put_helper(&self, name: &str) -> PathBuf {
        let architecture = if cfg!(target_arch = "aarch64") {
            "arm64"
        } else {
            "amd64"
        };
        let binary = docker_liveupdate::helper::binary(architecture)
            .expect("the build has a helper for this machine's own architecture");
        let path = self.path("home").join(name);
        fs::create_dir_all(self.path("home")).unwrap();
        write_program(&path, &binary);
        path
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The supervisor's executable: it stays, as its container may start again.
    pub fn init(&self) -> PathBuf {
        let path = self.path("home").join("init");
        if path.exists() {
            path
        } else {
            self.put_helper("init")
        }
    }

    /// A helper and the connection to it. It ends with the connection.
    pub async fn serve(&self) -> (Pipes, Child) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        self.serve_with(&self.put_helper(&format!("serve-{count}")))
            .await
    }

    pub async fn serve_with(&self, executable: &Path) -> (Pipes, Child) {
        let mut helper = started(tokio::process::Command::new(executable).arg("serve"));
        let (reader, writer) = (helper.stdout.take().unwrap(), helper.stdin.take().unwrap());
        let link = Link::open(reader, writer, &terms()).await.unwrap();
        (link, helper)
    }

    /// A file on the host's side.
    pub fn host(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path("host").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// A file in the "container".
    pub fn container(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path("app").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub fn target(&self, name: &str) -> ContainerPath {
        ContainerPath::new(bytes(&self.path("app").join(name))).unwrap()
    }

    pub fn file(&self, from: &Path, name: &str) -> Outgoing {
        self.item(
            name,
            Body::File {
                from: HostPath::new(from).unwrap().into(),
                len: fs::metadata(from).map_or(0, |found| found.len()),
            },
        )
    }

    /// A file that is written into the inode that is there.
    pub fn poured(&self, from: &Path, name: &str) -> Outgoing {
        Outgoing {
            in_place: true,
            ..self.file(from, name)
        }
    }

    pub fn item(&self, name: &str, body: Body) -> Outgoing {
        let mode = if body.is_directory() { 0o755 } else { 0o644 };
        Outgoing {
            to: self.target(name),
            mode,
            modified: SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789),
            body,
            in_place: false,
            there: There::No,
        }
    }

    /// The "container" as text: every path with what it is.
    pub fn tree(&self) -> String {
        let mut lines = Vec::new();
        describe(&self.path("app"), "", &mut lines);
        lines.sort();
        lines.join("\n")
    }
}

fn describe(directory: &Path, prefix: &str, lines: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_string_lossy());
        let metadata = fs::symlink_metadata(&path).unwrap();
        let mode = metadata.mode() & 0o7777;
        if metadata.is_dir() {
            lines.push(format!("{name}/ {mode:o}"));
            describe(&path, &format!("{name}/"), lines);
        } else if metadata.is_symlink() {
            lines.push(format!(
                "{name} -> {}",
                fs::read_link(&path).unwrap().display()
            ));
        } else {
            let content = fs::read(&path).unwrap();
            lines.push(format!(
                "{name} {mode:o} {}",
                String::from_utf8_lossy(&content)
            ));
        }
    }
}

pub fn started(command: &mut tokio::process::Command) -> Child {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Every mount of this machine may be entered: the "container" lies wherever temporary files do.
pub fn terms() -> Terms {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    Terms {
        mounts: mounts
            .lines()
            .filter_map(|line| line.split(' ').nth(1))
            .map(|path| path.as_bytes().to_vec())
            .collect(),
        ..Terms::default()
    }
}

pub fn put(items: impl IntoIterator<Item = Outgoing>) -> Delta {
    Delta {
        put: items.into_iter().collect(),
        ..Delta::default()
    }
}

pub fn remove(paths: impl IntoIterator<Item = ContainerPath>) -> Delta {
    Delta {
        remove: paths.into_iter().collect(),
        ..Delta::default()
    }
}

/// A directory that is made where none is.
pub const DIRECTORY: Body = Body::Directory { set_mode: false };

/// A directory that gets its mode.
pub const CHMOD: Body = Body::Directory { set_mode: true };

pub fn symlink_to(target: &str) -> Body {
    Body::Link(target.into())
}

/// A file may be there already; what it would be is the helper's matter.
pub fn perhaps() -> There {
    There::Perhaps(Fingerprint::Other)
}

/// A batch that comes over the link, and holds nobody.
pub trait Bring {
    fn bring(&mut self, delta: &Delta) -> impl Future<Output = Result<Applied, Error>>;
}

impl Bring for Pipes {
    async fn bring(&mut self, delta: &Delta) -> Result<Applied, Error> {
        self.apply(delta, &Delivery::default()).await
    }
}

/// An update that brings nothing begins; whether it holds a supervisor from now on.
pub async fn hold(link: &mut Pipes) -> bool {
    let how = Delivery {
        hold: true,
        ..Delivery::default()
    };
    link.apply(&Delta::default(), &how).await.unwrap();
    link.is_held()
}

/// Why the helper refused.
pub fn code(error: &Error) -> Option<Code> {
    match error {
        Error::Refused { code, .. } => Some(*code),
        _ => None,
    }
}

pub fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

/// Sends a process a signal.
pub fn send(pid: &str, signal: rustix::process::Signal) -> rustix::io::Result<()> {
    let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, signal)
}

/// Waits until `condition` holds.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let patience = tokio::time::Instant::now() + PATIENCE;
        while !condition() {
            assert!(
                tokio::time::Instant::now() < patience,
                "{caller}: still waiting: {what}"
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Whether a process is there and no zombie.
pub fn lives(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| !rest.starts_with(" Z"))
    })
}
