//! `verify`: a container's synced paths against the host by content; `--fix` repairs files and nothing else.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::UNIX_EPOCH;

use docker_liveupdate::engine::Container;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixture::{Project, WAITS, docker};

const SHOP: &str = "\
services:
  web:
    build: .
    x-live-update:
      - fall_back_on: src/package.json
      - sync: {local_path: ./src, remote_path: /app, ignore: ['*.map']}
      - run: {cmd: touch /ran, trigger: ./src/yarn.lock}
      - restart_container
  db:
    image: busybox:1.37
";

/// A project whose host side is a folder of its own.
struct Shop {
    project: Project,
    folder: TempDir,
}

impl Shop {
    async fn new() -> Self {
        let shop = Self {
            project: Project::connect().await,
            folder: tempfile::tempdir().unwrap(),
        };
        shop.write("compose.yaml", SHOP);
        shop.write("Dockerfile", "FROM busybox:1.37\n");
        for name in [
            "src/a.js",
            "src/b.js",
            "src/yarn.lock",
            "src/package.json",
            "src/lib/c.js",
        ] {
            shop.write(name, "as built");
        }
        shop
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A running container of `web` that has what the host has now.
    async fn web(&self, number: u32) -> Container {
        let name = format!("{}-web-{number}", self.project.name);
        let label = format!("com.docker.compose.container-number={number}");
        let flags = ["--name", &name, "--label", &label];
        let web = self.project.run(&flags, WAITS).await;
        let source = self.path().join("src");
        let target = format!("{}:/app", web.id.0);
        docker(&["cp", "--quiet", source.to_str().unwrap(), &target]);
        web
    }

    /// What the tool says, with its exit code.
    #[track_caller]
    fn call(&self, line: &str) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_docker-liveupdate"))
            .args(["liveupdate", "--project-name", &self.project.name])
            .args(line.split(' '))
            .current_dir(self.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| {
            let dir = self.path().display().to_string();
            String::from_utf8_lossy(bytes).replace(&dir, "DIR")
        };
        (
            output.status.code().unwrap_or(-1),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    /// All went well, or a difference was found, and this is the text.
    #[track_caller]
    fn says(&self, line: &str, code: i32, expected: &str) {
        let (ended, out, err) = self.call(line);
        assert_eq!((out.trim_end(), err.as_str()), (expected.trim(), ""));
        assert_eq!(ended, code);
    }

    #[track_caller]
    fn objects(&self, line: &str) -> (i32, Vec<Value>) {
        let (code, out, _) = self.call(line);
        let lines = out.lines();
        (
            code,
            lines
                .map(|line| serde_json::from_str(line).unwrap())
                .collect(),
        )
    }
}

#[tokio::test]
async fn a_container_with_the_host_s_files_is_clean_and_the_exit_code_is_0() {
    let shop = Shop::new().await;
    let web = shop.web(1).await;
    shop.project.sh(&web, "echo mine > /app/only-here").await;
    shop.write("src/left-out.map", "");
    shop.says(
        "verify",
        0,
        "
CONTAINER    SAME  CHANGED  MISSING  STALE
web-1           7        0        0      0
",
    );
}

#[tokio::test]
async fn drift_is_a_short_table_with_the_first_paths_and_the_exit_code_is_1() {
    let shop = Shop::new().await;
    let _web = shop.web(1).await;
    shop.write("src/a.js", "changed");
    let made = shop.path().join("src/b.js");
    fs::set_permissions(&made, fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(shop.path().join("src/lib/c.js")).unwrap();
    symlink("../a.js", shop.path().join("src/lib/c.js")).unwrap();
    for name in ["n1", "n2", "n3", "n4"] {
        shop.write(&format!("src/{name}"), "");
    }
    shop.says(
        "verify",
        1,
        "
CONTAINER    SAME  CHANGED  MISSING  STALE
web-1           4        3        4      0
  changed  src/a.js -> /app/a.js
  changed  src/b.js -> /app/b.js
  changed  src/lib/c.js -> /app/lib/c.js
  missing  src/n1 -> /app/n1
  missing  src/n2 -> /app/n2
  and 2 more (`--format json` has them all)
",
    );
    let (code, objects) = shop.objects("verify --format json");
    assert_eq!((code, objects.len()), (1, 1));
    let object = &objects[0];
    assert_eq!(object["v"], json!(1));
    assert_eq!(object["same"], json!(4));
    assert_eq!(object["changed"].as_array().unwrap().len(), 3);
    assert_eq!(
        object["missing"][3],
        json!({"from": "DIR/src/n4", "to": "/app/n4"})
    );
}

#[tokio::test]
async fn fix_brings_files_runs_nothing_restarts_nothing_and_says_so() {
    let shop = Shop::new().await;
    let web = shop.web(1).await;
    let started = || docker(&["inspect", "-f", "{{.State.StartedAt}}", &web.id.0]);
    let before = started();
    shop.write("src/yarn.lock", "changed");
    shop.write("src/new/deep/file", "new");
    shop.says(
        "verify --fix",
        0,
        "
CONTAINER    SAME  CHANGED  MISSING  STALE
web-1           6        1        3      0
  changed  src/yarn.lock -> /app/yarn.lock
  missing  src/new -> /app/new
  missing  src/new/deep -> /app/new/deep
  missing  src/new/deep/file -> /app/new/deep/file
  repaired 4 paths
  not run: touch /ran (step 3); `--fix` repairs files alone
  not run: restart the container (step 4); `--fix` repairs files alone
",
    );
    let said = shop.project.sh(
        &web,
        "cat /app/yarn.lock /app/new/deep/file; ls /ran 2>&1 || :",
    );
    assert_eq!(said.await, "changednewls: /ran: No such file or directory");
    assert_eq!(started(), before);
    assert_eq!(shop.call("verify").0, 0);
}

#[tokio::test]
async fn fix_puts_a_file_where_a_directory_was_and_a_directory_where_a_file_was() {
    let shop = Shop::new().await;
    let web = shop.web(1).await;
    shop.project
        .sh(
            &web,
            "rm -r /app/lib /app/a.js; mkdir /app/a.js; echo > /app/lib",
        )
        .await;
    let (code, out, _) = shop.call("verify --fix");
    assert!(out.contains("repaired 3 paths"), "{out}");
    assert_eq!(code, 0);
    assert_eq!(
        shop.project.sh(&web, "cat /app/a.js /app/lib/c.js").await,
        "as builtas built"
    );
}

/// C5, E6: few paths and many, each way of looking.
#[tokio::test]
async fn links_to_directories_and_a_target_that_is_a_link_are_no_drift() {
    for many in [false, true] {
        for helper in ["helper: off, ", ""] {
            let shop = Shop::new().await;
            let steps = format!("x-live-update: {{{helper}steps: [{{sync: './src:/current'}}]}}");
            shop.write(
                "compose.yaml",
                &format!("services: {{web: {{build: ., {steps}}}}}\n"),
            );
            symlink("lib", shop.path().join("src/link")).unwrap();
            for n in 0..if many { 30 } else { 0 } {
                shop.write(&format!("src/many/{n}"), "as built");
            }
            let web = shop.web(1).await;
            shop.project
                .sh(
                    &web,
                    "mkdir /releases; mv /app /releases/1; ln -s /releases/1 /current",
                )
                .await;
            let (code, out, err) = shop.call("verify");
            assert_eq!(code, 0, "{out}{err}");
            shop.project.sh(&web, "ln -sfn . /current/link").await;
            assert_eq!(shop.call("verify").0, 1);
        }
    }
}

#[tokio::test]
async fn what_asks_for_a_rebuild_is_not_covered_up_by_a_copy() {
    let shop = Shop::new().await;
    let web = shop.web(1).await;
    shop.write("src/package.json", "changed");
    shop.says(
        "verify --fix",
        1,
        "
CONTAINER    SAME  CHANGED  MISSING  STALE
web-1           6        1        0      0
  changed  src/package.json -> /app/package.json
  not repaired: it asks for a rebuild, src/package.json matches fall_back_on `src/package.json` (step 1)
  hint: `docker liveupdate up` rebuilds it
",
    );
    assert_eq!(
        shop.project.sh(&web, "cat /app/package.json").await,
        "as built"
    );
}

#[tokio::test]
async fn every_container_is_compared_a_stopped_one_too() {
    let shop = Shop::new().await;
    let first = shop.web(1).await;
    let second = shop.web(2).await;
    docker(&["stop", "-t", "0", &second.id.0]);
    shop.write("src/a.js", "changed");
    let (code, objects) = shop.objects("verify --format json web");
    let changed: Vec<_> = objects
        .iter()
        .map(|it| (&it["container"], it["changed"].as_array().unwrap().len()))
        .collect();
    assert_eq!(changed, [(&json!("web-1"), 1), (&json!("web-2"), 1)]);
    assert_eq!(code, 1);
    let (code, objects) = shop.objects("verify --fix --format json web");
    assert_eq!(
        objects.iter().map(|it| &it["fixed"]).collect::<Vec<_>>(),
        [true, true]
    );
    assert_eq!(code, 0);
    docker(&["start", &second.id.0]);
    for web in [&first, &second] {
        assert_eq!(shop.project.sh(web, "cat /app/a.js").await, "changed");
    }
}

/// Few paths and many, each way of looking.
#[tokio::test]
async fn a_directory_that_is_reached_through_a_link_is_equal_and_fix_leaves_the_link() {
    for many in [false, true] {
        for helper in ["helper: off, ", ""] {
            let shop = Shop::new().await;
            let steps = format!("x-live-update: {{{helper}steps: [{{sync: './src:/app'}}]}}");
            shop.write(
                "compose.yaml",
                &format!("services: {{web: {{build: ., {steps}}}}}\n"),
            );
            shop.write("src/lib/deep/d.js", "as built");
            for n in 0..if many { 30 } else { 0 } {
                shop.write(&format!("src/lib/many/{n}"), "as built");
            }
            let web = shop.web(1).await;
            let moved = "mkdir /shared; for it in deep many; do mv /app/lib/$it /shared/$it; ln -s /shared/$it /app/lib/$it; done; \
                mv /app/lib /shared/lib; ln -s ../shared/lib /app/lib";
            shop.project.sh(&web, moved).await;
            let (code, out, err) = shop.call("verify");
            assert_eq!(code, 0, "{out}{err}");
            shop.write("src/lib/c.js", "changed");
            shop.write("src/lib/deep/d.js", "changed");
            assert_eq!(shop.call("verify").0, 1);
            let (code, out, err) = shop.call("verify --fix");
            assert!(out.contains("repaired 2 paths"), "{out}{err}");
            assert_eq!(code, 0, "{out}{err}");
            let look =
                "readlink /app/lib; readlink /app/lib/deep; cat /shared/lib/c.js /shared/deep/d.js";
            assert_eq!(
                shop.project.sh(&web, look).await,
                "../shared/lib\n/shared/deep\nchangedchanged"
            );
            // One that leads nowhere, or to a file, is in a directory's place.
            shop.project
                .sh(&web, "ln -sfn /nowhere /app/lib/deep")
                .await;
            assert_eq!(shop.call("verify").0, 1);
            shop.project
                .sh(&web, "ln -sfn /etc/passwd /app/lib/deep")
                .await;
            assert_eq!(shop.call("verify").0, 1);
        }
    }
}

#[tokio::test]
async fn a_service_without_container_is_said_by_the_exit_code_too_unless_none_is_asked_for() {
    let shop = Shop::new().await;
    let (code, out, err) = shop.call("verify");
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(
        err,
        "note: web: no container; `docker liveupdate up` starts one\n"
    );
    let none = SHOP.replace("build: .", "build: .\n    scale: 0");
    shop.write("compose.yaml", &none);
    assert_eq!(shop.call("verify").0, 0);
    let none = SHOP.replace("build: .", "build: .\n    deploy: {replicas: 0}");
    shop.write("compose.yaml", &none);
    assert_eq!(shop.call("verify").0, 0);
}

#[tokio::test]
async fn a_service_that_is_not_there_or_left_alone_is_an_error_with_a_hint() {
    let shop = Shop::new().await;
    let (code, _, err) = shop.call("verify wep db");
    assert_eq!(code, 1);
    assert_eq!(
        err,
        "\
error: there is no service `wep`
hint: did you mean `web`?
error: service `db` is left alone: it has no `x-live-update` block
hint: give it one, or leave it out here
"
    );
}

/// The programs that the engine has started in a container.
fn started_in(web: &Container) -> String {
    let of_it = format!("container={}", web.id.0);
    let begun = "event=exec_start";
    let now = UNIX_EPOCH.elapsed().unwrap().as_secs_f64().to_string();
    let events = ["events", "--since", "10m", "--until", &now, "--format"];
    let command = ["{{.Action}}", "--filter", &of_it, "--filter", begun];
    let said = docker(&[events.as_slice(), &command].concat());
    said.replace("exec_start: ", "")
}

#[tokio::test]
async fn a_container_of_which_little_is_asked_gets_no_helper_for_it() {
    let shop = Shop::new().await;
    let web = shop.web(1).await;
    shop.write("src/b.js", "another");
    assert_eq!(shop.call("verify").0, 1);
    assert_eq!(started_in(&web), "");
    // What is dearer to read than a helper is to start.
    let large = "x".repeat(9 * 1024 * 1024);
    shop.write("src/large.js", &large);
    assert_eq!(shop.call("verify").0, 1);
    assert!(started_in(&web).starts_with("/.liveupdate/serve-"));
}

#[tokio::test]
async fn what_lies_in_a_tmpfs_is_asked_of_whoever_sees_it() {
    let shop = Shop::new().await;
    let web = shop.project.run(&["--tmpfs", "/app"], WAITS).await;
    let fill = "mkdir /app/lib; for f in a.js b.js yarn.lock package.json lib/c.js; do printf 'as built' > /app/$f; done";
    shop.project.sh(&web, fill).await;
    let (code, out, _) = shop.call("verify");
    assert_eq!(code, 0, "{out}");
}
