//! Building, starting, recreating through Compose (C11).

use std::ffi::OsString;
use std::path::Path;

use docker_liveupdate::docker::DockerCli;
use docker_liveupdate::engine::{Docker, Engine, State};

use crate::fixture::{Project, cli};

const COMPOSE: &str = "services:
  web: {build: ., command: sleep 3600, stop_grace_period: 0s, depends_on: [db]}
  db: {image: 'busybox:1.37', command: sleep 3600, stop_grace_period: 0s}
";

struct Composed {
    project: Project,
    engine: Docker,
    folder: tempfile::TempDir,
}

impl Composed {
    async fn new(dockerfile: &str) -> Self {
        let project = Project::connect().await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("compose.yaml"), COMPOSE).unwrap();
        let composed = Self {
            engine: project.engine.clone(),
            project,
            folder,
        };
        composed.dockerfile(dockerfile);
        let file = composed.folder.path().join("compose.yaml");
        let cli = DockerCli {
            compose_flags: [
                OsString::from("-f"),
                file.into(),
                "-p".into(),
                composed.project.name.clone().into(),
            ]
            .to_vec(),
            ..cli()
        };
        let engine = Docker::connect(&cli, &composed.project.name).await.unwrap();
        Self { engine, ..composed }
    }

    fn dockerfile(&self, text: &str) {
        std::fs::write(self.folder.path().join("Dockerfile"), text).unwrap();
    }

    async fn build(&self) -> (Result<(), String>, String) {
        let mut said = String::new();
        let outcome = self
            .engine
            .build(&["web".to_owned()], &mut |line| {
                said.push_str(line);
                said.push('\n');
            })
            .await;
        (outcome.map_err(|error| error.to_string()), said)
    }

    async fn version(&self) -> Vec<String> {
        let mut versions = Vec::new();
        for container in self.engine.containers("web").await.unwrap() {
            versions.push(self.project.sh(&container, "cat /version").await);
        }
        versions
    }
}

fn web() -> Vec<String> {
    vec!["web".to_owned()]
}

#[tokio::test]
async fn a_service_is_built_started_rebuilt_and_replaced_at_its_scale_without_its_dependencies() {
    let composed = Composed::new("FROM busybox:1.37\nRUN echo one > /version\n").await;
    let mut said = String::new();
    composed
        .engine
        .up(&web(), &["--build".into()], &mut |line| said.push_str(line))
        .await
        .unwrap();
    assert!(said.contains("echo one"), "the build is shown: {said}");
    let (before, db) = (
        composed.engine.containers("web").await.unwrap(),
        composed.engine.containers("db").await.unwrap(),
    );
    assert_eq!(
        (before.len(), before[0].state, db.len()),
        (1, State::Running, 1)
    );
    crate::fixture::docker(&[
        "compose",
        "-f",
        &path(composed.folder.path(), "compose.yaml"),
        "-p",
        &composed.project.name,
        "up",
        "-d",
        "--scale",
        "web=3",
        "--no-recreate",
        "web",
    ]);
    composed.dockerfile("FROM busybox:1.37\nRUN echo two > /version\n");
    composed.build().await.0.unwrap();
    assert_eq!(
        composed.version().await,
        ["one", "one", "one"],
        "a build alone replaces nothing"
    );
    composed.engine.recreate(&web(), &mut |_| {}).await.unwrap();
    assert_eq!(composed.version().await, ["two", "two", "two"]);
    assert_eq!(composed.engine.containers("db").await.unwrap(), db);
    let names: Vec<String> = composed
        .engine
        .containers("web")
        .await
        .unwrap()
        .into_iter()
        .map(|web| web.name)
        .collect();
    assert_eq!(names, ["web-1", "web-2", "web-3"]);
    composed
        .engine
        .stop(&web(), None, &mut |_| {})
        .await
        .unwrap();
    assert!(matches!(
        composed.engine.containers("web").await.unwrap()[0].state,
        State::Exited { .. }
    ));
    composed
        .engine
        .down(&["--volumes".into()], &mut |_| {})
        .await
        .unwrap();
    assert!(composed.engine.containers("db").await.unwrap().is_empty());
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_string_lossy().into_owned()
}

#[tokio::test]
async fn a_failed_build_says_why_in_the_builders_words() {
    let composed = Composed::new("FROM busybox:1.37\nRUN echo the-reason >&2; exit 7\n").await;
    let (outcome, said) = composed.build().await;
    let error = outcome.unwrap_err();
    assert!(
        error.contains("the-reason") && error.contains("exit code: 7"),
        "{error}"
    );
    assert!(said.len() > error.len(), "all of it was streamed");
    composed.dockerfile("FORM busybox\n");
    let error = composed.build().await.0.unwrap_err();
    assert!(error.contains("unknown instruction: FORM"), "{error}");
}

#[tokio::test]
async fn a_build_that_is_dropped_leaves_no_process() {
    let composed = Composed::new("FROM busybox:1.37\nRUN echo begun; sleep 3600\n").await;
    let services = web();
    let (sender, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let mut hear = move |line: &str| {
        if line.ends_with("begun") {
            let _ = sender.send(());
        }
    };
    tokio::select! {
        outcome = composed.engine.build(&services, &mut hear) => panic!("{outcome:?}"),
        heard = begun.recv() => heard.unwrap(),
    }
    let mark = composed.folder.path().to_string_lossy().into_owned();
    let ours = || {
        std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .any(|process| {
                std::fs::read(process.path().join("cmdline"))
                    .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&mark))
            })
    };
    let gone = async {
        while ours() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), gone)
        .await
        .expect("compose is gone");
}
