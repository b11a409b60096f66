//! The configuration, all problems at once, with lines.

use serde_json::json;

use crate::project::project;

const WEB: &str = "\
services:
  web:
    build: .
    x-live-update:
      - fall_back_on: [package.json, yarn.lock]
      - sync: ./src:/app/src
      - run: ./migrate
      - restart_container
  watched:
    build: .
    develop:
      watch:
        - {action: sync, path: ./src, target: /app}
  db:
    image: postgres
";

#[test]
fn a_good_configuration_is_told_in_one_line_with_its_services_and_steps() {
    project(WEB)
        .files(["Dockerfile", "package.json", "yarn.lock", "src/a"])
        .call("check")
        .is("ok: watched (1 rule of develop.watch) and web (4 steps); db is left alone");
}

#[test]
fn all_problems_are_told_at_once_each_with_its_line_and_the_exit_code_is_1() {
    let said = project(
        "\
services:
  web:
    build: .
    x-live-update:
      - synk: ./src:/app/src
  api:
    build: .
    x-live-update:
      - sync: ./src:app
",
    )
    .files(["Dockerfile", "src/a"])
    .call("check");
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("--> compose.yaml:5:9\n"), "{}", said.err);
    assert!(said.err.contains("--> compose.yaml:9:"), "{}", said.err);
    assert!(said.err.ends_with("\n2 errors\n"), "{}", said.err);
}

#[test]
fn a_bad_pattern_of_a_dependency_s_ignore_file_is_told_once_with_its_line() {
    let said = project(
        "\
services:
  web: &web
    image: web
    x-live-update: {custom_build: {command: make, deps: [./src], tag: web}, steps: [{sync: './src:/app'}]}
  worker: *web
",
    )
    .files(["src/a"])
    .file("src/.dockerignore", "# mine\n\na[\n")
    .call("check");
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains(".dockerignore:3:1\n"), "{}", said.err);
    assert!(said.err.contains("3 | a["), "{}", said.err);
    assert!(said.err.ends_with("\n1 error\n"), "{}", said.err);
}

#[test]
fn for_programs_every_problem_is_an_object_and_the_last_one_sums_up() {
    let project = project("services: {web: {build: ., x-live-update: [{synk: './src:/app'}]}}")
        .files(["Dockerfile", "src/a"]);
    let said = project.call("check --format json");
    let objects = said.objects();
    assert_eq!((said.code, said.err.as_str(), objects.len()), (1, "", 2));
    let problem = &objects[0];
    assert_eq!(
        (&problem["v"], &problem["event"]),
        (&json!(1), &json!("problem"))
    );
    assert_eq!(
        (&problem["severity"], &problem["service"]),
        (&json!("error"), &json!("web"))
    );
    assert_eq!(
        (&problem["file"], &problem["line"]),
        (&json!("DIR/compose.yaml"), &json!(1))
    );
    assert_eq!(
        (&problem["step"], &problem["named_step"]),
        (&json!(1), &json!(null))
    );
    let sum = json!({"v": 1, "event": "check", "ok": false, "errors": 1, "warnings": 0, "services": null});
    assert_eq!(objects[1], sum);
}

#[test]
fn a_good_configuration_is_one_object_for_programs() {
    let said = project(WEB)
        .files(["Dockerfile", "package.json", "yarn.lock", "src/a"])
        .call("check --format json");
    let services = json!([
        {"name": "db", "from": null, "steps": null, "covered": []},
        {"name": "watched", "from": "develop.watch", "steps": 1, "covered": []},
        {"name": "web", "from": "x-live-update", "steps": 4, "covered": []},
    ]);
    let sum = json!({"v": 1, "event": "check", "ok": true, "errors": 0, "warnings": 0, "services": services});
    assert_eq!((said.code, said.objects()), (0, vec![sum]));
}

/// E6, before anything runs: what a mount carries in place of a sync, what it hides, and what it keeps.
#[test]
fn what_a_mount_covers_of_a_sync_is_told() {
    let project = project(
        "\
services:
  web:
    build: .
    volumes:
      - ./src:/app/src
      - ./storage:/app/all/storage
      - ./other:/app/static
      - data:/data
    x-live-update:
      - sync: ./src/a:/app/src/a
      - sync: ./all:/app/all
      - sync: ./static:/app/static
      - sync: ./seed:/data/seed
volumes:
  data:
",
    )
    .files([
        "Dockerfile",
        "src/a/x",
        "all/x",
        "static/x",
        "seed/x",
        "storage/x",
        "other/x",
    ]);
    project.call("check").is("\
ok: web (4 steps)
web  `/app/src/a` is live through the bind mount of `src`: step 1 copies nothing there
web  `/app/all/storage` shows the bind mount of `storage`: step 2 brings nothing there
web  `/app/static` shows the bind mount of `other`: step 3 brings nothing there
web  `/data/seed` lies in the volume `data`: what step 4 brings stays when the container goes
");
    let objects = project.call("check --format json").objects();
    let covered = &objects[0]["services"][0]["covered"];
    let expected = json!([
        {"step": 1, "target": "/app/src/a", "mount": "/app/src", "effect": "live"},
        {"step": 2, "target": "/app/all", "mount": "/app/all/storage", "effect": "hidden"},
        {"step": 3, "target": "/app/static", "mount": "/app/static", "effect": "hidden"},
        {"step": 4, "target": "/data/seed", "mount": "/data", "effect": "kept"},
    ]);
    assert_eq!(covered, &expected);
}

#[test]
fn without_a_compose_file_the_hint_says_how_to_name_one() {
    let project = project("");
    project.remove("compose.yaml");
    project.call("check").fails(
        1,
        "\
error: no compose file in `.` or any directory above it
hint: go to a project's directory, or name its file with `-f`

1 error",
    );
}
