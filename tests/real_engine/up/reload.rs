//! Configuration that is edited while `up` runs (`spec.md` E7).

use crate::project::{Project, web};

/// E7, issue 3.7: "an edited block alone recreates nothing", and it is in force.
#[test]
fn an_edited_block_takes_effect_and_recreates_nothing() {
    let project = project("- sync: ./src:/app");
    let mut up = project.up();
    let before = project.id("web");
    project.replace("compose.yaml", "./src:/app", "./src:/elsewhere");
    up.eventually("the new target is in force", || {
        let marker = format!("{:?}", std::time::Instant::now());
        project.write("src/marker", &marker);
        up.eventually("the marker", || {
            [
                project.file("web", "/elsewhere/marker"),
                project.file("web", "/app/marker"),
            ]
            .contains(&Some(marker.clone()))
        });
        project.file("web", "/elsewhere/marker").as_deref() == Some(marker.as_str())
    });
    assert_eq!(project.id("web"), before);
    assert_eq!(up.rebuilds("web"), 0);
    project.write("src/a.txt", "two");
    up.until_file("web", "/elsewhere/a.txt", "two");
    up.live_updated("web");
}

fn project(steps: &str) -> Project {
    let project = Project::web(steps);
    project.write(".dockerignore", "compose.yaml\n.env\n*.yaml\n");
    project
}

/// E7: "a broken edit is reported and the last good model stays."
#[test]
fn a_broken_edit_is_reported_and_the_last_good_model_stays() {
    let project = project("- sync: ./src:/app");
    let good = project.read("compose.yaml");
    let mut up = project.up();
    project.write("compose.yaml", good.replace("sync:", "snyc:"));
    let problem = up.wait_for("the problem", |event| event["event"] == "problem");
    let text = problem["message"].as_str().unwrap().to_owned();
    assert!(
        text.contains("snyc") && text.contains("compose.yaml"),
        "{text}"
    );
    project.write("src/a.txt", "two");
    up.until_file("web", "/app/a.txt", "two");
    // Peers, section 5: "compose file still watched after a parse error".
    project.write("compose.yaml", "services: [");
    up.wait_for("the problem", |event| event["event"] == "problem");
    project.write("compose.yaml", good.replace("/app", "/elsewhere"));
    up.eventually("the fixed file is in force", || {
        project.write("src/marker", format!("{:?}", std::time::Instant::now()));
        project.tree("web", "/elsewhere/marker").is_some()
    });
}

/// Issue 3.7: "a changed service is recreated as `docker compose up` would".
#[test]
fn a_changed_service_is_recreated_and_has_the_hosts_files() {
    let project = project("- sync: ./src:/app");
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.live_updated("web");
    let before = project.id("web");
    project.replace(
        "compose.yaml",
        "    init: true\n",
        "    init: true\n    environment: {COLOUR: green}\n",
    );
    up.until("the new environment", &"green".to_owned(), || {
        project.sh("web", "echo $COLOUR")
    });
    assert_ne!(project.id("web"), before);
    up.until_in_step("src", "web", "/app");
}

/// E7: "an `.env` file".
#[test]
fn an_edit_of_the_env_file_takes_effect() {
    let project = project("- sync: ./src:${TARGET}");
    project.write(".env", "TARGET=/app\n");
    let up = project.up();
    project.write(".env", "TARGET=/elsewhere\n");
    up.eventually("the new target is in force", || {
        project.write("src/marker", format!("{:?}", std::time::Instant::now()));
        project.tree("web", "/elsewhere/marker").is_some()
    });
}

/// E7: a service that was added is started and updated.
#[test]
fn a_service_that_was_added_is_started_and_updated() {
    let project = project("- sync: ./src:/app");
    let up = project.up();
    let more =
        "  other:\n    build: .\n    init: true\n    x-live-update: [{sync: './src:/app'}]\n";
    project.write("compose.yaml", web("", "- sync: ./src:/app") + more);
    up.until("it runs", &"true".to_owned(), || {
        project.inspect("other", "{{.State.Running}}")
    });
    project.write("src/a.txt", "two");
    up.until_file("web", "/app/a.txt", "two");
    up.until_file("other", "/app/a.txt", "two");
}

/// E7, with the compose file in the build context, as in most projects: an edit of the block is no reason to build.
#[test]
fn the_compose_file_in_the_context_is_configuration_and_no_reason_to_rebuild() {
    let project = Project::web("- sync: ./src:/app");
    let up = project.up();
    let before = project.id("web");
    project.replace("compose.yaml", "./src:/app", "./src:/elsewhere");
    up.eventually("the new target is in force", || {
        project.write("src/marker", format!("{:?}", std::time::Instant::now()));
        project.tree("web", "/elsewhere/marker").is_some()
    });
    assert_eq!(project.id("web"), before);
}

/// E7: what a sync brings elsewhere now is there without another edit of the files.
#[test]
fn what_an_edited_sync_brings_elsewhere_is_there_at_once() {
    let project = project("- sync: ./src:/app\n- run: echo ran >> /ran");
    let up = project.up();
    project.replace("compose.yaml", "./src:/app", "./src:/elsewhere");
    up.until_in_step("src", "web", "/elsewhere");
    up.until_file("web", "/ran", "ran\n");
}

/// C2, "never copied": a file that is ignored from now on comes into no container that is made from now on.
#[test]
fn what_is_ignored_from_now_on_comes_into_no_new_container() {
    let project = project("- sync: ./src:/app");
    let mut up = project.up();
    project.write("src/secret.txt", "mine");
    up.live_updated("web");
    let ignored = project.read(".dockerignore") + "src/secret.txt\n";
    project.write(".dockerignore", ignored);
    up.rebuilt("web");
    project.compose(&["up", "-d", "--force-recreate", "--no-build"]);
    project.write("src/a.txt", "three");
    up.until_file("web", "/app/a.txt", "three");
    assert_eq!(project.file("web", "/app/secret.txt"), None);
}

/// C5, "never wipes": a source that is away when the configuration is read again is no deletion of its files.
#[test]
fn a_reload_while_a_source_is_away_deletes_nothing() {
    let project = project("- sync: ./src:/app");
    project.write(".dockerignore", "away\n*.yaml\n");
    let up = project.up();
    project.rename("src", "away");
    let edited = project.read("compose.yaml") + "# edited\n";
    project.write("compose.yaml", edited.replace("init: true", "init: false"));
    up.until("it is in force", &"false".to_owned(), || {
        project.inspect("web", "{{.HostConfig.Init}}")
    });
    assert_eq!(project.file("web", "/app/a.txt").as_deref(), Some("one"));
    project.rename("away", "src");
    project.write("src/a.txt", "two");
    up.until_file("web", "/app/a.txt", "two");
    assert_eq!(up.rebuilds("web"), 0);
}

/// C10, E7: a service scaled by hand keeps its number over an edit of the compose file, whatever the edit is.
#[test]
fn an_edit_keeps_the_number_of_a_service_scaled_by_hand() {
    let project = project("- sync: ./src:/app");
    let up = project.up();
    project.scale_by_hand("web=2");
    up.until_file("web-2", "/app/a.txt", "one");
    project.replace(
        "compose.yaml",
        "    init: true\n",
        "    init: true\n    environment: {COLOUR: green}\n",
    );
    for container in ["web", "web-2"] {
        up.until("the new environment", &"green".to_owned(), || {
            project.sh(container, "echo $COLOUR")
        });
    }
}

/// E7, C11: an edit of `build:` is a reason to build; Compose's own `up` would take the image that is there.
#[test]
fn an_edit_of_the_build_is_built() {
    let project = project("- sync: ./src:/app");
    project.write(
        "Dockerfile",
        "FROM busybox:1.37\nARG COLOUR=red\nRUN echo $COLOUR > /colour\nCOPY src /app\nCMD [\"sleep\", \"100000\"]\n",
    );
    let up = project.up();
    project.replace(
        "compose.yaml",
        "    build: .\n",
        "    build: {context: ., args: {COLOUR: green}}\n",
    );
    up.until_file("web", "/colour", "green\n");
    up.until_in_step("src", "web", "/app");
}

/// E3, E7: a service that was added and could not be built is built by the next change.
#[test]
fn a_service_that_was_added_broken_is_built_when_it_is_mended() {
    let project = project("- sync: ./src:/app");
    project.write("other/Dockerfile", "FROM busybox:1.37\nRUN false\n");
    let mut up = project.up();
    let more = "  other:\n    build: other\n    init: true\n    x-live-update: [{sync: './other/src:/app'}]\n";
    project.write("other/src/b.txt", "one");
    project.write("compose.yaml", web("", "- sync: ./src:/app") + more);
    up.wait_for("the problem", |event| event["event"] == "problem");
    project.write(
        "other/Dockerfile",
        "FROM busybox:1.37\nCOPY src /app\nCMD [\"sleep\", \"100000\"]\n",
    );
    up.until_file("other", "/app/b.txt", "one");
}

/// E7: the fix of an included file, which was broken when it was included, is heard.
#[test]
fn a_broken_file_that_was_just_included_is_heard_when_it_is_mended() {
    let project = project("- sync: ./src:/app");
    let mut up = project.up();
    project.write("more.yaml", "services: [");
    let including = "include: [more.yaml]\n".to_owned() + &project.read("compose.yaml");
    project.write("compose.yaml", including);
    up.wait_for("the problem", |event| event["event"] == "problem");
    project.write(
        "more.yaml",
        "services:\n  other:\n    image: busybox:1.37\n    init: true\n    command: sleep 100000\n",
    );
    up.until("it runs", &"true".to_owned(), || {
        project.inspect("other", "{{.State.Running}}")
    });
}

/// E1, E7: what an edited sync brought is not in the image, and is in the next container all the same.
#[test]
fn what_an_edited_sync_brings_is_in_new_containers_too() {
    let project = project("- sync: ./src:/app");
    project.write("extra/b.txt", "extra");
    let mut up = project.up();
    let edited = web("", "- sync: ./src:/app\n- sync: ./extra:/extra");
    project.write("compose.yaml", edited);
    up.until_file("web", "/extra/b.txt", "extra");
    project.write("Makefile", "no sync covers it");
    up.wait_for("the rebuild", |event| {
        event["event"] == "outcome" && event["action"] == "rebuild"
    });
    up.until_file("web", "/extra/b.txt", "extra");
    project.compose(&["up", "-d", "--no-build", "--force-recreate"]);
    up.until_file("web", "/extra/b.txt", "extra");
}

/// E7: an edit that was heard beside a broken one is not forgotten.
#[test]
fn an_ignore_file_edited_while_the_compose_file_is_broken_takes_effect_when_that_is_mended() {
    let project = project("unmatched: ignore\nsteps: [{sync: ./src:/app}]");
    let good = project.read("compose.yaml");
    let mut up = project.up();
    project.write("compose.yaml", "services: [");
    up.wait_for("the problem", |event| event["event"] == "problem");
    project.write(".dockerignore", "**/*.log\n");
    up.wait_for("the problem", |event| event["event"] == "problem");
    project.write("compose.yaml", good);
    up.says("the configuration was read again");
    project.write("src/x.log", "ignored");
    project.write("src/marker", "later");
    up.until_file("web", "/app/marker", "later");
    assert_eq!(project.tree("web", "/app/x.log"), None);
}

/// E7: "the last good model stays" in force also when it is an ignore file of the new one that is broken, and that is heard.
#[test]
fn a_broken_ignore_file_of_a_service_that_was_added_is_heard_when_it_is_mended() {
    let project = project("- sync: ./src:/app");
    let mut up = project.up();
    project.write("other/Dockerfile", crate::project::DOCKERFILE);
    project.write("other/Dockerfile.dockerignore", "[\n");
    project.write("other/src/a.txt", "other");
    let good = project.read("compose.yaml");
    let added = good
        + "  other:\n    build: ./other\n    init: true\n    command: sleep infinity\n    x-live-update: [{sync: ./other/src:/app}]\n";
    project.write("compose.yaml", added);
    up.wait_for("the problem", |event| event["event"] == "problem");
    project.write("other/Dockerfile.dockerignore", "nothing\n");
    up.until_file("other", "/app/a.txt", "other");
}

/// E7: a file that is included and not there is heard when it comes.
#[test]
fn an_included_file_that_is_missing_is_heard_when_it_comes() {
    let project = project("- sync: ./src:/app");
    let mut up = project.up();
    let including = "include: [more.yaml]\n".to_owned() + &project.read("compose.yaml");
    project.write("compose.yaml", including);
    up.wait_for("the problem", |event| event["event"] == "problem");
    let more =
        "services:\n  other:\n    image: busybox:1.37\n    init: true\n    command: sleep 100000\n";
    project.write("more.yaml", more);
    up.until("it runs", &"true".to_owned(), || {
        project.inspect("other", "{{.State.Running}}")
    });
}

/// E7: an edit that Compose itself makes no container anew for: the content of a config or a secret, its variable, its file.
#[test]
fn an_edited_config_or_secret_is_in_the_container() {
    let configs = "\
configs:
  inline: {content: one}
  named: {environment: NAMED}
  file: {file: ./file-1}
secrets:
  key: {environment: KEY}
";
    let lines = "configs: [inline, named, file]\nsecrets: [key]\n";
    let project = Project::web_with(lines, "- sync: ./src:/app");
    let text = project.read("compose.yaml") + configs;
    project.write("compose.yaml", text);
    project.write(".dockerignore", "*\n!src\n");
    project.write(".env", "NAMED=one\nKEY=one\n");
    project.write("file-1", "one\n");
    project.write("file-2", "two\n");
    let mut up = project.up();
    let before = project.id("web");
    let recreated = |up: &mut crate::session::Session<'_>, what: &str| {
        up.wait_for(what, |event| {
            event["event"] == "notice"
                && event["service"] == "web"
                && event["text"] == format!("recreating: {what} was edited")
        });
    };
    project.replace("compose.yaml", "content: one", "content: two");
    recreated(&mut up, "config `inline`");
    up.until_file("web", "/inline", "two");
    project.write(".env", "NAMED=two\nKEY=one\n");
    recreated(&mut up, "config `named`");
    up.until_file("web", "/named", "two");
    project.write(".env", "NAMED=two\nKEY=two\n");
    recreated(&mut up, "secret `key`");
    up.until_file("web", "/run/secrets/key", "two");
    project.replace("compose.yaml", "file-1", "file-2");
    recreated(&mut up, "config `file`");
    up.until("the other file", &"two".to_owned(), || {
        project.sh("web", "cat /file")
    });
    assert_ne!(project.id("web"), before);
    project.write("src/a.txt", "two");
    up.until_file("web", "/app/a.txt", "two");
}

/// E7: where nobody but the user may do what an edit asks for, it is said that nothing was done, and how to do it.
#[test]
fn an_edit_that_cannot_take_effect_says_so_and_how_it_would() {
    let project = Project::web_with("volumes: [data:/data]", "- sync: ./src:/app");
    let volumes = "volumes:\n  data: {labels: {a: b}}\n";
    let text = format!(
        "name: {}\n{}{volumes}",
        project.name,
        project.read("compose.yaml")
    );
    project.write("compose.yaml", &text);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_docker-liveupdate"));
    command.args(["liveupdate", "up", "--format", "json"]);
    command
        .current_dir(project.path(""))
        .env_remove("COMPOSE_FILE");
    let mut up = project.follow(command);
    up.wait_for("the session has started", |event| {
        event["event"] == "started"
    });
    let before = project.id("web");
    project.write("compose.yaml", text.replace("a: b", "a: c"));
    let said = up.wait_for("the volume", |event| event["event"] == "problem");
    assert_eq!(
        said["message"],
        "the volume `data` is defined in another way now, and nothing was done: one that exists stays as it is"
    );
    let hint = said["hint"].as_str().unwrap();
    assert!(hint.contains("down --volumes"), "{hint}");
    project.write("compose.yaml", text.replace("name: ", "name: another-"));
    let said = up.wait_for("the name", |event| event["event"] == "problem");
    let message = said["message"].as_str().unwrap();
    assert!(message.contains("nothing was done"), "{message}");
    assert_eq!(project.id("web"), before);
    project.write("src/a.txt", "two");
    up.until_file("web", "/app/a.txt", "two");
}

/// What Compose warns of is warned of once, however many of its commands read the file.
#[test]
fn a_warning_of_composes_is_shown_once() {
    let project = project("- sync: ./src:/app");
    let text = format!("version: '3'\n{}", project.read("compose.yaml"));
    project.write("compose.yaml", &text);
    let mut up = project.up();
    project.replace(
        "compose.yaml",
        "    init: true\n",
        "    init: true\n    environment: {COLOUR: green}\n",
    );
    up.until("the new environment", &"green".to_owned(), || {
        project.sh("web", "echo $COLOUR")
    });
    project.write(
        "Dockerfile",
        crate::project::DOCKERFILE.replace("CMD", "RUN true\nCMD"),
    );
    up.rebuilt("web");
    let warned = up.count(|event| {
        let text = event["text"].as_str().unwrap_or_default();
        text.contains("`version` is obsolete")
    });
    assert_eq!(warned, 1);
}
