//! The reference's own examples and its "what will and won't happen" lists, in its own words.

use crate::project::Project;
use crate::session::Session;

/// "For instance, take the following sync statements".
fn review() -> Project {
    let project = Project::new(
        "
services:
  my-img:
    build: ./server
    init: true
    x-live-update:
      - sync: ./server/src:/app
      - sync: ./server/package.json:/app/web/package.json
",
    );
    project.write(
        "server/Dockerfile",
        "FROM busybox:1.37\nCOPY src /app\nCOPY package.json /app/web/package.json\nCMD [\"sleep\", \"100000\"]\n",
    );
    project.write("server/src/A.txt", "one");
    project.write("server/package.json", "{}");
    project.write("server/some_file.txt", "one");
    project.write("stuff.txt", "one");
    project
}

/// "change to ./server/src/A.txt => synced to /app/A.txt"
#[test]
fn change_to_server_src_a_txt_is_synced_to_app_a_txt() {
    let project = review();
    let mut up = project.up();
    project.write("server/src/A.txt", "two");
    up.live_updated("my-img");
    assert_eq!(project.file("my-img", "/app/A.txt").as_deref(), Some("two"));
}

/// "change to ./server/package.json => synced to /app/web/package.json"
#[test]
fn change_to_server_package_json_is_synced_to_app_web_package_json() {
    let project = review();
    let mut up = project.up();
    project.write("server/package.json", "{\"a\": 1}");
    up.live_updated("my-img");
    assert_eq!(
        project.file("my-img", "/app/web/package.json").as_deref(),
        Some("{\"a\": 1}")
    );
}

/// "change to `./server/some_file.txt` => doesn't match any sync statements, but does match the `docker_build` context; instead of a
/// Live Update, Tilt performs a Docker Build"
#[test]
fn change_to_server_some_file_txt_matches_no_sync_but_the_context_so_there_is_a_docker_build() {
    let project = review();
    project.replace(
        "server/Dockerfile",
        "CMD",
        "COPY some_file.txt /some_file.txt\nCMD",
    );
    let mut up = project.up();
    let before = project.id("my-img");
    project.write("server/some_file.txt", "two");
    up.rebuilt("my-img");
    assert_ne!(project.id("my-img"), before);
    assert_eq!(
        project.file("my-img", "/some_file.txt").as_deref(),
        Some("two")
    );
}

/// "change to ./stuff.txt => doesn't match a sync statement OR the `docker_build` context; nothing happens"
#[test]
fn change_to_stuff_txt_matches_neither_a_sync_nor_the_context_so_nothing_happens() {
    let project = review();
    let mut up = project.up();
    project.write("stuff.txt", "two");
    // Whatever came of it would be told before what comes of this.
    project.write("server/src/A.txt", "marker");
    up.live_updated("my-img");
    assert_eq!(up.count(|event| event["event"] == "change"), 1);
    assert!(!up.said("stuff.txt"));
}

/// "Let's walk through what will and won't happen when various files change, given this example". `./run.sh` stands for the
/// command whose name the page has lost.
fn walk() -> Project {
    let project = Project::new(
        "
services:
  my-img:
    build: .
    init: true
    x-live-update:
      - sync: ./src:/app
      - run: echo always >> /ran
      - run: {cmd: cd /app/web && yarn install, trigger: ./src/web/yarn.lock}
      - run: {cmd: echo configs >> /ran, trigger: [./configs/foo.yaml, ./configs/bar.yaml]}
",
    );
    project.write(
        "Dockerfile",
        "FROM busybox:1.37\nCOPY yarn /bin/yarn\nCOPY src /app\nCMD [\"sleep\", \"100000\"]\n",
    );
    project.write("yarn", "#!/bin/sh\necho yarn $1 in $(pwd) >> /ran\n");
    project.chmod("yarn", 0o755);
    project.write("src/A.txt", "one");
    project.write("src/web/yarn.lock", "one");
    project.write("configs/foo.yaml", "one");
    project
}

/// "this file matches a sync step, so we run the Live Update. We run [the first], because it has no triggers and so runs on every
/// Live Update. We run neither of the other run steps, b/c this file doesn't match any of their triggers."
#[test]
fn change_to_src_runs_the_command_without_triggers_and_neither_of_the_others() {
    let project = walk();
    let mut up = project.up();
    project.write("src/A.txt", "two");
    up.live_updated("my-img");
    assert_eq!(project.file("my-img", "/app/A.txt").as_deref(), Some("two"));
    assert_eq!(project.file("my-img", "/ran").as_deref(), Some("always\n"));
}

/// "change to ./src/web/yarn.lock => run the Live Update; run; run cd /app/web && yarn install, because this file matches that
/// command's trigger"
#[test]
fn change_to_src_web_yarn_lock_runs_yarn_install_because_it_matches_its_trigger() {
    let project = walk();
    let mut up = project.up();
    project.write("src/web/yarn.lock", "two");
    up.live_updated("my-img");
    assert_eq!(
        project.file("my-img", "/ran").as_deref(),
        Some("always\nyarn install in /app/web\n")
    );
}

/// "change to ./configs/foo.yaml => whoops, this file doesn't match any sync steps! Even though it matches a trigger (for the third
/// run), we won't do a Live Update for this change; instead, we do a full Docker build"
#[test]
fn change_to_configs_foo_yaml_matches_a_trigger_but_no_sync_so_there_is_a_full_docker_build() {
    let project = walk();
    let mut up = project.up();
    project.write("configs/foo.yaml", "two");
    up.rebuilt("my-img");
    assert_eq!(project.file("my-img", "/ran"), None);
}

/// "This includes deleting the file remotely if it is deleted locally."
#[test]
fn sync_deletes_the_file_remotely_if_it_is_deleted_locally() {
    let project = Project::web("- sync: ./src:/app");
    project.write("src/b.txt", "one");
    let mut up = project.up();
    project.remove("src/b.txt");
    up.live_updated("web");
    assert_eq!(project.tree("web", "/app/b.txt"), None);
    assert_eq!(project.file("web", "/app/a.txt").as_deref(), Some("one"));
}

/// "your initial build will be a full build": the image has everything without `sync`'d files or `run` commands.
#[test]
fn the_initial_build_is_always_a_full_build() {
    let project = Project::web("- sync: ./src:/app\n- run: echo ran >> /ran");
    let up = project.up();
    assert_eq!(project.file("web", "/app/a.txt").as_deref(), Some("one"));
    assert_eq!(project.file("web", "/ran"), None);
    assert_eq!(up.count(|event| event["event"] == "outcome"), 0);
}

/// "Whenever Tilt detects a change to your local filesystem that would otherwise trigger a `LiveUpdate`, it first checks if it
/// matches any `fall_back_on` files; if yes, instead of doing a `LiveUpdate`, Tilt falls back to a full rebuild + deploy."
#[test]
fn a_change_that_matches_fall_back_on_falls_back_to_a_full_rebuild() {
    let project = Project::web(
        "- fall_back_on: [package.json, src/Gemfile.lock]\n- sync: ./src:/app\n- run: echo ran >> /ran",
    );
    project.write("src/Gemfile.lock", "one");
    let mut up = project.up();
    let before = project.id("web");
    project.write("src/Gemfile.lock", "two");
    let outcome = up.rebuilt("web");
    assert!(outcome.to_string().contains("fall_back_on"), "{outcome}");
    assert_ne!(project.id("web"), before);
    assert_eq!(
        project.file("web", "/app/Gemfile.lock").as_deref(),
        Some("two")
    );
    assert_eq!(project.file("web", "/ran"), None);
}

/// "each of the functions above returns a `LiveUpdateStep` – an object like any other, i.e. it can be assigned to a variable" (B3)
#[test]
fn steps_can_be_assigned_to_names_and_used_by_them() {
    let project = Project::new(
        "
services:
  my-img:
    build: .
    init: true
    x-live-update: [sync_src, sync_static]
x-live-update:
  steps:
    sync_src: {sync: ./source:/app/src}
    sync_static: {sync: ./static:/app/static}
",
    );
    project.write(
        "Dockerfile",
        "FROM busybox:1.37\nCOPY . /app\nCMD [\"sleep\", \"100000\"]\n",
    );
    project.write("source/a", "one");
    project.write("static/b", "one");
    let mut up = project.up();
    project.write("source/a", "two");
    up.live_updated("my-img");
    project.write("static/b", "two");
    up.live_updated("my-img");
    assert_eq!(project.file("my-img", "/app/src/a").as_deref(), Some("two"));
    assert_eq!(
        project.file("my-img", "/app/static/b").as_deref(),
        Some("two")
    );
}

/// "If you provide multiple run steps, the commands will be executed in the order given", "from /".
#[test]
fn multiple_run_steps_are_executed_in_the_order_given_from_the_root() {
    let project = Project::web_with(
        "working_dir: /app",
        "- sync: ./src:/app\n- run: echo first in $(pwd) >> ran\n- run: [sh, -c, echo second >> ran]",
    );
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.live_updated("web");
    assert_eq!(
        project.file("web", "/ran").as_deref(),
        Some("first in /\nsecond\n")
    );
}

/// "multiple filepaths (list of strings) on your local machine, either absolute or relative to the Tiltfile": of `fall_back_on` and
/// of `trigger` alike.
#[test]
fn fall_back_on_and_trigger_take_absolute_paths() {
    let project = Project::web("");
    let at = |path: &str| project.path(path).display().to_string();
    let steps = format!(
        "- fall_back_on: {}\n- sync: ./src:/app\n- run: {{cmd: echo ran >> /ran, trigger: {}}}",
        at("src/Gemfile.lock"),
        at("src/yarn.lock")
    );
    project.write("compose.yaml", crate::project::web("", &steps));
    project.write("src/Gemfile.lock", "one");
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.live_updated("web");
    assert_eq!(project.file("web", "/ran"), None);
    project.write("src/yarn.lock", "two");
    up.live_updated("web");
    assert_eq!(project.file("web", "/ran").as_deref(), Some("ran\n"));
    project.write("src/Gemfile.lock", "two");
    up.rebuilt("web");
}

/// "in your Tiltfile, via the `docker_build.entrypoint` parameter (or analogously, `custom_build.entrypoint`)": the block's own.
#[test]
fn the_entrypoint_of_the_block_changes_the_command_run_by_the_container() {
    let project = Project::web(
        "entrypoint: [sh, -c, 'cat /app/a.txt >> /began-with; exec sleep 100000']\nsteps: [{sync: ./src:/app}, restart_process]",
    );
    let mut up = project.up();
    up.until_file("web", "/began-with", "one");
    project.write("src/a.txt", "two");
    up.live_updated("web");
    up.until_file("web", "/began-with", "onetwo");
    drop(up);
    project.compose(&["up", "-d"]);
    assert_eq!(project.tree("web", "/began-with"), None);
}

/// "Docker Compose resources; you should use the `restart_container()` Live Update step instead"
#[test]
fn restart_container_re_executes_the_process_for_changes_to_take_effect() {
    let project = Project::web_with(
        "command: [sh, -c, 'cp /app/a.txt /began-with; exec sleep 100000']",
        "- sync: ./src:/app\n- restart_container",
    );
    let mut up = project.up();
    up.until_file("web", "/began-with", "one");
    let (id, began) = (project.id("web"), project.started_at("web"));
    project.write("src/a.txt", "two");
    up.live_updated("web");
    up.until_file("web", "/began-with", "two");
    assert_eq!(project.id("web"), id);
    assert_ne!(project.started_at("web"), began);
}

/// "We've written a set of wrappers for your process [...] You can then restart your process with Live Update step: run(..)"
#[test]
fn a_wrapper_script_restarts_the_process_with_a_run_step() {
    let project = Project::web_with(
        "command: [/start.sh, cat /app/a.txt >> /began-with; exec sleep 100000]",
        "- sync: ./src:/app\n- run: /restart.sh",
    );
    project.write(
        "Dockerfile",
        "FROM busybox:1.37\nCOPY src /app\nCOPY *.sh /\n",
    );
    project.write(
        "start.sh",
        "#!/bin/sh\nwhile :; do sh -c \"$1\" & echo $! > /pid; wait $!; done\n",
    );
    project.write("restart.sh", "#!/bin/sh\nkill $(cat /pid)\n");
    project.chmod("start.sh", 0o755);
    project.chmod("restart.sh", 0o755);
    let mut up = project.up();
    up.until_file("web", "/began-with", "one");
    let began = project.started_at("web");
    project.write("src/a.txt", "two");
    up.live_updated("web");
    up.until_file("web", "/began-with", "onetwo");
    assert_eq!(project.started_at("web"), began);
}

fn dependent_images() -> (Project, &'static str) {
    let project = Project::new(
        "
services:
  common:
    build: ./common
    image: ${COMPOSE_PROJECT_NAME}-common
    command: ['true']
  server1:
    init: true
    build:
      context: ./server1
      additional_contexts: {common-image: 'service:common'}
    x-live-update:
      - sync: ./server1/src:/app/src
      - sync: ./common/lib:/app/lib
",
    );
    project.write(
        "common/Dockerfile",
        "FROM busybox:1.37\nCOPY . /common\nRUN mkdir /app && cp -r /common/lib /app/lib\n",
    );
    project.write("common/lib/util", "one");
    project.write("common/other", "one");
    project.write(
        "server1/Dockerfile",
        "FROM common-image\nCOPY src /app/src\nCMD [\"sleep\", \"100000\"]\n",
    );
    project.write("server1/src/main", "one");
    (project, "server1")
}

fn in_server(up: &Session<'_>, path: &str) -> Option<String> {
    up.file("server1", path)
}

/// "If you have multiple Docker images that depend on each other, you can sync files from anywhere within the contexts of any of
/// the images." (D1, D2)
#[test]
fn files_from_anywhere_within_the_contexts_of_dependent_images_can_be_synced() {
    let (project, server) = dependent_images();
    let mut up = project.up();
    project.write("common/lib/util", "two");
    up.live_updated(server);
    assert_eq!(in_server(&up, "/app/lib/util").as_deref(), Some("two"));
    project.write("server1/src/main", "two");
    up.live_updated(server);
    assert_eq!(in_server(&up, "/app/src/main").as_deref(), Some("two"));
}

/// D2: "One that no sync covers rebuilds the base, then `web`."
#[test]
fn a_change_in_the_base_that_no_sync_covers_rebuilds_the_base_and_then_the_service() {
    let (project, server) = dependent_images();
    let mut up = project.up();
    project.write("common/other", "two");
    up.rebuilt(server);
    assert_eq!(in_server(&up, "/common/other").as_deref(), Some("two"));
}
