//! A compose file from a stranger can be looked at: nothing of it is executed.

use std::fs;

use crate::needs::{has, needs};
use crate::program::write_program;
use crate::project::{Project, project};

/// Everything that could run something, in one project; each of it would write the file `pwned`.
fn hostile() -> Project {
    let project = project(
        "\
services:
  web:
    build: .
    image: '$(touch pwned)'
    entrypoint: touch pwned
    healthcheck: {test: touch pwned}
    labels: {x: '`touch pwned`'}
    x-live-update:
      custom_build: {command: touch pwned, deps: [.], tag: '; touch pwned'}
      entrypoint: touch pwned
      steps:
        - sync: './$$(touch pwned);touch pwned:/app'
        - sync: ./src:/app/src
        - run: touch pwned
        - run: [touch, pwned]
        - restart_container
  watched:
    build: .
    develop:
      watch:
        - {action: sync+exec, path: ./src, target: /app, exec: {command: touch pwned}}
",
    )
    .file("Dockerfile", "FROM busybox\nRUN touch pwned\n")
    .file(".gitattributes", "src/* diff=x filter=x\nsrc/b filter=y\n")
    .files(["src/a", "src/b", "$(touch pwned);touch pwned/a"])
    .committed();
    // A repository's own configuration names programs as well.
    for key in [
        "core.fsmonitor",
        "diff.external",
        "core.pager",
        "core.sshCommand",
        "diff.x.textconv",
        "diff.x.command",
        "filter.x.clean",
        "filter.y.process",
    ] {
        project.git(&format!(
            "config {key} {}",
            spy(&project, "config", "").display()
        ));
    }
    project.write("src/a", "changed");
    project.write("src/b", "changed");
    project.git("config filter.y.required true");
    project
}

/// A program that writes down that it was called, and with what, and does `then`.
fn spy(project: &Project, name: &str, then: &str) -> std::path::PathBuf {
    let path = project.beside(name);
    let asked = project.beside("asked");
    let note = format!("echo {name} \"$@\" >> '{}'", asked.display());
    write_program(&path, format!("#!/bin/sh\n{note}\n{then}\n"));
    path
}

#[test]
fn a_hostile_compose_file_makes_check_explain_and_plan_run_nothing_but_composes_own_parser() {
    needs!(has("git"), "git");
    let project = hostile();
    let real = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|place| place.join("docker"))
        .find(|docker| docker.is_file())
        .unwrap();
    let go_on = format!("exec '{}' \"$@\"", real.display());
    let docker = spy(&project, "docker", &go_on);
    for line in [
        "check",
        "explain src/a",
        "explain Dockerfile",
        "plan src",
        "plan",
    ] {
        let output = Project::tool_in(&project.path())
            .args(line.split(' '))
            .env("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", &docker)
            .output();
        let said = project.said(&output.unwrap());
        assert_eq!(said.code, 0, "{line}: {}", said.err);
    }
    let asked = fs::read_to_string(project.beside("asked")).unwrap();
    let mut asked: Vec<&str> = asked.lines().collect();
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(
        asked,
        ["docker compose config", "docker compose version --short"]
    );
    assert!(!project.path().join("pwned").exists());
}

#[test]
fn a_file_name_with_control_characters_does_not_reach_the_terminal_as_such() {
    let project =
        project("services: {web: {image: busybox, x-live-update: [{sync: './src:/app'}]}}")
            .files(["src/\u{1b}[31mred"]);
    for line in ["explain src/\u{1b}[31mred", "plan src"] {
        let said = project.call(&format!("--ansi always {line}"));
        assert!(!said.out.contains("\u{1b}[31mred"), "{:?}", said.out);
        assert!(said.out.contains("src/\\u{1b}[31mred"), "{:?}", said.out);
    }
}
