//! How a session ends, and what the next one finds (`spec.md` section 6, issue 4 point 7).

use rustix::process::Signal;

use crate::gate::Gate;
use crate::project::Project;

/// Section 6: "until Ctrl-C (then stops the containers, as `docker compose up` does".
#[test]
fn ctrl_c_stops_the_containers_and_exits_with_130() {
    let project = Project::web("- sync: ./src:/app");
    let up = project.up();
    assert_eq!(up.interrupt(), Some(130));
    assert_eq!(project.inspect("web", "{{.State.Status}}"), "exited");
}

/// Section 6: "`--keep` leaves them".
#[test]
fn keep_leaves_the_containers_running() {
    let project = Project::web("- sync: ./src:/app");
    let up = project.up_with(&["--keep"]);
    assert_eq!(up.interrupt(), Some(130));
    assert_eq!(project.inspect("web", "{{.State.Status}}"), "running");
}

/// "/.liveupdate is gone after `up` also from containers that stopped meanwhile".
#[test]
fn a_container_that_was_stopped_or_killed_meanwhile_has_nothing_of_the_helper() {
    for verb in [&["stop", "-t", "1"][..], &["kill"]] {
        let project = Project::web("- sync: ./src:/app");
        let mut up = project.up();
        project.write("src/a.txt", "two");
        up.live_updated("web");
        up.eventually("nothing happens any more", || {
            project.tree("web", "/.liveupdate").is_none()
        });
        project.docker(verb, "web");
        assert_eq!(up.interrupt(), Some(130));
        assert!(project.tree("web", "/.liveupdate").is_none());
    }
}

/// Issue 4.7: SIGTERM and SIGHUP end it as Ctrl-C does.
#[test]
fn sigterm_and_sighup_stop_the_containers_too() {
    let project = Project::web("- sync: ./src:/app");
    for signal in [Signal::TERM, Signal::HUP] {
        let mut up = project.up();
        up.signal(signal);
        assert_eq!(up.ended(), Some(130));
        assert_eq!(project.inspect("web", "{{.State.Status}}"), "exited");
    }
}

/// Ctrl-C during the first build ends it at once, and nothing is left running.
#[test]
fn ctrl_c_during_the_first_build_ends_it() {
    let project = Project::web("- sync: ./src:/app");
    let gate = Gate::new();
    project.write(
        "Dockerfile",
        format!("FROM busybox:1.37\nCOPY src /app\n{}\n", gate.line()),
    );
    let up = project.begin(&[]);
    gate.reached();
    assert_eq!(up.interrupt(), Some(130));
    assert_eq!(project.id("web"), "");
}

/// Issue 4.7: "no orphan processes", of a custom build's own children neither.
#[test]
fn ctrl_c_during_a_custom_build_ends_all_of_it() {
    let project = Project::new(
        "
services:
  web:
    image: ${COMPOSE_PROJECT_NAME}-custom
    x-live-update:
      custom_build: {command: 'sh make.sh', deps: [./src]}
      steps: [{sync: './src:/app'}]
",
    );
    project.write("src/a.txt", "one");
    project.write(
        "make.sh",
        "sleep 3600 &\necho $! > child\necho begun\nwait\n",
    );
    let mut up = project.begin(&[]);
    up.wait_for("the build", |event| event.to_string().contains("begun"));
    assert_eq!(up.interrupt(), Some(130));
    let child = project.read("child");
    // One that has ended and that nobody asks after has no command line any more.
    let runs = || {
        let line = std::fs::read(format!("/proc/{}/cmdline", child.trim()));
        line.is_ok_and(|line| !line.is_empty())
    };
    let deadline = std::time::Instant::now() + crate::session::DEADLINE;
    while runs() {
        assert!(std::time::Instant::now() < deadline, "it goes on");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Issue 4.7: "a killed tool": the second `up` brings everything in step.
#[test]
fn after_the_tool_was_killed_a_second_up_brings_everything_in_step() {
    let project = Project::web("- sync: ./src:/app");
    project.write("src/old", "goes");
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.live_updated("web");
    up.signal(Signal::KILL);
    assert_eq!(up.ended(), None);
    drop(up);
    assert_eq!(project.inspect("web", "{{.State.Status}}"), "running");
    project.write("src/a.txt", "while nobody watched");
    project.remove("src/old");
    let up = project.up();
    up.until_in_step("src", "web", "/app");
}

/// Issue 4.7: a tool that is killed in the middle of an update leaves no half of it behind once it is started again.
#[test]
fn after_the_tool_was_killed_in_mid_update_no_temporary_file_is_left() {
    for helper in ["auto", "off"] {
        let block = format!("helper: {helper}\nsteps:\n- sync: ./src:/app");
        let project = Project::web(&block);
        let up = project.up();
        for number in 0..40 {
            project.write(
                format!("src/{}/{number}", number % 4),
                vec![number; 1_000_000],
            );
        }
        up.eventually("the update has begun", || {
            !up.sh("web", "find /app -mindepth 1 ! -name a.txt")
                .is_empty()
        });
        up.signal(Signal::KILL);
        drop(up);
        project.write("src/a.txt", "while nobody watched");
        let up = project.up_with(&["--no-build"]);
        up.until_in_step("src", "web", "/app");
    }
}

/// The same with the images that are there: the container is compared by content.
#[test]
fn a_second_up_without_a_build_brings_a_container_of_the_first_in_step() {
    let project = Project::web("- sync: ./src:/app\n- run: echo ran >> /ran");
    let mut up = project.up_with(&["--keep"]);
    project.write("src/a.txt", "two");
    up.live_updated("web");
    assert_eq!(up.interrupt(), Some(130));
    let before = project.id("web");
    project.write("src/a.txt", "while nobody watched");
    project.write("src/new", "new");
    let up = project.up_with(&["--no-build"]);
    up.until_file("web", "/app/a.txt", "while nobody watched");
    up.until_file("web", "/app/new", "new");
    assert_eq!(project.id("web"), before);
}

/// Section 6: "`down`".
#[test]
fn down_removes_the_containers() {
    let project = Project::web("- sync: ./src:/app");
    let up = project.up_with(&["--keep"]);
    drop(up);
    let output = project.tool(&["down"]).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(project.id("web"), "");
}

/// Issue 4.7: "a second `up` of the same project is told about the first."
#[test]
fn a_second_up_of_the_same_project_is_told_about_the_first() {
    let project = Project::web("- sync: ./src:/app");
    let mut first = project.up();
    let mut second = project.begin(&[]);
    assert_eq!(second.ended(), Some(1));
    assert!(second.said("already"));
    // And the first goes on.
    project.write("src/a.txt", "two");
    first.live_updated("web");
    assert_eq!(project.inspect("web", "{{.State.Status}}"), "running");
}
