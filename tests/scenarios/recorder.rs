//! An engine that writes down what it was asked, and answers as the scenario says. The order of the calls is the assertion.

use std::collections::{BTreeMap, VecDeque};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use docker_liveupdate::compose::{Mount, MountKind};
use docker_liveupdate::engine::{
    Applied, Body, Container, ContainerId, Delta, End, Ended, Engine, EngineError, Exec,
    Fingerprint, Restarted, State, Stream, Via, Wanted,
};
use docker_liveupdate::paths::ContainerPath;
use tokio::sync::Barrier;

use crate::whole::Whole;

/// What the recorder knows and what it was asked.
#[derive(Default)]
pub struct Recorder {
    state: Mutex<World>,
    /// The project around the services.
    pub whole: Whole,
}

#[derive(Default)]
struct World {
    containers: Vec<Container>,
    asked: Vec<String>,
    questions: Vec<String>,
    /// What a build copies to `/app`.
    source: PathBuf,
    /// What the last build found there.
    built: BTreeMap<ContainerPath, Fingerprint>,
    /// What each image has there.
    images: BTreeMap<String, BTreeMap<ContainerPath, Fingerprint>>,
    image: String,
    refusals: VecDeque<EngineError>,
    exits: VecDeque<i64>,
    crashes: VecDeque<i64>,
    broken_off: VecDeque<ContainerPath>,
    failing_builds: usize,
    same_image: bool,
    during_build: Option<Box<dyn FnOnce() + Send>>,
    meeting: Option<Arc<Barrier>>,
    builds_for_ever: bool,
    refused_looks: Option<(usize, EngineError)>,
}

impl Recorder {
    pub fn note(&self, line: String) {
        self.world().asked.push(line);
    }

    fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.state.lock().unwrap()
    }

    /// Everything it was asked since the last time, a line each.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.world().asked)
    }

    /// The comparisons it was asked for since the last time.
    pub fn questions(&self) -> Vec<String> {
        std::mem::take(&mut self.world().questions)
    }

    /// Where a build takes its files from.
    pub fn builds_from(&self, source: PathBuf) {
        self.world().source = source;
    }

    /// A container of the present image.
    pub fn container(&self, name: &str, state: State) {
        self.container_of("web", name, state);
    }

    /// The same, of this service.
    pub fn container_of(&self, service: &str, name: &str, state: State) -> ContainerId {
        let mut world = self.world();
        let image_id = world.image.clone();
        let number = u32::try_from(world.containers.len()).unwrap() + 1;
        let id = ContainerId(format!("{name}-of-{image_id}"));
        world.containers.push(Container {
            id: id.clone(),
            name: name.to_owned(),
            service: service.to_owned(),
            number,
            image_id,
            state,
            mounts: Vec::new(),
            read_only: false,
            tty: false,
            stop_signal: "SIGTERM".into(),
            init: false,
            user: String::new(),
            group_add: Vec::new(),
            started: String::new(),
            workdir: String::new(),
            addresses: Vec::new(),
        });
        id
    }

    /// Whether a service has containers.
    pub fn has(&self, service: &str) -> bool {
        let world = self.world();
        let mut containers = world.containers.iter();
        containers.any(|container| container.service == service)
    }

    /// The container of this ID.
    pub fn with_id(&self, id: &ContainerId) -> Option<Container> {
        let world = self.world();
        let mut containers = world.containers.iter();
        containers.find(|container| container.id == *id).cloned()
    }

    pub fn set_state(&self, name: &str, state: State) {
        for container in self
            .world()
            .containers
            .iter_mut()
            .filter(|container| container.name == name)
        {
            container.state = state;
        }
    }

    /// The container has this tmpfs, and was just started.
    pub fn starts_with_memory(&self, name: &str, target: &str, started: &str) {
        for container in self
            .world()
            .containers
            .iter_mut()
            .filter(|container| container.name == name)
        {
            container.mounts = vec![Mount {
                kind: MountKind::Tmpfs,
                target: ContainerPath::new(target).unwrap(),
                read_only: false,
            }];
            started.clone_into(&mut container.started);
        }
    }

    /// The image that the next container is made from.
    pub fn image(&self, id: &str) {
        id.clone_into(&mut self.world().image);
    }

    /// That image has what a build would find now.
    pub fn image_was_built(&self) {
        let files = files_of(&self.world().source.clone());
        let mut world = self.world();
        let image = world.image.clone();
        world.images.insert(image, files);
    }

    /// The next copy is answered so.
    pub fn refuse(&self, error: EngineError) {
        self.world().refusals.push_back(error);
    }

    /// The next copy finds that this file changes while it is read.
    pub fn break_off(&self, to: &str) {
        let to = ContainerPath::new(to).unwrap();
        self.world().broken_off.push_back(to);
    }

    /// The next command exits so; 0 when nothing is said.
    pub fn exit(&self, code: i64) {
        self.world().exits.push_back(code);
    }

    /// The next process that is restarted crashes so.
    pub fn crash(&self, code: i64) {
        self.world().crashes.push_back(code);
    }

    /// The next build fails.
    pub fn fail_build(&self) {
        self.world().failing_builds += 1;
    }

    /// The next build finds nothing new for the image.
    pub fn build_the_same(&self) {
        self.world().same_image = true;
    }

    /// Comparisons are answered when so many are asked for.
    pub fn answers_together(&self, count: usize) {
        self.world().meeting = Some(Arc::new(Barrier::new(count)));
    }

    /// So many times it does not say which containers there are.
    pub fn refuse_looks(&self, times: usize, error: &EngineError) {
        self.world().refused_looks = Some((times, error.clone()));
    }

    /// No build comes to an end.
    pub fn builds_for_ever(&self) {
        self.world().builds_for_ever = true;
    }

    /// What happens while the next build is under way, after it has read its context.
    pub fn during_build(&self, what: impl FnOnce() + Send + 'static) {
        self.world().during_build = Some(Box::new(what));
    }
}

impl Recorder {
    /// What of `delta` is in the container as it was built.
    fn same(&self, container: &Container, delta: &Delta) -> Vec<ContainerPath> {
        let world = self.world();
        let puts = delta.put.iter();
        puts.filter(|put| {
            let there = world.images.get(&container.image_id);
            let there = there.and_then(|files| files.get(&put.to));
            there.is_some() && there == put.there.fingerprint()
        })
        .map(|put| put.to.clone())
        .collect()
    }
}

fn what(delta: &Delta) -> String {
    let put = delta.put.iter().map(|outgoing| match &outgoing.body {
        Body::Bytes(_) | Body::File { .. } => format!("copy {}", outgoing.to),
        Body::Link(_) => format!("link {}", outgoing.to),
        Body::Directory { .. } => format!("mkdir {}", outgoing.to),
    });
    let remove = delta.remove.iter().map(|path| format!("remove {path}"));
    let remove_dirs = delta.remove_dirs.iter().map(|path| format!("rmdir {path}"));
    put.chain(remove)
        .chain(remove_dirs)
        .collect::<Vec<_>>()
        .join(", ")
}

fn files_of(source: &Path) -> BTreeMap<ContainerPath, Fingerprint> {
    let files = std::fs::read_dir(source).unwrap().map(|file| {
        let file = file.unwrap();
        let to = ContainerPath::new("/app")
            .unwrap()
            .join(Path::new(&file.file_name()));
        let mode = file.metadata().unwrap().permissions().mode() & 0o7777;
        let hash = xxhash_rust::xxh3::xxh3_128(&std::fs::read(file.path()).unwrap());
        (to, Fingerprint::File { mode, hash })
    });
    files.collect()
}

impl Engine for Recorder {
    async fn containers(&self, service: &str) -> Result<Vec<Container>, EngineError> {
        if let Some((left, error)) = &mut self.world().refused_looks
            && *left > 0
        {
            *left -= 1;
            return Err(error.clone());
        }
        let mut containers = self.world().containers.clone();
        containers.retain(|container| container.service == service);
        Ok(containers)
    }

    async fn apply(&self, container: &Container, delta: &Delta) -> Result<Applied, EngineError> {
        let same = self.same(container, delta);
        let mut news = delta.clone();
        news.put.retain(|put| !same.contains(&put.to));
        if !news.is_empty() {
            self.note(format!("{}: {}", container.name, what(&news)));
        }
        let refusal = self.world().refusals.pop_front();
        match refusal {
            Some(error) => {
                if matches!(error, EngineError::NotRunning(_)) {
                    self.set_state(&container.name, State::Exited { code: 1 });
                }
                Err(error)
            }
            None => Ok(Applied {
                via: Via::Helper,
                unread: self.world().broken_off.pop_front().into_iter().collect(),
                closed: Vec::new(),
                same,
            }),
        }
    }

    async fn run(
        &self,
        container: &Container,
        exec: &Exec,
        _output: &mut (dyn FnMut(Stream, &[u8]) + Send),
    ) -> Result<Ended, EngineError> {
        self.note(format!(
            "{}: run {} in {}",
            container.name,
            exec.argv.join(" "),
            exec.workdir
        ));
        Ok(Ended::Exit(self.world().exits.pop_front().unwrap_or(0)))
    }

    async fn restart(
        &self,
        container: &Container,
        _grace: Option<Duration>,
    ) -> Result<Restarted, EngineError> {
        self.note(format!("{}: restart", container.name));
        Ok(Restarted {
            killed: false,
            whole_container: false,
        })
    }

    async fn restart_process(
        &self,
        container: &Container,
        _signal: Option<&str>,
        _grace: Option<Duration>,
    ) -> Result<Restarted, EngineError> {
        self.note(format!("{}: restart the process", container.name));
        Ok(Restarted {
            killed: false,
            whole_container: false,
        })
    }

    async fn crash(&self, container: &Container) -> Option<End> {
        let code = self.world().crashes.pop_front()?;
        Some(End {
            service: container.service.clone(),
            id: container.id.clone(),
            name: container.name.clone(),
            code,
            requested: false,
            out_of_memory: false,
            lived: None,
        })
    }

    async fn signal(&self, container: &Container, name: &str) -> Result<(), EngineError> {
        self.note(format!("{}: signal {name}", container.name));
        Ok(())
    }

    async fn start(&self, container: &Container) -> Result<(), EngineError> {
        self.note(format!("{}: start", container.name));
        self.set_state(&container.name, State::Running);
        Ok(())
    }

    async fn fingerprints(
        &self,
        container: &Container,
        _wanted: &Wanted,
        _roots: &[ContainerPath],
    ) -> Result<BTreeMap<ContainerPath, Fingerprint>, EngineError> {
        let meeting = self.world().meeting.clone();
        if let Some(meeting) = meeting {
            meeting.wait().await;
        }
        let mut world = self.world();
        world
            .questions
            .push(format!("{}: what is there?", container.name));
        // Only what was built here has what the disk had.
        let built = container.image_id.ends_with('+');
        Ok(if built {
            world.built.clone()
        } else {
            BTreeMap::new()
        })
    }

    async fn image_id(&self, _image: &str) -> Result<Option<String>, EngineError> {
        Ok(Some(self.world().image.clone()))
    }

    async fn build(
        &self,
        services: &[String],
        _output: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(), EngineError> {
        self.note(format!("build {}", services.join(" ")));
        let meanwhile = self.world().during_build.take();
        let built = files_of(&self.world().source.clone());
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        if self.world().builds_for_ever {
            std::future::pending::<()>().await;
        }
        let mut world = self.world();
        if world.failing_builds > 0 {
            world.failing_builds -= 1;
            return Err(EngineError::Refused("the build said no".into()));
        }
        if !std::mem::take(&mut world.same_image) {
            world.image.push('+');
        }
        let image = world.image.clone();
        world.images.insert(image, built.clone());
        world.built = built;
        Ok(())
    }

    async fn recreate(
        &self,
        services: &[String],
        _output: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(), EngineError> {
        self.note(format!("recreate {}", services.join(" ")));
        let (old, kept): (Vec<Container>, Vec<Container>) = self
            .world()
            .containers
            .drain(..)
            .partition(|container| services.contains(&container.service));
        self.world().containers = kept;
        for old in &old {
            self.container_of(&old.service, &old.name, State::Running);
        }
        for service in services.iter().filter(|_| old.is_empty()) {
            self.container_of(service, &format!("{service}-1"), State::Running);
        }
        Ok(())
    }
}
