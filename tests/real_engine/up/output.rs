//! What the containers write, as `up` shows it: all of it, at any rate, and never in the way of anything.

use std::fmt::Write as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::project::Project;

/// A service that begins to write with its first breath, and whose log keeps little of it.
fn floods(script: &str) -> Project {
    let mut lines =
        String::from("logging: {driver: json-file, options: {max-size: 20k, max-file: '2'}}\n");
    let _ = writeln!(lines, "command: [sh, -c, '{script}']");
    Project::web_with(&lines, "- sync: ./src:/app")
}

#[test]
fn every_line_is_shown_once_from_the_first_on_whatever_the_log_keeps() {
    let project =
        floods("echo first; sleep 1; seq 1 10000; trap exit TERM; while :; do sleep 0.1; done");
    // Far more than the engine keeps, and less than may wait for a slow reader: the test is one on a busy machine. What it
    // writes while it starts is shown at once.
    let mut up = project.begin(&[]);
    for round in 1..=2 {
        let first = up.wait_for("the first line", |event| event["event"] == "log");
        assert_eq!(first["text"], "first", "round {round}");
        let mut expected = 1;
        while expected <= 10_000 {
            let line = up.wait_for("the next line", |event| event["event"] == "log");
            assert_eq!(line["text"], expected.to_string(), "round {round}");
            expected += 1;
        }
        if round == 1 {
            project.compose(&["restart", "web"]);
        }
    }
    assert!(!up.said("may be missing") && !up.said("not shown") && !up.said("dropped here"));
}

/// A session that nobody reads; gone with the test, however that ends.
struct Unread(Child);

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_reader_that_stalls_holds_back_neither_container_nor_update_nor_the_end() {
    let project = floods("while :; do seq 1 1000; echo x >> /count; done");
    let mut command = project.tool(&["up"]);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut up = Unread(command.spawn().unwrap());
    let until = |what: &str, look: &dyn Fn() -> bool| {
        let begun = Instant::now();
        while !look() {
            assert!(begun.elapsed() < Duration::from_secs(120), "{what}");
            std::thread::sleep(Duration::from_millis(40));
        }
    };
    let count = || project.file("web", "/count").map_or(0, |text| text.len());
    // Far more than any pipe and any queue of ours holds.
    until("the service goes on writing", &|| count() > 2 * 3000);
    project.write("src/a.txt", "two");
    until("the update", &|| {
        project.file("web", "/app/a.txt").as_deref() == Some("two")
    });
    kill_process(Pid::from_child(&up.0), Signal::INT).unwrap();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = up.0.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not end");
        std::thread::sleep(Duration::from_millis(40));
    };
    assert_eq!(status.code(), Some(130));
    assert_eq!(project.inspect("web", "{{.State.Status}}"), "exited");
}
