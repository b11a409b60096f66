//! The last step: restarts and signals (`spec.md` C9).

use crate::session::Project;

/// Writes to `/said` what it is told, and when it began.
const LISTENS: &str = "trap 'echo HUP >> /said' HUP; trap 'echo USR1 >> /said; exit 0' USR1; \
    trap 'echo TERM >> /said; exit 0' TERM; echo began >> /said; while :; do sleep 1000 & wait $!; done";

fn listening(lines: &str, steps: &str) -> Project {
    let project = Project::web_with(lines, steps);
    project.write(
        "Dockerfile",
        "FROM busybox:1.37\nCOPY src /app\nCOPY listen.sh /\nCMD [\"sh\", \"/listen.sh\"]\n",
    );
    project.write("listen.sh", LISTENS);
    project
}

/// C9: "`restart_container` honours `stop_signal`".
#[test]
fn restart_container_honours_the_stop_signal() {
    let project = listening(
        "stop_signal: SIGUSR1",
        "- sync: ./src:/app\n- restart_container",
    );
    let mut up = project.up();
    up.until_file("web", "/said", "began\n");
    let id = project.id("web");
    project.write("src/a.txt", "two");
    up.live_updated("web");
    up.until_file("web", "/said", "began\nUSR1\nbegan\n");
    assert_eq!(project.id("web"), id);
}

/// C9: "when the process ignored the signal until it was killed, the tool says so once and suggests `init: true`".
#[test]
fn a_process_that_ignores_the_signal_is_told_of_once() {
    let project = Project::new(
        "
services:
  web:
    build: .
    stop_grace_period: 1s
    x-live-update: [{sync: ./src:/app}, restart_container]
",
    );
    project.write("Dockerfile", crate::session::DOCKERFILE);
    project.write("src/a.txt", "one");
    let mut up = project.up();
    for text in ["two", "three"] {
        project.write("src/a.txt", text);
        up.live_updated("web");
    }
    assert_eq!(
        up.count(|event| event["event"] == "notice" && event.to_string().contains("init: true")),
        1
    );
}

/// Section 1: "`signal: HUP`".
#[test]
fn signal_hup_reaches_the_process_and_nothing_restarts() {
    let project = listening("", "- sync: ./src:/app\n- signal: HUP");
    let mut up = project.up();
    up.until_file("web", "/said", "began\n");
    project.write("src/a.txt", "two");
    up.live_updated("web");
    up.until_file("web", "/said", "began\nHUP\n");
}

/// Section 1: `trigger` of a restart.
#[test]
fn a_restart_with_a_trigger_happens_only_for_it() {
    let project =
        Project::web("- sync: ./src:/app\n- restart_container: {trigger: ./src/config.ini}");
    let mut up = project.up();
    let began = project.started_at("web");
    project.write("src/a.txt", "two");
    up.live_updated("web");
    assert_eq!(project.started_at("web"), began);
    project.write("src/config.ini", "two");
    up.live_updated("web");
    assert_ne!(project.started_at("web"), began);
}

/// Section 1: `restart_container`'s `timeout` overrides a long grace period.
#[test]
fn the_restarts_own_timeout_holds() {
    let project = Project::new(
        "
services:
  web:
    build: .
    stop_grace_period: 5m
    x-live-update: [{sync: ./src:/app}, {restart_container: {timeout: 1s}}]
",
    );
    project.write("Dockerfile", crate::session::DOCKERFILE);
    project.write("src/a.txt", "one");
    let mut up = project.up_with(&["--timeout", "1"]);
    let began = project.started_at("web");
    project.write("src/a.txt", "two");
    up.live_updated("web");
    assert_ne!(project.started_at("web"), began);
}

/// `docker restart` keeps the files, and so does ours: what only the container has is still there.
#[test]
fn a_restart_keeps_what_only_the_container_has() {
    let project = Project::web("- sync: ./src:/app\n- restart_container");
    let mut up = project.up();
    project.sh("web", "echo mine > /mine");
    project.write("src/a.txt", "two");
    up.live_updated("web");
    assert_eq!(project.file("web", "/mine").as_deref(), Some("mine\n"));
}

/// Section 1: `restart_process`: "the container's process restarts without the container" (issue 5.5).
#[test]
fn restart_process_restarts_the_process_and_not_the_container() {
    let project = listening("", "- sync: ./src:/app\n- restart_process");
    let mut up = project.up();
    up.until_file("web", "/said", "began\n");
    let before = (project.id("web"), project.started_at("web"));
    for (text, said) in [
        ("two", "began\nTERM\nbegan\n"),
        ("three", "began\nTERM\nbegan\nTERM\nbegan\n"),
    ] {
        project.write("src/a.txt", text);
        up.live_updated("web");
        up.until_file("web", "/said", said);
    }
    assert_eq!(before, (project.id("web"), project.started_at("web")));
}

/// Issue 5.5: "`docker compose up` without us gives the plain service again."
#[test]
fn without_us_a_service_with_restart_process_is_the_plain_service_again() {
    let project = Project::web("- sync: ./src:/app\n- restart_process");
    let up = project.up();
    up.until("it runs", &"true".to_owned(), || {
        project.inspect("web", "{{.State.Running}}")
    });
    drop(up);
    project.compose(&["up", "-d"]);
    assert_eq!(
        project.inspect("web", "{{.Path}} {{.Args}} {{.Config.Cmd}}"),
        "sleep [100000] [sleep 100000]"
    );
}

/// Issue 5.5: "Images without a shell work."
#[test]
fn an_image_without_a_shell_is_updated_runs_and_restarts_its_process() {
    let project =
        Project::web("- sync: ./src:/app\n- run: [/busybox, touch, /ran]\n- restart_process");
    project.write(
        "Dockerfile",
        "FROM scratch\nCOPY --from=busybox:1.37 /bin/busybox /busybox\nCOPY src /app\nCMD [\"/busybox\", \"sleep\", \"100000\"]\n",
    );
    project.write("src/old", "goes");
    let mut up = project.up();
    let before = project.started_at("web");
    project.write("src/a.txt", "two");
    up.live_updated("web");
    assert_eq!(project.file("web", "/ran").as_deref(), Some(""));
    project.remove("src/old");
    up.live_updated("web");
    up.until_in_step("src", "web", "/app");
    assert_eq!(project.started_at("web"), before);
    assert_eq!(up.rebuilds("web"), 0);
}
