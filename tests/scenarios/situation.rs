//! One service on a real disk, one worker, and the recording engine.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant, SystemTime};

use docker_liveupdate::compose::{Build, Project, Service, read_block};
use docker_liveupdate::docker::DockerCli;
use docker_liveupdate::engine::{ContainerId, State};
use docker_liveupdate::paths::HostPath;
use docker_liveupdate::report::{Event, Exit, Outcome, Reporter};
use docker_liveupdate::service::{Configuration, scope_of, stages::Target};
use docker_liveupdate::session::stops::Stops;
use docker_liveupdate::session::unpaid::Unpaid;
use docker_liveupdate::session::worker::{Message, Start, Worker};
use docker_liveupdate::session::{Seen, builder::Builder, ends::Ends};
use docker_liveupdate::watch::{Stage, Touch};
use tokio::sync::{mpsc as tokio_mpsc, oneshot};

use crate::recorder::Recorder;

/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A save so long after the one before is one by itself, and no part of a burst.
const APART: Duration = Duration::from_millis(200);

/// A running worker, and what it is told.
pub struct Situation {
    pub engine: Arc<Recorder>,
    stops: Arc<Stops>,
    pub tell: tokio_mpsc::UnboundedSender<Message>,
    events: mpsc::Receiver<Event>,
    notices: Mutex<Vec<String>>,
    dir: tempfile::TempDir,
    saved: Cell<Option<Instant>>,
}

/// A service with this block, whose image was just built and whose containers are as `containers` says.
pub async fn service(block: &str, containers: &[(&str, State)]) -> Situation {
    let dir = tempfile::tempdir().unwrap();
    for name in ["src", "lib"] {
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::write(dir.path().join(name).join("old"), "old").unwrap();
    }
    let root = HostPath::new(fs::canonicalize(dir.path()).unwrap()).unwrap();
    let web = service_of("web", block, &root);
    let project = Project {
        name: "p".into(),
        dir: root.clone(),
        sources: Vec::new(),
        services: vec![web.clone()],
    };
    let engine = Arc::new(Recorder::default());
    engine.builds_from(root.as_path().join("src"));
    engine.image("image");
    engine.image_was_built();
    for (name, state) in containers {
        engine.container(name, *state);
    }
    let scope = Arc::new(scope_of(&project, &web).unwrap());
    let (said, events) = mpsc::channel();
    let rules = docker_liveupdate::plan::Rules::of(&project, &web).unwrap();
    let target = Target {
        service: "web".into(),
        custom: None,
        along: Vec::new(),
    };
    let configuration = Configuration {
        project: Arc::new(project),
        service: web,
        rules,
        scope,
        targets: vec![target],
        can_build: true,
    };
    let stops = Arc::<Stops>::default();
    let (worker, tell) = Worker::new(Start {
        builder: Arc::new(Builder::new(
            Arc::clone(&engine),
            DockerCli::default(),
            root,
        )),
        engine: Arc::clone(&engine),
        ends: Arc::new(Ends::new(Reporter::to(said.clone()))),
        reporter: Reporter::to(said),
        how_to_apply: "`u`".into(),
        stops: Arc::clone(&stops),
        linked: tokio_mpsc::unbounded_channel().0,
        unpaid: Unpaid::default(),
        seen: Seen::of(&configuration, &Arc::default()).await,
        configuration,
        built: Some("image".into()),
        build_failed: false,
        preexisting: BTreeSet::new(),
    });
    let (in_step, _) = oneshot::channel();
    tokio::spawn(worker.work(in_step));
    Situation {
        engine,
        stops,
        tell,
        events,
        notices: Mutex::default(),
        dir,
        saved: Cell::new(None),
    }
}

/// A service that is built from `root`.
pub fn service_of(name: &str, block: &str, root: &HostPath) -> Service {
    let (block, problems) = read_block(block, root);
    assert!(problems.is_empty(), "{problems:?}");
    Service {
        name: name.into(),
        image: format!("p-{name}"),
        build: Some(Build {
            context: root.clone(),
            dockerfile: Some(root.join("Dockerfile")),
            ignore_file: root.join(".dockerignore"),
            additional_contexts: Vec::new(),
            service_contexts: std::collections::BTreeMap::new(),
        }),
        block: Some(block),
        attach: true,
        ..Service::default()
    }
}

impl Situation {
    pub fn path(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.dir.path()).unwrap().join(name)
    }

    pub fn host_path(&self, name: &str) -> HostPath {
        HostPath::new(self.path(name)).unwrap()
    }

    fn touch(&self, name: &str, stage: Stage) {
        let path = self.host_path(name);
        self.tell(Message::Touched(Touch::now(path, stage)));
    }

    pub fn tell(&self, message: Message) {
        self.tell.send(message).unwrap();
    }

    /// Somebody stops a container.
    pub fn stop(&self, name: &str) {
        self.engine.set_state(name, State::Exited { code: 143 });
        let id = ContainerId(format!("{name}-of-image"));
        let now = Instant::now();
        self.stops.hear(&id, "stop", None, false, now);
        self.tell(Message::Containers);
    }

    /// Somebody starts it again.
    pub fn start(&self, name: &str) {
        self.engine.set_state(name, State::Running);
        let id = ContainerId(format!("{name}-of-image"));
        let now = Instant::now();
        self.stops.hear(&id, "start", None, false, now);
        self.tell(Message::Containers);
    }

    /// A person saves again only some time after the last save.
    fn apart(&self) {
        if let Some(saved) = self.saved.get() {
            std::thread::sleep(APART.saturating_sub(saved.elapsed()));
        }
        self.saved.set(Some(Instant::now()));
    }

    /// Nothing is saved until no burst can be the same one.
    pub fn rest(&self) {
        let rest = 5 * APART;
        let saved = self.saved.get();
        std::thread::sleep(saved.map_or(rest, |saved| rest.saturating_sub(saved.elapsed())));
    }

    /// A save.
    pub fn write(&self, name: &str, text: &str) {
        self.apart();
        fs::write(self.path(name), text).unwrap();
        self.touch(name, Stage::Complete);
    }

    /// Another name for a file.
    pub fn link(&self, name: &str, other: &str) {
        fs::hard_link(self.path(name), self.path(other)).unwrap();
        self.touch(other, Stage::Complete);
    }

    /// What `touch` does, and whoever sets a time.
    pub fn set_time(&self, name: &str) {
        let file = fs::File::options()
            .write(true)
            .open(self.path(name))
            .unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(60))
            .unwrap();
        self.touch(name, Stage::Attributes);
    }

    /// Several saves in one go.
    pub fn write_all(&self, files: &[(&str, &str)]) {
        for (name, text) in files {
            fs::write(self.path(name), text).unwrap();
        }
        // A worker that hears of them one by one must not take the first for all.
        let at = Instant::now() + Duration::from_millis(200);
        for (name, _) in files {
            let path = self.host_path(name);
            let stage = Stage::Complete;
            self.tell(Message::Touched(Touch { path, at, stage }));
        }
    }

    /// Several saves right now, whatever was saved before.
    pub fn write_at_once(&self, names: &[String]) {
        for name in names {
            fs::write(self.path(name), "new").unwrap();
        }
        // Heard of as one batch, whoever is slow.
        let at = Instant::now() + Duration::from_millis(20);
        for name in names {
            let path = self.host_path(name);
            let stage = Stage::Complete;
            self.tell(Message::Touched(Touch { path, at, stage }));
        }
    }

    pub fn remove(&self, name: &str) {
        self.apart();
        fs::remove_file(self.path(name)).unwrap();
        self.touch(name, Stage::Gone);
    }

    /// What the engine is asked until the worker says what came of it.
    #[track_caller]
    pub fn asks(&self, expected: &[&str]) {
        let outcome = self.outcome();
        assert_eq!(self.engine.asked(), expected, "{outcome:?}");
    }

    /// How many notices before the last outcome had `text` in them.
    pub fn notices(&self, text: &str) -> usize {
        let notices = self.notices.lock().unwrap();
        notices.iter().filter(|said| said.contains(text)).count()
    }

    /// The next notice that contains `text`.
    #[track_caller]
    pub fn notice(&self, text: &str) {
        loop {
            match self.events.recv_timeout(PATIENCE) {
                Ok(Event::Notice { notice, .. }) if notice.to_string().contains(text) => return,
                Ok(_) => {}
                Err(error) => panic!("no notice `{text}`: {error}"),
            }
        }
    }

    /// The next outcome.
    #[track_caller]
    pub fn outcome(&self) -> Outcome {
        self.next(|event| match event {
            Event::Outcome(outcome) => Some(outcome),
            _ => None,
        })
    }

    /// The next end of a process.
    #[track_caller]
    pub fn exit(&self) -> Exit {
        self.next(|event| match event {
            Event::Exit(exit) => Some(exit),
            _ => None,
        })
    }

    #[track_caller]
    fn next<T>(&self, wanted: impl Fn(Event) -> Option<T>) -> T {
        loop {
            match self.events.recv_timeout(PATIENCE) {
                Ok(Event::Notice { notice, .. }) => {
                    self.notices.lock().unwrap().push(notice.to_string());
                }
                Ok(event) => {
                    if let Some(found) = wanted(event) {
                        return found;
                    }
                }
                Err(error) => panic!("it never came: {error}; asked: {:?}", self.engine.asked()),
            }
        }
    }
}
