//! Projects that already have `develop.watch`, as they are (`spec.md` F1).

use crate::project::Project;

fn watching(rules: &str) -> Project {
    let mut compose = String::from(
        "
services:
  web:
    build: .
    init: true
    command: [sh, -c, 'cat /app/a.txt >> /began-with; exec sleep 100000']
    develop:
      watch:
",
    );
    for line in rules.lines() {
        compose.push_str("        ");
        compose.push_str(line);
        compose.push('\n');
    }
    let project = Project::new(&compose);
    project.write("Dockerfile", crate::project::DOCKERFILE);
    project.write("src/a.txt", "one");
    project
}

/// F1: `action: sync`, with `ignore`; "unmatched files are ignored there".
#[test]
fn sync_copies_and_ignores_and_leaves_unmatched_files_alone() {
    let project = watching("- {action: sync, path: ./src, target: /app, ignore: [node_modules/]}");
    let mut up = project.up();
    let before = project.id("web");
    project.write("src/node_modules/x/index.js", "no");
    project.write("unmatched", "x");
    project.write("src/a.txt", "two");
    up.until_file("web", "/app/a.txt", "two");
    project.write("src/marker", "later");
    up.until_file("web", "/app/marker", "later");
    assert_eq!(project.tree("web", "/app/node_modules"), None);
    assert_eq!(project.id("web"), before);
    project.remove("src/marker");
    up.until_gone("web", "/app/marker");
    up.live_updated("web");
}

/// F1: `include`.
#[test]
fn sync_with_include_copies_only_what_is_included() {
    let project = watching("- {action: sync, path: ./src, target: /app, include: ['*.js']}");
    let up = project.up();
    project.write("src/x.css", "no");
    project.write("src/x.js", "yes");
    up.until_file("web", "/app/x.js", "yes");
    project.write("src/marker.js", "later");
    up.until_file("web", "/app/marker.js", "later");
    assert_eq!(project.tree("web", "/app/x.css"), None);
}

/// F1: `action: sync+restart`.
#[test]
fn sync_restart_copies_and_restarts() {
    let project = watching("- {action: sync+restart, path: ./src, target: /app}");
    let mut up = project.up();
    up.until_file("web", "/began-with", "one");
    let before = project.id("web");
    project.write("src/a.txt", "two");
    up.live_updated("web");
    up.until_file("web", "/began-with", "onetwo");
    assert_eq!(project.id("web"), before);
}

/// F1: `action: sync+exec`.
#[test]
fn sync_exec_copies_and_executes() {
    let project = watching(
        "- {action: sync+exec, path: ./src, target: /app, exec: {command: sh /app/hook.sh, user: '1000', environment: [WORD=x]}}",
    );
    project.write(
        "src/hook.sh",
        "echo $(cat /app/a.txt) $(id -u) $WORD >> /tmp/ran",
    );
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.live_updated("web");
    up.until_file("web", "/tmp/ran", "two 1000 x\n");
}

/// F1: `privileged` of a hook, which Compose gives to it too; what follows has the container's own rights again.
#[test]
fn sync_exec_privileged_has_the_hosts_rights() {
    let hook = "grep CapEff /proc/self/status | tr -d '\\n' >> /tmp/";
    let rule = |folder: &str, privileged: bool| {
        format!(
            "- {{action: sync+exec, path: ./{folder}, target: /{folder}, exec: {{command: [sh, -c, \"{hook}{folder}\"], privileged: {privileged}}}}}\n"
        )
    };
    let project = watching(&(rule("src", true) + &rule("plain", false)));
    project.write("plain/x", "one");
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.live_updated("web");
    project.write("plain/x", "two");
    up.live_updated("web");
    let rights = |name: &str| {
        let text = project.file("web", &format!("/tmp/{name}")).unwrap();
        let hexadecimal = text.trim_start_matches("CapEff:").trim();
        u64::from_str_radix(hexadecimal, 16).unwrap()
    };
    let (all, own) = (rights("src"), rights("plain"));
    assert!(all & own == own && all > own, "{all:x} {own:x}");
}

/// F1: `action: restart`: no copy.
#[test]
fn restart_restarts_and_copies_nothing() {
    let project = watching(
        "- {action: restart, path: ./src/a.txt}\n- {action: sync, path: ./other, target: /other}",
    );
    project.write("other/x", "one");
    let mut up = project.up();
    up.until_file("web", "/began-with", "one");
    let before = project.id("web");
    project.write("src/a.txt", "two");
    up.live_updated("web");
    up.until_file("web", "/began-with", "oneone");
    assert_eq!(project.id("web"), before);
    assert_eq!(project.file("web", "/app/a.txt").as_deref(), Some("one"));
}

/// F1: `action: rebuild`: "a rebuild rule is a `fall_back_on`".
#[test]
fn rebuild_rebuilds() {
    let project = watching(
        "- {action: sync, path: ./src, target: /app}\n- {action: rebuild, path: ./package.json}",
    );
    project.replace("Dockerfile", "CMD", "COPY package.json /\nCMD");
    project.write("package.json", "one");
    let mut up = project.up();
    let before = project.id("web");
    project.write("package.json", "two");
    up.rebuilt("web");
    assert_ne!(project.id("web"), before);
    assert_eq!(project.file("web", "/package.json").as_deref(), Some("two"));
}

/// F1: `initial_sync` of a rule.
#[test]
fn initial_sync_brings_what_the_image_does_not_have() {
    let project = watching(
        "- {action: sync, path: ./src, target: /fresh, initial_sync: true, ignore: [secret.txt]}",
    );
    project.write(
        "src/sub/secret.txt",
        "ignored in every directory? only by its own name",
    );
    project.write("src/secret.txt", "no");
    let up = project.up();
    up.until_file("web", "/fresh/a.txt", "one");
    assert_eq!(project.tree("web", "/fresh/secret.txt"), None);
}

/// F1: "A service with both uses `x-live-update`, and says so."
#[test]
fn a_service_with_both_uses_x_live_update_and_says_so() {
    let project = watching("- {action: sync, path: ./src, target: /wrong}");
    let compose = project.read("compose.yaml");
    project.write(
        "compose.yaml",
        compose + "    x-live-update: [{sync: './src:/app'}]\n",
    );
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.live_updated("web");
    assert_eq!(project.file("web", "/app/a.txt").as_deref(), Some("two"));
    assert_eq!(project.tree("web", "/wrong"), None);
    assert!(up.said("develop.watch"));
}

/// Compose's documentation, example 1: `sync` of a directory with `initial_sync` and `ignore`, `rebuild` for `package.json`.
#[test]
fn the_documented_example_of_sync_and_rebuild() {
    let project = Project::new(
        "
services:
  web:
    build: .
    init: true
    command: sleep 100000
    develop:
      watch:
        - action: sync
          path: ./web
          target: /src/web
          initial_sync: true
          ignore:
            - node_modules/
        - action: rebuild
          path: package.json
",
    );
    project.write(
        "Dockerfile",
        "FROM busybox:1.37\nWORKDIR /src\nCOPY package.json .\n",
    );
    project.write("package.json", "{}");
    project.write("web/App.jsx", "one");
    project.write("web/node_modules/x/index.js", "no");
    let up = project.up();
    up.until_file("web", "/src/web/App.jsx", "one");
    let before = project.id("web");
    project.write("web/App.jsx", "two");
    up.until_file("web", "/src/web/App.jsx", "two");
    assert_eq!(project.tree("web", "/src/web/node_modules"), None);
    assert_eq!(project.id("web"), before);
    project.write("package.json", "{\"a\": 1}");
    up.until_file("web", "/src/package.json", "{\"a\": 1}");
    assert_ne!(project.id("web"), before);
    // The new container has what only the sync has ever put there.
    up.until_file("web", "/src/web/App.jsx", "two");
}

/// Compose's documentation, example 2: a project with several services, among them `sync+restart` of a single file.
#[test]
fn the_documented_example_of_sync_and_restart() {
    let project = Project::new(
        "
services:
  web:
    build:
      context: .
      dockerfile: Dockerfile
      target: web
    init: true
    develop:
      watch:
        - action: sync
          path: ./web
          target: /app/web
          ignore:
            - node_modules/
        - action: sync+restart
          path: ./proxy/nginx.conf
          target: /etc/nginx/conf.d/default.conf
  backend:
    build:
      context: .
      dockerfile: Dockerfile
      target: backend
    init: true
",
    );
    project.write(
        "Dockerfile",
        "FROM busybox:1.37 AS backend\nCMD [\"sleep\", \"100000\"]\nFROM backend AS web\nCOPY web /app/web\n\
         CMD [\"sh\", \"-c\", \"cat /etc/nginx/conf.d/default.conf >> /began-with; exec sleep 100000\"]\n",
    );
    project.write("web/index.html", "one");
    project.write("proxy/nginx.conf", "one");
    let mut up = project.up();
    let (id, began) = (project.id("web"), project.started_at("web"));
    project.write("web/index.html", "two");
    up.live_updated("web");
    assert_eq!(
        project.file("web", "/app/web/index.html").as_deref(),
        Some("two")
    );
    assert_eq!(project.started_at("web"), began);
    project.write("proxy/nginx.conf", "two");
    up.live_updated("web");
    up.until_file("web", "/began-with", "two");
    assert_eq!(project.id("web"), id);
    assert_ne!(project.started_at("web"), began);
}

/// Compose's watch tests: files and directories written, deleted and ignored, with rules shared by several services through an
/// anchor, some of them rebuilt from one and the same file.
#[test]
fn several_services_share_rules_and_are_rebuilt_from_one_file() {
    let mut compose = String::from(
        "
x-dev: &x-dev
  watch:
    - action: sync
      path: ./data
      target: /app/data
      ignore:
        - '*.foo'
        - ./ignored
    - action: rebuild
      path: trigger
services:
",
    );
    for service in ["a", "b"] {
        compose.push_str(&crate::project::service(
            service,
            "build:\n  dockerfile_inline: |\n    FROM busybox:1.37\n    RUN mkdir -p /app/data\n    COPY trigger /trigger\n\
             init: true\ncommand: sleep 100000\ndevelop: *x-dev",
        ));
    }
    let project = Project::new(&compose);
    project.write("data/hello.txt", "hello");
    project.write("trigger", "one");
    let up = project.up();
    let both = ["a", "b"];
    project.write("data/hello.txt", "hello world");
    for service in both {
        up.until_file(service, "/app/data/hello.txt", "hello world");
    }
    project.write("data/ignored/file", "no");
    project.write("data/test.foo", "no");
    project.write("data/subdir/file", "yes");
    for service in both {
        up.until_file(service, "/app/data/subdir/file", "yes");
    }
    project.remove("data/hello.txt");
    project.remove("data/subdir");
    for service in both {
        up.until_gone(service, "/app/data/hello.txt");
        up.until_gone(service, "/app/data/subdir");
        assert_eq!(project.tree(service, "/app/data/ignored"), None);
        assert_eq!(project.tree(service, "/app/data/test.foo"), None);
    }
    project.write("trigger", "two");
    for service in both {
        up.until_file(service, "/trigger", "two");
        up.eventually("one rebuild", || up.rebuilds(service) == 1);
    }
}

/// Compose's watch tests: `rebuild` for `.env`; the network mode and the project's name are what they were after a rebuild.
#[test]
fn a_rebuild_for_the_env_file_keeps_network_mode_and_profile() {
    let project = Project::new(
        "
services:
  web:
    profiles: [dev]
    build: {context: ./app, dockerfile: ../docker/web.Dockerfile, target: run, args: {WORD: '${WORD}'}}
    init: true
    network_mode: host
    develop:
      watch:
        - {action: rebuild, path: .env}
",
    );
    project.write(".env", "WORD=one\n");
    project.write("app/x", "x");
    project.write(
        "docker/web.Dockerfile",
        "FROM busybox:1.37 AS base\nFROM base AS run\nARG WORD\nRUN echo $WORD > /word\nCMD [\"sleep\", \"100000\"]\n\
         FROM base AS other\nRUN exit 1\n",
    );
    let mut up = project.follow(project.tool(&["--profile", "dev", "up", "--format", "json"]));
    up.wait_for("the session has started", |event| {
        event["event"] == "started"
    });
    assert_eq!(project.file("web", "/word").as_deref(), Some("one\n"));
    project.write(".env", "WORD=two\n");
    up.until_file("web", "/word", "two\n");
    assert_eq!(
        project.inspect("web", "{{.HostConfig.NetworkMode}}"),
        "host"
    );
}

/// F1': every rule that holds a file applies, each with its own target; F16: a rebuild and a sync rule.
#[test]
fn every_rule_that_holds_a_file_applies_also_beside_a_rebuild() {
    let project = watching(
        "- {action: sync, path: ./src, target: /app}
- {action: sync, path: ./src/a.txt, target: /elsewhere/b.txt}
- {action: rebuild, path: ./conf}
- {action: sync, path: ./conf, target: /only-by-sync}",
    );
    project.write("conf/x", "one");
    project.write(
        "Dockerfile",
        "FROM busybox:1.37\nCOPY src /app\nCOPY conf /conf\nCMD [\"sleep\", \"100000\"]\n",
    );
    let mut up = project.up();
    let before = project.id("web");
    project.write("src/a.txt", "two");
    up.until_file("web", "/app/a.txt", "two");
    up.until_file("web", "/elsewhere/b.txt", "two");
    up.live_updated("web");
    assert_eq!(project.id("web"), before);
    project.write("conf/x", "two");
    up.until_file("web", "/only-by-sync/x", "two");
    assert_eq!(project.file("web", "/conf/x").as_deref(), Some("two"));
    assert_ne!(project.id("web"), before);
    assert_eq!(up.rebuilds("web"), 1);
    // What the new container lacks comes as well.
    up.until_file("web", "/elsewhere/b.txt", "two");
    assert!(up.said("matches `./conf` of watch rule 3 (rebuild)"));
    project.remove("src/a.txt");
    up.until_gone("web", "/elsewhere/b.txt");
    up.until_gone("web", "/app/a.txt");
}

/// F12: "a file whose target is a directory is said and holds up nothing else".
#[test]
fn a_file_whose_target_is_a_directory_holds_up_nothing_else() {
    let project = watching(
        "- {action: sync, path: ./src, target: /app}
- {action: sync, path: ./main.go, target: /app}",
    );
    project.write("main.go", "one");
    let mut up = project.up();
    let before = project.id("web");
    project.write("main.go", "two");
    up.says("main.go` was not copied to `/app`: that is a directory in web-1");
    project.write("src/later", "x");
    up.until_file("web", "/app/later", "x");
    assert_eq!(project.id("web"), before);
}

/// "Ignore files are heard of wherever they lie."
#[test]
fn an_ignore_file_outside_of_the_watched_paths_is_heard_of() {
    let project = watching("- {action: sync, path: ./src, target: /app}");
    let mut up = project.up();
    project.write("src/secret", "one");
    up.until_file("web", "/app/secret", "one");
    project.write(".dockerignore", "src/secret\n");
    up.says(".dockerignore says which files the build gets");
    project.write("src/secret", "two");
    project.write("src/open", "two");
    up.until_file("web", "/app/open", "two");
    assert!(
        project
            .file("web", "/app/secret")
            .is_none_or(|text| text != "two")
    );
}

/// F2: "the block that does the same", also for a command in the image's directory and a path that restarts alone.
#[test]
fn the_block_that_convert_prints_does_what_the_rules_do() {
    let base = "
services:
  web:
    build: .
    init: true
    command: sleep 100000
";
    let rules = "    develop:
      watch:
        - {action: sync+exec, path: ./src, target: /app, exec: {command: [sh, -c, 'pwd > /where']}}
        - {action: restart, path: ./flags}
";
    let project = Project::new(&format!("{base}{rules}"));
    project.write(
        "Dockerfile",
        "FROM busybox:1.37\nWORKDIR /app/deep\nCOPY src /app\n",
    );
    project.write("src/a.txt", "one");
    project.write("flags/on", "one");
    let converted = project.tool(&["convert"]).output().unwrap();
    let block = String::from_utf8(converted.stdout).unwrap();
    let (_, block) = block.split_once("  web:\n").unwrap();
    project.write("compose.yaml", format!("{base}{block}"));
    let up = project.up();
    project.write("src/a.txt", "two");
    up.until_file("web", "/where", "/app/deep\n");
    let before = project.started_at("web");
    project.write("flags/on", "two");
    up.eventually("a restart for the flag", || {
        project.started_at("web") != before
    });
    assert_eq!(project.file("web", "/flags"), None);
}
