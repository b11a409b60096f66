//! Finding, copying, running, restarting, building: the thin path.

use docker_liveupdate::engine::{
    Ended, Engine, EngineError, EngineEvent, Exec, LogsFrom, State, Stream, Via,
};
use futures_util::StreamExt;

use crate::fixture::{Project, WAITS, docker, file, put};

#[tokio::test]
async fn a_services_containers_are_found_with_what_matters_about_them() {
    let project = Project::connect().await;
    let made = project
        .run(
            &[
                "--init",
                "--stop-signal",
                "SIGUSR1",
                "--read-only",
                "-v",
                "/data",
                "--tmpfs",
                "/tmp",
            ],
            WAITS,
        )
        .await;
    docker(&[
        "run",
        "-d",
        "--label",
        &format!("com.docker.compose.project={}", project.name),
        "--label",
        "com.docker.compose.service=web",
        "--label",
        "com.docker.compose.oneoff=True",
        "busybox:1.37",
        "true",
    ]);
    let found = project.web().await;
    assert_eq!(found, made);
    assert_eq!(found.state, State::Running);
    assert_eq!((found.number, found.stop_signal.as_str()), (1, "SIGUSR1"));
    assert!(found.init && found.read_only && !found.tty);
    let targets: Vec<String> = found
        .mounts
        .iter()
        .map(|mount| mount.target.to_string())
        .collect();
    assert_eq!(targets, ["/data", "/tmp"]);
    let image = project.engine.image_id("busybox:1.37").await.unwrap();
    assert_eq!(image.as_deref(), Some(found.image_id.as_str()));
    assert_eq!(
        project.engine.image_id("no-such-image:ever").await.unwrap(),
        None
    );
}

#[tokio::test]
async fn a_file_is_copied_with_mode_and_time() {
    let project = Project::connect().await;
    let web = project.run(&[], WAITS).await;
    let applied = project
        .engine
        .apply(&web, &put([file("/app/a", "hello")]))
        .await
        .unwrap();
    let way = Via::EngineApi("the block says `helper: off`".to_owned());
    assert_eq!((applied.via, applied.unread.len()), (way, 0));
    assert_eq!(
        project
            .sh(&web, "cat /app/a; stat -c ' %a %u:%g %Y' /app/a")
            .await,
        "hello 640 0:0 1700000000"
    );
}

#[tokio::test]
async fn a_run_streams_its_output_and_ends_with_its_code() {
    let project = Project::connect().await;
    let web = project.run(&["--user", "1000", "-w", "/tmp"], WAITS).await;
    let exec = Exec {
        argv: ["sh", "-c", "pwd; id -u; echo $A; echo bad >&2; exit 3"]
            .map(String::from)
            .to_vec(),
        environment: vec![("A".to_owned(), "b c".to_owned())],
        workdir: "/".to_owned(),
        ..Exec::default()
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let ended = project
        .engine
        .run(&web, &exec, &mut |stream, bytes| match stream {
            Stream::Out => out.extend_from_slice(bytes),
            Stream::Err => err.extend_from_slice(bytes),
        })
        .await
        .unwrap();
    assert_eq!(ended, Ended::Exit(3));
    assert_eq!(out, b"/\n1000\nb c\n");
    assert_eq!(err, b"bad\n");
}

#[tokio::test]
async fn a_restart_keeps_id_and_files_and_tells_who_ignored_the_signal() {
    let project = Project::connect().await;
    let web = project
        .run_script(
            &[],
            "trap 'exit 0' TERM; echo ready; while :; do sleep 3600 & wait $!; done",
        )
        .await;
    let mut lines = project.logs(&web, LogsFrom::Beginning);
    assert_eq!(lines.next().await.unwrap().text, b"ready");
    project
        .engine
        .apply(&web, &put([file("/a", "kept")]))
        .await
        .unwrap();
    let restarted = project.engine.restart(&web, None).await.unwrap();
    assert!(!restarted.killed);
    assert_eq!(lines.next().await.unwrap().text, b"ready");
    assert_eq!(project.sh(&web, "cat /a").await, "kept");
    let deaf = project
        .run_script(
            &[],
            "trap '' TERM; echo ready; while :; do sleep 3600; done",
        )
        .await;
    let mut lines = project.logs(&deaf, LogsFrom::Beginning);
    assert_eq!(lines.next().await.unwrap().text, b"ready");
    let grace = Some(std::time::Duration::from_secs(1));
    assert!(project.engine.restart(&deaf, grace).await.unwrap().killed);
}

#[tokio::test]
async fn what_happens_to_containers_is_told() {
    let project = Project::connect().await;
    let mut events = project.engine.events();
    // The stream begins a moment after the call; a container that is not ours ends the wait.
    let web = loop {
        let web = project.run(&[], WAITS).await;
        let soon = tokio::time::timeout(std::time::Duration::from_secs(2), events.next()).await;
        docker(&["kill", &web.id.0]);
        if soon.is_ok() {
            break web;
        }
    };
    let (mut died, mut code) = (None, None);
    while died.is_none() || code.is_none() {
        match events.next().await.unwrap() {
            EngineEvent::Container {
                service,
                id,
                action,
                ..
            } if action == "die" && id == web.id => died = Some(service),
            EngineEvent::Ended(end) if end.id == web.id => code = Some(end.code),
            _ => {}
        }
    }
    assert_eq!((died.as_deref(), code), (Some("web"), Some(137)));
}

#[tokio::test]
async fn what_is_gone_or_stopped_is_told_apart() {
    let project = Project::connect().await;
    let web = project.create(&[], WAITS).await;
    let exec = Exec {
        argv: vec!["true".to_owned()],
        ..Exec::default()
    };
    let error = project
        .engine
        .run(&web, &exec, &mut |_, _| {})
        .await
        .unwrap_err();
    assert!(matches!(error, EngineError::NotRunning(_)), "{error}");
    project.engine.start(&web).await.unwrap();
    docker(&["pause", &web.id.0]);
    let error = project
        .engine
        .run(&web, &exec, &mut |_, _| {})
        .await
        .unwrap_err();
    assert!(matches!(error, EngineError::NotRunning(_)), "{error}");
    docker(&["rm", "-f", &web.id.0]);
    let error = project
        .engine
        .apply(&web, &put([file("/a", "x")]))
        .await
        .unwrap_err();
    assert!(matches!(error, EngineError::Gone(_)), "{error}");
}
