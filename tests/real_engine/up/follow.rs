//! Whoever depends on a container follows it (`spec.md` C10'): whoever restarts or recreates it, in one go, and it is said.

use serde_json::Value;

use crate::project::{DOCKERFILE, Project, service};
use crate::session::Session;

/// Every kind of tie to `web`, none of them with a block, and one that is tied to one of those.
const DEPENDENTS: [(&str, &str); 6] = [
    ("network", "network_mode: service:web"),
    ("pids", "pid: service:web"),
    ("named", "network_mode: container:NAME-web-1"),
    ("volumes", "volumes_from: [web]"),
    ("linked", "links: [web]"),
    (
        "tail",
        "depends_on: {linked: {condition: service_started, restart: true}}",
    ),
];

fn project() -> Project {
    let project = Project::new("");
    let mut compose = String::from("services:\n");
    let block = "build: .\ninit: true\nx-live-update:\n- fall_back_on: ./src/lock\n- sync: ./src:/app\n- restart_container";
    compose += &service("web", block);
    for (name, tie) in DEPENDENTS {
        let tie = tie.replace("NAME", &project.name);
        let idle = "image: busybox:1.37\ncommand: sleep 100000\ninit: true\nstop_grace_period: 2s";
        compose += &service(name, &format!("{idle}\n{tie}"));
    }
    // Compose knows of no order for a container's name.
    compose = compose.replace("web-1\n", "web-1\n    depends_on: [web]\n");
    project.write("compose.yaml", compose);
    project.write("Dockerfile", DOCKERFILE);
    project.write("src/a.txt", "one");
    project.write("src/lock", "one");
    project
}

/// Waits until everybody has followed once more than before; the answer is what was said, by service.
#[track_caller]
fn all_follow(up: &mut Session<'_>, names: &[&str]) -> Vec<(String, String)> {
    let mut left: Vec<&str> = names.to_vec();
    let mut said = Vec::new();
    while !left.is_empty() {
        let event = up.wait_for(&format!("{left:?} follow"), |event| {
            event["action"] == "follow"
        });
        assert_eq!(event["ok"], true, "{event}");
        let name = event["service"].as_str().unwrap();
        let at = left.iter().position(|one| *one == name);
        left.remove(at.unwrap_or_else(|| up.fail(&format!("{name} has followed once too often"))));
        let how = event["detail"]["how"].as_str().unwrap();
        said.push((name.to_owned(), how.to_owned()));
    }
    said.sort();
    for name in names {
        assert!(up.started_at(name) > up.started_at("web"), "{name}");
    }
    for name in ["network", "named"] {
        let devices = up.sh(name, "cat /proc/net/dev");
        assert!(devices.contains("eth0"), "{name}: {devices}");
    }
    said
}

fn names() -> Vec<&'static str> {
    DEPENDENTS.iter().map(|(name, _)| *name).collect()
}

fn said(how: [(&str, &str); 6]) -> Vec<(String, String)> {
    how.map(|(name, how)| (name.to_owned(), how.to_owned()))
        .to_vec()
}

const RECREATED: [(&str, &str); 6] = [
    ("linked", "restarted"),
    ("named", "recreated"),
    ("network", "recreated"),
    ("pids", "recreated"),
    ("tail", "restarted"),
    ("volumes", "recreated"),
];

fn is_follow(event: &Value) -> bool {
    event["action"] == "follow"
}

/// "Who depends on a container follows it": by our restart, our rebuild; transitively; each once.
#[test]
fn whoever_depends_on_a_service_follows_its_restart_and_its_rebuild() {
    let project = project();
    let mut up = project.up();
    assert_eq!(up.count(is_follow), 0);
    let ids: Vec<String> = names().into_iter().map(|name| project.id(name)).collect();
    project.write("src/a.txt", "two");
    up.live_updated("web");
    let restarted = RECREATED.map(|(name, _)| (name, "restarted"));
    assert_eq!(all_follow(&mut up, &names()), said(restarted));
    let same: Vec<String> = names().into_iter().map(|name| project.id(name)).collect();
    assert_eq!(ids, same);
    project.write("src/lock", "two");
    up.rebuilt("web");
    assert_eq!(all_follow(&mut up, &names()), said(RECREATED));
}

/// By anybody's restart and recreate; what Compose has restarted itself is not restarted twice; what was stopped on purpose
/// stays so.
#[test]
fn whoever_depends_on_a_service_follows_what_others_do_to_it_and_nobody_twice() {
    let project = project();
    let mut up = project.up();
    // Compose restarts all but these two by itself. It knows them by labels that a recreate without dependencies does not
    // write, so this comes first.
    project.compose(&["restart", "-t", "1", "web"]);
    all_follow(&mut up, &["named", "volumes"]);
    project.docker(&["restart", "-t", "1"], "web");
    let restarted = RECREATED.map(|(name, _)| (name, "restarted"));
    assert_eq!(all_follow(&mut up, &names()), said(restarted));
    project.compose(&["up", "-d", "--no-build", "--force-recreate", "web"]);
    assert_eq!(all_follow(&mut up, &names()), said(RECREATED));
    project.docker(&["stop", "-t", "1"], "linked");
    project.docker(&["restart", "-t", "1"], "web");
    all_follow(&mut up, &["network", "named", "pids", "volumes"]);
    assert_eq!(project.inspect("linked", "{{.State.Running}}"), "false");
}
