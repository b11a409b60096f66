//! Builds: the first one, the failing one, edits meanwhile (`spec.md` C1, C8, C11, E3).

use crate::gate::Gate;
use crate::project::Project;

/// A Dockerfile whose build waits at the gate.
fn slow(gate: &Gate) -> String {
    format!(
        "FROM busybox:1.37\nCOPY slow /slow\n{}\nCOPY src /app\nCMD [\"sleep\", \"100000\"]\n",
        gate.line()
    )
}

/// E3: "A failed first build does not end `up`: it waits for the fix."
#[test]
fn a_failed_first_build_does_not_end_up_which_waits_for_the_fix() {
    let project = Project::web("- sync: ./src:/app");
    project.write("Dockerfile", "FROM busybox:1.37\nRUN exit 7\n");
    let mut up = project.up();
    assert!(up.said("exit 7") || up.said("exit code: 7"));
    project.write("Dockerfile", crate::project::DOCKERFILE);
    up.rebuilt("web");
    up.until_file("web", "/app/a.txt", "one");
    project.write("src/a.txt", "two");
    up.until_file("web", "/app/a.txt", "two");
}

/// E3: any edit of a synced file tries again as well.
#[test]
fn after_a_failed_first_build_the_next_change_tries_again() {
    let project = Project::web("- sync: ./src:/app");
    project.write(
        "Dockerfile",
        "FROM busybox:1.37\nCOPY src /app\nRUN grep -q good /app/a.txt\nCMD [\"sleep\", \"100000\"]\n",
    );
    let mut up = project.up();
    project.write("src/a.txt", "good");
    up.rebuilt("web");
    up.until_file("web", "/app/a.txt", "good");
}

/// C11: "a failed build leaves the old container running and the next change tries again."
#[test]
fn a_failed_build_leaves_the_old_container_running_and_the_next_change_tries_again() {
    let project = Project::web("- sync: ./src:/app");
    let mut up = project.up();
    let before = (project.id("web"), project.started_at("web"));
    project.replace("Dockerfile", "CMD", "RUN exit 9\nCMD");
    up.rebuild_failed("web");
    assert_eq!(before, (project.id("web"), project.started_at("web")));
    assert_eq!(project.inspect("web", "{{.State.Running}}"), "true");
    project.replace("Dockerfile", "RUN exit 9", "RUN echo yes > /built");
    up.rebuilt("web");
    assert_eq!(project.file("web", "/built").as_deref(), Some("yes\n"));
}

/// Peers, section 3: "A broken build loses the syncs saved with it": ours does not.
#[test]
fn files_saved_with_a_broken_build_are_not_lost() {
    let project = Project::web("- sync: ./src:/app");
    let mut up = project.up();
    project.replace("Dockerfile", "CMD", "RUN exit 9\nCMD");
    project.write("src/a.txt", "two");
    up.rebuild_failed("web");
    project.replace("Dockerfile", "RUN exit 9\n", "");
    up.until_file("web", "/app/a.txt", "two");
    up.until_in_step("src", "web", "/app");
}

/// C11: "Changes during a build are applied to the new container afterwards, not to the one about to go."
#[test]
fn a_change_during_a_build_is_in_the_new_container() {
    let project = Project::web("- sync: ./src:/app\n- run: echo $(cat /app/late) >> /ran");
    let gate = Gate::new();
    project.write("slow/x", "one");
    project.write("Dockerfile", slow(&gate));
    project.write("src/late", "one");
    gate.open();
    let mut up = project.up();
    let before = project.id("web");
    gate.shut();
    project.write("slow/x", "two");
    gate.reached();
    project.write("src/late", "two");
    gate.open();
    up.rebuilt("web");
    up.until_file("web", "/app/late", "two");
    up.until_file("web", "/ran", "two\n");
    assert_ne!(project.id("web"), before);
    project.write("src/marker", "later");
    up.until_in_step("src", "web", "/app");
    assert_eq!(up.rebuilds("web"), 1);
}

/// C11: "Edits during builds coalesce into one next build."
#[test]
fn edits_during_builds_coalesce_into_one_next_build() {
    let project = Project::web("- sync: ./src:/app");
    let gate = Gate::new();
    project.write("slow/x", "0");
    project.write("Dockerfile", slow(&gate));
    gate.open();
    let mut up = project.up();
    gate.shut();
    project.write("slow/x", "1");
    gate.reached();
    for number in 2..6 {
        let told = up.count(|event| event["event"] == "log");
        project.write("slow/x", format!("{number}"));
        project.write(format!("slow/y{number}"), format!("{told}"));
    }
    gate.open();
    up.rebuilt("web");
    up.rebuilt("web");
    up.until_file("web", "/slow/x", "5");
    project.write("src/marker", "later");
    up.until_file("web", "/app/marker", "later");
    assert_eq!(up.rebuilds("web"), 2);
}

/// C11, E1: edits made during the first build are in the first container, with the runs.
#[test]
fn an_edit_during_the_first_build_is_in_the_first_container() {
    let project = Project::web("- sync: ./src:/app");
    let gate = Gate::new();
    project.write("slow/x", "one");
    project.write("Dockerfile", slow(&gate));
    let up = project.begin(&[]);
    gate.reached();
    project.write("src/a.txt", "two");
    project.write("src/new", "new");
    gate.open();
    up.until_file("web", "/app/a.txt", "two");
    up.until_in_step("src", "web", "/app");
}

/// C8: "A copy or delete that the engine refuses is never dropped: the service falls back to a rebuild at once, with the reason."
#[test]
fn a_refused_copy_falls_back_to_a_rebuild_with_the_reason() {
    let project = Project::web("- sync: ./src:/app");
    let mut up = project.up();
    let before = project.id("web");
    // A folder with files of the container's own, where a file must be: replacing it would lose them.
    project.sh("web", "mkdir /app/sub && echo mine > /app/sub/mine");
    project.write("src/sub", "a file");
    let outcome = up.rebuilt("web");
    assert!(
        outcome["detail"]["reason"]
            .as_str()
            .unwrap()
            .contains("/app/sub"),
        "{outcome}"
    );
    assert_ne!(project.id("web"), before);
    assert_eq!(project.file("web", "/app/sub").as_deref(), Some("a file"));
}

/// C8, E4: a file of the container's own, where a folder must be: in the end the container equals the host.
#[test]
fn a_file_in_the_way_of_a_folder_gives_way() {
    let project = Project::web("- sync: ./src:/app");
    let up = project.up();
    project.sh("web", "echo in the way > /app/sub");
    project.write("src/sub/file", "new");
    up.until_in_step("src", "web", "/app");
}

/// C11: "the next change tries again": nothing else does, and one fix is one build.
#[test]
fn a_failed_build_is_tried_again_by_the_next_change_alone_and_once() {
    let project = Project::web("- sync: ./src:/app");
    let mut up = project.up();
    // Written long before it is moved in: a file as young as the build itself may rightly be built twice.
    let beside = tempfile::tempdir_in(project.path("..")).unwrap();
    let fix = beside.path().join("Dockerfile");
    let good = project.read("Dockerfile");
    std::fs::write(&fix, good.replace("CMD", "RUN true\nCMD")).unwrap();
    project.replace("Dockerfile", "CMD", "RUN exit 9\nCMD");
    up.rebuild_failed("web");
    std::fs::rename(fix, project.path("Dockerfile")).unwrap();
    up.rebuilt("web");
    project.write("src/marker", "later");
    up.live_updated("web");
    up.until_file("web", "/app/marker", "later");
    assert_eq!(up.rebuilds("web"), 2);
}

/// C11: a rebuild does not lose what only sync had put there (peers, section 3).
#[test]
fn a_rebuild_does_not_lose_what_only_sync_had_put_there() {
    let project = Project::web("- sync: ./src:/app\n- sync: ./extra:/extra");
    project.write("extra/x", "not in the image");
    let mut up = project.up();
    project.write("extra/x", "two");
    up.until_file("web", "/extra/x", "two");
    project.replace("Dockerfile", "CMD", "RUN true\nCMD");
    up.wait_for("the rebuild", |event| {
        event["event"] == "outcome" && event["action"] == "rebuild"
    });
    up.until_file("web", "/extra/x", "two");
}

/// Peers, section 5: "a rebuild leaves dependencies alone".
#[test]
fn a_rebuild_leaves_dependencies_alone() {
    let project = Project::web_with("depends_on: [other]", "- sync: ./src:/app");
    let compose = project.read("compose.yaml");
    project.write(
        "compose.yaml",
        compose + "  other:\n    image: busybox:1.37\n    init: true\n    command: sleep 100000\n",
    );
    let mut up = project.up();
    let before = (project.id("other"), project.started_at("other"));
    project.write("unmatched", "x");
    up.rebuilt("web");
    assert_eq!(before, (project.id("other"), project.started_at("other")));
}
