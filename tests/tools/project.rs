//! A Compose project in a temporary folder; containers, networks and files are gone when it is dropped.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::Result;
use super::docker::Docker;

/// A project of our own.
pub struct ComposeProject<'a> {
    docker: &'a Docker,
    /// Compose's project name.
    pub name: String,
    /// The compose file.
    pub file: PathBuf,
    folder: TempDir,
}

impl<'a> ComposeProject<'a> {
    /// An empty one; `text` is its compose file. Nothing is built or started.
    pub fn create(docker: &'a Docker, name: String, text: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("liveupdate-").tempdir()?;
        let home = folder.path().join("project");
        fs::create_dir(&home)?;
        let file = home.join("compose.yaml");
        fs::write(&file, text)?;
        Ok(Self {
            docker,
            name,
            file,
            folder,
        })
    }

    /// The folder of the compose file.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// A path beside the project, for what must not lie in what the tool watches.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of the project.
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Result<()> {
        Ok(fs::write(self.home().join(name), content)?)
    }

    /// What `docker compose ARGS..` prints.
    pub fn compose(&self, arguments: &[&str]) -> Result<String> {
        let file = self.file.to_string_lossy();
        let mut all = vec!["compose", "-f", &file, "-p", &self.name];
        all.extend(arguments);
        self.docker.ask(&all)
    }
}

impl Drop for ComposeProject<'_> {
    fn drop(&mut self) {
        let _ = self.compose(&["down", "--volumes", "--timeout", "0", "--rmi", "local"]);
    }
}
