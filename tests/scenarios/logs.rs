//! The containers' output, with the clock in our hands: from each container's birth on, whatever the engine says meanwhile.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use docker_liveupdate::compose::{Project, Service};
use docker_liveupdate::engine::{EngineError, EngineEvent, LogLine, Output, State, Stream};
use docker_liveupdate::paths::HostPath;
use docker_liveupdate::report::{Event, Reporter};
use docker_liveupdate::session::logs::Logs;

use crate::recorder::Recorder;

struct Followed {
    engine: Arc<Recorder>,
    logs: Logs,
    events: mpsc::Receiver<Event>,
}

/// A project of these services; whether each is attached to.
fn project(services: &[(&str, bool)]) -> Arc<Project> {
    let service = |(name, attach): &(&str, bool)| Service {
        name: (*name).into(),
        attach: *attach,
        ..Service::default()
    };
    Arc::new(Project {
        name: "p".into(),
        dir: HostPath::new("/nowhere").unwrap(),
        sources: Vec::new(),
        services: services.iter().map(service).collect(),
    })
}

/// `web` is attached to and `db` is not; each has a container that has written its name.
fn prepared() -> Arc<Recorder> {
    let engine = Arc::new(Recorder::default());
    engine.image("image");
    for name in ["web", "db"] {
        let id = engine.container_of(name, &format!("{name}-1"), State::Running);
        let text = name.as_bytes().to_vec();
        let stream = Stream::Out;
        engine
            .whole
            .writes(&id.0, vec![Output::Lines(vec![LogLine { stream, text }])]);
    }
    engine
}

fn follow(engine: Arc<Recorder>, wanted: bool) -> Followed {
    let (said, events) = mpsc::channel();
    let project = project(&[("web", true), ("db", false)]);
    let logs = Logs::start(Arc::clone(&engine), Reporter::to(said), wanted, project);
    Followed {
        engine,
        logs,
        events,
    }
}

impl Followed {
    /// What is shown within some time.
    async fn shown(&self, within: Duration) -> Vec<String> {
        tokio::time::sleep(within).await;
        let events = self.events.try_iter().map(|event| match event {
            Event::Log {
                container, text, ..
            } => format!("{container}: {text}"),
            event => format!("{event:?}"),
        });
        events.collect()
    }
}

const SOON: Duration = Duration::from_millis(1);
const LATER: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn whoever_is_attached_to_is_shown_and_nobody_else() {
    let followed = follow(prepared(), true);
    assert_eq!(followed.shown(SOON).await, ["web-1: web"]);
}

#[tokio::test(start_paused = true)]
async fn without_logs_nobody_is() {
    let followed = follow(prepared(), false);
    assert_eq!(followed.shown(LATER).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn who_is_attached_to_after_an_edit_is_shown_from_then_on() {
    let followed = follow(prepared(), true);
    followed.shown(SOON).await;
    followed
        .logs
        .reload(project(&[("web", true), ("db", true)]));
    assert_eq!(followed.shown(SOON).await, ["db-1: db"]);
}

#[tokio::test(start_paused = true)]
async fn a_container_is_attached_to_as_soon_as_it_is_told_and_once() {
    let engine = prepared();
    engine.refuse_looks(usize::MAX, &EngineError::Unreachable("away".into()));
    let followed = follow(engine, true);
    assert_eq!(followed.shown(SOON).await, Vec::<String>::new());
    for _ in 0..2 {
        followed
            .engine
            .whole
            .tells_of("web", "web-1-of-image", "start");
        followed
            .engine
            .whole
            .tells_of("db", "db-1-of-image", "start");
    }
    assert_eq!(followed.shown(SOON).await, ["web-1: web"]);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_says_no_is_asked_again_and_one_that_was_away_when_it_is_back() {
    let engine = prepared();
    engine.refuse_looks(2, &EngineError::Refused("not now".into()));
    let followed = follow(engine, true);
    assert_eq!(followed.shown(SOON).await, Vec::<String>::new());
    assert_eq!(followed.shown(LATER).await, ["web-1: web"]);

    let engine = prepared();
    engine.refuse_looks(1, &EngineError::Unreachable("away".into()));
    let followed = follow(engine, true);
    assert_eq!(followed.shown(LATER).await, Vec::<String>::new());
    followed.engine.whole.tells(&EngineEvent::Reconnected);
    assert_eq!(followed.shown(SOON).await, ["web-1: web"]);
}
