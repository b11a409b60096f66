//! For each file and service: watched or ignored, by which line, which step, where to, what runs, and why.

use std::os::unix::fs::symlink;

use serde_json::json;

use crate::project::{Project, project};

fn shop() -> Project {
    project(
        "\
services:
  web:
    build: .
    volumes: [./static:/app/static]
    x-live-update:
      ignore: ['*.log']
      steps:
        - fall_back_on: package.json
        - sync: {local_path: ./src, remote_path: /app/src, ignore: ['**/*.map']}
        - sync: ./static:/app/static
        - run: {cmd: yarn install, trigger: ./src/yarn.lock}
        - run: ./migrate
        - restart_container
  worker:
    build: ./worker
    x-live-update: {unmatched: ignore, trigger_mode: manual, helper: off, steps: [{sync: './worker/jobs:/jobs'}, {signal: HUP}]}
  db:
    image: postgres
",
    )
    .files(["Dockerfile", "package.json", "src/app.js", "src/yarn.lock", "src/gen/a.map"])
    .files(["static/x.css", "worker/Dockerfile", "worker/jobs/mail.rb", "worker/README"])
    .file(".dockerignore", "# not for the image\ndocs\n")
    .files(["docs/a.md", "web.log"])
}

#[test]
fn a_synced_file_is_told_with_its_step_its_place_what_runs_what_does_not_and_why() {
    shop().call("explain src/app.js").is("
src/app.js
  web     live update:
            copy src/app.js -> /app/src/app.js (step 2)
            run ./migrate (step 5, always)
            restart the container (step 6)
            not run: yarn install (step 4): no trigger matches
            goes through the helper inside the container
  worker  nothing: not watched, it lies outside of `worker`
");
}

#[test]
fn a_trigger_that_matches_is_the_reason_of_its_run() {
    let said = shop().call("explain src/yarn.lock");
    assert!(
        said.out.contains(
            "run yarn install (step 4, src/yarn.lock matches trigger `./src/yarn.lock`)\n"
        ),
        "{}",
        said.out
    );
}

#[test]
fn the_line_of_the_ignore_file_is_named() {
    shop().call("explain docs/a.md").is("
docs/a.md
  web     nothing: ignored, line 2 of `.dockerignore`: `docs`
  worker  nothing: not watched, it lies outside of `worker`
");
}

#[test]
fn the_pattern_of_the_block_and_of_the_sync_is_named() {
    shop().call("explain web.log src/gen/a.map").is("
web.log
  web     nothing: ignored, pattern 1 of `ignore` of service `web`: `*.log`
  worker  nothing: not watched, it lies outside of `worker`

src/gen/a.map
  web     nothing: src/gen/a.map: step 2 ignores it (`**/*.map`)
  worker  nothing: not watched, it lies outside of `worker`
");
}

#[test]
fn a_file_of_fall_back_on_is_a_rebuild_and_what_is_built_is_named() {
    shop().call("explain package.json").is("
package.json
  web     rebuild: package.json matches fall_back_on `package.json` (step 1)
            build web
  worker  nothing: not watched, it lies outside of `worker`
");
}

#[test]
fn a_file_means_to_each_service_what_that_service_says() {
    shop()
        .call("explain worker/jobs/mail.rb worker/README")
        .is("
worker/jobs/mail.rb
  web     rebuild: no sync covers worker/jobs/mail.rb
            build web
  worker  live update:
            copy worker/jobs/mail.rb -> /jobs/mail.rb (step 1)
            send HUP (step 2)
            waits for the key `u` (or the signal USR1): trigger_mode is `manual`
            goes through the plain Engine API: the block says `helper: off`

worker/README
  web     rebuild: no sync covers worker/README
            build web
  worker  nothing: worker/README: no sync covers it, and `unmatched` is `ignore`
");
}

#[test]
fn a_file_that_does_not_exist_is_explained_as_deleted() {
    shop().call("explain src/old.js").is("
src/old.js (not there: explained as deleted)
  web     live update:
            remove /app/src/old.js (src/old.js is gone, step 2)
            run ./migrate (step 5, always)
            restart the container (step 6)
            not run: yarn install (step 4): no trigger matches
            goes through the helper inside the container
  worker  nothing: not watched, it lies outside of `worker`
");
}

#[test]
fn a_single_synced_file_that_does_not_exist_is_explained_as_deleted_too() {
    let said = project(
        "services: {web: {image: busybox, x-live-update: [{sync: './greet.sh:/greet.sh'}]}}",
    )
    .call("explain greet.sh");
    let expected = "\
greet.sh (not there: explained as deleted)
  web  live update:
         remove /greet.sh (greet.sh is gone, step 1)
         goes through the helper inside the container
";
    assert_eq!((said.code, said.out.as_str()), (0, expected));
    let warning = "sync source `greet.sh` does not exist";
    assert!(said.err.contains(warning), "{}", said.err);
}

#[test]
fn a_directory_is_explained_for_itself_and_says_how_many_watched_files_are_below() {
    shop().call("explain src worker").is("
src (a directory, for itself)
  web     live update:
            copy src -> /app/src (step 2)
            run ./migrate (step 5, always)
            restart the container (step 6)
            not run: yarn install (step 4): no trigger matches
            goes through the helper inside the container
            3 watched files below; `plan` shows what they do together
  worker  nothing: not watched, it lies outside of `worker`

worker (a directory, for itself)
  web     nothing: a directory asks for nothing by itself
            3 watched files below; `plan` shows what they do together
  worker  nothing: a directory asks for nothing by itself
            3 watched files below; `plan` shows what they do together
");
}

#[test]
fn a_file_that_the_container_sees_through_a_mount_is_already_live() {
    let said = shop().call("explain static/x.css");
    let line = "the copy is left out: the container sees the file through its bind mount\n";
    assert!(said.out.contains(line), "{}", said.out);
}

const REREAD: &str = "`up` reads the configuration from it again: a service whose own keys change is recreated, \
                      an edited block recreates nothing";

#[test]
fn a_compose_file_is_read_again_and_a_service_without_a_block_is_left_alone() {
    project("services: {db: {build: .}, web: {build: ./web, x-live-update: [{sync: './web:/w'}]}}")
        .files(["Dockerfile", "web/Dockerfile"])
        .call("explain compose.yaml")
        .is(&format!(
            "
compose.yaml
  web  nothing: not watched, it lies outside of `web`
  db   nothing: it has no `x-live-update` block and is left alone
  {REREAD}
"
        ));
}

#[test]
fn in_the_build_context_configuration_is_neither_copied_nor_built_unless_a_sync_covers_it() {
    let said = project(
        "services: {web: {build: ., x-live-update: [{sync: './src:/app'}]}, all: {build: ., x-live-update: [{sync: '.:/all'}]}}",
    )
    .files(["Dockerfile", "src/a", ".env"])
    .call("explain compose.yaml .env");
    said.is(&format!(
        "
compose.yaml
  all  live update:
         copy compose.yaml -> /all/compose.yaml (step 1)
         goes through the helper inside the container
  web  nothing: compose.yaml configures the project: nothing is copied or built for it
  {REREAD}

.env
  all  live update:
         copy .env -> /all/.env (step 1)
         goes through the helper inside the container
  web  nothing: .env configures the project: nothing is copied or built for it
  {REREAD}
"
    ));
}

#[test]
fn what_says_how_the_image_is_built_is_a_rebuild_whatever_covers_it() {
    project("services: {web: {build: ., x-live-update: [{sync: '.:/all'}]}}")
        .files(["Dockerfile", ".dockerignore"])
        .call("explain Dockerfile .dockerignore Dockerfile.dockerignore")
        .is("
Dockerfile
  web  rebuild: Dockerfile says how the image is built
         build web

.dockerignore
  web  rebuild: .dockerignore says which files the build gets
         build web

Dockerfile.dockerignore (not there: explained as deleted)
  web  rebuild: Dockerfile.dockerignore says which files the build gets
         build web
");
}

#[test]
fn rules_of_develop_watch_are_explained_as_they_are() {
    project(
        "\
services:
  web:
    build: .
    develop:
      watch:
        - {action: sync+restart, path: ./src, target: /app}
        - {action: rebuild, path: package.json}
",
    )
    .files(["Dockerfile", "src/a.js", "package.json", "README"])
    .call("explain src/a.js package.json README")
    .is("
src/a.js
  web  live update:
         copy src/a.js -> /app/a.js (watch rule 1 (sync+restart))
         restart the container (watch rule 1 (sync+restart))
         goes through the helper inside the container

package.json
  web  rebuild: package.json matches `package.json` of watch rule 2 (rebuild)
         build web

README
  web  nothing: not watched, it lies outside of `src` and `package.json`
");
}

#[test]
fn a_base_of_the_same_project_is_built_before_the_service() {
    project(
        "\
services:
  base:
    build: ./base
    image: shop/base
  web:
    build: {context: ./web, additional_contexts: {base: 'service:base'}}
    x-live-update: [{sync: './web:/w'}]
",
    )
    .file("base/Dockerfile", "FROM busybox\n")
    .file("web/Dockerfile", "FROM base\n")
    .files(["base/lib"])
    .call("explain base/lib")
    .is("
base/lib
  web   rebuild: no sync covers base/lib
          build base, then web
");
}

#[test]
fn a_project_entered_through_a_link_is_explained_under_both_names() {
    let shop = shop();
    let link = shop.beside("link");
    symlink(shop.path(), &link).unwrap();
    let real = shop.path().join("src/app.js");
    let output = Project::tool_in(&link)
        .args(["explain", "src/app.js"])
        .arg(real)
        .output();
    let said = shop.said(&output.unwrap());
    let copies = said
        .out
        .matches("copy src/app.js -> /app/src/app.js (step 2)\n");
    assert_eq!(copies.count(), 2, "{}{}", said.out, said.err);
}

#[test]
fn for_programs_each_file_and_service_is_one_object() {
    let said = shop().call("explain --format json docs/a.md src/app.js");
    let objects = said.objects();
    assert_eq!((said.code, said.err.as_str(), objects.len()), (0, "", 4));
    assert_eq!(
        objects[0],
        json!({
            "v": 1, "event": "explain", "path": "DIR/docs/a.md", "exists": true, "service": "web", "watched": false,
            "action": "nothing", "reason": "line 2 of `.dockerignore`: `docs`",
            "ignored_by": {"file": "DIR/.dockerignore", "line": 2, "pattern": "docs"},
        })
    );
    assert_eq!(
        objects[2],
        json!({
            "v": 1, "event": "explain", "path": "DIR/src/app.js", "exists": true, "service": "web", "watched": true,
            "root": "DIR", "action": "live-update", "left_out": [], "remove": [], "live": false, "via": "helper", "via_reason": null,
            "copy": [{"from": "DIR/src/app.js", "to": "/app/src/app.js", "step": 2}],
            "run": [{"command": "./migrate", "step": 5, "reason": "always"}],
            "not_run": [{"command": "yarn install", "step": 4, "reason": "no trigger matches"}],
            "restart": {"kind": "restart the container", "step": 6},
        })
    );
}

/// Paths stand there as the user would type them where he stands, whatever the project directory is.
#[test]
fn paths_are_shown_from_where_the_user_stands() {
    let shop = project("").files([
        "app/src/a",
        "app/.env",
        "Dockerfile",
        "common/b",
        "app/sub/c",
    ]);
    shop.remove("compose.yaml");
    shop.write(
        "app/compose.yaml",
        "services: {web: {build: {context: ..}, x-live-update: [{sync: './src:/src'}, {sync: '../common:/common'}]}}",
    );
    let asked = |dir: &str, words: &str| {
        let mut tool = Project::tool_in(&shop.path().join(dir));
        tool.args(words.split(' '));
        shop.said(&tool.output().unwrap()).out
    };
    let above = asked(
        "",
        "-f app/compose.yaml explain app/src/a common/b app/sub/c",
    );
    for shown in [
        "app/src/a\n",
        "copy app/src/a -> /src/a",
        "common/b\n",
        "copy common/b -> /common/b",
        "no sync covers app/sub/c",
    ] {
        assert!(above.contains(shown), "{shown}: {above}");
    }
    let below = asked("app/sub", "-f ../compose.yaml plan ../src/a ../../common/b");
    for shown in [
        "copy ../src/a -> /src/a",
        "copy ../../common/b -> /common/b",
    ] {
        assert!(below.contains(shown), "{shown}: {below}");
    }
}
