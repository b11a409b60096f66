//! A compose file from a stranger can be looked at: nothing of it is executed.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::needs::{has, needs};
use crate::program::write_program;
use crate::project::{Project, Said, project};

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

/// Rings, writes title and clipboard, changes colours, forges lines of ours, and turns the text around.
const EVIL: &str = "e\u{1b}]0;P\u{7}\u{1b}]52;c;eA==\u{7}\u{1b}[35;7m\nweb  all is fine\nok: all is fine\r\u{202e}\u{9b}x";

/// The same inside a text of YAML or JSON.
fn evil() -> String {
    let text = Value::from(EVIL).to_string();
    let text = text
        .replace('\u{202e}', "\\u202e")
        .replace('\u{9b}', "\\u009b");
    text.trim_matches('"').to_owned()
}

/// What the tool says with these words, in all its colours; nothing in it moves a cursor or is a forged line.
#[track_caller]
fn harmless(project: &Project, words: &[&str]) -> Said {
    let output = Project::tool_in(&project.path())
        .args(["--ansi", "always"])
        .args(words)
        .output();
    let said = project.said(&output.unwrap());
    for text in [&said.out, &said.err] {
        assert!(!text.contains("\u{1b}[35;7m"), "{text:?}");
        let plain = anstream::adapter::strip_str(text).to_string();
        for line in plain.lines() {
            let forged = ["web  all", "ok: all"]
                .iter()
                .any(|it| line.starts_with(it));
            assert!(!forged, "{text:?}");
        }
        // Of escapes there are none but colours.
        for escape in text.split('\u{1b}').skip(1) {
            let after =
                escape.trim_start_matches(|at: char| at.is_ascii_digit() || "[;".contains(at));
            assert!(
                escape.starts_with('[') && after.starts_with('m'),
                "{text:?}"
            );
        }
        let bad = |at: char| (at.is_control() && !"\n\t\u{1b}".contains(at)) || at == '\u{202e}';
        assert!(!text.contains(bad), "{text:?}");
    }
    said
}

#[test]
fn a_file_s_name_reaches_the_terminal_as_text_alone() {
    let file = format!("src/{EVIL}");
    let project =
        project("services: {web: {image: busybox, x-live-update: [{sync: './src:/app'}]}}")
            .files([file.as_str()]);
    for words in [["explain", &file], ["plan", "src"]] {
        let said = harmless(&project, &words);
        assert!(said.out.contains(r"src/e\u{1b}]0;P\u{7}"), "{}", said.out);
        assert!(said.out.contains(r"\nweb  all is fine\nok"), "{}", said.out);
    }
}

#[test]
fn programs_get_the_name_as_it_is() {
    let file = format!("src/{EVIL}");
    let project =
        project("services: {web: {image: busybox, x-live-update: [{sync: './src:/app'}]}}")
            .files([file.as_str()]);
    for words in [["explain", &file], ["plan", &file]] {
        let words = [&words[..], &["--format", "json"]].concat();
        let said = harmless(&project, &words);
        let [object] = said.objects().try_into().unwrap();
        let copy =
            json!({"from": format!("DIR/src/{EVIL}"), "to": format!("/app/{EVIL}"), "step": 1});
        assert_eq!(object["copy"], json!([copy]));
    }
}

#[test]
fn what_a_compose_file_says_reaches_the_terminal_as_text_alone() {
    let evil = evil();
    for file in [
        // A folder, an image, a tag.
        format!(
            "services: {{web: {{build: \"./{evil}\", x-live-update: [{{sync: './src:/app'}}]}}}}"
        ),
        format!(
            "services: {{web: {{build: ., image: \"{evil}\", x-live-update: [{{sync: \"./{evil}:/app\"}}]}}}}"
        ),
        format!(
            "services: {{web: {{build: ., x-live-update: {{custom_build: {{command: \"{evil}\", deps: [.], tag: \"{evil}\"}}, steps: [{{sync: './src:/app'}}]}}}}}}"
        ),
        // A step that is none, an unused one, one with a bad text, a bad pattern.
        format!("services: {{web: {{build: ., x-live-update: [{{\"{evil}\": x}}]}}}}"),
        format!("services: {{web: {{build: ., x-live-update: [\"{evil}\"]}}}}"),
        format!(
            "x-live-update: {{steps: {{\"{evil}\": {{synk: x}}}}}}\nservices: {{web: {{build: ., x-live-update: [\"{evil}\"]}}}}"
        ),
        format!("services: {{web: {{build: ., x-live-update: [{{sync: \"{evil}\"}}]}}}}"),
        format!(
            "services: {{web: {{build: ., x-live-update: {{ignore: [\"[{evil}\"], steps: [{{sync: './src:/app'}}]}}}}}}"
        ),
        format!(
            "services: {{web: {{build: ., x-live-update: [{{sync: './src:/app'}}, {{run: {{cmd: \"{evil}\", trigger: \"src/{evil}\"}}}}, {{signal: \"{evil}\"}}]}}}}"
        ),
        // Compose itself refuses these, and says why in many words.
        format!("services: {{\"{evil}\": {{image: x}}}}"),
        format!("services: {{web: {{image: x, \"{evil}\": y}}}}"),
        format!("services: {{web: {{image: x, depends_on: [\"{evil}\"]}}}}"),
    ] {
        let project = project(&file).files(["Dockerfile", "src/a"]);
        for words in [
            &["check"][..],
            &["explain", "src/a"],
            &["plan", "src"],
            &["convert"],
        ] {
            harmless(&project, words);
        }
        let said = harmless(&project, &["check", "--format", "json"]);
        assert!(!said.objects().is_empty());
    }
}

#[test]
fn a_plan_shows_a_command_and_a_named_step_as_text_alone() {
    let evil = evil();
    let project = project(&format!(
        "x-live-update: {{steps: {{\"{evil}\": {{run: \"{evil}\"}}}}}}\n\
         services: {{web: {{image: x, x-live-update: [{{sync: './src:/app'}}, \"{evil}\"]}}}}"
    ))
    .files(["src/a"]);
    let said = harmless(&project, &["plan", "src"]);
    assert!(said.out.contains(r"run e\u{1b}]0;P"), "{}", said.out);
    assert!(said.out.contains(r"step 2 `e\u{1b}]0;P"), "{}", said.out);
    let said = harmless(&project, &["plan", "src", "--format", "json"]);
    assert_eq!(said.objects()[0]["run"][0]["command"], EVIL);
}

#[test]
fn a_bad_line_of_an_ignore_file_is_shown_as_text_alone() {
    let project = project("services: {web: {build: ., x-live-update: [{sync: './src:/app'}]}}")
        .files(["Dockerfile", "src/a"])
        .file(".dockerignore", &format!("[{}", EVIL.replace('\n', "")));
    assert_eq!(harmless(&project, &["check"]).code, 1);
}

#[test]
fn a_converted_block_says_the_same_and_is_text_alone() {
    let evil = evil();
    let project = project(&format!(
        "services: {{web: {{build: ., develop: {{watch: [\
         {{action: sync+exec, path: \"./src/{evil}\", target: \"/app/{evil}\", exec: {{command: [\"{evil}\"]}}}}, \
         {{action: restart, path: \"./{evil}\"}}]}}}}}}"
    ))
    .files(["Dockerfile", &format!("src/{EVIL}")]);
    let said = harmless(&project, &["convert"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let part: Value = serde_yaml::from_str(&said.out).unwrap();
    let steps = &part["services"]["web"]["x-live-update"]["steps"];
    // In the short form its colons would not be told from the one between the paths.
    let paths =
        json!({"local_path": format!("./src/{EVIL}"), "remote_path": format!("/app/{EVIL}")});
    assert_eq!(steps[0]["sync"], paths);
    assert_eq!(steps[1]["run"]["cmd"], json!([EVIL]));
}

#[test]
fn the_words_of_the_command_line_are_repeated_as_text_alone() {
    needs!(has("git"), "git");
    let project = project("services: {web: {image: x, x-live-update: [{sync: './src:/app'}]}}")
        .files(["src/a"])
        .committed();
    for words in [
        &[EVIL][..],
        &["up", &format!("--{EVIL}")],
        &["up", EVIL],
        &["verify", EVIL],
        &["convert", EVIL],
        &["check", "--format", EVIL],
        &["plan", "--since", EVIL],
        &["explain", EVIL],
        &["-f", EVIL, "check"],
        &["--project-directory", EVIL, "check"],
    ] {
        let said = harmless(&project, words);
        assert!(!format!("{}{}", said.out, said.err).is_empty(), "{words:?}");
    }
}

const WEB: &str = "services: {web: {image: busybox, x-live-update: [{sync: './src:/app'}]}}";

/// Where the object that `revision` names is kept in a new repository.
fn object(project: &Project, revision: &str) -> String {
    let output = Command::new("git")
        .args(["rev-parse", revision])
        .current_dir(project.path())
        .output()
        .unwrap();
    let id = String::from_utf8(output.stdout).unwrap();
    let (first, rest) = id.trim().split_at(2);
    format!(".git/objects/{first}/{rest}")
}

/// `plan`, in a repository that says where its missing objects come from, and by which program.
fn plan_without_a_fetch(project: &Project, expected: &str) {
    let said = project.call("plan --since HEAD");
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{}", said.err);
    assert!(said.err.starts_with(expected), "{}", said.err);
    let asked = fs::read_to_string(project.beside("asked")).unwrap_or_default();
    assert_eq!(asked, "", "{}", said.err);
}

#[test]
fn a_folder_of_a_clone_that_is_a_repository_by_itself_has_no_program_run() {
    needs!(has("git"), "git");
    let project = project(WEB)
        .file("HEAD", "ref: refs/heads/main\n")
        .file("refs/heads/main", &format!("{}\n", "1".repeat(40)))
        .files(["objects/x/keep", "src/x"]);
    let spy = spy(&project, "uploadpack", "exit 1").display().to_string();
    let config = format!(
        "[core]\nrepositoryformatversion = 1\nbare = false\nworktree = .\n\
         [extensions]\npartialClone = origin\n\
         [remote \"origin\"]\nurl = .\npromisor = true\nuploadpack = {spy}\n"
    );
    project.write("config", &config);
    // Newer versions of git do not take it for a repository at all.
    plan_without_a_fetch(&project, "error: ");
}

#[test]
fn a_missing_object_is_not_fetched() {
    needs!(has("git"), "git");
    let project = project(WEB).files(["src/a", "src/b"]).committed();
    let spy = spy(&project, "uploadpack", "exit 1").display().to_string();
    for (key, value) in [
        ("core.repositoryformatversion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.url", "."),
        ("remote.origin.promisor", "true"),
        ("remote.origin.uploadpack", &spy),
        ("protocol.file.allow", "always"),
    ] {
        project.git(&format!("config {key} {value}"));
    }
    project.write("src/a", "changed");
    project.git("add src/a");
    project.remove(&object(&project, "HEAD:src"));
    plan_without_a_fetch(&project, "error: git failed: ");
    project.remove(&object(&project, "HEAD"));
    plan_without_a_fetch(&project, "error: git knows no revision `HEAD`\n");
}

#[test]
fn git_is_ended_when_it_says_too_much() {
    let project = project(WEB).files(["src/a"]);
    let tools = project.beside("tools");
    fs::create_dir(&tools).unwrap();
    write_program(&tools.join("git"), "#!/bin/sh\nyes\n");
    let path = std::env::join_paths(
        std::iter::once(tools).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let output = Project::tool_in(&project.path())
        .arg("plan")
        .env("PATH", path.unwrap())
        .output();
    project.said(&output.unwrap()).fails(
        1,
        "error: `git` was ended: it says more than 64 MiB\n\
         hint: name the files: `docker liveupdate plan FILE..`",
    );
}

#[test]
fn no_program_of_the_current_folder_is_run() {
    needs!(has("git"), "git");
    let project = project(WEB).files(["src/a"]).committed();
    project.write("src/a", "changed");
    for name in ["docker", "git", "sh", "docker-compose"] {
        let spy = spy(&project, name, "exit 1");
        fs::rename(spy, project.path().join(name)).unwrap();
    }
    let path = std::env::var_os("PATH").unwrap();
    // An empty entry is the current folder, too.
    let mut odd = std::ffi::OsString::from(":.:./:");
    odd.push(path);
    odd.push(":");
    for called_as in [None, Some("docker"), Some("./docker"), Some("shop/docker")] {
        for line in ["check", "plan --since HEAD"] {
            let mut tool = Project::tool_in(&project.path());
            tool.args(line.split(' ')).env("PATH", &odd);
            match called_as {
                Some(name) => tool.env("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", name),
                None => tool.env_remove("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND"),
            };
            let said = project.said(&tool.output().unwrap());
            assert_eq!(said.code, 0, "{line}: {}", said.err);
        }
    }
    let mut tool = Project::tool_in(&project.path());
    tool.arg("check")
        .env_remove("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND")
        .env("PATH", ":.");
    project.said(&tool.output().unwrap()).fails(
        2,
        "error: `docker` cannot be run: it is in no folder of `PATH`\n\
         hint: install Docker's command line and put it on `PATH`\n\n1 error",
    );
    assert!(!project.beside("asked").exists());
}
