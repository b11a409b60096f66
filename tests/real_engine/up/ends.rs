//! How containers and processes end, as it is said (C14).

use serde_json::{Value, json};

use crate::project::{Project, service, web};

/// Ends by itself with code 5 where `bad` is in the file, and orderly when it is told to.
const FRAGILE: &str = "command: ['sh', '-c', 'trap \"exit 0\" TERM; grep -q bad /app/a.txt && exit 5; while :; do sleep 1000 & wait $$!; done']";

fn is_exit_of(event: &Value, service: &str) -> bool {
    event["event"] == "exit" && event["service"] == service
}

#[test]
fn an_end_is_said_for_every_service_and_our_own_stops_say_none() {
    let crashes = "image: busybox:1.37\ncommand: sh -c 'exit 42'";
    let hungry = "image: busybox:1.37\nmem_limit: 20m\ncommand: ['sh', '-c', 'x=a; while :; do x=$$x$$x$$x; done']";
    let compose = web(
        "command: sleep 1000",
        "- fall_back_on: ./lock\n- sync: ./src:/app\n- restart_container: {timeout: 1s}",
    ) + &service("crashes", crashes)
        + &service("hungry", hungry);
    let project = Project::new(&compose);
    project.write("Dockerfile", "FROM busybox:1.37\nCOPY src /app\n");
    project.write("src/a.txt", "one");
    project.write("lock", "one");
    let mut up = project.up();
    let all = ["crashes", "hungry"];
    up.eventually("both ends are said", || {
        let said = |name: &&str| up.count(|event| is_exit_of(event, name)) == 1;
        all.iter().all(said)
    });
    let end = |name: &str| {
        let mut events = up.events().into_iter();
        let end = events.find(|event| is_exit_of(event, name)).unwrap();
        json!([
            end["container"],
            end["code"],
            end["signal"],
            end["out_of_memory"],
            end["ok"]
        ])
    };
    assert_eq!(end("crashes"), json!(["crashes-1", 42, null, false, true]));
    assert_eq!(
        end("hungry"),
        json!(["hungry-1", 137, "SIGKILL", true, true])
    );
    // A restart, a rebuild that makes the container anew, and Ctrl-C are no news.
    project.write("src/a.txt", "two");
    up.live_updated("web");
    project.write("lock", "two");
    project.replace("Dockerfile", "COPY src", "RUN true\nCOPY src");
    up.rebuilt("web");
    project.docker(&["stop", "-t", "0"], "web");
    let asked = up.wait_for("an end that was asked for", |event| {
        is_exit_of(event, "web")
    });
    assert_eq!(asked["requested"], true, "{asked}");
    assert_eq!(asked["ok"], true, "{asked}");
    assert_eq!(up.count(|event| is_exit_of(event, "web")), 1);
    project.docker(&["start"], "web");
    up.signal(rustix::process::Signal::INT);
    up.ended();
    assert_eq!(up.count(|event| is_exit_of(event, "web")), 1);
}

#[test]
fn a_process_that_dies_within_seconds_of_an_update_is_the_updates_failure() {
    let project = Project::web_with(FRAGILE, "- sync: ./src:/app\n- restart_container");
    let mut up = project.up();
    project.write("src/a.txt", "bad");
    // The outcome waits for nothing; the end follows, and names it.
    let outcome = up.live_updated("web");
    let end = up.wait_for("the end", |event| is_exit_of(event, "web"));
    assert_eq!(
        (&end["code"], &end["ok"]),
        (&json!(5), &json!(false)),
        "{end}"
    );
    assert_eq!(end["container"], "web-1");
    let after = &end["after"];
    assert_eq!(after["action"], "live-update");
    assert_eq!(after["detail"], outcome["detail"]);
    assert!(after["ms"].as_f64().unwrap() < 10_000.0, "{end}");
    // And so it is after a rebuild.
    project.replace("Dockerfile", "COPY src", "RUN true\nCOPY src");
    up.rebuilt("web");
    let end = up.wait_for("the end after the rebuild", |event| {
        is_exit_of(event, "web")
    });
    assert_eq!(
        (&end["code"], &end["ok"]),
        (&json!(5), &json!(false)),
        "{end}"
    );
    assert_eq!(end["after"]["action"], "rebuild", "{end}");
}
