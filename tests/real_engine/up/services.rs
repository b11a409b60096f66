//! Services are independent (`spec.md` C13).

use crate::gate::Gate;
use crate::project::{DOCKERFILE, Project};

fn two(slow: &str) -> Project {
    let project = Project::new(&format!(
        "
services:
  slow:
    build: ./slow
    init: true
    x-live-update:
      - sync: ./slow/src:/app
{slow}
  quick:
    build: ./quick
    init: true
    x-live-update:
      - sync: ./quick/src:/app
"
    ));
    for service in ["slow", "quick"] {
        project.write(format!("{service}/Dockerfile"), DOCKERFILE);
        project.write(format!("{service}/src/a.txt"), "one");
    }
    project
}

/// C13: "a slow command [..] of one never delays another."
#[test]
fn a_slow_command_of_one_service_never_delays_another() {
    let project = two("      - run: 'touch /began; until test -e /go; do sleep 0.1; done'");
    let mut up = project.up();
    project.write("slow/src/a.txt", "two");
    up.eventually("the slow command has begun", || {
        project.tree("slow", "/began").is_some()
    });
    for text in ["two", "three"] {
        project.write("quick/src/a.txt", text);
        up.live_updated("quick");
        assert_eq!(project.file("quick", "/app/a.txt").as_deref(), Some(text));
    }
    project.sh("slow", "touch /go");
    up.live_updated("slow");
}

/// C13: "a slow [..] build of one never delays another."
#[test]
fn a_slow_build_of_one_service_never_delays_another() {
    let project = two("");
    let mut up = project.up();
    // Builds until the other service has its file.
    let gate = Gate::new();
    project.replace("slow/Dockerfile", "CMD", &format!("{}\nCMD", gate.line()));
    gate.reached();
    project.write("quick/src/a.txt", "two");
    up.live_updated("quick");
    assert_eq!(up.rebuilds("slow"), 0);
    gate.open();
    up.rebuilt("slow");
}

/// Issue 4.3: "One service's failure touches no other".
#[test]
fn a_broken_build_of_one_service_does_not_touch_another() {
    let project = two("");
    project.write("slow/Dockerfile", "FROM busybox:1.37\nRUN exit 1\n");
    let mut up = project.up();
    project.write("quick/src/a.txt", "two");
    up.live_updated("quick");
    assert_eq!(project.file("quick", "/app/a.txt").as_deref(), Some("two"));
    project.write("slow/Dockerfile", DOCKERFILE);
    up.rebuilt("slow");
    up.until_file("slow", "/app/a.txt", "one");
}

/// One file for two services: each has it, each decides for itself.
#[test]
fn a_file_shared_by_two_services_updates_one_and_rebuilds_the_other() {
    let project = Project::new(
        "
services:
  one:
    build: .
    init: true
    x-live-update: [{sync: ./src:/app}]
  two:
    build: .
    init: true
    x-live-update: [{fall_back_on: ./src/a.txt}, {sync: ./src:/app}]
",
    );
    project.write("Dockerfile", DOCKERFILE);
    project.write("src/a.txt", "one");
    let up = project.up();
    let before = (project.id("one"), project.id("two"));
    project.write("src/a.txt", "two");
    up.until_file("one", "/app/a.txt", "two");
    up.until_file("two", "/app/a.txt", "two");
    assert_eq!(project.id("one"), before.0);
    assert_ne!(project.id("two"), before.1);
}

/// Section 6: "`up [SERVICE..]`": only those named, and what they depend on, are started.
#[test]
fn up_with_names_starts_and_updates_only_those() {
    let project = two("");
    let mut up = project.up_with(&["quick"]);
    assert_eq!(project.id("slow"), "");
    project.write("slow/src/a.txt", "two");
    project.write("quick/src/a.txt", "two");
    up.live_updated("quick");
    assert_eq!(project.id("slow"), "");
}

/// "A write through one name of a file changes all its watched names": also where that one is ignored itself.
#[test]
fn a_write_through_an_ignored_name_changes_the_watched_names_of_the_file() {
    let project = Project::web("- sync: ./src:/app");
    project.write(".dockerignore", "**/*.secret\n");
    project.write("src/key.secret", "one");
    let up = project.up();
    project.hard_link("src/key.secret", "src/key.txt");
    up.until_file("web", "/app/key.txt", "one");
    for text in ["longer", "short"] {
        project.write("src/key.secret", text);
        up.until_file("web", "/app/key.txt", text);
    }
    assert_eq!(up.sh("web", "ls /app/*.secret 2>/dev/null || true"), "");
}

/// "A write through one name of a file changes all its watched names": also those that another service watches.
#[test]
fn a_write_through_one_name_changes_all_names_of_the_file_for_all_services() {
    let project = two("");
    project.remove("quick/src/a.txt");
    project.hard_link("slow/src/a.txt", "quick/src/a.txt");
    let up = project.up();
    // A name that comes later, of a file that had one when it was looked at.
    project.write("slow/src/b.txt", "one");
    up.until_file("slow", "/app/b.txt", "one");
    project.hard_link("slow/src/b.txt", "quick/src/b.txt");
    up.until_file("quick", "/app/b.txt", "one");
    for name in ["a.txt", "b.txt"] {
        for (by, text) in [("slow", "longer"), ("quick", "short")] {
            project.write(format!("{by}/src/{name}"), text);
            for service in ["slow", "quick"] {
                up.until_file(service, &format!("/app/{name}"), text);
            }
        }
    }
    // A save by a rename is of one name alone.
    project.write("new", "mine");
    project.rename("new", "slow/src/a.txt");
    up.until_file("slow", "/app/a.txt", "mine");
    up.until_in_step("quick/src", "quick", "/app");
    assert_eq!(
        project.file("quick", "/app/a.txt").as_deref(),
        Some("short")
    );
}
