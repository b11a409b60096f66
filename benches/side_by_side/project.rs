//! A small Compose project in a temporary folder, for one tool and one case; gone with everything when dropped.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::case::Case;
use super::tools::docker::Docker;
use super::tools::running::Running;
use super::tools::{Result, Tool};

const TIME_TO_START: Duration = Duration::from_secs(60);

const DOCKERFILE: &str = "\
FROM busybox:1.37
RUN mkdir /out
COPY start.sh /
COPY src /app/src
CMD [\"sh\", \"/start.sh\"]
";

/// Each start leaves the content that it found, so that a restart after the update can be told from one before it.
const START: &str = "\
trap 'exit 0' TERM
cp /app/src/app.txt /out/started
while :; do sleep 3600 & wait $!; done
";

/// A project whose tool is at work.
pub struct Project<'a> {
    /// The tool; dropped first.
    pub running: Running,
    /// Where its user saves.
    pub source: PathBuf,
    /// Its container's files.
    pub merged: PathBuf,
    /// Its container.
    pub container: String,
    _containers: Containers<'a>,
}

impl<'a> Project<'a> {
    /// Plants the tree, builds, starts the containers and the tool, and waits until it watches.
    pub fn start(docker: &'a Docker, case: Case, tool: Tool) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("liveupdate-bench-")
            .tempdir()?;
        // What the tool prints must not lie in what it watches.
        let log = folder.path().join("output");
        let home = folder.path().join("project");
        let source = home.join("src");
        case.plant(&source)?;
        fs::write(home.join("Dockerfile"), DOCKERFILE)?;
        fs::write(home.join("start.sh"), START)?;
        let name = format!(
            "lubench-{}-{}-{}",
            std::process::id(),
            case.slug(),
            tool.slug()
        );
        let file = home.join("compose.yaml");
        fs::write(
            &file,
            format!(
                "services:\n  web:\n    build: .\n    image: lubench-{}\n    {}\n",
                case.slug(),
                case.block(tool)
            ),
        )?;
        let containers = Containers {
            docker,
            name,
            file,
            _folder: folder,
        };
        containers.compose(&["build", "--quiet"])?;
        containers.compose(&["up", "--detach", "--no-build"])?;
        let mut running = Running::start(tool, docker, &containers.file, &containers.name, &log)?;
        running.ready(TIME_TO_START)?;
        let container = docker
            .containers(&containers.name, "web")?
            .pop()
            .ok_or_else(|| running.complaint("left no container running"))?;
        Ok(Self {
            merged: docker.merged_dir(&container)?,
            running,
            source,
            container,
            _containers: containers,
        })
    }
}

struct Containers<'a> {
    docker: &'a Docker,
    name: String,
    file: PathBuf,
    _folder: TempDir,
}

impl Containers<'_> {
    fn compose(&self, arguments: &[&str]) -> Result<String> {
        let file = self.file.to_string_lossy();
        let mut all = vec!["compose", "-f", &file, "-p", &self.name];
        all.extend(arguments);
        self.docker.ask(&all)
    }
}

impl Drop for Containers<'_> {
    fn drop(&mut self) {
        let _ = self.compose(&["down", "--volumes", "--timeout", "0", "--rmi", "local"]);
    }
}

/// The image that a case's projects share; removed when dropped.
pub struct SharedImage<'a>(pub &'a Docker, pub Case);

impl Drop for SharedImage<'_> {
    fn drop(&mut self) {
        let name = format!("lubench-{}", self.1.slug());
        let _ = self.0.ask(&["image", "rm", "--force", &name]);
    }
}
