//! "Long bursts are few restarts": what an agent writes, what git checks out.

use std::fs;
use std::io::Write as _;
use std::thread::sleep;
use std::time::Duration;

use crate::project::Project;
use crate::session::Session;

/// How often the process was restarted so far.
fn restarts(up: &mut Session<'_>) -> usize {
    up.count(|event| !event["detail"]["restarted"].is_null())
}

/// Waits for the restart that a burst was waited for with.
#[track_caller]
fn until_it_is_over(up: &mut Session<'_>) {
    let over = |event: &serde_json::Value| !event["detail"]["after"].is_null();
    up.wait_for("the burst is over", over);
}

#[test]
fn two_hundred_files_five_at_a_time_as_an_agent_writes_are_at_most_three_restarts() {
    let project = Project::web("- sync: ./src:/app\n- restart_process");
    let mut up = project.up();
    for directory in 0..40 {
        for file in 0..5 {
            project.write(format!("src/{directory}/{file}"), "new");
        }
        sleep(Duration::from_millis(50));
    }
    until_it_is_over(&mut up);
    up.until_in_step("src", "web", "/app");
    let restarts = restarts(&mut up);
    assert!((1..=3).contains(&restarts), "{restarts} restarts");
}

#[test]
fn a_checkout_of_three_thousand_files_is_at_most_two_restarts() {
    let project = Project::web("- sync: ./src:/app\n- restart_process");
    let git = |args: &[&str]| {
        let who = ["-c", "user.name=me", "-c", "user.email=me@here"];
        project.host("git", &[&who, args].concat())
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "few"]);
    git(&["checkout", "-qb", "more"]);
    for file in 0..3000 {
        project.write(format!("src/{}/{file}", file % 60), "content of its own");
    }
    git(&["add", "."]);
    git(&["commit", "-qm", "many"]);
    git(&["checkout", "-q", "main"]);
    fs::write(project.path("src/a.txt"), "one").unwrap();
    let mut up = project.up();
    git(&["checkout", "-q", "more"]);
    until_it_is_over(&mut up);
    up.until_in_step("src", "web", "/app");
    let restarts = restarts(&mut up);
    assert!((1..=2).contains(&restarts), "{restarts} restarts");
}

/// "A file that is being written is not copied before it is closed."
#[test]
fn a_file_that_is_written_for_seconds_is_one_update_when_it_is_closed() {
    let project = Project::web("- sync: ./src:/app\n- run: echo ran >> /runs\n- restart_process");
    let mut up = project.up();
    let mut file = fs::File::create(project.path("src/big")).unwrap();
    let piece = vec![7; 1 << 20];
    for _ in 0..30 {
        file.write_all(&piece).unwrap();
        sleep(Duration::from_millis(100));
    }
    assert_eq!(project.file("web", "/runs"), None);
    drop(file);
    up.live_updated("web");
    up.until_in_step("src", "web", "/app");
    up.until_file("web", "/runs", "ran\n");
    assert_eq!(restarts(&mut up), 1);
}
