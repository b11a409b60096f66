//! `convert`: the block that does what `develop.watch` rules do (`spec.md` F2).

use super::{Situation, compose};
use crate::compose::convert;

fn converted(situation: &Situation) -> String {
    convert(&situation.project(), "web")
}

#[test]
fn f2_the_block_does_the_same_with_a_comment_for_what_has_no_counterpart() {
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
      steps:
        # `initial_sync` stood in watch rule 1 alone; here it is for all syncs
        - initial_sync
        - fall_back_on: ./package.json
        # `/shared` is outside the build context, where a block is refused: widen `build.context`
        # watch rule 5 has `include` or `ignore`, which `fall_back_on` has not: write a glob that says the same
        - fall_back_on: /shared
        - sync:
            local_path: ./src
            remote_path: /app/
            ignore: [node_modules/]
        - sync: ./static:/static
        - sync: ./conf:/conf
        # watch rule 3 runs in the image's working directory; here it is `/`, unless `workdir` names another
        # watch rule 3 runs with `privileged`, which `run` has not: it has the container's own rights here
        - run:
            cmd: [sh, "-c", "echo $$HOME: x"]
            trigger: [./conf]
            user: root
        # watch rule 6 restarts on a change of `./flags` and copies nothing; a trigger here must be synced, so add a `sync` for it and name it in the trigger
        - restart_container: {trigger: [./static]}
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
    assert_eq!(after.restart.unwrap().kind, before.restart.unwrap().kind);
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
