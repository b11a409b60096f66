//! Commands in the container (`spec.md` C7).

use crate::project::Project;

/// C7: "as the container's user", whatever its root may not. And a file that may not be executed is still told as one.
#[test]
fn a_run_of_a_user_in_a_container_without_capabilities_runs() {
    let project = Project::web_with(
        "cap_drop: [ALL]\nuser: '1000:1000'",
        "- sync: ./src:/app\n- run: 'id -u >> /tmp/ran'\n- run: {cmd: [/app/a.txt], trigger: ./src/a.txt}",
    );
    let mut up = project.up();
    project.write("src/b.txt", "two");
    up.live_updated("web");
    up.until_file("web", "/tmp/ran", "1000\n");
    project.write("src/a.txt", "two");
    let outcome = up.update_failed("web");
    assert!(outcome.to_string().contains("code 126"), "{outcome}");
}

/// C7: "later runs and the restart are skipped, the failure is shown with exit code, output and hint, [..] nothing is rebuilt".
#[test]
fn when_a_run_fails_later_runs_and_the_restart_are_skipped_and_nothing_is_rebuilt() {
    let project = Project::web(
        "- sync: ./src:/app\n- run: echo first >> /ran\n- run: 'echo oops; exit 3'\n- run: echo third >> /ran\n- restart_container",
    );
    let mut up = project.up();
    let (id, began) = (project.id("web"), project.started_at("web"));
    project.write("src/a.txt", "two");
    let outcome = up.update_failed("web");
    assert!(
        outcome["failure"].as_str().unwrap().contains('3'),
        "{outcome}"
    );
    assert!(outcome["hint"].is_string(), "{outcome}");
    assert!(
        up.count(|event| event["event"] == "step" && event["text"] == "oops") == 1,
        "the output is shown"
    );
    assert_eq!(project.file("web", "/ran").as_deref(), Some("first\n"));
    assert_eq!(project.file("web", "/app/a.txt").as_deref(), Some("two"));
    assert_eq!(project.started_at("web"), began);
    assert_eq!(project.id("web"), id);
    assert_eq!(up.rebuilds("web"), 0);
}

/// C7: "and the run stays owed: it is run again with the next update until it succeeds."
#[test]
fn a_failed_run_stays_owed_until_it_succeeds() {
    let project = Project::web(
        "- sync: ./src:/app\n- run: {cmd: 'sh /app/install.sh && echo installed >> /ran', trigger: ./src/install.sh}\n- restart_container",
    );
    project.write("src/install.sh", "true");
    let mut up = project.up();
    let began = project.started_at("web");
    project.write("src/install.sh", "exit 1");
    up.update_failed("web");
    // An unrelated edit does not turn it green.
    project.write("src/a.txt", "two");
    up.update_failed("web");
    assert_eq!(project.started_at("web"), began);
    project.write("src/install.sh", "exit 0");
    up.live_updated("web");
    assert_eq!(project.file("web", "/ran").as_deref(), Some("installed\n"));
    assert_ne!(project.started_at("web"), began);
    // Now nothing is owed any more.
    project.write("src/a.txt", "three");
    up.live_updated("web");
    assert_eq!(project.file("web", "/ran").as_deref(), Some("installed\n"));
}

/// C7: an owed run succeeds with an unrelated edit once its cause is gone.
#[test]
fn an_owed_run_is_run_with_the_next_unrelated_update() {
    let project = Project::web(
        "- sync: ./src:/app\n- run: {cmd: 'test -e /ready && echo ran >> /ran', trigger: ./src/lock}",
    );
    let mut up = project.up();
    project.write("src/lock", "two");
    up.update_failed("web");
    project.sh("web", "touch /ready");
    project.write("src/a.txt", "two");
    up.live_updated("web");
    assert_eq!(project.file("web", "/ran").as_deref(), Some("ran\n"));
}

/// C7: "nothing is rebuilt (`on_failure: rebuild` does)".
#[test]
fn with_on_failure_rebuild_a_failed_run_rebuilds() {
    let project = Project::web("- sync: ./src:/app\n- run: {cmd: exit 1, on_failure: rebuild}");
    let mut up = project.up();
    let before = project.id("web");
    project.write("src/a.txt", "two");
    let outcome = up.rebuilt("web");
    assert!(outcome.to_string().contains("on_failure"), "{outcome}");
    assert_ne!(project.id("web"), before);
    assert_eq!(project.file("web", "/app/a.txt").as_deref(), Some("two"));
}

/// Issue 4.3: "Runs that hang end at their `timeout` and the process tree is gone."
#[test]
fn a_run_that_hangs_ends_at_its_timeout_and_its_process_tree_is_gone() {
    let project =
        Project::web("- sync: ./src:/app\n- run: {cmd: 'sleep 54321 & sleep 54321', timeout: 1s}");
    let mut up = project.up();
    project.write("src/a.txt", "two");
    let outcome = up.update_failed("web");
    assert!(
        outcome["failure"].as_str().unwrap().contains("timeout"),
        "{outcome}"
    );
    up.until("no process is left", &"0".to_owned(), || {
        project.sh("web", "ps | grep -c '[s]leep 54321'; true")
    });
}

/// C7: "as the container's user", with the groups that the service adds.
#[test]
fn a_run_has_the_groups_that_the_service_adds() {
    let project = Project::web_with(
        "user: '1000:1000'\ngroup_add: ['4321']",
        "- sync: ./src:/app\n- run: 'id -G >> /tmp/ran'",
    );
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.live_updated("web");
    up.until_file("web", "/tmp/ran", "1000 4321\n");
}

/// C7: "unless `workdir` or `user` say otherwise"; section 1: `environment`.
#[test]
fn workdir_user_and_environment_of_a_run_hold() {
    let project = Project::web(
        "- sync: ./src:/app
- run: {cmd: 'echo $(id -u) $(pwd) $$WORD > /tmp/ran', workdir: /app, user: '1000', environment: {WORD: 'a b'}}",
    );
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.live_updated("web");
    assert_eq!(
        project.file("web", "/tmp/ran").as_deref(),
        Some("1000 /app a b\n")
    );
}

/// C7: "a list is executed as it is".
#[test]
fn a_list_is_executed_as_it_is_without_a_shell() {
    let project = Project::web("- sync: ./src:/app\n- run: [cp, /app/a.txt, '/tmp/$$HOME; *']");
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.live_updated("web");
    assert_eq!(project.file("web", "/tmp/$HOME; *").as_deref(), Some("two"));
}

/// B8: "`$$`" in a command is one `$` for the container's shell.
#[test]
fn a_doubled_dollar_is_the_shells_own() {
    let project = Project::web(
        "- sync: ./src:/app\n- run: 'X=inside; echo $${X} ${OUTSIDE:-outside} > /ran'",
    );
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.live_updated("web");
    assert_eq!(
        project.file("web", "/ran").as_deref(),
        Some("inside outside\n")
    );
}

/// C7: "Their output streams": the first line is told while the command still runs.
#[test]
fn the_output_of_a_run_streams() {
    let project = Project::web(
        "- sync: ./src:/app\n- run: 'echo first; until test -e /go; do sleep 0.1; done; echo bad >&2'",
    );
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.wait_for("the first line", |event| {
        event["event"] == "step" && event["text"] == "first"
    });
    project.sh("web", "touch /go");
    let step = up.wait_for("the last line", |event| {
        event["event"] == "step" && event["text"] == "bad"
    });
    assert_eq!(step["stream"], "stderr");
    up.live_updated("web");
}

/// C7: a delete alone is an update as well: the run without trigger runs, the triggered one if what was deleted matches.
#[test]
fn a_deletion_runs_what_it_triggers() {
    let project = Project::web(
        "- sync: ./src:/app\n- run: echo always >> /ran\n- run: {cmd: echo triggered >> /ran, trigger: 'src/*.gen'}",
    );
    project.write("src/x.gen", "one");
    let mut up = project.up();
    project.remove("src/x.gen");
    up.live_updated("web");
    assert_eq!(
        project.file("web", "/ran").as_deref(),
        Some("always\ntriggered\n")
    );
}

/// Peers, section 5: "an edit during an update is one more update".
#[test]
fn edits_during_an_update_are_one_more_update() {
    let project = Project::web(
        "- sync: ./src:/app\n- run: 'echo ran >> /ran; until test -e /go; do sleep 0.1; done'",
    );
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.until_file("web", "/ran", "ran\n");
    for number in 0..5 {
        project.write(format!("src/{number}"), "during");
    }
    project.write("src/a.txt", "three");
    project.sh("web", "touch /go");
    up.live_updated("web");
    up.live_updated("web");
    up.until_in_step("src", "web", "/app");
    assert_eq!(project.file("web", "/ran").as_deref(), Some("ran\nran\n"));
}

/// C7, C8: what a rebuild does not help is said and stays owed; a change has one rebuild for it, and the next is heard.
#[test]
fn a_failed_run_that_a_rebuild_does_not_help_is_rebuilt_once_for_a_change() {
    let steps = "- sync: ./src:/app\n- run: {cmd: test -e /app/fixed, on_failure: rebuild}";
    let project = Project::web(steps);
    // Nothing of the sources is in the image: it comes out the same, and the container stays.
    let dockerfile = "FROM busybox:1.37\nCMD [\"sleep\", \"100000\"]\n";
    project.write("Dockerfile", dockerfile);
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.rebuilt("web");
    assert_eq!(up.outcome("web")["ok"], false);
    project.write("src/fixed", "");
    up.wait_for("the command that was owed", |event| {
        event["event"] == "outcome" && event["action"] == "live-update" && event["ok"] == true
    });
    assert_eq!(up.rebuilds("web"), 1);
}
