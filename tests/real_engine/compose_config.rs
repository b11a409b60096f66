//! What `docker compose config` really writes, read by `load` (`spec.md` B1, B5, B8, D1, F1). No daemon is asked.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot write its own files has failed"
)]

use std::path::Path;

use docker_liveupdate::compose::block::{Block, Does, Run};
use docker_liveupdate::compose::{self, LoadError, Loaded};
use docker_liveupdate::docker::DockerCli;
use docker_liveupdate::paths::HostPath;

use crate::fixture::cli;

fn first_run(block: &Block) -> &Run {
    let Does::Run(run) = &block.works[0].does else {
        panic!("{:?}", block.works)
    };
    run
}

struct Tree(tempfile::TempDir);

impl Tree {
    fn new(files: &[(&str, &str)]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            let path = tree.0.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        tree
    }

    fn cli(&self, flags: &[&str]) -> DockerCli {
        let directory = ["--project-directory".into(), self.0.path().into()];
        DockerCli {
            compose_flags: directory
                .into_iter()
                .chain(flags.iter().map(Into::into))
                .collect(),
            ..cli()
        }
    }

    async fn load(&self, flags: &[&str]) -> Result<Loaded, LoadError> {
        compose::load(&self.cli(flags)).await
    }

    fn path(&self, path: &str) -> HostPath {
        HostPath::new(self.0.path()).unwrap().join(Path::new(path))
    }

    /// The message with this tree's own path taken out.
    fn plain(&self, error: &LoadError) -> String {
        let root = format!("{}/", self.0.path().display());
        error.render(false).replace(&root, "")
    }
}

const WEB: (&str, &str) = (
    "compose.yaml",
    "services:\n  web:\n    build: .\n    x-live-update:\n      - sync: ./src:/app\n",
);

#[tokio::test]
async fn every_file_of_a_model_is_known_and_its_steps_keep_their_meaning() {
    let tree = Tree::new(&[
        (
            "compose.yaml",
            "include: [sub/compose.yaml]
name: shop
services:
  web:
    extends: {file: base/base.yaml, service: app}
    build: .
    env_file: [{path: web.env, required: false}]
    x-live-update:
      - sync: ./src:/app
      - run: {cmd: 'echo $$HOME ${WORD:-hello}', timeout: '${T:-5}'}
",
        ),
        (
            "compose.override.yaml",
            "services:\n  web:\n    x-live-update:\n      - restart_container\n",
        ),
        (
            "base/base.yaml",
            "services:\n  app:\n    x-live-update:\n      - sync: ./lib:/lib\n",
        ),
        (
            "sub/compose.yaml",
            "services:\n  api:\n    build: .\n    x-live-update: [{sync: './api:/api'}]\n",
        ),
        ("Dockerfile", "FROM busybox\n"),
        ("sub/Dockerfile", "FROM busybox\n"),
        ("base/lib/x", ""),
        ("sub/api/x", ""),
        ("src/x", ""),
    ]);
    let loaded = tree
        .load(&[])
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.warnings, []);
    let project = loaded.project;
    assert_eq!(
        (project.name.as_str(), &project.dir),
        ("shop", &tree.path(""))
    );
    for file in [
        "compose.yaml",
        "compose.override.yaml",
        "base/base.yaml",
        "sub/compose.yaml",
        ".env",
        "web.env",
    ] {
        assert!(
            project.sources.contains(&tree.path(file)),
            "{file}: {:?}",
            project.sources
        );
    }
    let web = project.service("web").unwrap().block.clone().unwrap();
    let locals: Vec<_> = web.syncs.iter().map(|sync| sync.local.clone()).collect();
    assert_eq!(locals, [tree.path("base/lib"), tree.path("src")]);
    let run = first_run(&web);
    assert_eq!(run.command.to_string(), "echo $HOME hello");
    assert_eq!(run.exec.timeout.unwrap().as_secs(), 5);
    assert_eq!(web.last().unwrap().step.number, 4);
    let api = project.service("api").unwrap();
    assert_eq!(
        api.block.as_ref().unwrap().syncs[0].local,
        tree.path("sub/api")
    );
    assert_eq!(api.image, "shop-api");
}

#[tokio::test]
async fn override_reset_and_profiles_hold_for_the_block() {
    let tree = Tree::new(&[
        (
            "compose.yaml",
            "services:
  web: {build: ., x-live-update: [{sync: './src:/app'}, {run: make}]}
  api: {build: ., x-live-update: [{sync: './src:/app'}]}
  off: {build: ., profiles: [more], x-live-update: [{sync: './src:/app'}]}
",
        ),
        (
            "more/two.yaml",
            "services:
  web: {x-live-update: !override [{sync: './lib:/lib'}]}
  api: {x-live-update: !reset []}
",
        ),
        ("Dockerfile", "FROM busybox\n"),
        ("src/x", ""),
        ("more/lib/x", ""),
    ]);
    let (one, two) = (
        tree.path("compose.yaml").to_string(),
        tree.path("more/two.yaml").to_string(),
    );
    // The context is the project directory; the second file's own directory lies in it.
    let loaded = tree.load(&["-f", &one, "-f", &two]).await;
    let project = loaded.unwrap_or_else(|error| panic!("{error}")).project;
    let names: Vec<_> = project.services.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["api", "web"]);
    let web = project.service("web").unwrap().block.clone().unwrap();
    assert_eq!(web.syncs[0].local, tree.path("more/lib"));
    assert_eq!(project.service("api").unwrap().block, None);
    let loaded = tree.load(&["-f", &one, "--profile", "more"]).await;
    let project = loaded.unwrap_or_else(|error| panic!("{error}")).project;
    assert!(
        project
            .service("off")
            .is_some_and(|off| off.block.is_some())
    );
}

#[tokio::test]
async fn mounts_and_process_of_a_service_are_read_from_the_resolved_model() {
    let tree = Tree::new(&[
        (
            "compose.yaml",
            "name: shop
services:
  web:
    build: {context: ., additional_contexts: {base: 'service:base', docs: ./docs, x: 'docker-image://busybox'}}
    x-live-update: [{sync: './src:/app'}]
    volumes: ['./src:/x:ro', 'data:/data', {type: tmpfs, target: /t, tmpfs: {size: 1000, mode: 1023}}]
    tmpfs: /run
    stop_signal: SIGINT
    stop_grace_period: 1m30s
    init: true
    attach: false
    entrypoint: sh -c \"a b\"
    command: [c, 'd$$e']
  base: {build: ./base, image: me/base}
volumes: {data: {}}
",
        ),
        ("Dockerfile", "FROM base\n"),
        ("base/Dockerfile", "FROM busybox\n"),
        ("docs/x", ""),
        ("src/x", ""),
    ]);
    let project = tree
        .load(&[])
        .await
        .unwrap_or_else(|error| panic!("{error}"))
        .project;
    let web = project.service("web").unwrap();
    assert_eq!(web.bases, ["base"]);
    assert_eq!(
        web.build.as_ref().unwrap().additional_contexts,
        [tree.path("docs")]
    );
    let targets: Vec<_> = web
        .mounts
        .iter()
        .map(|it| (it.target.to_string(), it.read_only))
        .collect();
    let expected = [
        ("/x", true),
        ("/data", false),
        ("/t", false),
        ("/run", false),
    ];
    assert_eq!(
        targets,
        expected.map(|(target, read_only)| (target.to_owned(), read_only))
    );
    assert_eq!(web.stop_grace_period.unwrap().as_secs(), 90);
    assert!(!web.attach);
    assert_eq!(web.entrypoint.as_ref().unwrap(), &["sh", "-c", "a b"]);
    assert_eq!(web.command.as_ref().unwrap(), &["c", "d$e"]);
}

#[tokio::test]
async fn a_watch_rules_command_is_not_cut_at_the_semicolon() {
    let tree = Tree::new(&[
        (
            "compose.yaml",
            "services:
  web:
    build: .
    develop: {watch: [{action: sync+exec, path: ./src, target: /app, exec: {command: 'echo $$HOME; date'}}]}
",
        ),
        ("Dockerfile", "FROM busybox\n"),
        ("src/x", ""),
    ]);
    let project = tree
        .load(&[])
        .await
        .unwrap_or_else(|error| panic!("{error}"))
        .project;
    let block = project.service("web").unwrap().block.clone().unwrap();
    assert_eq!(
        first_run(&block).exec.argv,
        ["/bin/sh", "-c", "echo $HOME; date"]
    );
}

#[tokio::test]
async fn composes_own_complaints_come_with_what_to_do() {
    let broken = Tree::new(&[("compose.yaml", "services:\n  web: [\n")]);
    let error = broken.load(&[]).await.unwrap_err();
    let said = broken.plain(&error);
    assert!(
        said.starts_with("error: ") && said.contains("yaml:"),
        "{said}"
    );
    assert!(
        said.contains("\nhint: the file is not valid YAML"),
        "{said}"
    );
    assert_eq!(error.sources().first(), Some(&broken.path("compose.yaml")));

    let inactive = Tree::new(&[
        (
            "compose.yaml",
            "services:
  web: {build: {context: ., additional_contexts: {x: 'service:base'}}, x-live-update: []}
  base: {build: ., profiles: [tools]}
",
        ),
        ("Dockerfile", "FROM busybox\n"),
    ]);
    let said = inactive.plain(&inactive.load(&[]).await.unwrap_err());
    assert!(
        said.ends_with(
            "hint: `base` is in profile `tools`, which is not active: add `--profile tools`"
        ),
        "{said}"
    );

    let missing = Tree::new(&[WEB]);
    let said = missing.plain(&missing.load(&["-f", "nowhere.yaml"]).await.unwrap_err());
    assert!(
        said.contains("nowhere.yaml") && said.contains("\nhint: "),
        "{said}"
    );
}

#[tokio::test]
async fn all_problems_of_a_project_are_shown_with_their_lines() {
    let tree = Tree::new(&[
        (
            "compose.yaml",
            "services:
  web:
    build: .
    x-live-update:
      - sync: ./src:/app
      - run: {cmd: make, triger: src}
      - sync: ../outside:/x
",
        ),
        ("Dockerfile", "FROM busybox\n"),
        ("src/x", ""),
    ]);
    let error = tree.load(&[]).await.unwrap_err();
    let LoadError::Problems { problems, .. } = &error else {
        panic!("{error}");
    };
    let places: Vec<_> = problems
        .iter()
        .filter_map(|it| it.location.as_ref())
        .map(|place| (place.line, place.column))
        .collect();
    assert_eq!(places, [(6, 26), (7, 9), (7, 15)], "{error}");
}

#[tokio::test]
async fn without_docker_or_a_compose_file_the_message_says_so() {
    let tree = Tree::new(&[WEB]);
    let gone = DockerCli {
        program: tree.path("no-such-docker").as_path().into(),
        ..tree.cli(&[])
    };
    let error = compose::load(&gone).await.unwrap_err();
    assert!(matches!(error, LoadError::NoDocker { .. }), "{error}");
    let nothing = Tree::new(&[]);
    let error = nothing.load(&[]).await.unwrap_err();
    assert!(matches!(error, LoadError::NoFile(_)), "{error}");
}

/// A `docker` that says what `script` says.
#[cfg(unix)]
fn fake_docker(tree: &Tree, script: &str) -> DockerCli {
    let program = tree.path("docker");
    crate::program::write_program(program.as_path(), format!("#!/bin/sh\n{script}\n"));
    DockerCli {
        program: program.as_path().into(),
        ..tree.cli(&[])
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_compose_plugin_that_fails_is_not_told_as_missing() {
    let tree = Tree::new(&[WEB]);
    let script = "echo 'unknown flag: --short' >&2; echo 'Usage:  docker compose [OPTIONS] COMMAND' >&2; exit 1";
    let error = compose::load(&fake_docker(&tree, script))
        .await
        .unwrap_err();
    let said = error.render(false);
    assert!(
        said.starts_with("error: `docker compose version` fails: unknown flag: --short\nhint: "),
        "{said}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn without_the_compose_plugin_the_message_says_what_to_install() {
    let tree = Tree::new(&[WEB]);
    let script = "echo 'docker: unknown command: docker compose' >&2; exit 1";
    let error = compose::load(&fake_docker(&tree, script))
        .await
        .unwrap_err();
    assert_eq!(
        error.render(false),
        "error: docker has no Compose plugin: docker: unknown command: docker compose\nhint: install it: https://docs.docker.com/compose/install/"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_compose_that_is_too_old_is_told_the_version_it_needs() {
    let tree = Tree::new(&[WEB]);
    let old = fake_docker(&tree, "echo 2.19.1");
    let error = compose::load(&old).await.unwrap_err();
    assert_eq!(
        error.render(false),
        "error: Docker Compose 2.19.1 is too old: version 2.20 or later is needed\nhint: update it: https://docs.docker.com/compose/install/"
    );
}
