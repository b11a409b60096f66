//! What happens to containers and to the engine meanwhile. Knows nothing of the files.

use std::path::PathBuf;
use std::str::FromStr;
use std::thread::sleep;
use std::time::Duration;

use super::compare::CONTAINERS_OWN;
use super::engine::PrivateEngine;
use super::names;
use super::rng::Rng;
use crate::tools::Result;
use crate::tools::docker::Docker;
use crate::tools::project::ComposeProject;

/// Something that happens to a container, or to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `docker restart`.
    Restart,
    /// `docker kill`; started again a little later, unless the tool was faster.
    Kill,
    /// `docker stop`, and the same.
    Stop,
    /// The container's process ends by itself; whoever has to start it does.
    Exit,
    /// `docker pause`, and a little later `docker unpause`.
    Pause,
    /// `docker compose up --force-recreate`.
    Recreate,
    /// `docker compose up --scale`.
    Scale,
    /// The engine goes down with all containers, and comes back.
    Engine,
    /// A container writes a file of its own, which it must keep.
    Own,
}

/// By their names, in the order of the documentation.
pub const ALL: &[(&str, Fault)] = &[
    ("restart", Fault::Restart),
    ("kill", Fault::Kill),
    ("stop", Fault::Stop),
    ("exit", Fault::Exit),
    ("pause", Fault::Pause),
    ("recreate", Fault::Recreate),
    ("scale", Fault::Scale),
    ("engine", Fault::Engine),
    ("own", Fault::Own),
];

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        let known = ALL.iter().find(|(known, _)| *known == name);
        known.map(|(_, fault)| *fault).ok_or_else(|| {
            let names: Vec<_> = ALL.iter().map(|(name, _)| *name).collect();
            format!(
                "`{name}` is no kind of fault; they are: {}",
                names.join(", ")
            )
        })
    }
}

/// The hand on containers.
pub struct Faults<'a> {
    docker: &'a Docker,
    project: &'a ComposeProject<'a>,
    engine: Option<&'a PrivateEngine>,
    kinds: Vec<Fault>,
    /// Those that are left before all kinds have had their turn.
    left: Vec<Fault>,
    rng: Rng,
    /// Files that only a container has: its ID, and the path below the synced folders.
    pub own: Vec<(String, PathBuf)>,
}

impl<'a> Faults<'a> {
    /// Faults of these kinds for the containers of the project's service `web`.
    pub fn new(
        docker: &'a Docker,
        project: &'a ComposeProject<'a>,
        engine: Option<&'a PrivateEngine>,
        kinds: Vec<Fault>,
        rng: Rng,
    ) -> Self {
        Self {
            docker,
            project,
            engine,
            kinds,
            left: Vec::new(),
            rng,
            own: Vec::new(),
        }
    }

    /// One of them; what was done, and how that ended.
    pub fn strike(&mut self) -> String {
        if self.left.is_empty() {
            self.left.clone_from(&self.kinds);
        }
        if self.left.is_empty() {
            return "no kind of fault was asked for".into();
        }
        let fault = self.left.swap_remove(self.rng.below(self.left.len()));
        let (draw, container) = (self.rng.below(1_000), self.some_container());
        let done = match (fault, &container) {
            (Fault::Recreate, _) => self.up(&["--force-recreate"]),
            (Fault::Scale, _) => {
                let scale = format!("web={}", 1 + draw % 3);
                let done = self.up(&["--no-recreate", "--scale", &scale]);
                done.map(|_| scale)
            }
            (Fault::Engine, _) => self
                .engine
                .map_or(Ok(()), PrivateEngine::restart)
                .map(|()| String::new()),
            (_, None) => Ok("no container runs".into()),
            (Fault::Own, Some(container)) => self.write_own(container),
            (Fault::Restart, Some(container)) => {
                self.docker.ask(&["restart", "--time", "1", container])
            }
            (Fault::Kill, Some(container)) => {
                self.down_and_up(&["kill", container], container, draw)
            }
            (Fault::Stop, Some(container)) => {
                self.down_and_up(&["stop", "--time", "1", container], container, draw)
            }
            (Fault::Exit, Some(container)) => {
                let end = ["killall", "-KILL", "sleep"];
                self.down_and_up(&[&["exec", container], &end[..]].concat(), container, draw)
            }
            (Fault::Pause, Some(container)) => {
                self.docker.ask(&["pause", container]).and_then(|_| {
                    sleep(Duration::from_millis(200 + draw as u64));
                    self.docker.ask(&["unpause", container])
                })
            }
        };
        let target = container
            .map(|id| id.chars().take(12).collect::<String>())
            .unwrap_or_default();
        match done {
            Ok(said) => format!(
                "FAULT {fault:?} {target} {}",
                said.lines().last().unwrap_or_default()
            ),
            // Somebody else may have removed the container in between.
            Err(error) => format!("FAULT {fault:?} {target}: {error}"),
        }
    }

    fn some_container(&mut self) -> Option<String> {
        let containers = self.docker.containers(&self.project.name, "web").ok()?;
        self.rng.pick(&containers).cloned()
    }

    fn up(&self, how: &[&str]) -> Result<String> {
        let mut arguments = vec!["up", "--detach", "--no-build"];
        arguments.extend(how);
        self.project.compose(&arguments)
    }

    fn down_and_up(&self, down: &[&str], container: &str, draw: usize) -> Result<String> {
        self.docker.ask(down)?;
        sleep(Duration::from_millis(draw as u64));
        self.docker.ask(&["start", container])
    }

    /// Writes into a directory that no file ever takes the place of, so that nothing excuses a loss.
    fn write_own(&mut self, container: &str) -> Result<String> {
        let root = self.docker.root_dir(container)?.join("app");
        let mut path = PathBuf::from("src");
        loop {
            let mut below = Vec::new();
            for entry in std::fs::read_dir(root.join(&path))? {
                let entry = entry?;
                let name = entry.file_name();
                if entry.file_type()?.is_dir() && names::is_directorys(name.as_encoded_bytes()) {
                    below.push(name);
                }
            }
            below.sort();
            match self.rng.pick(&below) {
                Some(name) if self.rng.clone().percent(60) => path.push(name),
                _ => break,
            }
        }
        path.push(format!("{CONTAINERS_OWN}{}", self.own.len()));
        std::fs::write(root.join(&path), "the container's own\n")?;
        let said = path.display().to_string();
        self.own.push((container.into(), path));
        Ok(said)
    }

    /// All containers run, none is paused: what is to be compared.
    pub fn calm(&self) -> Result<()> {
        let filter = format!("label=com.docker.compose.project={}", self.project.name);
        let all = self
            .docker
            .ask(&["ps", "--all", "--quiet", "--filter", &filter])?;
        for container in all.lines() {
            // Either fails when there is nothing to do.
            let _ = self.docker.ask(&["unpause", container]);
            let _ = self.docker.ask(&["start", container]);
        }
        Ok(())
    }
}
