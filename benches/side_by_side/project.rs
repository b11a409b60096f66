//! A small Compose project for one tool and one case, built, started and watched.

use std::path::PathBuf;
use std::time::Duration;

use super::case::Case;
use super::tools::docker::Docker;
use super::tools::project::ComposeProject;
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
    _containers: ComposeProject<'a>,
}

impl<'a> Project<'a> {
    /// Plants the tree, builds, starts the containers and the tool, and waits until it watches.
    pub fn start(docker: &'a Docker, case: Case, tool: Tool) -> Result<Self> {
        let slug = case.slug();
        let name = format!("lubench-{}-{slug}-{}", std::process::id(), tool.slug());
        let block = case.block(tool);
        let compose =
            format!("services:\n  web:\n    build: .\n    image: lubench-{slug}\n    {block}\n");
        let containers = ComposeProject::create(docker, name, &compose)?;
        let source = containers.home().join("src");
        case.plant(&source)?;
        containers.write("Dockerfile", DOCKERFILE)?;
        containers.write("start.sh", START)?;
        containers.compose(&["build", "--quiet"])?;
        containers.compose(&["up", "--detach", "--no-build"])?;
        let log = containers.beside("output");
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

/// The image that a case's projects share; removed when dropped.
pub struct SharedImage<'a>(pub &'a Docker, pub Case);

impl Drop for SharedImage<'_> {
    fn drop(&mut self) {
        let name = format!("lubench-{}", self.1.slug());
        let _ = self.0.ask(&["image", "rm", "--force", &name]);
    }
}
