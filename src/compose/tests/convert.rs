//! `convert`: the block that does what `develop.watch` rules do (`spec.md` F2).

use super::{Situation, compose};
use crate::compose::convert;

fn converted(situation: &Situation) -> String {
    convert(&situation.project(), "web")
}

#[test]
fn f2_the_block_does_the_same_also_where_a_plain_one_has_no_word_for_it() {
    let situation = compose(
        "services:
  web:
    build: .
    develop:
      watch:
        - {action: sync, path: ./src, target: /app/, ignore: [node_modules/], initial_sync: true}
        - {action: sync+restart, path: ./static, target: /static}
        - {action: sync+exec, path: ./conf, target: /conf, exec: {command: [sh, -c, 'echo $HOME: x'], user: root, privileged: true}}
        - {action: rebuild, path: package.json}
        - {action: rebuild, path: ../shared, ignore: ['*.md']}
        - {action: restart, path: ./flags}
",
    )
    .file("conf/x", "");
    assert_eq!(
        converted(&situation),
        r#"services:
  web:
    x-live-update:
      unmatched: ignore # `develop.watch` looks at its own paths alone
      watch: [./src, ./static, ./conf, ./package.json, ../shared, ./flags]
      steps:
        - fall_back_on: ./package.json
        - fall_back_on: [{path: ../shared, ignore: ["*.md"]}]
        - sync:
            local_path: ./src
            remote_path: /app/
            ignore: [node_modules/]
            initial_sync: true
        - sync: ./static:/static
        - sync: ./conf:/conf
        - run:
            cmd: [sh, "-c", "echo $$HOME: x"]
            trigger: [./conf]
            workdir: .
            user: root
            privileged: true
        - restart_container: {trigger: [./static, ./flags]}
"#
    );
}

#[test]
fn f2_what_is_printed_is_read_back_as_the_same_steps() {
    let rules = "services:
  web:
    build: .
    develop:
      watch:
        - {action: sync+restart, path: ./src, target: /app, include: '**/*.py'}
        - {action: rebuild, path: package.json}
";
    let before = compose(rules).block();
    let text = converted(&compose(rules)).replace("x-live-update:", "build: .\n    x-live-update:");
    let after = compose(&text).block();
    let syncs = |block: &super::Block| -> Vec<_> {
        let syncs = block.syncs.iter();
        syncs
            .map(|it| (it.local.clone(), it.remote.clone(), it.include.clone()))
            .collect()
    };
    assert_eq!(syncs(&after), syncs(&before));
    assert_eq!(after.unmatched, before.unmatched);
    assert_eq!(
        after.fall_back_on[0].rule.root(),
        before.fall_back_on[0].rule.root()
    );
    assert_eq!(after.last().unwrap().does, before.last().unwrap().does);
}

#[test]
fn f2_rules_that_ask_for_rebuilds_or_restarts_alone_are_a_block_that_loads() {
    for (rules, expected) in [
        (
            "[{action: rebuild, path: ./src, ignore: ['*.md']}]",
            "      steps:
        - fall_back_on: [{path: ./src, ignore: [\"*.md\"]}]
",
        ),
        (
            "[{action: restart, path: ./src}]",
            "      watch: [./src]
      steps:
        - restart_container: {trigger: [./src]}
",
        ),
        (
            "[{action: sync, path: ., target: /a}, {action: sync+restart, path: package.json, target: /b}]",
            "      matching: all # every rule that holds a file applies
      steps:
        - sync: .:/a
        - sync: ./package.json:/b
        - restart_container: {trigger: [./package.json]}
",
        ),
        (
            "[{action: rebuild, path: './**/*.go'}]",
            "      steps:
        - fall_back_on: [{path: \"./**/*.go\"}]
",
        ),
    ] {
        let text = converted(&compose(&format!(
            "services:\n  web:\n    build: .\n    develop: {{watch: {rules}}}\n"
        )));
        let (_, steps) = text.split_once("own paths alone\n").unwrap();
        assert_eq!(steps, expected);
        compose(&text.replace("x-live-update:", "build: .\n    x-live-update:")).block();
    }
}

#[test]
fn f2_a_service_without_rules_is_said_to_have_none() {
    let situation = compose("services:\n  web: {build: ., x-live-update: []}\n  db: {image: x}\n");
    assert_eq!(
        converted(&situation),
        "# service `web` has an `x-live-update` block already\n"
    );
    assert_eq!(
        convert(&situation.project(), "db"),
        "# service `db` has no `develop.watch` rules\n"
    );
    assert_eq!(
        convert(&situation.project(), "no"),
        "# there is no service `no`\n"
    );
}
