//! Every verb that speaks with the engine, each called once.

use std::ffi::OsString;
use std::time::{Duration, SystemTime};

use docker_liveupdate::docker::DockerCli;
use docker_liveupdate::engine::{
    Body, Container, ContainerId, Delta, Docker, Engine, EngineError, Exec, LogsFrom, Outgoing,
    Sought, State, There,
};
use docker_liveupdate::paths::ContainerPath;
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::answers::ID;
use crate::liar::Liar;

/// What is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// The connection itself.
    Connect,
    /// All containers of a service.
    Containers,
    /// One image.
    Image,
    /// A few files are written, others removed.
    Apply,
    /// More than are looked at one by one.
    ApplyMany,
    /// What stands below a folder.
    Fingerprints,
    /// A command of the user's, with a timeout.
    Run,
    /// The container is restarted.
    Restart,
    /// It gets a signal.
    Signal,
    /// It is started.
    Start,
    /// Its log, for a while.
    Logs,
    /// The engine's events, for a while.
    Events,
}

/// All of them.
pub const ALL: [Verb; 12] = [
    Verb::Connect,
    Verb::Containers,
    Verb::Image,
    Verb::Apply,
    Verb::ApplyMany,
    Verb::Fingerprints,
    Verb::Run,
    Verb::Restart,
    Verb::Signal,
    Verb::Start,
    Verb::Logs,
    Verb::Events,
];

/// For how long streams are listened to.
const A_WHILE: Duration = Duration::from_secs(60);

/// Connects to the liar. The helper is left out: what is said over its link has tests of its own.
pub async fn connect(liar: &Liar) -> Result<Docker, EngineError> {
    let cli = DockerCli {
        program: "docker".into(),
        global_flags: ["-H".to_owned(), liar.host()].map(OsString::from).to_vec(),
        ..DockerCli::default()
    };
    let docker = Docker::connect(&cli, "p").await?;
    docker.forbid_helper(["web".to_owned()].into());
    Ok(docker)
}

/// Calls the verb; the error is what it said.
pub async fn call(docker: &Docker, verb: Verb) -> Result<(), EngineError> {
    let web = web();
    match verb {
        Verb::Connect => Ok(()),
        Verb::Containers => docker.containers("web").await.map(drop),
        Verb::Image => docker.image_id("web").await.map(drop),
        Verb::Apply => docker.apply(&web, &delta(2)).await.map(drop),
        Verb::ApplyMany => docker.apply(&web, &delta(40)).await.map(drop),
        Verb::Fingerprints => docker
            .fingerprints(
                &web,
                &(0..40)
                    .map(|n| (path(&format!("/app/{n}")), Sought::File { most: 1000 }))
                    .collect(),
                &[path("/app"), path("/srv")],
            )
            .await
            .map(drop),
        Verb::Run => {
            let exec = Exec {
                argv: vec!["make".into()],
                timeout: Some(Duration::from_secs(5)),
                privileged: true,
                ..Exec::default()
            };
            docker.run(&web, &exec, &mut |_, _| {}).await.map(drop)
        }
        Verb::Restart => docker.restart(&web, None).await.map(drop),
        Verb::Signal => docker.signal(&web, "HUP").await,
        Verb::Start => docker.start(&web).await,
        Verb::Logs => {
            let mut lines = docker.logs(&web.id, LogsFrom::Beginning).take(10_000);
            let all = async { while lines.next().await.is_some() {} };
            let _ = timeout(A_WHILE, all).await;
            Ok(())
        }
        Verb::Events => {
            let mut events = docker.events().take(10_000);
            let all = async { while events.next().await.is_some() {} };
            let _ = timeout(A_WHILE, all).await;
            Ok(())
        }
    }
}

fn path(path: &str) -> ContainerPath {
    ContainerPath::new(path).unwrap()
}

/// So many files to write and as many to remove, and what this engine has where they go.
fn delta(count: usize) -> Delta {
    let put = (0..count).map(|number| Outgoing {
        to: path(&format!("/app/new-{number}")),
        mode: 0o644,
        modified: SystemTime::UNIX_EPOCH,
        body: Body::Bytes("content".into()),
        in_place: false,
        there: There::No,
    });
    let old = |number| path(&format!("/app/old-{number}"));
    let in_the_way = |number| ["a", "b"].map(|name| path(&format!("/app/new-{number}/{name}")));
    Delta {
        put: put.collect(),
        remove: (0..count)
            .map(old)
            .chain((0..count).flat_map(in_the_way))
            .collect(),
        remove_dirs: vec![path("/app/old")],
    }
}

fn web() -> Container {
    Container {
        id: ContainerId(ID.into()),
        name: "web-1".into(),
        service: "web".into(),
        number: 1,
        image_id: "sha256:aa".into(),
        state: State::Running,
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
    }
}
