//! Good blocks: every step and option of `spec.md` section 1.

use std::time::Duration;

use super::{compose, host, web};
use crate::compose::block::{Command, Does, LastStep, OnFailure, TriggerMode, Unmatched};

#[test]
fn a_list_of_steps_is_read_in_short_and_long_forms() {
    let block = web(r#"
- initial_sync
- fall_back_on: [package.json, src/*.lock]
- sync: ./src:/app/src
- sync: {local_path: ./static, remote_path: /app/static/, ignore: ["**/*.map"], include: "*.css", in_place: "true"}
- run: /app/bin/migrate
- run: {cmd: [yarn, install], trigger: ./src/yarn.lock, workdir: /app, user: 1000, environment: {A: 5}, timeout: 1m30s, on_failure: rebuild}
- restart_container: {timeout: "5", trigger: [src]}"#)
    .block();
    assert_eq!(block.initial_sync.unwrap().number, 1);
    let rules: Vec<String> = block
        .fall_back_on
        .iter()
        .map(|it| it.rule.to_string())
        .collect();
    assert_eq!(rules, ["package.json", "src/*.lock"]);
    let [src, files] = block.syncs.as_slice() else {
        panic!("{:?}", block.syncs)
    };
    assert_eq!(
        (src.local.clone(), src.remote.to_string().as_str()),
        (host("src"), "/app/src")
    );
    assert!(!src.into_directory && files.into_directory && files.in_place);
    assert_eq!(
        (files.ignore.clone(), files.include.clone()),
        (vec!["**/*.map".to_owned()], vec!["*.css".to_owned()])
    );
    let [migrate, install, restart] = block.works.as_slice() else {
        panic!("{:?}", block.works)
    };
    let (Does::Run(migrate), Does::Run(yarn)) = (&migrate.does, &install.does) else {
        panic!("{:?}", block.works)
    };
    assert_eq!(migrate.command, Command::Shell("/app/bin/migrate".into()));
    assert_eq!(
        yarn.command,
        Command::Argv(vec!["yarn".into(), "install".into()])
    );
    assert!(install.trigger[0].matches(&host("src/yarn.lock")));
    assert_eq!(yarn.exec.environment, [("A".to_owned(), "5".to_owned())]);
    assert_eq!(yarn.exec.user.as_deref(), Some("1000"));
    assert_eq!(
        (yarn.exec.timeout, yarn.on_failure),
        (Some(Duration::from_secs(90)), OnFailure::Rebuild)
    );
    assert_eq!(restart.step.number, 7);
    assert_eq!(
        restart.does,
        Does::Last(LastStep::RestartContainer {
            timeout: Some(Duration::from_secs(5))
        })
    );
}

#[test]
fn a_mapping_has_steps_and_options() {
    let block = web(r#"
steps: [sync: "./src:/srv", signal: SIGHUP]
ignore: ["docs/**"]
only: [src]
unmatched: ignore
trigger_mode: manual
debounce: 0.2
entrypoint: sh -c "sleep 1"
command: [a, 5]
helper: off
custom_build: {command: make image, deps: [src, Makefile], tag: me/web}"#)
    .block();
    assert_eq!(
        block.works[0].does,
        Does::Last(LastStep::Signal { name: "HUP".into() })
    );
    assert_eq!(
        (block.unmatched, block.trigger_mode),
        (Unmatched::Ignore, TriggerMode::Manual)
    );
    assert_eq!(block.debounce, Some(Duration::from_millis(200)));
    assert_eq!(block.entrypoint.unwrap(), ["sh", "-c", "sleep 1"]);
    assert_eq!(block.command.unwrap(), ["a", "5"]);
    assert_eq!(
        block.custom_build.unwrap().deps,
        [host("src"), host("Makefile")]
    );
}

#[test]
fn named_steps_are_used_by_several_services_and_keep_their_files_directory() {
    let project = compose(
        "services:
  web: {build: ., x-live-update: [code, again]}
  api: {build: ., x-live-update: {steps: [code]}}
x-live-update:
  steps:
    code: {sync: './src:/app'}
    again: restart_process
",
    )
    .project();
    let web = project.service("web").unwrap().block.clone().unwrap();
    assert_eq!(web.syncs[0].local, host("src"));
    assert_eq!(web.syncs[0].step.to_string(), "step 1 `code`");
    assert_eq!(web.last().unwrap().step.to_string(), "step 2 `again`");
    assert!(project.service("api").unwrap().block.is_some());
}
