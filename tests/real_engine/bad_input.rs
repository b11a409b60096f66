//! Bad input (issue 2): one clear message that says what to do, the documented exit code, nothing built or started.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::{Command, Output};

use crate::api;
use crate::needs::is_root;
use crate::program::write_program;
use crate::project::{DOCKERFILE, Project, web};

/// `src/cli/exit.rs`: the configuration has problems.
const PROBLEMS: i32 = 1;
/// Docker could not do it.
const DOCKER: i32 = 2;
/// The command line is wrong.
const USAGE: i32 = 125;

fn project(compose: &str) -> Project {
    let project = Project::new(compose);
    project.write("Dockerfile", DOCKERFILE);
    project.write("src/a.txt", "one");
    project.write("common/x", "one");
    project
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// `up` refuses the project: every word is said, with the code, and there is neither an image nor a container of it.
#[track_caller]
fn is_refused(project: &Project, code: i32, words: &[&str]) -> String {
    let mut up = project.tool(&["up", "--format", "json"]);
    let text = ends_with(&mut up, code, words);
    for kind in [api::Kind::Containers, api::Kind::Images] {
        let found = api::of_project(&project.name, kind).unwrap();
        assert!(found.is_empty(), "there are {kind:?}: {found:?}");
    }
    text
}

/// It ends by itself, with this code and these words on standard error.
#[track_caller]
fn ends_with(tool: &mut Command, code: i32, words: &[&str]) -> String {
    let tool_name = tool.get_program().to_owned();
    let args: Vec<_> = tool.get_args().map(std::ffi::OsStr::to_owned).collect();
    // A tool that goes on in spite of it must not hang the test.
    let mut limited = Command::new("timeout");
    limited.args(["-s", "INT", "60"]).arg(tool_name).args(args);
    limited.current_dir(tool.get_current_dir().unwrap());
    for (name, value) in tool.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    let output = limited.output().unwrap();
    let text = errors(&output);
    for word in words {
        assert!(
            text.contains(word),
            "`{word}` is not said, but:\n{text}\n{output:?}"
        );
    }
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    text
}

/// A block that is refused as a whole, at a line of the compose file.
#[track_caller]
fn block_is_refused(steps: &str, marker: &str, words: &[&str]) {
    let compose = web("", steps);
    let line = compose
        .lines()
        .position(|line| line.contains(marker))
        .unwrap()
        + 1;
    let place = format!("compose.yaml:{line}:");
    let mut all = vec![place.as_str(), "`web`"];
    all.extend(words);
    is_refused(&project(&compose), PROBLEMS, &all);
}

/// "Malformed YAML"
#[test]
fn malformed_yaml() {
    is_refused(
        &project("services:\n  web: [\n"),
        PROBLEMS,
        &["compose.yaml", "error"],
    );
}

/// "unknown steps"
#[test]
fn an_unknown_step() {
    block_is_refused("- snyc: ./src:/app", "snyc", &["snyc", "`sync`"]);
}

/// B4: "Unknown keys"
#[test]
fn an_unknown_key_of_a_step() {
    block_is_refused(
        "- sync: ./src:/app\n- run: {cmd: x, triger: ./src/a.txt}",
        "triger",
        &["step 2", "triger", "`trigger`"],
    );
}

/// "wrong order" (B1: "an error that names both steps")
#[test]
fn steps_in_the_wrong_order() {
    block_is_refused(
        "- run: echo\n- sync: ./src:/app",
        "sync:",
        &["run", "sync", "step"],
    );
    block_is_refused(
        "- sync: ./src:/app\n- restart_container\n- run: echo",
        "run:",
        &["run", "restart_container"],
    );
}

/// B1: "at most one of restart/signal"
#[test]
fn two_last_steps() {
    block_is_refused(
        "- sync: ./src:/app\n- restart_container\n- signal: HUP",
        "signal",
        &["restart_container", "signal"],
    );
}

/// B2: "At least one `sync`"
#[test]
fn a_block_without_a_sync() {
    block_is_refused("- run: echo", "x-live-update", &["sync"]);
}

/// "paths outside the context": the reference's "An illegal 'sync'"
#[test]
fn attempting_to_sync_files_that_are_not_included_in_the_docker_build_context() {
    let project = project(
        "services:\n  web:\n    build: ./server\n    x-live-update:\n      - sync: ./common:/app\n",
    );
    project.write("server/Dockerfile", DOCKERFILE);
    is_refused(
        &project,
        PROBLEMS,
        &["compose.yaml:5:", "common", "server", "context"],
    );
}

/// B7: "Same for `fall_back_on`."
#[test]
fn a_fall_back_on_outside_the_context() {
    let project = project(
        "services:\n  web:\n    build: ./server\n    x-live-update:\n      - fall_back_on: ./common/x\n      - sync: ./server/src:/app\n",
    );
    project.write("server/Dockerfile", DOCKERFILE);
    project.write("server/src/a", "x");
    is_refused(
        &project,
        PROBLEMS,
        &["compose.yaml:5:", "common", "context"],
    );
}

/// B4: "relative `remote_path`"
#[test]
fn a_relative_remote_path() {
    block_is_refused("- sync: ./src:app", "sync", &["app", "/"]);
}

/// B4: "wrong types, empty strings"
#[test]
fn wrong_types_and_empty_strings() {
    block_is_refused("- sync: [./src, /app]", "sync", &["sync"]);
    block_is_refused("- sync: ./src:/app\n- run: ''", "run", &["run", "empty"]);
    block_is_refused("just words", "x-live-update", &["just words", "list"]);
}

/// B4: "All errors are reported in one go"
#[test]
fn all_errors_are_reported_in_one_go() {
    let text = is_refused(
        &project(&web(
            "",
            "- sync: ./src:app\n- run: {cmd: x, timeout: soon}\n- nonsense: 1",
        )),
        PROBLEMS,
        &["soon", "nonsense"],
    );
    assert!(text.matches("error: ").count() >= 3, "{text}");
}

/// B3: "a name that no service uses is an error, as in the reference"
#[test]
fn a_step_that_was_created_but_not_used() {
    let compose = web("", "- sync: ./src:/app")
        + "x-live-update:\n  steps:\n    unused_one: {sync: './src:/x'}\n";
    is_refused(
        &project(&compose),
        PROBLEMS,
        &["unused_one", "compose.yaml:"],
    );
}

/// B3: "so is an unknown name (with the nearest one suggested)"
#[test]
fn an_unknown_name_of_a_step() {
    let compose = web("", "- sync_sorce")
        + "x-live-update:\n  steps:\n    sync_source: {sync: './src:/app'}\n";
    is_refused(
        &project(&compose),
        PROBLEMS,
        &["sync_sorce", "`sync_source`"],
    );
}

/// "a missing Dockerfile"
#[test]
fn a_missing_dockerfile() {
    let project = project(&web("", "- sync: ./src:/app"));
    project.remove("Dockerfile");
    is_refused(&project, PROBLEMS, &["Dockerfile"]);
}

/// "a project without any block"
#[test]
fn a_project_without_any_block() {
    is_refused(
        &project("services:\n  web:\n    build: .\n"),
        PROBLEMS,
        &["x-live-update"],
    );
}

/// B9: "`fall_back_on` is an error there"
#[test]
fn fall_back_on_where_nothing_can_be_built() {
    is_refused(
        &project(
            "services:\n  web:\n    image: busybox:1.37\n    x-live-update:\n      - fall_back_on: ./src/a.txt\n      - sync: ./src:/app\n",
        ),
        PROBLEMS,
        &["compose.yaml:5:", "fall_back_on", "image"],
    );
}

/// No compose file at all.
#[test]
fn no_compose_file() {
    let project = project("");
    project.remove("compose.yaml");
    is_refused(&project, PROBLEMS, &["compose file", "-f"]);
}

/// A file named with `-f` that is not there.
#[test]
fn a_compose_file_that_is_not_there() {
    let project = project(&web("", "- sync: ./src:/app"));
    ends_with(
        &mut project.tool(&["-f", "nowhere.yaml", "up"]),
        PROBLEMS,
        &["nowhere.yaml"],
    );
}

/// A service that the project does not have.
#[test]
fn a_service_that_is_not_there() {
    let project = project(&web("", "- sync: ./src:/app"));
    let mut up = project.tool(&["up", "wbe"]);
    ends_with(&mut up, PROBLEMS, &["`wbe`", "hint"]);
    assert_eq!(project.id("web"), "");
}

/// A flag that does not exist.
#[test]
fn an_unknown_flag() {
    let project = project(&web("", "- sync: ./src:/app"));
    ends_with(
        &mut project.tool(&["up", "--no-bild"]),
        USAGE,
        &["--no-bild"],
    );
}

/// "no engine"
#[test]
fn no_engine() {
    let project = project(&web("", "- sync: ./src:/app"));
    ends_with(
        project
            .tool(&["up"])
            .env("DOCKER_HOST", "unix:///nowhere/docker.sock"),
        DOCKER,
        &["/nowhere/docker.sock", "hint"],
    );
}

/// "an engine that goes away": it takes the connection and closes it.
#[test]
fn something_that_is_no_engine() {
    let project = project(&web("", "- sync: ./src:/app"));
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || while listener.accept().is_ok() {});
    let host = format!("unix://{}", socket.display());
    ends_with(
        project.tool(&["up"]).env("DOCKER_HOST", &host),
        DOCKER,
        &["docker.sock"],
    );
}

/// Root may read and write everything. It stays the user, as Docker may lie where no other one gets, and gives up that right.
fn bound_by_permissions(tool: Command) -> Command {
    if !is_root() {
        return tool;
    }
    let mut bound = Command::new("setpriv");
    bound
        .arg("--bounding-set=-dac_override,-dac_read_search")
        .arg(tool.get_program())
        .args(tool.get_args())
        .current_dir(tool.get_current_dir().unwrap());
    bound
}

/// "no permission on the socket"
#[test]
fn no_permission_on_the_socket() {
    let project = project(&web("", "- sync: ./src:/app"));
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o000)).unwrap();
    let mut up = bound_by_permissions(project.tool(&["up"]));
    let host = format!("unix://{}", socket.display());
    ends_with(
        up.env("DOCKER_HOST", &host),
        DOCKER,
        &["permission", "docker.sock", "hint"],
    );
}

/// A configuration folder with these plugins instead of the real ones.
fn plugins(compose: Option<&str>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().join("cli-plugins");
    std::fs::create_dir(&plugins).unwrap();
    if let Some(script) = compose {
        write_program(
            &plugins.join("docker-compose"),
            format!("#!/bin/sh\n{script}\n"),
        );
    }
    folder
}

/// "no Compose plugin". One that is installed for the whole system hides the lack; then a broken one in front of it is as good.
#[test]
fn no_compose_plugin() {
    let project = project(&web("", "- sync: ./src:/app"));
    let mut folder = plugins(None);
    let found = Command::new("docker")
        .args(["compose", "version"])
        .env("DOCKER_CONFIG", folder.path())
        .output();
    if found.unwrap().status.success() {
        folder = plugins(Some("exit 1"));
    }
    ends_with(
        project.tool(&["up"]).env("DOCKER_CONFIG", folder.path()),
        DOCKER,
        &["Compose", "hint"],
    );
}

/// "or one too old"
#[test]
fn a_compose_plugin_that_is_too_old() {
    let project = project(&web("", "- sync: ./src:/app"));
    let old = plugins(Some(
        r#"case "$*" in
docker-cli-plugin-metadata) echo '{"SchemaVersion": "0.1.0", "Vendor": "test", "Version": "v2.0.1"}' ;;
*version*) echo 'v2.0.1' ;;
*) echo 'unknown flag' >&2; exit 16 ;;
esac"#,
    ));
    ends_with(
        project.tool(&["up"]).env("DOCKER_CONFIG", old.path()),
        DOCKER,
        &["2.0.1", "too old"],
    );
}

/// "a full disk in the container": said, with the reason, and the rest goes on.
#[test]
fn a_full_disk_in_the_container() {
    let project = project(
        &(web(
            "volumes: ['small:/small']",
            "- sync: ./src:/app\n- sync: ./data:/small",
        ) + "volumes:\n  small:\n    driver_opts: {type: tmpfs, device: tmpfs, o: 'size=100k'}\n"),
    );
    project.write("data/x", "one");
    let mut up = project.up();
    project.write("data/x", vec![7; 1_000_000]);
    up.wait_for("the reason", |event| {
        event.to_string().contains("no space left") || event.to_string().contains("disk is full")
    });
    project.write("data/x", "small again");
    up.until_file("web", "/small/x", "small again");
    project.write("src/a.txt", "two");
    up.until_file("web", "/app/a.txt", "two");
}

/// Issue 4.5: "no inodes [..] in the container".
#[test]
fn no_inodes_in_the_container() {
    let project = project(
        &(web(
            "volumes: ['small:/small']",
            "- sync: ./src:/app\n- sync: ./data:/small",
        ) + "volumes:\n  small:\n    driver_opts: {type: tmpfs, device: tmpfs, o: 'nr_inodes=20'}\n"),
    );
    project.write("data/x", "one");
    let mut up = project.up();
    for number in 0..40 {
        project.write(format!("data/many/{number}"), "x");
    }
    up.wait_for("the reason", |event| {
        event.to_string().contains("no space left") || event.to_string().contains("disk is full")
    });
    project.remove("data/many");
    project.write("data/x", "few again");
    up.until_file("web", "/small/x", "few again");
    up.until_gone("web", "/small/many");
    project.write("src/a.txt", "two");
    up.until_file("web", "/app/a.txt", "two");
}

/// "a file that cannot be read": said by name, the others arrive, and it arrives when it can be read.
#[test]
fn a_file_that_cannot_be_read_is_said_and_the_others_arrive() {
    let project = project(&web("", "- sync: ./src:/app"));
    let command = bound_by_permissions(project.tool(&["up", "--format", "json"]));
    let mut up = project.follow(command);
    up.wait_for("the session has started", |event| {
        event["event"] == "started"
    });
    // Written beside the project: here it would be a file that no sync covers.
    let beside = tempfile::tempdir_in(project.path("..")).unwrap();
    let secret = beside.path().join("secret");
    std::fs::write(&secret, "secret").unwrap();
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o000)).unwrap();
    std::fs::rename(secret, project.path("src/secret")).unwrap();
    up.says("secret");
    project.write("src/a.txt", "two");
    up.until_file("web", "/app/a.txt", "two");
    project.chmod("src/secret", 0o644);
    up.until_file("web", "/app/secret", "secret");
}
