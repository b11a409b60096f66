//! The flags of `up` and the options of a block (`spec.md` sections 1 and 6).

use crate::project::Project;

/// C1: "`--no-build` starts what there is."
#[test]
fn no_build_starts_what_there_is_and_brings_it_in_step() {
    let project = Project::web("- sync: ./src:/app");
    project.compose(&["build"]);
    project.replace("Dockerfile", "CMD", "RUN exit 1\nCMD");
    project.write("src/a.txt", "newer than the image");
    let up = project.up_with(&["--no-build"]);
    up.until_file("web", "/app/a.txt", "newer than the image");
    project.write("src/a.txt", "two");
    up.until_file("web", "/app/a.txt", "two");
}

/// Section 6: `--no-logs`; and the logs that are shown otherwise.
#[test]
fn logs_are_shown_unless_no_logs_and_survive_a_recreation() {
    let compose = "command: [sh, -c, 'echo hello from $$(hostname); exec sleep 100000']";
    let project = Project::web_with(compose, "- sync: ./src:/app");
    // The first line may be told before the session is ready.
    let mut up = project.begin(&[]);
    let first = up.wait_for("the log", |event| event["event"] == "log");
    assert!(first["text"].as_str().unwrap().starts_with("hello from"));
    up.eventually("it is ready", || {
        up.count(|event| event["event"] == "started") == 1
    });
    project.compose(&["up", "-d", "--force-recreate", "--no-build"]);
    let second = up.wait_for("the new container's log", |event| event["event"] == "log");
    assert_ne!(first["text"], second["text"]);
    drop(up);
    let mut up = project.up_with(&["--no-logs"]);
    project.write("src/a.txt", "two");
    up.live_updated("web");
    assert_eq!(up.count(|event| event["event"] == "log"), 0);
}

/// Every line of `--format json` is one object with version, event and time.
#[test]
fn every_line_of_json_is_a_versioned_object() {
    let project = Project::web("- sync: ./src:/app");
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.live_updated("web");
    for event in up.events() {
        assert_eq!(event["v"], 1, "{event}");
        assert!(
            event["event"].is_string() && event["time"].is_string(),
            "{event}"
        );
    }
}

/// Section 1: `trigger_mode: manual` gathers and says how many wait (issue 3.5), and without a terminal what to do in place of
/// the key.
#[test]
fn in_manual_mode_without_a_terminal_changes_wait_for_the_signal_that_is_named() {
    let project = Project::web("trigger_mode: manual\nsteps: [{sync: ./src:/app}]");
    let mut up = project.begin(&[]);
    let how = up.says("no terminal for the key `u`");
    let how = how["text"].as_str().unwrap();
    let pid = up.pid();
    assert!(how.contains(&format!("`kill -USR1 {pid}`")), "{how}");
    project.write("src/a.txt", "two");
    project.write("src/b.txt", "two");
    let waits = up.wait_for("both wait", |event| {
        event["action"] == "waits" && event.to_string().contains("2 changes wait")
    });
    assert!(waits.to_string().contains("kill -USR1"), "{waits}");
    assert_eq!(project.file("web", "/app/a.txt").as_deref(), Some("one"));
    up.signal(rustix::process::Signal::USR1);
    up.live_updated("web");
    up.until_in_step("src", "web", "/app");
}

/// E7, section 1: what waits is applied when the block says `auto`.
#[test]
fn what_waits_is_applied_when_manual_mode_ends() {
    let project = Project::web("trigger_mode: manual\nsteps: [{sync: ./src:/app}]");
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.wait_for("it waits", |event| event["action"] == "waits");
    project.replace("compose.yaml", "trigger_mode: manual", "trigger_mode: auto");
    up.until_file("web", "/app/a.txt", "two");
}

/// Section 1: `debounce` gathers what comes within it.
#[test]
fn with_a_debounce_edits_within_it_are_one_update() {
    let project =
        Project::web("debounce: 2s\nsteps: [{sync: ./src:/app}, {run: echo ran >> /ran}]");
    let mut up = project.up();
    for number in 0..5 {
        project.write(format!("src/{number}"), "x");
    }
    up.live_updated("web");
    assert_eq!(project.file("web", "/ran").as_deref(), Some("ran\n"));
    up.until_in_step("src", "web", "/app");
}

/// B8: override files, with lists appended in order of kind (B1).
#[test]
fn an_override_file_adds_to_the_block() {
    let project = Project::web("- sync: ./src:/app\n- run: echo base >> /ran");
    project.write(
        "compose.override.yaml",
        "services:\n  web:\n    x-live-update:\n      - sync: ./more:/more\n      - run: echo more >> /ran\n",
    );
    project.write("more/x", "one");
    let mut up = project.up();
    project.write("more/x", "two");
    up.live_updated("web");
    assert_eq!(project.file("web", "/more/x").as_deref(), Some("two"));
    assert_eq!(project.file("web", "/ran").as_deref(), Some("base\nmore\n"));
}

/// B5, B8: an included file's paths stay relative to its own directory.
#[test]
fn an_included_files_block_is_relative_to_its_own_directory() {
    let project = Project::new("include: [sub/compose.yaml]\n");
    project.write(
        "sub/compose.yaml",
        crate::project::web("", "- sync: ./src:/app"),
    );
    project.write("sub/Dockerfile", crate::project::DOCKERFILE);
    project.write("sub/src/a.txt", "one");
    let mut up = project.up();
    project.write("sub/src/a.txt", "two");
    up.live_updated("web");
    assert_eq!(project.file("web", "/app/a.txt").as_deref(), Some("two"));
}

/// Section 1: `entrypoint`/`command` of the block: "what the container runs under `docker liveupdate up` only".
#[test]
fn the_blocks_command_is_in_force_under_up_only() {
    let project = Project::web(
        "command: [sh, -c, 'echo ours > /whose; exec sleep 100000']\nsteps: [{sync: ./src:/app}]",
    );
    let up = project.up();
    up.until_file("web", "/whose", "ours\n");
    drop(up);
    project.compose(&["up", "-d"]);
    assert_eq!(project.tree("web", "/whose"), None);
}

/// Section 6: "Output is plain when not a terminal"; issue 2.9: "one line per update".
#[test]
fn text_is_plain_when_it_is_no_terminal_and_an_update_is_one_line() {
    let project = Project::web("- sync: ./src:/app\n- run: 'true'\n- restart_container");
    let mut up = project.follow(project.tool(&["up"]));
    up.says("ready");
    project.write("src/a.txt", "two");
    let line = up.says("src/a.txt -> /app/a.txt");
    let line = line["text"].as_str().unwrap();
    for part in ["web", "ran 1 command", "restarted", "wait"] {
        assert!(line.contains(part), "`{part}` is not in: {line}");
    }
    assert!(!up.said("\\u001b"), "no colours");
}
