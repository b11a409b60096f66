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
