//! Containers come and go (`spec.md` E1, E2, E5): whoever does it, a running container has the host's files.

use crate::project::Project;

const SYNC: &str = "- sync: ./src:/app\n- run: echo ran >> /ran";

fn edited() -> Project {
    let project = Project::web(SYNC);
    project.write("src/old", "goes");
    project
}

/// E1: recreated from outside, by Compose.
#[test]
fn a_container_that_compose_recreates_gets_all_that_changed_since_its_image_was_built() {
    let project = edited();
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.live_updated("web");
    project.write("src/new/file", "new");
    up.live_updated("web");
    project.remove("src/old");
    up.live_updated("web");
    let before = project.id("web");
    project.compose(&["up", "-d", "--force-recreate", "--no-build", "web"]);
    assert_ne!(project.id("web"), before);
    up.until_in_step("src", "web", "/app");
    // "and the runs"
    up.until_file("web", "/ran", "ran\n");
    assert_eq!(up.rebuilds("web"), 0);
}

/// E1: removed and made anew with nothing but `docker compose up`.
#[test]
fn a_container_that_was_removed_and_made_anew_has_the_hosts_files() {
    let project = edited();
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.live_updated("web");
    project.docker(&["rm", "-f"], "web");
    project.remove("src/old");
    project.write("src/while-away", "x");
    project.compose(&["up", "-d", "--no-build"]);
    up.until_in_step("src", "web", "/app");
}

/// E1, C10: scaled to three and back.
#[test]
fn a_service_that_is_scaled_up_has_the_hosts_files_in_all_its_containers() {
    let project = edited();
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.live_updated("web");
    project.scale_by_hand("web=3");
    for container in ["web", "web-2", "web-3"] {
        up.until_file(container, "/app/a.txt", "two");
    }
    project.write("src/a.txt", "three");
    for container in ["web", "web-2", "web-3"] {
        up.until_file(container, "/app/a.txt", "three");
    }
    project.scale_by_hand("web=1");
    project.write("src/a.txt", "four");
    up.until_file("web", "/app/a.txt", "four");
    assert_eq!(up.rebuilds("web"), 0);
}

/// E1: stopped and started by hand; edits meanwhile are in it when it runs.
#[test]
fn a_container_stopped_and_started_by_hand_has_the_hosts_files_when_it_runs() {
    let project = edited();
    let mut up = project.up();
    project.docker(&["stop"], "web");
    project.docker(&["start"], "web");
    project.write("src/a.txt", "two");
    up.live_updated("web");
    up.until_in_step("src", "web", "/app");
}

/// E2: "A service that exited or crashed is revived by the next change: files are put into the stopped container, then it is started."
#[test]
fn a_service_that_crashed_is_revived_by_the_next_change() {
    let project = edited();
    let mut up = project.up();
    let before = project.id("web");
    project.crash("web");
    project.write("src/a.txt", "two");
    project.remove("src/old");
    up.live_updated("web");
    assert_eq!(project.inspect("web", "{{.State.Running}}"), "true");
    assert_eq!(project.id("web"), before);
    up.until_in_step("src", "web", "/app");
}

/// E2: an image without `rm` and a process under the helper: all that needs a running container is done in the one that was
/// just started.
#[test]
fn a_revived_container_has_its_deletes_runs_and_restart_through_the_helper() {
    let project =
        Project::web("- sync: ./src:/app\n- run: [/busybox, touch, /ran]\n- restart_process");
    project.write(
        "Dockerfile",
        "FROM scratch\nCOPY --from=busybox:1.37 /bin/busybox /busybox\nCOPY src /app\nCMD [\"/busybox\", \"sleep\", \"100000\"]\n",
    );
    for name in ["old", "file", "directory/in-it"] {
        project.write(format!("src/{name}"), "one");
    }
    let mut up = project.up();
    let before = project.id("web");
    project.crash("web");
    project.write("src/a.txt", "two");
    project.remove("src/old");
    // What was put before the start stands when the deletes follow.
    project.remove("src/file");
    project.mkdir("src/file");
    project.remove("src/directory");
    project.write("src/directory", "a file now");
    let outcome = up.live_updated("web");
    assert_eq!(
        outcome["detail"]["restarted"], "restarted the process",
        "{outcome}"
    );
    up.until_in_step("src", "web", "/app");
    assert!(project.file("web", "/ran").is_some());
    assert_eq!((project.id("web"), up.rebuilds("web")), (before, 0));
}

/// E2': "a container that somebody stopped on purpose gets its files and stays stopped".
#[test]
fn a_container_that_was_stopped_on_purpose_gets_its_files_and_is_left_stopped() {
    let project = edited();
    let mut up = project.up();
    for how in [&["stop", "-t", "1"][..], &["kill"]] {
        let before = project.id("web");
        project.docker(how, "web");
        let text = how[0];
        project.write("src/a.txt", text);
        up.until_file("web", "/app/a.txt", text);
        up.says("was stopped by somebody");
        project.write("src/b.txt", text);
        up.until_file("web", "/app/b.txt", text);
        assert_eq!(project.inspect("web", "{{.State.Running}}"), "false");
        project.docker(&["start"], "web");
        up.live_updated("web");
        assert_eq!(project.id("web"), before);
    }
    // A rebuild would start it as well.
    project.compose(&["stop", "-t", "1"]);
    project.write("unmatched", "x");
    up.wait_for("it waits", |event| event["action"] == "waits");
    assert_eq!(project.inspect("web", "{{.State.Running}}"), "false");
    project.compose(&["start"]);
    up.rebuilt("web");
    up.until_in_step("src", "web", "/app");
}

/// E2: a change that asks for a rebuild revives it as well.
#[test]
fn a_service_that_crashed_is_revived_by_a_change_that_rebuilds() {
    let project = Project::web("- fall_back_on: ./src/lock\n- sync: ./src:/app");
    project.write("src/lock", "one");
    let mut up = project.up();
    project.crash("web");
    project.write("src/lock", "two");
    up.rebuilt("web");
    assert_eq!(project.inspect("web", "{{.State.Running}}"), "true");
    up.until_in_step("src", "web", "/app");
}

/// E2: also where its process runs under the helper and the rebuild changes nothing of its image.
#[test]
fn a_service_under_the_helper_is_revived_by_a_rebuild_to_the_same_image() {
    let project = Project::web("- fall_back_on: ./lock\n- sync: ./src:/app\n- restart_process");
    project.write("lock", "one");
    let mut up = project.up();
    let before = project.id("web");
    project.crash("web");
    project.write("lock", "two");
    up.rebuilt("web");
    assert_eq!(project.inspect("web", "{{.State.Running}}"), "true");
    assert_eq!(project.id("web"), before);
}

/// E2, E3: what could not even be started is started by the next change.
#[test]
fn a_service_whose_first_start_failed_is_started_by_the_next_change() {
    for image in [false, true] {
        let lines = "ports: ['127.0.0.1:PORT:80']";
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port().to_string();
        let lines = lines.replace("PORT", &port);
        let project = Project::web_with(&lines, "- sync: ./src:/app");
        if image {
            project.replace(
                "compose.yaml",
                "build: .",
                "image: busybox:1.37\n    command: sleep 100000",
            );
        }
        let up = project.up();
        assert!(up.said("fix it and save: the next change tries again"));
        drop(taken);
        project.write("src/a.txt", "two");
        up.until("it runs", &"true".to_owned(), || {
            project.inspect("web", "{{.State.Running}}")
        });
        up.until_file("web", "/app/a.txt", "two");
    }
}

/// E2: the files are there before its process begins.
#[test]
fn a_service_that_crashes_at_its_restart_is_revived_with_the_fix_in_place() {
    let project = Project::web_with("command: [sh, /app/main.sh]", "- sync: ./src:/app");
    project.write("src/main.sh", "exec sleep 100000");
    let mut up = project.up();
    project.write("src/main.sh", "exit 3");
    up.live_updated("web");
    project.docker(&["restart", "-t", "1"], "web");
    up.until("it has crashed", &"exited 3".to_owned(), || {
        project.inspect("web", "{{.State.Status}} {{.State.ExitCode}}")
    });
    project.write("src/main.sh", "echo fixed > /fixed; exec sleep 100000");
    up.live_updated("web");
    up.until_file("web", "/fixed", "fixed\n");
}

/// E2: "The session never ends because a container did."
#[test]
fn a_service_that_crashes_at_its_first_start_does_not_end_the_session() {
    let project = Project::web_with("command: [sh, /app/main.sh]", "- sync: ./src:/app");
    project.write("src/main.sh", "exit 1");
    let mut up = project.up();
    up.until("it has crashed", &"exited".to_owned(), || {
        project.inspect("web", "{{.State.Status}}")
    });
    project.write("src/main.sh", "exec sleep 100000");
    up.live_updated("web");
    assert_eq!(project.inspect("web", "{{.State.Status}}"), "running");
}

/// Issue 4.2: "crash-looping containers": with a restart policy, until the fix arrives.
#[test]
fn a_crash_looping_service_gets_the_fix() {
    let project = Project::web_with(
        "command: [sh, /app/main.sh]\nrestart: always",
        "- sync: ./src:/app",
    );
    project.write("src/main.sh", "exit 1");
    let up = project.up();
    project.write("src/main.sh", "echo fixed > /fixed; exec sleep 100000");
    up.until_file("web", "/fixed", "fixed\n");
    up.until("it runs", &"running".to_owned(), || {
        project.inspect("web", "{{.State.Status}}")
    });
}

/// E1: paused: the files are there, and the runs follow, when it goes on.
#[test]
fn a_paused_container_has_the_hosts_files_when_it_goes_on() {
    let project = edited();
    let up = project.up();
    project.docker(&["pause"], "web");
    project.write("src/a.txt", "two");
    project.remove("src/old");
    up.until_file("web", "/app/a.txt", "two");
    project.docker(&["unpause"], "web");
    up.until_in_step("src", "web", "/app");
    up.until("the run", &"ran".to_owned(), || {
        project.sh("web", "head -n1 /ran")
    });
    assert_eq!(up.rebuilds("web"), 0);
}

/// E1: nobody waits for a process that is paused, its supervisor with it.
#[test]
fn a_paused_container_whose_process_is_supervised_has_every_edit_too() {
    let project = Project::web("- sync: ./src:/app\n- restart_process");
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.live_updated("web");
    project.docker(&["pause"], "web");
    for text in ["three", "four"] {
        project.write("src/a.txt", text);
        up.until_file("web", "/app/a.txt", text);
    }
    project.docker(&["unpause"], "web");
    project.write("src/a.txt", "five");
    up.until_file("web", "/app/a.txt", "five");
    assert_eq!(up.rebuilds("web"), 0);
}

/// Facts, trap 12: a restart by hand keeps the container's files: nothing has to be brought again.
#[test]
fn a_restart_by_hand_asks_for_nothing() {
    let project = edited();
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.live_updated("web");
    project.docker(&["restart", "-t", "1"], "web");
    project.write("src/marker", "later");
    up.live_updated("web");
    assert_eq!(project.file("web", "/ran").as_deref(), Some("ran\nran\n"));
    up.until_in_step("src", "web", "/app");
}

/// Issue 4.2: "an edit while there is no container".
#[test]
fn an_edit_while_there_is_no_container_is_in_the_next_one() {
    let project = edited();
    let mut up = project.up();
    project.docker(&["rm", "-f"], "web");
    project.write("src/a.txt", "two");
    up.wait_for("it is told", |event| {
        event["event"] == "change" || event["event"] == "outcome"
    });
    project.compose(&["up", "-d", "--no-build"]);
    up.until_file("web", "/app/a.txt", "two");
    up.until_in_step("src", "web", "/app");
}

/// Issue 4.2: "an image changed by somebody else": built by hand, recreated by hand.
#[test]
fn a_container_of_an_image_built_by_somebody_else_has_the_hosts_files() {
    let project = edited();
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.live_updated("web");
    project.compose(&["build", "--build-arg", "ANY=1", "--no-cache"]);
    project.compose(&["up", "-d", "--no-build"]);
    project.write("src/a.txt", "three");
    up.until_in_step("src", "web", "/app");
}

/// C10: "All containers of a scaled service are updated, in parallel; runs start when every one has its files."
#[test]
fn all_containers_of_a_scaled_service_are_updated_and_runs_start_when_all_have_their_files() {
    let project = Project::web_with(
        "scale: 3\nvolumes: [shared:/shared]",
        "- sync: ./src:/app\n- run: 'cat /app/a.txt >> /shared/$(hostname); until [ $(ls /shared | wc -l) = 3 ]; do sleep 0.1; done'",
    );
    let compose = project.read("compose.yaml");
    project.write("compose.yaml", compose + "volumes: {shared: {}}\n");
    let mut up = project.up();
    project.write("src/a.txt", "two\n");
    // Each run waits for those of the others: one after the other would never end.
    let outcome = up.live_updated("web");
    assert_eq!(outcome["containers"].as_array().unwrap().len(), 3);
    assert_eq!(project.sh("web", "cat /shared/*"), "two\ntwo\ntwo");
    for container in ["web", "web-2", "web-3"] {
        assert_eq!(
            project.file(container, "/app/a.txt").as_deref(),
            Some("two\n")
        );
    }
}

/// C11: a rebuild of a scaled service replaces all its containers.
#[test]
fn a_rebuild_of_a_service_scaled_by_hand_keeps_its_number() {
    let project = edited();
    let mut up = project.up();
    project.scale_by_hand("web=2");
    up.until_file("web-2", "/app/a.txt", "one");
    project.write("unmatched", "x");
    up.wait_for("the rebuild", |event| {
        event["event"] == "outcome" && event["action"] == "rebuild"
    });
    project.write("src/a.txt", "two");
    up.until_file("web", "/app/a.txt", "two");
    up.until_file("web-2", "/app/a.txt", "two");
}

/// E5: "when a container first appears, its synced paths are compared with the host and the difference applied, with the runs".
#[test]
fn initial_sync_compares_a_container_when_it_first_appears() {
    let project = Project::web("- initial_sync\n- sync: ./src:/app\n- run: echo ran >> /ran");
    // The image holds an older state, and a file that only it has.
    project.write(
        "Dockerfile",
        "FROM busybox:1.37\nRUN mkdir /app && echo old > /app/a.txt && echo mine > /app/only-here\nCMD [\"sleep\", \"100000\"]\n",
    );
    project.write("src/sub/b.txt", "one");
    project.write(".dockerignore", "src/ignored\n");
    project.write("src/ignored", "no");
    let up = project.up();
    up.until_file("web", "/app/a.txt", "one");
    up.until_file("web", "/app/sub/b.txt", "one");
    up.until_file("web", "/ran", "ran\n");
    assert_eq!(
        project.file("web", "/app/only-here").as_deref(),
        Some("mine\n")
    );
    assert_eq!(project.tree("web", "/app/ignored"), None);
    // "not repeated for the same container"
    project.docker(&["restart", "-t", "1"], "web");
    project.write("src/marker", "later");
    up.until_file("web", "/app/marker", "later");
    up.until_file("web", "/ran", "ran\nran\n");
    // "again for a new one"
    project.compose(&["up", "-d", "--force-recreate", "--no-build"]);
    up.until_file("web", "/app/marker", "later");
    up.until_file("web", "/app/a.txt", "one");
}

/// E5: without it, and with the image just built, nothing is copied at the start.
#[test]
fn without_initial_sync_the_image_that_was_just_built_counts() {
    let project = Project::web("- sync: ./src:/app");
    project.write(
        "Dockerfile",
        "FROM busybox:1.37\nRUN mkdir /app && echo old > /app/a.txt\nCMD [\"sleep\", \"100000\"]\n",
    );
    let mut up = project.up();
    project.write("src/b.txt", "two");
    up.live_updated("web");
    assert_eq!(project.file("web", "/app/a.txt").as_deref(), Some("old\n"));
}

/// "`ready` means in step": the containers that were there before have all edits, and their runs, when it is said.
#[test]
fn the_session_is_ready_when_the_containers_that_were_there_are_in_step() {
    let project = Project::web("- sync: ./src:/app\n- run: sleep 1; echo ran >> /ran");
    project.compose(&["up", "-d", "--build"]);
    project.write("src/a.txt", "two");
    let up = project.up_with(&["--no-build"]);
    assert_eq!(project.file("web", "/app/a.txt").as_deref(), Some("two"));
    assert_eq!(project.file("web", "/ran").as_deref(), Some("ran\n"));
    assert_eq!(up.count(|event| event["event"] == "outcome"), 1);
}
