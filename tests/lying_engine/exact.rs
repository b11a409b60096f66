//! Lies that were seen to hurt, each with what is said of it, how long it took and how much was taken.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use docker_liveupdate::engine::EngineError;
use serde_json::json;
use tokio::time::Instant;

use crate::answers::{frame, head, honest, json_answer, upgraded};
use crate::clock::Clock;
use crate::liar::{Act, Asked, Liar};
use crate::verbs::{Verb, call, connect};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// What is under way in a socket, and in what reads it, when it is closed.
const UNDER_WAY: u64 = MIB;

const ENDLESS: u64 = u64::MAX;

/// How a verb went against a liar.
struct Told {
    error: Option<EngineError>,
    seconds: u64,
    said: u64,
    connections: u64,
}

impl Told {
    fn text(&self) -> String {
        let error = self.error.as_ref();
        error.map(ToString::to_string).unwrap_or_default()
    }
}

/// The verb, where requests of a method whose path ends so are answered by the lie and all others honestly.
async fn told(verb: Verb, method: &'static str, end: &'static str, lie: Vec<Act>) -> Told {
    let _clock = Clock::start(Duration::from_millis(250));
    let lies = move |asked: &Asked| {
        if asked.method == method && asked.path.ends_with(end) {
            lie.clone()
        } else {
            honest(asked)
        }
    };
    let liar = Liar::new(lies);
    let begun = Instant::now();
    let error = match connect(&liar).await {
        Ok(docker) => call(&docker, verb).await.err(),
        Err(error) => Some(error),
    };
    Told {
        error,
        seconds: begun.elapsed().as_secs(),
        said: liar.said(),
        connections: liar.connections(),
    }
}

fn endless(status: &str) -> Vec<Act> {
    vec![
        Act::Say(head(status, "Content-Type: application/json\r\n")),
        Act::Repeat(vec![b'x'; 16 * 1024], ENDLESS),
    ]
}

#[tokio::test(start_paused = true)]
async fn an_endless_answer_is_given_up_when_it_is_too_much() {
    let list = told(
        Verb::Containers,
        "GET",
        "/containers/json",
        endless("200 OK"),
    )
    .await;
    assert_eq!(
        list.text(),
        "the Docker engine's answer has more than 8 MiB"
    );
    assert!(matches!(list.error, Some(EngineError::Unreachable(_))));
    assert!(list.said < 8 * MIB + UNDER_WAY, "{}", list.said);
    let image = told(Verb::Image, "GET", "/images/web/json", endless("200 OK")).await;
    assert_eq!(
        image.text(),
        "the Docker engine's answer has more than 2 MiB"
    );
    assert!(image.said < 2 * MIB + UNDER_WAY, "{}", image.said);
    let version = told(Verb::Connect, "GET", "/version", endless("200 OK")).await;
    assert_eq!(version.text(), image.text());
}

#[tokio::test(start_paused = true)]
async fn of_an_endless_no_the_beginning_is_shown() {
    for (verb, method, end) in [
        (Verb::Containers, "GET", "/containers/json"),
        (Verb::Image, "GET", "/images/web/json"),
        (Verb::Fingerprints, "GET", "/archive"),
        (Verb::Run, "POST", "/exec/e/start"),
        (Verb::Restart, "POST", "/restart"),
    ] {
        let lie = endless("500 Internal Server Error");
        let told = told(verb, method, end, lie).await;
        assert!(matches!(told.error, Some(EngineError::Refused(_))));
        assert_eq!(told.text(), format!("{} ..", "x".repeat(4096)), "{verb:?}");
        assert!(told.said < UNDER_WAY, "{verb:?}: {}", told.said);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_drips_ends_in_its_time() {
    let drips = |status| {
        vec![
            Act::Say(head(status, "Content-Type: application/json\r\n")),
            Act::Drip(b" ".to_vec()),
        ]
    };
    let yes = told(Verb::Containers, "GET", "/containers/json", drips("200 OK")).await;
    assert_eq!(
        yes.text(),
        "the Docker engine's answer did not end within 60 s"
    );
    assert!((60..80).contains(&yes.seconds), "{}", yes.seconds);
    let no = told(
        Verb::Containers,
        "GET",
        "/containers/json",
        drips("500 Oh No"),
    )
    .await;
    assert_eq!(no.text(), "the engine answered 500 without a word");
    assert!((10..30).contains(&no.seconds), "{}", no.seconds);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_never_answers_is_waited_for_as_long_as_the_request_deserves() {
    for (verb, method, end, least, most) in [
        (Verb::Connect, "GET", "/version", 60, 80),
        (Verb::Containers, "GET", "/containers/json", 60, 80),
        (Verb::Image, "GET", "/images/web/json", 60, 80),
        (Verb::Signal, "POST", "/kill", 60, 80),
        (Verb::Start, "POST", "/start", 60, 80),
        (Verb::Run, "POST", "/exec/e/start", 60, 80),
        // A second for the process, and as long as that takes.
        (Verb::Restart, "POST", "/restart", 121, 140),
        (Verb::Restart, "GET", "/events", 60, 80),
        (Verb::Fingerprints, "GET", "/archive", 120, 140),
        (Verb::Apply, "PUT", "/archive", 120, 140),
        // `rm` has half a minute.
        (Verb::Apply, "POST", "/exec/e/start", 30, 50),
    ] {
        let told = told(verb, method, end, vec![Act::Wait]).await;
        assert!(told.error.is_some(), "{verb:?}");
        assert!(
            (least..most).contains(&told.seconds),
            "{verb:?}: {} s: {}",
            told.seconds,
            told.text()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_without_end_is_given_up() {
    for lie in [
        vec![
            Act::Say(b"HTTP/1.1 200 OK\r\nA: ".to_vec()),
            Act::Repeat(vec![b'x'; 4096], ENDLESS),
        ],
        vec![
            Act::Say(b"HTTP/1.1 200 OK\r\n".to_vec()),
            Act::Repeat(b"A: b\r\n".repeat(100), ENDLESS),
        ],
        vec![Act::Repeat(
            b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100),
            ENDLESS,
        )],
        vec![Act::Repeat(vec![b'x'; 4096], ENDLESS)],
    ] {
        let told = told(Verb::Containers, "GET", "/containers/json", lie).await;
        assert!(matches!(told.error, Some(EngineError::Unreachable(_))));
        assert!(told.said < 8 * MIB + UNDER_WAY, "{}", told.said);
        assert!(told.seconds < 80, "{}", told.seconds);
    }
}

/// A stream has no limit of its own, but interim answers before it are no stream.
#[tokio::test(start_paused = true)]
async fn interim_answers_without_end_are_no_stream() {
    let lie = vec![Act::Drip(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec())];
    let told = told(Verb::Restart, "GET", "/events", lie).await;
    assert!(told.text().contains("no answer within 60 s"));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_brought_too_much_is_not_used_again() {
    let _clock = Clock::start(Duration::from_millis(250));
    let lies = AtomicBool::new(true);
    let liar = Liar::new(move |asked| {
        if asked.path == "/containers/json" && lies.swap(false, Ordering::Relaxed) {
            let length = "Content-Length: 9000000\r\n";
            let body = Act::Repeat(vec![b' '; 90_000], 9_000_000);
            return vec![Act::Say(head("200 OK", length)), body, Act::Next];
        }
        honest(asked)
    });
    let docker = connect(&liar).await.unwrap();
    // A connection is idle a moment after its answer was read.
    let rest = || tokio::time::sleep(Duration::from_secs(100));
    rest().await;
    assert!(call(&docker, Verb::Containers).await.is_err());
    assert_eq!(liar.connections(), 1);
    rest().await;
    call(&docker, Verb::Image).await.unwrap();
    assert_eq!(liar.connections(), 2);
    // What was left of the last request's time does not end an idle one.
    rest().await;
    call(&docker, Verb::Image).await.unwrap();
    assert_eq!(liar.connections(), 2);
}

#[tokio::test(start_paused = true)]
async fn more_containers_than_there_can_be_are_not_looked_at() {
    let many: Vec<_> = (0..5000)
        .map(|id| json!({ "Id": format!("{id}") }))
        .collect();
    let lie = vec![Act::Say(json_answer(&json!(many))), Act::Next];
    let told = told(Verb::Containers, "GET", "/containers/json", lie).await;
    assert_eq!(
        told.text(),
        "the Docker engine tells of more than 4096 containers of `web`"
    );
    assert!(told.connections <= 2, "{}", told.connections);
}

#[tokio::test(start_paused = true)]
async fn a_command_of_ours_that_says_too_much_is_left_alone() {
    let whole = frame(1, &[b'x'; 8192]);
    let no_frame = [&[1, 0, 0, 0, 255, 255, 255, 255], &[b'x'; 8192][..]].concat();
    for more in [whole, no_frame, vec![b'x'; 8192]] {
        let lie = vec![Act::Say(upgraded()), Act::Repeat(more, ENDLESS)];
        let told = told(Verb::Apply, "POST", "/exec/e/start", lie).await;
        assert!(matches!(told.error, Some(EngineError::Refused(_))));
        assert_eq!(told.text(), "`rm` in the container wrote more than 65 KiB");
        assert!(told.said < UNDER_WAY, "{}", told.said);
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_of_ours_that_does_not_end_is_not_waited_for() {
    let lie = vec![Act::Say(upgraded()), Act::Wait];
    let stuck = told(Verb::Apply, "POST", "/exec/e/start", lie).await;
    assert_eq!(
        stuck.text(),
        "`rm` in the container did not end within 30 s"
    );
    let runs = json_answer(&json!({ "Running": true }));
    let runs = told(
        Verb::Apply,
        "GET",
        "/exec/e/json",
        vec![Act::Say(runs), Act::Next],
    )
    .await;
    assert_eq!(runs.text(), stuck.text());
}

#[tokio::test(start_paused = true)]
async fn a_command_that_neither_runs_nor_ended_is_given_up() {
    let nothing = json_answer(&json!({ "Running": false }));
    let lie = vec![Act::Say(nothing), Act::Next];
    let told = told(Verb::Run, "GET", "/exec/e/json", lie).await;
    // The user's timeout ends it; its tree cannot be ended by a command of ours that does not end either.
    assert_eq!(told.text(), "the engine does not tell how a command ended");
}

#[tokio::test(start_paused = true)]
async fn our_own_commands_have_an_environment_of_their_own() {
    let _clock = Clock::start(Duration::from_millis(250));
    let liar = Liar::new(honest);
    let docker = connect(&liar).await.unwrap();
    call(&docker, Verb::ApplyMany).await.unwrap();
    call(&docker, Verb::Run).await.unwrap();
    let execs = liar.asked();
    let execs = execs.iter().filter(|asked| asked.path.ends_with("/exec"));
    let execs: Vec<serde_json::Value> = execs
        .map(|asked| serde_json::from_str(&asked.body).unwrap())
        .collect();
    let (users, ours) = execs.split_last().unwrap();
    let programs: Vec<_> = ours.iter().map(|exec| &exec["Cmd"][0]).collect();
    assert_eq!(programs, ["stat", "rm", "rmdir"]);
    for exec in ours {
        let has = |line: &str| exec["Env"].as_array().unwrap().contains(&json!(line));
        assert!(has("PATH=/usr/sbin:/usr/bin:/sbin:/bin"), "{exec}");
        assert!(has("LD_PRELOAD=") && has("BASH_ENV="), "{exec}");
        // What deletes does so with the rights of the directory's owner.
        let deletes = exec["Cmd"][0] != "stat";
        assert_eq!(exec["User"], if deletes { "1000:1000" } else { "0" });
    }
    let path = |line: &serde_json::Value| line.as_str().unwrap().starts_with("PATH=");
    assert!(!users["Env"].as_array().unwrap().iter().any(path));
}

#[tokio::test(start_paused = true)]
async fn an_honest_engine_is_served_as_ever() {
    let _clock = Clock::start(Duration::from_millis(250));
    let liar = Liar::new(honest);
    let docker = connect(&liar).await.unwrap();
    for verb in crate::verbs::ALL {
        call(&docker, verb).await.unwrap();
    }
}
