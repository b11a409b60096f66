//! Compose's own `develop.watch` rules as steps (`spec.md` F1).

use super::{compose, host};
use crate::compose::block::{Command, Origin, RestartKind, Unmatched};

#[test]
fn f1_every_action_becomes_steps() {
    let block = compose(
        "services:
  web:
    build: .
    develop:
      watch:
        - {action: sync, path: ./src, target: /app, ignore: [node_modules/], initial_sync: true}
        - {action: sync+restart, path: ./static, target: /static}
        - action: sync+exec
          path: ./conf
          target: /conf
          exec: {command: nginx -t && nginx -s reload, user: root, privileged: true, environment: [A=b]}
        - {action: rebuild, path: package.json}
        - {action: restart, path: ./flags, include: '*.on'}
",
    )
    .file("conf/x", "")
    .resolved(
        "name: shop
services:
  web:
    build: {context: /p}
    develop:
      watch:
        - {action: sync, path: /p/src, target: /app, ignore: [node_modules/], initial_sync: true}
        - {action: sync+restart, path: /p/static, target: /static}
        - action: sync+exec
          path: /p/conf
          target: /conf
          exec: {command: [nginx, -t], user: root, privileged: true, environment: {A: b}}
        - {action: rebuild, path: /p/package.json}
        - {action: restart, path: /p/flags, include: ['*.on']}
",
    )
    .block();
    assert_eq!(
        (block.origin, block.unmatched),
        (Origin::DevelopWatch, Unmatched::Ignore)
    );
    let syncs: Vec<_> = block
        .syncs
        .iter()
        .map(|it| (it.step.number, it.initial))
        .collect();
    assert_eq!(syncs, [(1, true), (2, false), (3, false)]);
    assert_eq!(block.syncs[0].ignore, ["node_modules/"]);
    let run = &block.runs[0];
    // Compose cuts the text at `&&`; here it means what it says.
    assert_eq!(
        run.command,
        Command::Shell("nginx -t && nginx -s reload".into())
    );
    assert!(run.trigger[0].matches(&host("conf/x")) && !run.trigger[0].matches(&host("src/x")));
    assert_eq!(
        (run.workdir.as_deref(), run.user.as_deref(), run.privileged),
        (Some(""), Some("root"), true)
    );
    assert!(block.fall_back_on[0].rule.matches(&host("package.json")));
    assert!(block.watch_only[0].rule.matches(&host("flags/a.on")));
    assert!(!block.watch_only[0].rule.matches(&host("flags/a.off")));
    let restart = block.restart.unwrap();
    assert_eq!(restart.kind, RestartKind::Container { timeout: None });
    let restarts = |path: &str| restart.trigger.iter().any(|rule| rule.matches(&host(path)));
    assert!(restarts("static/x") && restarts("flags/a.on"));
    assert!(!restarts("src/x") && !restarts("flags/a.off"));
}

#[test]
fn f1_a_plain_command_runs_without_a_shell_as_compose_runs_it() {
    let rules = |command: &str| {
        format!(
            "name: shop\nservices:\n  web:\n    build: {{context: /p}}\n    develop:\n      watch: [{{action: sync+exec, path: /p/src, target: /app, exec: {{command: {command}}}}}]\n"
        )
    };
    let block = compose(&rules("nginx -s reload"))
        .resolved(&rules("[nginx, -s, reload]"))
        .block();
    let argv = ["nginx", "-s", "reload"].map(str::to_owned).to_vec();
    assert_eq!(block.runs[0].command, Command::Argv(argv));
}

#[test]
fn f1_a_rebuild_rule_needs_something_to_build() {
    compose("services:\n  web:\n    image: busybox\n    develop:\n      watch:\n        - {action: rebuild, path: src}\n")
        .refuses("the rule asks for a rebuild, but the service has no `build`");
}

#[test]
fn f1_restart_and_sync_restart_on_one_path_restart_once() {
    let block = compose("services:\n  web:\n    build: .\n    develop:\n      watch:\n        - {action: sync+restart, path: src, target: /a}\n        - {action: restart, path: static}\n").block();
    assert_eq!(block.restart.unwrap().trigger.len(), 2);
}
