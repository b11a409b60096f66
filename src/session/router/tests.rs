//! Lists of events, and what each asks for. No engine, no disk, no clock.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::oneshot;

use super::*;
use crate::compose::{Build, LoadError, read_block};
use crate::control::{Condition, Order, Pause, Reply, Which};
use crate::service::{Configuration, configuration_of};
use crate::session::Seen;
use crate::session::reload::{Changed, Model, Read};
use crate::watch::Stage;

fn path(name: &str) -> HostPath {
    HostPath::new(format!("/nowhere/{name}")).unwrap()
}

/// A service whose `/nowhere/NAME` is synced.
fn service(name: &str) -> Service {
    let (block, problems) = read_block(&format!("- sync: ./{name}:/app\n"), &path(""));
    assert!(problems.is_empty(), "{problems:?}");
    Service {
        name: name.into(),
        image: format!("p-{name}"),
        build: Some(Build {
            context: path(name),
            dockerfile: Some(path("Dockerfile")),
            ignore_file: path(".dockerignore"),
            additional_contexts: Vec::new(),
            service_contexts: BTreeMap::new(),
        }),
        block: Some(block),
        ..Service::default()
    }
}

fn project(services: &[&str]) -> Arc<Project> {
    let mut services: Vec<Service> = services.iter().map(|name| service(name)).collect();
    services.push(Service {
        name: "db".into(),
        ..Service::default()
    });
    Arc::new(Project {
        name: "p".into(),
        dir: path(""),
        sources: vec![path("compose.yaml")],
        services,
    })
}

fn configurations(project: &Arc<Project>) -> Vec<Configuration> {
    let services = project.services.iter();
    services
        .filter_map(|service| configuration_of(project, service))
        .map(Result::unwrap)
        .collect()
}

/// A router, a clock, and what was asked for as text.
struct Situation {
    router: Router,
    now: Instant,
}

/// A session of these services.
fn session(services: &[&str]) -> Situation {
    let project = project(services);
    let files = BTreeSet::from([path("compose.yaml")]);
    let mut router = Router::new(Arc::clone(&project), Up::default(), files);
    for configuration in configurations(&project) {
        router.know(&configuration.service.name, configuration.scope);
    }
    Situation {
        router,
        now: Instant::now(),
    }
}

impl Situation {
    fn hear(&mut self, event: SessionEvent) -> Vec<String> {
        let effects = self.router.handle(event, self.now);
        effects.iter().map(words).collect()
    }

    fn touch(&mut self, name: &str) -> Vec<String> {
        let touch = Touch::now(path(name), Stage::Complete);
        self.hear(SessionEvent::Files(WatchEvent::Touched(touch)))
    }

    /// The clock goes on until the router is due.
    fn wait(&mut self) -> Vec<String> {
        self.now = self.router.due().unwrap();
        self.hear(SessionEvent::Due)
    }

    fn order(&mut self, order: Order) -> Vec<String> {
        self.hear(SessionEvent::Asked(order.into()))
    }

    fn ask(&mut self, order: Order) -> Vec<(String, Reply)> {
        let (reply, mut answer) = oneshot::channel();
        let reply = Some(reply);
        let effects = self
            .router
            .handle(SessionEvent::Asked(Asked { order, reply }), self.now);
        let Some(Effect::Reply(reply, answered)) = effects.into_iter().next() else {
            panic!("no reply");
        };
        reply.send(answered).unwrap();
        answer.try_recv().unwrap().services.into_iter().collect()
    }

    /// The model is as it says from now on.
    fn read(&mut self, project: &Arc<Project>) -> Vec<String> {
        let model = Model {
            project: Arc::clone(project),
            warnings: Vec::new(),
        };
        let read = Read {
            model: Ok(model),
            configurations: Ok(configurations(project)),
        };
        self.hear(read_event(true, read))
    }

    fn taken_over(&mut self, project: &Arc<Project>, new: &[&str]) -> Vec<String> {
        let seen = |name: &str| new.contains(&name).then(Seen::default);
        let all = configurations(project).into_iter();
        self.hear(SessionEvent::TakenOver(Box::new(TakenOver {
            configurations: all
                .map(|it| (seen(&it.service.name), it))
                .map(|(a, b)| (b, a))
                .collect(),
            watched: Ok(Vec::new()),
            looks: Arc::default(),
            before: Arc::clone(project),
            says_so: true,
        })))
    }
}

fn read_event(model: bool, read: Read) -> SessionEvent {
    let changed = Changed {
        model,
        watching: false,
    };
    let found = Some((changed, read));
    SessionEvent::Read(Box::new(Reading { found }))
}

/// One effect in a few words.
fn words(effect: &Effect) -> String {
    match effect {
        Effect::Tell(name, message) => {
            let message = match message {
                Message::Touched(touch) => format!("touched {}", touch.path),
                Message::OtherNames(inodes) => format!("{} linked", inodes.len()),
                Message::Rescan(_) => "rescan".into(),
                Message::Configure(..) => "configure".into(),
                other => format!("{other:?}"),
            };
            format!("{name}: {message}")
        }
        Effect::Say(event) => match &**event {
            Event::Notice { service, notice } => {
                let service = service.as_ref();
                let service = service.map_or_else(String::new, |it| format!("{it}: "));
                format!("says {service}{notice}")
            }
            Event::Problem { problem, .. } => format!("error: {problem}"),
            event => format!("{event:?}"),
        },
        Effect::Reply(..) => "reply".into(),
        Effect::Judge(end) => format!("judge {}", end.name),
        Effect::TellEnd(end) => format!("tell the end of {}", end.name),
        Effect::Forget(id) => format!("forget {id}"),
        Effect::Read(_) => "read".into(),
        Effect::Watch(scopes, files) => format!("watch {} scopes, {files:?}", scopes.len()),
        Effect::Adopt(_) => "adopt".into(),
        Effect::TakeOver(to) => format!("take over {}", to.configurations.len()),
        Effect::Hire(configuration, _) => format!("spawn_worker {}", configuration.service.name),
        Effect::Dismiss(name) => format!("dismiss {name}"),
        Effect::BringUp(concerned) => {
            let names: Vec<&str> = concerned.iter().map(|it| it.name.as_str()).collect();
            format!("bring up {}", names.join(", "))
        }
        Effect::End => "end".into(),
    }
}

fn nothing() -> Vec<String> {
    Vec::new()
}

#[test]
fn a_touch_goes_to_whom_it_concerns_and_to_nobody_else() {
    let mut session = session(&["web", "api"]);
    assert_eq!(session.touch("web/a"), ["web: touched /nowhere/web/a"]);
    assert_eq!(session.touch("api/a"), ["api: touched /nowhere/api/a"]);
    assert_eq!(session.touch("else"), nothing());
    assert_eq!(session.router.due(), None);
}

/// E4.
#[test]
fn after_lost_events_everybody_compares_the_trees_and_the_configuration_is_read() {
    let mut session = session(&["web", "api"]);
    let lost = WatchEvent::Rescan {
        why: "the queue ran over".into(),
    };
    assert_eq!(
        session.hear(SessionEvent::Files(lost)),
        [
            "says the queue ran over; comparing the trees",
            "api: rescan",
            "web: rescan"
        ]
    );
    assert_eq!(session.wait(), ["read"]);
}

#[test]
fn changes_through_other_names_are_told_together() {
    let mut session = session(&["web", "api"]);
    for number in 0..100 {
        let inode = Inode { number, names: 2 };
        let linked = SessionEvent::Files(WatchEvent::Linked(inode));
        assert_eq!(session.hear(linked), nothing());
    }
    assert_eq!(session.wait(), ["api: 100 linked", "web: 100 linked"]);
    assert_eq!(session.router.due(), None);
}

#[test]
fn who_has_told_of_a_linked_file_does_not_hear_of_it_again() {
    let mut session = session(&["web", "api"]);
    let linked = Linked {
        service: "web".into(),
        inodes: Arc::default(),
    };
    assert_eq!(
        session.hear(SessionEvent::Linked(linked)),
        ["api: 0 linked"]
    );
}

/// E1.
#[test]
fn what_happens_to_a_container_concerns_its_service() {
    let mut session = session(&["web", "api"]);
    let mut event = |action: &str, service: &str| {
        session.hear(SessionEvent::Containers(EngineEvent::Container {
            service: service.into(),
            id: ContainerId("0123456789abcdef".into()),
            action: action.into(),
            signal: None,
        }))
    };
    assert_eq!(event("start", "web"), ["web: Containers"]);
    assert_eq!(event("kill", "web"), nothing());
    assert_eq!(
        event("destroy", "api"),
        ["forget 0123456789ab", "api: Containers"]
    );
    assert_eq!(event("start", "db"), nothing());
}

#[test]
fn an_engine_that_is_away_is_said_once_and_looked_at_when_it_is_back() {
    let mut session = session(&["web"]);
    let mut event = |event| session.hear(SessionEvent::Containers(event));
    let lost = EngineEvent::Lost("no such socket".into());
    assert_eq!(event(lost), ["error: the engine is away: no such socket"]);
    assert_eq!(
        event(EngineEvent::Reconnected),
        [
            "says the engine is back; looking at everything again",
            "web: EngineIsBack"
        ]
    );
}

#[test]
fn an_end_is_told_when_it_is_known_what_it_is() {
    let mut session = session(&["web"]);
    let end = End {
        service: "web".into(),
        id: ContainerId("x".into()),
        name: "web-1".into(),
        code: 1,
        requested: false,
        out_of_memory: false,
        lived: None,
    };
    let ended = SessionEvent::Containers(EngineEvent::Ended(end.clone()));
    assert_eq!(session.hear(ended), ["judge web-1"]);
    let mut found = |found| session.hear(SessionEvent::Supervised(end.clone(), found));
    assert_eq!(found(Supervision::Fine), ["tell the end of web-1"]);
    assert_eq!(found(Supervision::Known), nothing());
    assert_eq!(
        found(Supervision::Failed("it runs without".into())),
        ["says web: it runs without", "web: StartAnew"]
    );
}

#[test]
fn an_order_of_a_key_is_for_all_and_one_with_names_for_those() {
    let mut session = session(&["web", "api"]);
    assert_eq!(
        session.order(Order::Verify(Which::All)),
        ["api: Verify", "web: Verify"]
    );
    let some = Which::Only(["web".into(), "db".into(), "wbe".into()].into());
    assert_eq!(
        session.order(Order::Rebuild(some.clone())),
        ["web: Rebuild(Asked)"]
    );
    assert_eq!(
        session.ask(Order::Apply(some)),
        [
            ("db".into(), Reply::LeftAlone),
            ("wbe".into(), Reply::Unknown),
            ("web".into(), Reply::Accepted)
        ]
    );
    assert_eq!(session.order(Order::Quit), ["end"]);
}

#[test]
fn a_pause_is_switched_for_all_or_set_for_one() {
    let mut session = session(&["web", "api"]);
    let switch = || Order::Pause(Which::All, Pause::Switch);
    assert_eq!(
        session.order(switch()),
        [
            "says paused: changes wait (p goes on)",
            "api: Pause(true)",
            "web: Pause(true)"
        ]
    );
    let web = || Which::Only(["web".into()].into());
    assert_eq!(
        session.order(Order::Pause(web(), Pause::End)),
        ["says web: going on", "web: Pause(false)"]
    );
    let paused = |paused| {
        Reply::Is(Condition {
            paused,
            begins: false,
        })
    };
    assert_eq!(
        session.ask(Order::Status(Which::All)),
        [("api".into(), paused(true)), ("web".into(), paused(false))]
    );
    assert_eq!(
        session.order(switch()),
        ["says going on", "api: Pause(false)", "web: Pause(false)"]
    );
}

/// E7, C13.
#[test]
fn while_the_configuration_is_read_saves_go_through_and_what_else_was_edited_is_read_once_more() {
    let mut session = session(&["web"]);
    assert_eq!(session.touch("compose.yaml"), nothing());
    assert_eq!(session.wait(), ["read"]);
    for _ in 0..3 {
        session.now += Duration::from_secs(60);
        assert_eq!(session.touch("compose.yaml"), nothing());
        assert_eq!(session.touch("web/a"), ["web: touched /nowhere/web/a"]);
        assert_eq!(session.router.due(), None, "one at a time");
    }
    let nothing_new = SessionEvent::Read(Box::new(Reading { found: None }));
    assert_eq!(session.hear(nothing_new), nothing());
    assert_eq!(session.wait(), ["read"]);
    assert_eq!(session.router.due(), None, "once");
}

/// E7.
#[test]
fn who_comes_into_the_project_hears_everything_once_it_works_and_who_leaves_nothing() {
    let mut session = session(&["web", "old"]);
    session.touch("compose.yaml");
    session.wait();
    let project = project(&["web", "new"]);
    assert_eq!(
        session.read(&project),
        ["adopt", "dismiss old", "take over 2"]
    );
    assert_eq!(session.touch("old/a"), nothing());
    assert_eq!(session.touch("new/a"), nothing());
    assert_eq!(session.touch("web/a"), ["web: touched /nowhere/web/a"]);
    assert_eq!(
        session.ask(Order::Status(Which::Only(["new".into()].into()))),
        [(
            "new".into(),
            Reply::Is(Condition {
                paused: false,
                begins: true
            })
        )]
    );
    assert_eq!(
        session.taken_over(&project, &["new"]),
        [
            "web: configure",
            "spawn_worker new",
            "new: touched /nowhere/new/a",
            "says the configuration was read again"
        ]
    );
    assert_eq!(session.touch("new/b"), ["new: touched /nowhere/new/b"]);
}

/// E7.
#[test]
fn what_cannot_be_taken_over_changes_nothing_and_its_files_are_watched() {
    let mut session = session(&["web"]);
    session.touch("compose.yaml");
    session.wait();
    let read = Read {
        model: Err(LoadError::Compose {
            message: "no such key".into(),
            hint: None,
            sources: vec![path("other.yaml")],
        }),
        configurations: Ok(Vec::new()),
    };
    let files = [path("compose.yaml"), path("other.yaml")];
    assert_eq!(
        session.hear(read_event(true, read)),
        [format!("watch 1 scopes, {files:?}")]
    );
    // Whoever mends it as soon as he reads that it is broken is heard.
    let said = session.hear(SessionEvent::Watched(Ok(Vec::new())));
    assert!(said[0].contains("no such key"), "{said:?}");
    assert_eq!(said.len(), 1, "{said:?}");
    session.touch("other.yaml");
    assert_eq!(session.wait(), ["read"]);
}

/// E7.
#[test]
fn a_project_of_another_name_is_another_project() {
    let mut session = session(&["web"]);
    session.touch("compose.yaml");
    session.wait();
    let renamed = Arc::new(Project {
        name: "q".into(),
        ..(*project(&["web"])).clone()
    });
    assert_eq!(session.read(&renamed).len(), 1);
    let said = session.hear(SessionEvent::Watched(Ok(Vec::new())));
    assert!(
        said[0].starts_with("error: the project is called `q` now"),
        "{said:?}"
    );
    assert_eq!(said.len(), 1, "{said:?}");
}

#[test]
fn a_model_that_is_the_same_is_said_and_nothing_else_is_done() {
    let mut session = session(&["web"]);
    session.touch("compose.yaml");
    session.wait();
    assert_eq!(
        session.read(&project(&["web"])),
        ["says the configuration was read again"]
    );
    session.touch("compose.yaml");
    assert_eq!(session.wait(), ["read"]);
}

/// E7: what differs is brought up as Compose would do it, and an image that is built in another way is built first.
#[test]
fn what_an_edit_concerns_is_built_or_brought_up() {
    let mut session = session(&["web", "api"]);
    session.touch("compose.yaml");
    session.wait();
    let before = Arc::clone(&session.router.project);
    let mut edited = (*before).clone();
    edited.services[0].definition.image = "another build".into();
    edited.services.push(service("new"));
    let edited = Arc::new(edited);
    assert_eq!(session.read(&edited), ["adopt", "take over 3"]);
    let taken = TakenOver {
        configurations: Vec::new(),
        watched: Ok(Vec::new()),
        looks: Arc::default(),
        before,
        says_so: false,
    };
    assert_eq!(
        session.hear(SessionEvent::TakenOver(Box::new(taken))),
        ["web: Rebuild(Configuration)", "bring up new"]
    );
}

#[test]
fn the_session_ends_with_what_it_hears_from() {
    let mut session = session(&["web"]);
    assert_eq!(
        session.hear(SessionEvent::WatchingEnded),
        ["error: watching has stopped unexpectedly", "end"]
    );
    assert_eq!(session.hear(SessionEvent::EngineEnded), ["end"]);
}
