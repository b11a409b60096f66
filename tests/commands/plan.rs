//! Some changes as one batch, per service; from names, or from git.

use serde_json::json;

use crate::needs::{has, needs};
use crate::project::{Project, project};

fn shop() -> Project {
    project(
        "\
services:
  web:
    build: ./web
    x-live-update:
      - sync: ./web/src:/app
      - run: {cmd: yarn, trigger: ./web/src/yarn.lock}
      - restart_container
  api:
    build: ./api
    x-live-update: [{sync: './api/src:/api'}]
",
    )
    .files([
        "web/Dockerfile",
        "web/src/a.js",
        "web/src/b.js",
        "web/src/yarn.lock",
    ])
    .files(["api/Dockerfile", "api/src/main.go", "README"])
}

#[test]
fn several_files_are_one_batch_for_each_service() {
    shop()
        .call("plan web/src/a.js web/src/yarn.lock api/src/main.go")
        .is("
api  live update:
       copy api/src/main.go -> /api/main.go (step 1)
web  live update:
       copy web/src/a.js -> /app/a.js (step 1)
       copy web/src/yarn.lock -> /app/yarn.lock (step 1)
       run yarn (step 2, web/src/yarn.lock matches trigger `./web/src/yarn.lock`)
       restart the container (step 3)
");
}

#[test]
fn a_directory_stands_for_all_that_is_watched_below_it() {
    shop().call("plan web/src").is("
api  nothing: no watched file changed
web  live update:
       copy web/src -> /app (step 1)
       copy web/src/a.js -> /app/a.js (step 1)
       copy web/src/b.js -> /app/b.js (step 1)
       copy web/src/yarn.lock -> /app/yarn.lock (step 1)
       run yarn (step 2, web/src/yarn.lock matches trigger `./web/src/yarn.lock`)
       restart the container (step 3)
");
}

#[test]
fn one_uncovered_file_makes_the_whole_batch_a_rebuild() {
    shop().call("plan web/src/a.js web/Makefile").is("
api  nothing: no watched file changed
web  rebuild: no sync covers web/Makefile
       build web
");
}

#[test]
fn a_file_that_no_service_watches_is_named() {
    shop().call("plan README").is("
api  nothing: no watched file changed
web  nothing: no watched file changed
watched for no service: README (`explain` says why)
");
}

#[test]
fn an_edit_of_the_configuration_is_told_as_such() {
    project("services: {web: {build: ./web, x-live-update: [{sync: './web:/w'}]}}")
        .files(["web/Dockerfile", "web/a"])
        .call("plan compose.yaml web/a")
        .is("
web  live update:
       copy web/a -> /w/a (step 1)
compose.yaml: `up` reads the configuration from it again: a service whose own keys change is recreated, an edited block recreates nothing
");
}

#[test]
fn a_container_path_that_looks_like_a_host_path_is_not_cut() {
    let project = project("").files(["src/a"]);
    let dir = project.path().display().to_string();
    project.write(
        "compose.yaml",
        &format!(
            "services: {{web: {{image: busybox, x-live-update: [{{sync: './src:{dir}/src'}}]}}}}"
        ),
    );
    project.call("plan src/a").is("
web  live update:
       copy src/a -> DIR/src/a (step 1)
");
}

#[test]
fn since_a_revision_is_what_git_sees_changed_added_deleted_renamed_and_untracked() {
    needs!(has("git"), "git");
    let shop = shop().file(".gitignore", "*.tmp\n").committed();
    shop.write("web/src/a.js", "changed");
    shop.write("web/src/new file.js", "untracked");
    shop.write("web/src/x.tmp", "git ignores it");
    shop.remove("web/src/b.js");
    shop.git("mv api/src/main.go api/src/cmd.go");
    shop.call("plan").is("
api  live update:
       copy api/src/cmd.go -> /api/cmd.go (step 1)
       remove /api/main.go (api/src/main.go is gone, step 1)
web  live update:
       copy web/src/a.js -> /app/a.js (step 1)
       copy web/src/new file.js -> /app/new file.js (step 1)
       remove /app/b.js (web/src/b.js is gone, step 1)
       restart the container (step 3)
");
    shop.git("add --all");
    shop.git("commit --quiet --message second");
    assert_eq!(
        shop.call("plan --since HEAD~1").out,
        shop.call("plan --since HEAD~1 --format text").out
    );
    assert!(shop.call("plan --since HEAD~1").out.contains("/app/a.js"));
    shop.call("plan").is("
api  nothing: no watched file changed
web  nothing: no watched file changed
");
}

#[test]
fn a_project_in_a_folder_of_the_repository_plans_from_the_whole_repository() {
    needs!(has("git"), "git");
    let shop = project("").files(["common/lib.js"]);
    shop.remove("compose.yaml");
    shop.write(
        "app/compose.yaml",
        "services: {web: {build: {context: ..}, x-live-update: [{sync: '../common:/common'}]}}",
    );
    shop.write("Dockerfile", "");
    let shop = shop.committed();
    shop.write("common/lib.js", "changed");
    let output = Project::tool_in(&shop.path().join("app"))
        .arg("plan")
        .output();
    shop.said(&output.unwrap()).is("
web  live update:
       copy ../common/lib.js -> /common/lib.js (step 1)
");
}

#[test]
fn without_a_repository_the_files_have_to_be_named() {
    let said = shop().call("plan");
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(
        said.err.starts_with("error: `.` is in no git repository: "),
        "{}",
        said.err
    );
    assert!(
        said.err
            .ends_with("hint: name the files: `docker liveupdate plan FILE..`\n"),
        "{}",
        said.err
    );
}

#[test]
fn without_git_the_files_have_to_be_named() {
    needs!(has("git"), "git");
    let shop = shop().committed();
    let tools = shop.beside("tools");
    std::fs::create_dir(&tools).unwrap();
    let docker = which("docker");
    let output = Project::tool_in(&shop.path())
        .arg("plan")
        .env("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", docker)
        .env("PATH", &tools)
        .output();
    let said = shop.said(&output.unwrap());
    assert_eq!(said.code, 1);
    assert!(
        said.err.starts_with("error: `git` cannot be run: "),
        "{}",
        said.err
    );
}

fn which(program: &str) -> std::path::PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let mut places = std::env::split_paths(&path).map(|place| place.join(program));
    places.find(|place| place.is_file()).unwrap()
}

#[test]
fn an_unknown_revision_is_an_error_and_never_taken_for_an_option() {
    needs!(has("git"), "git");
    let shop = shop().committed();
    shop.call("plan --since nowhere").fails(
        1,
        "\
error: git knows no revision `nowhere`
hint: name a commit, branch or tag of this repository, such as `--since HEAD~3`",
    );
    let pwned = shop.beside("pwned");
    let said = shop.call(&format!("plan --since=--output={}", pwned.display()));
    assert_eq!(said.code, 1);
    assert!(!pwned.exists());
}

#[test]
fn for_programs_each_service_is_one_object() {
    let said = shop().call("plan --format json web/Makefile README");
    let expected = [
        json!({"v": 1, "event": "plan", "service": "api", "action": "nothing", "reason": "no watched file changed"}),
        json!({
            "v": 1, "event": "plan", "service": "web", "action": "rebuild", "builds": ["web"], "step": null,
            "reason": "no sync covers web/Makefile",
        }),
        json!({"v": 1, "event": "unwatched", "paths": ["DIR/README"]}),
    ];
    assert_eq!((said.code, said.objects()), (0, expected.to_vec()));
}
