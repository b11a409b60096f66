//! A whole session on the recording engine: the first start, saves, edits of the configuration, logs, and the end.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use docker_liveupdate::cli::{ExitCode, Format, Up};
use docker_liveupdate::compose::{LoadError, Loaded, Project};
use docker_liveupdate::control::{Condition, Door, Order, Pause, Reply, Sources, Which};
use docker_liveupdate::docker::DockerCli;
use docker_liveupdate::engine::{EngineError, EngineEvent, LogLine, Output, Stream};
use docker_liveupdate::paths::HostPath;
use docker_liveupdate::report::{Done, Event, Notice, Outcome, Problem, Reporter};
use docker_liveupdate::session::unpaid::Unpaid;
use docker_liveupdate::session::{First, ReadModel, run};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use crate::recorder::Recorder;
use crate::situation::service_of;

/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A service's name and the steps of its block.
type Services = &'static [(&'static str, &'static str)];

const WEB: Services = &[("web", "- sync: ./src:/app\n")];

/// A project on disk, and the engine it runs on, before its session.
struct Prepared {
    engine: Arc<Recorder>,
    dir: tempfile::TempDir,
    model: Arc<Model>,
    up: Up,
}

/// What the compose file says, for whoever reads it anew.
struct Model {
    root: HostPath,
    says: Mutex<Result<Services, &'static str>>,
    /// Reading it takes as long as this has nothing to give.
    gate: Semaphore,
    /// Who began to read it.
    readers: Semaphore,
}

/// A running session.
struct Running {
    engine: Arc<Recorder>,
    dir: tempfile::TempDir,
    model: Arc<Model>,
    door: Door,
    events: mpsc::Receiver<Event>,
    end: JoinHandle<ExitCode>,
}

impl Model {
    fn project(&self, services: Services) -> Project {
        let services = services.iter();
        Project {
            name: "p".into(),
            dir: self.root.clone(),
            sources: vec![self.root.join("compose.yaml")],
            services: services
                .map(|(name, block)| service_of(name, block, &self.root))
                .collect(),
        }
    }

    async fn read(self: Arc<Self>) -> Result<Loaded, LoadError> {
        self.readers.add_permits(1);
        self.gate.acquire().await.unwrap().forget();
        let says = *self.says.lock().unwrap();
        match says {
            Ok(services) => Ok(Loaded {
                project: self.project(services),
                warnings: Vec::new(),
                files: Vec::new(),
            }),
            Err(message) => Err(LoadError::Compose {
                message: message.into(),
                hint: None,
                sources: vec![self.root.join("compose.yaml")],
            }),
        }
    }
}

fn project(services: Services) -> Prepared {
    let dir = tempfile::tempdir().unwrap();
    let root = HostPath::new(fs::canonicalize(dir.path()).unwrap()).unwrap();
    for name in ["src", "lib"] {
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::write(dir.path().join(name).join("old"), "old").unwrap();
    }
    fs::write(dir.path().join("compose.yaml"), "").unwrap();
    let engine = Arc::new(Recorder::default());
    engine.builds_from(root.as_path().join("src"));
    engine.image("image");
    for (name, _) in services {
        engine.whole.service(name);
    }
    Prepared {
        engine,
        dir,
        model: Arc::new(Model {
            root,
            says: Mutex::new(Ok(services)),
            gate: Semaphore::new(0),
            readers: Semaphore::new(0),
        }),
        up: Up {
            build: true,
            logs: true,
            format: Format::Json,
            ..Up::default()
        },
    }
}

impl Prepared {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn begin(self) -> Running {
        let sources = Sources::door_alone();
        let (said, events) = mpsc::channel();
        let services = *self.model.says.lock().unwrap();
        let model = Arc::clone(&self.model);
        let read: ReadModel = Arc::new(move || Box::pin(Arc::clone(&model).read()));
        let first = First {
            project: Arc::new(self.model.project(services.unwrap())),
            engine: Arc::clone(&self.engine),
            cli: DockerCli::default(),
            model: read,
            up: self.up,
            reporter: Reporter::to(said),
            how_to_apply: "`u`".into(),
            has_screen: false,
            unpaid: Unpaid::default(),
        };
        Running {
            engine: self.engine,
            dir: self.dir,
            model: self.model,
            door: sources.door(),
            events,
            end: tokio::spawn(run(first, sources)),
        }
    }
}

impl Running {
    fn write(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).unwrap();
    }

    /// The compose file says so from now on.
    fn edit(&self, says: Result<Services, &'static str>) {
        for (name, _) in says.unwrap_or_default() {
            self.engine.whole.service(name);
        }
        *self.model.says.lock().unwrap() = says;
        let path = self.dir.path().join("compose.yaml");
        let old = fs::read_to_string(&path).unwrap();
        fs::write(path, old + "#").unwrap();
    }

    /// Who reads it gets an answer.
    fn answer(&self) {
        self.model.gate.add_permits(1);
    }

    #[track_caller]
    fn next<T>(&self, wanted: impl Fn(Event) -> Option<T>) -> T {
        loop {
            match self.events.recv_timeout(PATIENCE) {
                Ok(event) => {
                    if let Some(found) = wanted(event) {
                        return found;
                    }
                }
                Err(error) => panic!("it never came: {error}; asked: {:?}", self.engine.asked()),
            }
        }
    }

    /// The session is ready: these containers of each service.
    #[track_caller]
    fn ready(&self) -> BTreeMap<String, usize> {
        self.next(|event| match event {
            Event::Started { services, .. } => Some(services),
            _ => None,
        })
        .into_iter()
        .map(|service| (service.name, service.containers))
        .collect()
    }

    #[track_caller]
    fn notice(&self, notice: &Notice) {
        self.next(|event| match event {
            Event::Notice { notice: said, .. } => (said == *notice).then_some(()),
            _ => None,
        });
    }

    #[track_caller]
    fn problem(&self) -> Problem {
        self.next(|event| match event {
            Event::Problem { problem, .. } => Some(problem),
            _ => None,
        })
    }

    #[track_caller]
    fn outcome(&self) -> Outcome {
        self.next(|event| match event {
            Event::Outcome(outcome) => Some(outcome),
            _ => None,
        })
    }

    /// What the engine is asked until something came of it.
    #[track_caller]
    fn asks(&self, expected: &[&str]) {
        let outcome = self.outcome();
        assert_eq!(self.engine.asked(), expected, "{outcome:?}");
    }

    /// Until nothing of the session is left.
    async fn ended(self) -> (ExitCode, Vec<String>) {
        let code = tokio::time::timeout(PATIENCE, self.end).await;
        (code.unwrap().unwrap(), self.engine.asked())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_start_builds_and_starts_and_then_a_save_goes_through() {
    let session = project(WEB).begin();
    assert_eq!(session.ready(), BTreeMap::from([("web".into(), 1)]));
    assert_eq!(session.engine.asked(), ["build web", "up"]);
    session.write("src/a", "1");
    session.asks(&["web-1: copy /app/a"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_build_the_first_start_takes_the_images_that_are_there() {
    let mut web = project(WEB);
    web.up.build = false;
    web.up.services = vec!["web".into()];
    let session = web.begin();
    session.ready();
    // What is in it nobody here has built.
    assert_eq!(
        session.engine.asked(),
        ["up --no-build web", "web-1: mkdir /app, copy /app/old"]
    );
}

/// C11.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_saved_during_the_first_build_is_not_lost() {
    let web = project(WEB);
    let during = web.path("src/during");
    web.engine
        .during_build(move || fs::write(during, "1").unwrap());
    let session = web.begin();
    session.outcome();
    assert_eq!(
        session.engine.asked(),
        ["build web", "up", "web-1: copy /app/during"]
    );
}

/// E3, C13.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_does_not_build_at_first_is_built_with_the_next_save() {
    let web = project(WEB);
    for _together_and_alone in 0..2 {
        web.engine.fail_build();
    }
    let session = web.begin();
    assert!(matches!(session.problem(), Problem::NotBuilt(_)));
    assert_eq!(session.ready(), BTreeMap::from([("web".into(), 0)]));
    assert_eq!(session.engine.asked(), ["build web", "build web"]);
    session.write("src/a", "1");
    session.asks(&["build web", "recreate web"]);
}

/// E3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_start_that_fails_is_said_and_tried_again_with_the_next_save() {
    let web = project(WEB);
    web.engine.whole.fail_start();
    let session = web.begin();
    assert!(matches!(session.problem(), Problem::NotStarted(_)));
    session.ready();
    assert_eq!(session.engine.asked(), ["build web", "up"]);
    session.write("src/a", "1");
    session.asks(&["build web", "recreate web"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_ends_the_session_during_the_first_build_stops_what_there_is() {
    let web = project(WEB);
    let (begins, begun) = oneshot::channel();
    web.engine.during_build(move || begins.send(()).unwrap());
    web.engine.builds_for_ever();
    let session = web.begin();
    begun.await.unwrap();
    let answer = session.door.ask(Order::Verify(Which::All)).await.unwrap();
    let not_now = BTreeMap::from([("web".into(), Reply::NotNow)]);
    assert_eq!(answer.services, not_now);
    session.door.tell(Order::Quit);
    let (code, asked) = session.ended().await;
    assert_eq!(code, ExitCode::Interrupted);
    assert_eq!(asked, ["build web", "stop"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_end_the_containers_are_stopped_and_asked_again_killed() {
    let session = project(WEB).begin();
    session.ready();
    session.engine.asked();
    let stopping = session.engine.whole.hangs_at_the_end();
    session.door.tell(Order::Quit);
    stopping.await.unwrap();
    session.door.tell(Order::Quit);
    assert_eq!(session.ended().await.1, ["stop", "kill"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_keeps_the_containers_has_them_left_alone() {
    let mut web = project(WEB);
    web.up.keep = true;
    let session = web.begin();
    session.ready();
    session.engine.asked();
    session.door.tell(Order::Quit);
    assert_eq!(session.ended().await.1, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_answered_for_each_service_and_then_done() {
    let session = project(WEB).begin();
    session.ready();
    session.engine.asked();
    let some = Which::Only(["web".into(), "wbe".into()].into());
    let answer = session.door.ask(Order::Rebuild(some)).await.unwrap();
    let replies = [
        ("wbe".into(), Reply::Unknown),
        ("web".into(), Reply::Accepted),
    ];
    assert_eq!(answer.services, BTreeMap::from(replies));
    session.asks(&["build web", "recreate web"]);
    session
        .door
        .ask(Order::Pause(Which::All, Pause::Begin))
        .await;
    let status = session.door.ask(Order::Status(Which::All)).await.unwrap();
    let paused = Reply::Is(Condition {
        paused: true,
        begins: false,
    });
    assert_eq!(status.services, BTreeMap::from([("web".into(), paused)]));
    session.write("src/a", "1");
    assert!(matches!(session.outcome().done, Done::Waits(_)));
    session.door.tell(Order::Pause(Which::All, Pause::End));
    session.asks(&["web-1: copy /app/a"]);
}

/// C13, E7: with a `docker compose config` that hangs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_save_waits_for_a_configuration_that_is_being_read() {
    let session = project(WEB).begin();
    session.ready();
    session.engine.asked();
    session.edit(Ok(WEB));
    session.model.readers.acquire().await.unwrap().forget();
    for number in 0..3 {
        session.write(&format!("src/{number}"), "1");
        session.asks(&[&format!("web-1: copy /app/{number}")]);
    }
    session.answer();
    session.notice(&Notice::ConfigurationRead);
}

/// E7: whoever reads it may never come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_waits_for_no_configuration_that_is_being_read() {
    let session = project(WEB).begin();
    session.ready();
    session.engine.asked();
    session.edit(Ok(WEB));
    session.model.readers.acquire().await.unwrap().forget();
    session.door.tell(Order::Quit);
    assert_eq!(session.ended().await.1, ["stop"]);
}

/// E7.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_brings_new_rules_and_new_services() {
    const EDITED: Services = &[
        ("web", "- sync: ./src:/srv\n"),
        ("new", "- sync: ./lib:/lib\n"),
    ];
    let session = project(WEB).begin();
    session.ready();
    session.engine.asked();
    session.edit(Ok(EDITED));
    session.answer();
    let mut services = [session.outcome().service, session.outcome().service];
    services.sort();
    assert_eq!(services, ["new", "web"]);
    let mut asked = session.engine.asked();
    asked.sort();
    assert_eq!(
        asked,
        [
            "new-1: mkdir /lib, copy /lib/old",
            "up new",
            "web-1: mkdir /srv, copy /srv/old"
        ]
    );
}

/// E7.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_said_and_the_last_good_configuration_stays() {
    let session = project(WEB).begin();
    session.ready();
    session.engine.asked();
    session.edit(Err("no such key"));
    session.answer();
    let Problem::BadConfiguration(words) = session.problem() else {
        panic!("another problem");
    };
    assert!(words.contains("no such key"), "{words}");
    session.write("src/a", "1");
    session.asks(&["web-1: copy /app/a"]);
    session.edit(Ok(WEB));
    session.answer();
    session.notice(&Notice::ConfigurationRead);
}

/// E4.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_absent_engine_missed_is_brought_when_it_tells_that_it_is_back() {
    let session = project(WEB).begin();
    session.ready();
    session.engine.asked();
    let away = || EngineError::Unreachable("no such socket".into());
    session.engine.refuse(away());
    let lost = EngineEvent::Lost("no such socket".into());
    session.engine.whole.tells(&lost);
    assert!(matches!(session.problem(), Problem::EngineAway { .. }));
    session.write("src/a", "1");
    session.outcome();
    session.engine.asked();
    session.engine.whole.tells(&EngineEvent::Reconnected);
    session.notice(&Notice::EngineIsBack);
    session.asks(&["web-1: copy /app/a"]);
}

fn line(text: &str) -> Output {
    Output::Lines(vec![LogLine {
        stream: Stream::Out,
        text: text.as_bytes().to_vec(),
    }])
}

/// What containers write is shown from their birth on, of those that were there as of those that come; and what is missing
/// is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_output_of_containers_is_shown_and_gaps_are_said() {
    let web = project(WEB);
    let gap = Output::Gap("the log was rotated".into());
    let id = "web-1-of-image+";
    web.engine
        .whole
        .writes(id, vec![line("one"), gap, line("two")]);
    let session = web.begin();
    let mut shown = Vec::new();
    while shown.len() < 3 {
        shown.push(session.next(|event| match event {
            Event::Log {
                container, text, ..
            } => Some(format!("{container}: {text}")),
            Event::Notice {
                notice: notice @ Notice::LogGap { .. },
                ..
            } => Some(notice.to_string()),
            _ => None,
        }));
    }
    assert_eq!(
        shown,
        ["web-1: one", "web-1: the log was rotated", "web-1: two"]
    );
}
