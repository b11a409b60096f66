//! What a change does (`spec.md` C2 to C5, C12, E4): which files count, and what is copied, deleted or left alone.

use std::fs;
use std::os::unix::ffi::OsStrExt;

use serde_json::Value;

use crate::needs::{has, needs};
use crate::project::Project;

const SYNC: &str = "- sync: ./src:/app";

/// C2, C3.1: what the ignore file excludes does not sync, does not trigger, does not rebuild.
#[test]
fn files_that_dockerignore_excludes_do_nothing() {
    let project = Project::web("- sync: ./src:/app\n- run: echo ran >> /ran");
    project.write(
        ".dockerignore",
        "**/*.log\nnode_modules\nsrc/cache\n!src/keep.log\n",
    );
    let mut up = project.up();
    project.write("src/x.log", "ignored");
    project.write("src/cache/y", "ignored");
    project.write("node_modules/z", "ignored");
    project.write("src/keep.log", "kept");
    up.until_file("web", "/app/keep.log", "kept");
    up.live_updated("web");
    assert_eq!(project.tree("web", "/app/x.log"), None);
    assert_eq!(project.tree("web", "/app/cache"), None);
    assert_eq!(up.rebuilds("web"), 0);
    assert!(!up.said("x.log"));
}

/// C2: "`.git`, editors' temporary files".
#[test]
fn git_and_editors_temporary_files_do_nothing() {
    let project = Project::web(SYNC);
    let mut up = project.up();
    for name in [".git/index", "src/.a.txt.swp", "src/a.txt~", "src/.#a.txt"] {
        project.write(name, "temporary");
    }
    // Vim's test of whether it may write here.
    project.write("src/4913", "");
    project.remove("src/4913");
    project.write("src/a.txt", "two");
    up.live_updated("web");
    project.write("src/marker", "later");
    up.until_file("web", "/app/marker", "later");
    let tree = project.tree("web", "/app").unwrap();
    let names: Vec<_> = tree.keys().map(|path| path.display().to_string()).collect();
    assert_eq!(names, ["", "a.txt", "marker"]);
    assert_eq!(up.rebuilds("web"), 0);
}

/// C2: "never copied, not even inside a directory that was moved in."
#[test]
fn a_directory_that_was_moved_in_comes_without_its_ignored_files() {
    let project = Project::web(SYNC);
    project.write(".dockerignore", "**/node_modules\n**/*.secret\n");
    let up = project.up();
    let elsewhere = tempfile::tempdir_in(project.path("..")).unwrap();
    let moved = elsewhere.path().join("lib");
    fs::create_dir_all(moved.join("deep/node_modules/x")).unwrap();
    fs::write(moved.join("deep/node_modules/x/index.js"), "no").unwrap();
    fs::write(moved.join("key.secret"), "no").unwrap();
    fs::write(moved.join("deep/yes"), "yes").unwrap();
    fs::rename(&moved, project.path("src/lib")).unwrap();
    up.until_file("web", "/app/lib/deep/yes", "yes");
    project.write("src/lib/later", "later");
    up.until_file("web", "/app/lib/later", "later");
    let tree = project.tree("web", "/app/lib").unwrap();
    let names: Vec<_> = tree.keys().map(|path| path.display().to_string()).collect();
    assert_eq!(names, ["", "deep", "deep/yes", "later"]);
}

/// C3.2: "or is the Dockerfile".
#[test]
fn an_edit_of_the_dockerfile_rebuilds() {
    let project = Project::web(SYNC);
    let mut up = project.up();
    project.replace("Dockerfile", "CMD", "RUN echo yes > /built\nCMD");
    up.rebuilt("web");
    assert_eq!(project.file("web", "/built").as_deref(), Some("yes\n"));
}

/// C3.2: "or its ignore file".
#[test]
fn an_edit_of_the_ignore_file_rebuilds_and_takes_effect() {
    let project = Project::web(SYNC);
    project.write(".dockerignore", "nothing-yet\n");
    let mut up = project.up();
    project.write(".dockerignore", "**/*.log\n");
    up.rebuilt("web");
    project.write("src/x.log", "ignored");
    project.write("src/marker", "later");
    up.until_file("web", "/app/marker", "later");
    assert_eq!(project.tree("web", "/app/x.log"), None);
}

/// B6: "or a glob".
#[test]
fn fall_back_on_takes_globs_and_directories() {
    let project = Project::web("- fall_back_on: ['src/**/*.lock', src/vendor]\n- sync: ./src:/app");
    project.write("src/vendor/x", "one");
    // A directory that is new may be a batch of its own.
    project.write("src/deep/down/b", "one");
    let mut up = project.up();
    project.write("src/deep/down/a.lock", "two");
    up.rebuilt("web");
    project.write("src/vendor/x", "two");
    up.rebuilt("web");
    project.write("src/a.txt", "two");
    up.live_updated("web");
}

/// C3.3: "with `unmatched: ignore`: that file is left out, and said so".
#[test]
fn with_unmatched_ignore_a_file_that_no_sync_covers_is_left_out_and_said_so() {
    let project = Project::web("unmatched: ignore\nsteps: [{sync: ./src:/app}]");
    project.write("docs/readme", "one");
    let mut up = project.up();
    let before = project.id("web");
    project.write("docs/readme", "two");
    up.says("docs/readme");
    project.write("src/a.txt", "two");
    up.live_updated("web");
    assert_eq!(project.id("web"), before);
    assert!(up.said("unmatched"));
}

/// B2: "an empty list means \"rebuild on every change of the context\"".
#[test]
fn an_empty_list_rebuilds_on_every_change_of_the_context() {
    let project = Project::web("[]");
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.rebuilt("web");
    assert_eq!(project.file("web", "/app/a.txt").as_deref(), Some("two"));
}

/// B2: "A service with no block is started and left alone."
#[test]
fn a_service_without_a_block_is_started_and_left_alone() {
    let project = Project::new(
        "
services:
  web:
    build: .
    init: true
    x-live-update: [{sync: ./src:/app}]
  plain:
    build: .
    init: true
",
    );
    project.write("Dockerfile", crate::project::DOCKERFILE);
    project.write("src/a.txt", "one");
    let mut up = project.up();
    let before = project.id("plain");
    project.write("src/a.txt", "two");
    up.live_updated("web");
    assert_eq!(project.file("plain", "/app/a.txt").as_deref(), Some("one"));
    assert!(!before.is_empty());
    assert_eq!(project.id("plain"), before);
}

/// C4: "The first `sync` in the list that holds the file decides where it goes. A file source with `remote_path` ending in `/` goes
/// into that directory."
#[test]
fn the_first_sync_that_holds_the_file_decides_where_it_goes() {
    let project = Project::web(
        "- sync: ./src/conf/one.conf:/etc/into/\n- sync: ./src/conf:/etc/conf\n- sync: ./src:/app",
    );
    project.write("src/conf/one.conf", "one");
    project.write("src/conf/two.conf", "one");
    let up = project.up();
    project.write("src/conf/one.conf", "1");
    project.write("src/conf/two.conf", "2");
    project.write("src/a.txt", "3");
    up.until_file("web", "/etc/into/one.conf", "1");
    up.until_file("web", "/etc/conf/two.conf", "2");
    up.until_file("web", "/app/a.txt", "3");
    assert_eq!(project.tree("web", "/etc/conf/one.conf"), None);
    assert_eq!(
        project.file("web", "/app/conf/one.conf").as_deref(),
        Some("one")
    );
}

/// Section 1: `ignore` and `include` of a sync, `ignore` and `only` of the block.
#[test]
fn ignore_and_include_of_a_sync_and_ignore_of_the_block_hold() {
    let project = Project::web(
        "ignore: ['docs/**']
steps:
  - sync: {local_path: ./src, remote_path: /app, ignore: ['**/*.map']}
  - sync: {local_path: ./lib, remote_path: /lib2, include: ['**/*.js']}",
    );
    project.write("lib/x.js", "one");
    let mut up = project.up();
    project.write("docs/x", "nothing");
    project.write("src/a.map", "left out");
    project.write("src/a.txt", "two");
    project.write("lib/x.js", "two");
    up.until_file("web", "/app/a.txt", "two");
    up.until_file("web", "/lib2/x.js", "two");
    assert_eq!(project.tree("web", "/app/a.map"), None);
    project.write("src/marker", "later");
    up.until_file("web", "/app/marker", "later");
    assert_eq!(project.tree("web", "/docs"), None);
    up.live_updated("web");
}

/// C2: "what `only` leaves out".
#[test]
fn what_only_leaves_out_does_nothing() {
    let project = Project::web("only: ['src/**']\nsteps: [{sync: ./src:/app}]");
    project.write("docs/x", "one");
    let mut up = project.up();
    project.write("docs/x", "two");
    project.write("src/a.txt", "two");
    up.live_updated("web");
    project.write("src/marker", "later");
    up.until_file("web", "/app/marker", "later");
    assert_eq!(up.rebuilds("web"), 0);
}

/// C12: "Every decision is printed with its reason, in one line: the file, the rule (step number), the containers".
#[test]
fn every_decision_is_told_with_its_file_its_step_and_its_containers() {
    let project = Project::web(SYNC);
    let mut up = project.up();
    project.write("src/a.txt", "two");
    let plan = up.wait_for("the plan", |event| event["event"] == "plan");
    assert_eq!(plan["copy"][0]["to"], "/app/a.txt");
    assert_eq!(plan["copy"][0]["step"], 1);
    let outcome = up.live_updated("web");
    assert_eq!(outcome["containers"].as_array().unwrap().len(), 1);
    assert!(outcome["ms"]["total"].as_f64().unwrap() > 0.0);
    project.write("other", "x");
    let outcome = up.rebuilt("web");
    assert!(
        outcome["detail"]["reason"]
            .as_str()
            .unwrap()
            .contains("no sync covers other"),
        "{outcome}"
    );
}

/// Issue 4.1: "A change with equal content copies nothing and says so."
#[test]
fn a_change_with_equal_content_copies_nothing_and_says_so() {
    let project = Project::web("- sync: ./src:/app\n- run: echo ran >> /ran");
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.live_updated("web");
    project.write("src/a.txt", "two");
    up.wait_for("the same", |event| {
        event["event"] == "outcome" && event["action"] == "same"
    });
    project.write("src/a.txt", "three");
    up.live_updated("web");
    assert_eq!(project.file("web", "/ran").as_deref(), Some("ran\nran\n"));
}

/// E4: "After any storm of edits has settled, the container's synced paths equal the host's".
#[test]
fn after_a_storm_of_edits_the_container_equals_the_host() {
    let project = Project::web(SYNC);
    let up = project.up();
    for round in 0..5 {
        for number in 0..60 {
            project.write(
                format!("src/d{}/f{number}", number % 7),
                format!("{round}-{number}"),
            );
        }
        project.remove(format!("src/d{round}"));
        project.rename("src/d6", format!("src/moved{round}"));
    }
    project.write("src/last", "one");
    up.until_in_step("src", "web", "/app");
    assert_eq!(up.rebuilds("web"), 0);
}

/// Peers, section 5: "a git branch switch (10 directories created and deleted quickly; the watch survives)".
#[test]
fn a_git_checkout_between_branches_is_one_state_and_the_watch_survives() {
    needs!(has("git"), "git");
    let project = Project::web(SYNC);
    project.write(".dockerignore", "compose.yaml\nDockerfile\n.dockerignore\n");
    let git = |args: &[&str]| {
        let mut all = vec!["-c", "user.name=a", "-c", "user.email=a@example.com"];
        all.extend(args);
        project.host("git", &all);
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "one"]);
    git(&["checkout", "-qb", "other"]);
    for number in 0..10 {
        project.write(format!("src/dir{number}/deep/file"), format!("{number}"));
    }
    project.write("src/a.txt", "other");
    git(&["add", "."]);
    git(&["commit", "-qm", "two"]);
    git(&["checkout", "-q", "main"]);
    let up = project.up();
    for branch in ["other", "main", "other", "main"] {
        git(&["checkout", "-q", branch]);
        up.until_in_step("src", "web", "/app");
    }
    project.write("src/new/file", "after");
    up.until_file("web", "/app/new/file", "after");
    assert_eq!(up.rebuilds("web"), 0);
}

/// C5: non-UTF-8 names are names like any other.
#[test]
fn a_name_that_is_no_text_is_synced_and_deleted() {
    let project = Project::web(SYNC);
    let up = project.up();
    let name = std::ffi::OsStr::from_bytes(b"src/caf\xe9");
    project.write(name, "latin");
    up.until_in_step("src", "web", "/app");
    project.remove(name);
    up.until_in_step("src", "web", "/app");
}

/// "A change is a change of content, kind, mode, link target or existence": whatever else is done to a file does nothing, the
/// first time as well, by both ways.
#[test]
fn what_changes_no_content_does_nothing_the_first_time_as_well() {
    const NAMED: [&str; 4] = [
        "package.json",
        "Dockerfile",
        ".dockerignore",
        "compose.yaml",
    ];
    for helper in ["auto", "off"] {
        let project = Project::web(&format!(
            "helper: {helper}\nsteps:\n- fall_back_on: package.json\n- sync: ./src:/app\n- run: echo ran >> /ran\n- restart_container"
        ));
        for name in ["read", "set", "mode", "written", "renamed"] {
            project.write(format!("src/{name}"), "one");
        }
        project.write("package.json", "{}");
        project.write(".dockerignore", "*.log\n");
        project.link("read", "src/link");
        let mut up = project.up();
        let id = project.id("web");
        for name in NAMED {
            project.write(name, project.read(name));
            project.touch(name, 1_600_000_000);
        }
        project.host("touch", &["-a", "src/read", "package.json", "Dockerfile"]);
        project.touch("src/set", 1_600_000_000);
        project.chmod("src/mode", 0o644);
        project.write("src/written", "one");
        // Saved as editors do it.
        project.write("aside.log", "one");
        project.rename("aside.log", "src/renamed");
        project.link("read", "aside.log");
        project.rename("aside.log", "src/link");
        let attribute = rustix::fs::XattrFlags::empty();
        // Not every file system has them.
        let _ = rustix::fs::setxattr(project.path("src/a.txt"), "user.x", b"1", attribute);
        project.write("src/marker", "later");
        up.live_updated("web");
        // Where all that was a long burst, the file came before the command and the restart.
        let copied = |event: &Value| event["detail"]["copied"].as_u64().unwrap_or(0);
        let one = up.count(|event| copied(event) == 1);
        let more = up.count(|event| copied(event) > 1);
        assert_eq!((one, more), (1, 0), "helper: {helper}");
        // What was heard after the marker is over when a change of the model is.
        project.replace("compose.yaml", "services:", "# a word\nservices:");
        up.says("the configuration was read again");
        project.write("src/marker", "latest");
        up.until_file("web", "/app/marker", "latest");
        up.live_updated("web");
        assert_eq!(up.sh("web", "cat /ran"), "ran\nran", "helper: {helper}");
        assert_eq!((up.rebuilds("web"), project.id("web")), (0, id));
        let reads = up.count(|event| event.to_string().contains("configuration was read again"));
        assert_eq!(reads, 1);
        up.until_in_step("src", "web", "/app");
    }
}

/// "For the rest of a context the builder decides, and an image that came out the same is said to be the same."
#[test]
fn a_build_that_makes_the_same_image_recreates_nothing_and_says_so() {
    let project = Project::web(SYNC);
    project.write("notes.md", "one");
    let mut up = project.up();
    let id = project.id("web");
    project.write("notes.md", "two");
    let built = up.rebuilt("web");
    assert_eq!(built["detail"]["image"], "same", "{built}");
    assert_eq!(built["ok"], true);
    assert_eq!(project.id("web"), id);
    project.write("src/a.txt", "two");
    up.until_file("web", "/app/a.txt", "two");
    assert_eq!(project.id("web"), id);
}
