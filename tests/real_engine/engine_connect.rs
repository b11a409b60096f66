//! Reaching the engine, and losing it (E4).

use std::ffi::OsString;

use docker_liveupdate::docker::DockerCli;
use docker_liveupdate::engine::{Body, Docker, Engine, EngineError, EngineEvent, LogsFrom};
use docker_liveupdate::paths::HostPath;
use futures_util::StreamExt;

use crate::fixture::{Project, WAITS, cli, docker, file, outgoing, put};
use crate::proxy::{Proxy, over_tcp};

fn to(host: &str) -> DockerCli {
    DockerCli {
        global_flags: ["-H", host].map(OsString::from).to_vec(),
        ..cli()
    }
}

async fn refused(host: &str) -> String {
    match Docker::connect(&to(host), "p").await {
        Ok(_) => panic!("`{host}` answered"),
        Err(EngineError::Unreachable(text)) => text,
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let host = format!("unix://{}/sock", folder.path().display());
    let text = refused(&host).await;
    assert!(
        text.contains(&format!(
            "`{host}`: there is no such socket\nhint: start the engine"
        )),
        "{text}"
    );
    drop(std::os::unix::net::UnixListener::bind(folder.path().join("sock")).unwrap());
    let text = refused(&host).await;
    assert!(
        text.contains("nobody listens on the socket\nhint: "),
        "{text}"
    );
    // The CLI dials it, and the CLI's words come through.
    let text = refused("tcp://127.0.0.1:1").await;
    assert!(
        text.contains("tcp://127.0.0.1:1") && text.contains("refused"),
        "{text}"
    );
    let text = refused("nonsense://x").await;
    assert!(text.contains("nonsense"), "{text}");
}

#[tokio::test]
async fn an_engine_behind_anything_but_a_socket_is_reached_through_the_cli() {
    let project = Project::connect_with(to(&over_tcp().await)).await;
    let web = project.run(&[], WAITS).await;
    project
        .engine
        .apply(&web, &put([file("/app/a", "x")]))
        .await
        .unwrap();
    assert_eq!(project.sh(&web, "cat /app/a").await, "x");
    let mut lines = project.logs(&web, LogsFrom::Beginning);
    docker(&["rm", "-f", &web.id.0]);
    assert_eq!(lines.next().await, None);
}

#[tokio::test]
async fn events_come_back_after_the_engine_was_away() {
    let mut proxy = Proxy::open();
    let project = Project::connect_with(to(&proxy.host())).await;
    let web = project.run(&[], WAITS).await;
    let mut events = project.engine.events();
    // Wait for the stream: until it tells of something.
    docker(&["pause", &web.id.0]);
    let mut paused = true;
    while tokio::time::timeout(std::time::Duration::from_millis(500), events.next())
        .await
        .is_err()
    {
        paused = !paused;
        docker(&[if paused { "pause" } else { "unpause" }, &web.id.0]);
    }
    proxy.cut();
    // What was told late comes first.
    while !matches!(events.next().await.unwrap(), EngineEvent::Lost(_)) {}
    docker(&["kill", &web.id.0]);
    assert!(project.engine.containers("web").await.is_err());
    proxy.mend();
    assert_eq!(events.next().await, Some(EngineEvent::Reconnected));
    // What happened meanwhile is told as well.
    let told = loop {
        if let Some(EngineEvent::Ended(end)) = events.next().await {
            break end.code;
        }
    };
    assert_eq!(told, 137);
    assert_eq!(project.web().await.id, web.id);
}

#[tokio::test]
async fn logs_go_on_after_the_engine_was_away_without_loss_or_doubling() {
    let mut proxy = Proxy::open();
    let project = Project::connect_with(to(&proxy.host())).await;
    let script = "n=0; while [ $n -lt 2000 ]; do n=$((n+1)); echo $n; [ $((n % 20)) = 0 ] && usleep 10000; done; sleep 3600";
    let web = project.run_script(&[], script).await;
    let mut lines = project.logs(&web, LogsFrom::Beginning);
    for number in 1..=2000 {
        if number % 300 == 0 {
            proxy.cut();
            proxy.mend();
        }
        let line = lines.next().await.unwrap();
        assert_eq!(String::from_utf8_lossy(&line.text), number.to_string());
    }
}

#[tokio::test]
async fn a_copy_that_is_cut_off_is_an_error_and_can_be_repeated() {
    let mut proxy = Proxy::open();
    let project = Project::connect_with(to(&proxy.host())).await;
    let web = project.run(&[], WAITS).await;
    let folder = tempfile::tempdir().unwrap();
    let big = folder.path().join("big");
    std::fs::File::create(&big)
        .unwrap()
        .set_len(400_000_000)
        .unwrap();
    let body = Body::File {
        from: HostPath::new(&big).unwrap().into(),
        len: 0,
    };
    let delta = put([outgoing("/app/big", body), file("/app/last", "x")]);
    let (engine, container, copy) = (project.engine.clone(), web.clone(), delta.clone());
    let under_way = tokio::spawn(async move { engine.apply(&container, &copy).await });
    proxy.passed(50_000_000).await;
    proxy.cut();
    let error = under_way.await.unwrap().unwrap_err();
    assert!(matches!(error, EngineError::Unreachable(_)), "{error:?}");
    proxy.mend();
    project.engine.apply(&web, &delta).await.unwrap();
    assert_eq!(
        project.sh(&web, "wc -c < /app/big; cat /app/last").await,
        "400000000\nx"
    );
}

#[tokio::test]
async fn a_large_copy_that_the_engine_refuses_says_why() {
    let project = Project::connect().await;
    let web = project.run_with_small_disk("/small").await;
    let folder = tempfile::tempdir().unwrap();
    let big = folder.path().join("big");
    std::fs::File::create(&big)
        .unwrap()
        .set_len(300_000_000)
        .unwrap();
    let body = Body::File {
        from: HostPath::new(&big).unwrap().into(),
        len: 0,
    };
    for _ in 0..5 {
        let error = project
            .engine
            .apply(&web, &put([outgoing("/small/big", body.clone())]))
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("no space left on device"),
            "{error:?}"
        );
    }
}
