//! Compose's own `develop.watch` rules as steps (`spec.md` F1).

use super::{compose, host};
use crate::compose::block::{Block, Command, Does, LastStep, Origin, Run, Unmatched};
use crate::plan::{self, Debts, Rules};
use crate::watch::{Change, Entry, Inode, Kind};

fn first_run(block: &Block) -> &Run {
    let Does::Run(run) = &block.works[0].does else {
        panic!("{:?}", block.works)
    };
    run
}

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
    let run = first_run(&block);
    // Compose cuts the text at `&&`; here it means what it says.
    assert_eq!(
        run.command,
        Command::Shell("nginx -t && nginx -s reload".into())
    );
    assert!(
        block.works[0].trigger[0].matches(&host("conf/x"))
            && !block.works[0].trigger[0].matches(&host("src/x"))
    );
    assert_eq!(
        (
            run.exec.workdir.as_str(),
            run.exec.user.as_deref(),
            run.exec.privileged
        ),
        ("", Some("root"), true)
    );
    assert!(block.fall_back_on[0].rule.matches(&host("package.json")));
    assert!(block.watch_only[0].rule.matches(&host("flags/a.on")));
    assert!(!block.watch_only[0].rule.matches(&host("flags/a.off")));
    let restart = block.last().unwrap();
    let container = LastStep::RestartContainer { timeout: None };
    assert_eq!(restart.does, Does::Last(container));
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
    assert_eq!(first_run(&block).command, Command::Argv(argv));
}

#[test]
fn f1_a_rebuild_rule_needs_something_to_build() {
    compose("services:\n  web:\n    image: busybox\n    develop:\n      watch:\n        - {action: rebuild, path: src}\n")
        .refuses("the rule asks for a rebuild, but the service has no `build`");
}

#[test]
fn f1_restart_and_sync_restart_on_one_path_restart_once() {
    let block = compose("services:\n  web:\n    build: .\n    develop:\n      watch:\n        - {action: sync+restart, path: src, target: /a}\n        - {action: restart, path: static}\n").block();
    assert_eq!(block.last().unwrap().trigger.len(), 2);
}

#[test]
fn f1_plans_speak_of_watch_rules_and_of_the_path_as_it_was_written() {
    let situation = compose(
        "services:
  web:
    build: .
    develop:
      watch:
        - {action: sync+restart, path: ./src, target: /app}
        - {action: rebuild, path: ./package.json}
        - {action: sync+exec, path: ./static, target: /static, exec: {command: make}}
        - {action: sync+restart, path: ./static, target: /more}
",
    );
    let project = situation.project();
    let rules = Rules::of(&project, project.service("web").unwrap()).unwrap();
    let plans = |path: &str| {
        let entry = Entry {
            kind: Kind::File { len: 1 },
            mode: 0o644,
            modified: std::time::UNIX_EPOCH,
            inode: Inode::default(),
        };
        let batch = [Change::Written(host(path), entry)];
        let plan = plan::plan(&rules, &batch, &Debts::default());
        plan.to_string()
    };
    assert_eq!(
        plans("package.json"),
        "rebuild: /p/package.json matches `./package.json` of watch rule 2 (rebuild)"
    );
    assert_eq!(
        plans("static/x"),
        "live update:
  copy /p/static/x -> /static/x (watch rule 3 (sync+exec))
  copy /p/static/x -> /more/x (watch rule 4 (sync+restart))
  run make (watch rule 3 (sync+exec), /p/static/x matches `./static`)
  restart the container (watch rule 4 (sync+restart))"
    );
}

#[test]
fn f1_a_relative_target_is_taken_from_the_root_as_compose_does_and_that_is_said() {
    let rules = |target: &str| {
        compose(&format!(
            "services:\n  web:\n    build: .\n    develop:\n      watch: [{{action: sync, path: ./src, target: {target}}}]\n"
        ))
    };
    for (target, remote) in [
        ("app/templates", "/app/templates"),
        ("./", "/"),
        ("./a/../b", "/b"),
    ] {
        assert_eq!(rules(target).block().syncs[0].remote.to_string(), remote);
    }
    rules("app/templates").says(
        "
warning: service `web`, watch rule 1: the target `app/templates` is relative: for Compose, and here, that is `/app/templates`, not a path in the working directory
 --> compose.yaml:5:51
  |
5 |       watch: [{action: sync, path: ./src, target: app/templates}]
  |                                                   ^
hint: write `target: /app/templates`, or the path that is meant",
    );
}

#[test]
fn f1_what_can_hardly_be_meant_is_said() {
    compose(
        "services:
  web:
    build: .
    develop:
      watch:
        - {action: rebuild, path: './**/*.go'}
        - {action: restart, path: ./gone}
        - {action: sync, path: ./package.json, target: /build}
        - {action: sync, path: ./src, target: /build}
        - {action: sync, path: ./static, target: /build}
        - {action: rebuild, path: ./static}
        - {action: sync, path: ./src/app.py, target: /x, x-initialSync: true}
  other:
    image: x
    x-develop: {watch: []}
",
    )
    .says(
        "
warning: service `web`, watch rule 1: path `/p/**/*.go` does not exist
 --> compose.yaml:6:35
  |
6 |         - {action: rebuild, path: './**/*.go'}
  |                                   ^
hint: a path in `develop.watch` is no pattern: name the directory in `path`, and write the pattern into `include`

warning: service `web`, watch rule 2: path `/p/gone` does not exist
 --> compose.yaml:7:35
  |
7 |         - {action: restart, path: ./gone}
  |                                   ^
hint: it is watched as soon as it is created; check the path if it should be there

warning: service `web`, watch rule 4: `/p/package.json` is a file and goes to `/build`, where watch rule 3 (sync) and this sync need a directory (`/build`): one of the two cannot be put there
 --> compose.yaml:9:32
  |
9 |         - {action: sync, path: ./src, target: /build}
  |                                ^
hint: a target names the file itself: write `/build/package.json`

warning: service `web`, watch rule 5: this sync never applies by itself: watch rule 6 (rebuild) asks for a rebuild on every change in `./static`, and what is synced comes after it
  --> compose.yaml:10:32
   |
10 |         - {action: sync, path: ./static, target: /build}
   |                                ^
hint: name fewer files for the rebuild, or take the sync out

warning: service `web`, watch rule 5: `/p/package.json` is a file and goes to `/build`, where watch rule 3 (sync) and this sync need a directory (`/build`): one of the two cannot be put there
  --> compose.yaml:10:32
   |
10 |         - {action: sync, path: ./static, target: /build}
   |                                ^
hint: a target names the file itself: write `/build/package.json`

warning: service `web`, watch rule 7: `x-initialSync` is the old name of `initial_sync`
  --> compose.yaml:12:73
   |
12 |         - {action: sync, path: ./src/app.py, target: /x, x-initialSync: true}
   |                                                                         ^
hint: write `initial_sync: true`

warning: service `other`: `x-develop` is no key of Compose's: the rules in it are used by nobody
  --> compose.yaml:15:5
   |
15 |     x-develop: {watch: []}
   |     ^
hint: name it `develop`, or take it out
",
    );
}

#[test]
fn f1_two_rules_with_one_target_are_said() {
    let said = compose(
        "services:
  web:
    build: .
    develop:
      watch:
        - {action: sync, path: ./src, target: /app}
        - {action: sync, path: ./static, target: /app/}
",
    );
    said.says(
        "
warning: service `web`, watch rule 2: the target `/app` is that of watch rule 1 (sync) too
 --> compose.yaml:7:32
  |
7 |         - {action: sync, path: ./static, target: /app/}
  |                                ^
hint: where both have a file of one name, that of watch rule 1 (sync) is kept: give each a target of its own",
    );
}

#[test]
fn f1_where_compose_reads_an_ignore_file_in_another_way_than_the_builder_that_is_said() {
    let project = |ignore: &str| {
        compose("services:\n  web:\n    build: .\n    develop:\n      watch: [{action: sync, path: ./src, target: /app}]\n")
            .file(".dockerignore", ignore)
    };
    project("**/.env\n!src\n").says(
        "
warning: service `web`: line 2 (`!src`) of `/p/.dockerignore` brings nothing back for the builder, as no line before leaves out `src` itself; `docker compose watch` takes it for all that is below, and would sync what `**/.env` leaves out there. Here it is as in the image
 --> compose.yaml:3:12
  |
3 |     build: .
  |            ^
hint: name what is meant: the files themselves after the `!`",
    );
    project("*\n!src\n").says("");
}
