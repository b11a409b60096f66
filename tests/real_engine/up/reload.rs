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
