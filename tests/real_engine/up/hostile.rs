//! Nobody inside a container can use us: the attacks that once worked, each as it was tried, through the helper and without it.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::project::Project;
use crate::session::Session;

const THROUGH_THE_HELPER: &str = "- sync: ./src:/app";
const THROUGH_THE_ENGINE: &str = "helper: off\nsteps: [{sync: './src:/app'}]";

/// A service whose user owns the target, beside a directory of the host that is root's.
fn project(steps: &str) -> Project {
    let project = Project::web_with("user: '1000'\nvolumes: ['./outside:/host']", steps);
    project.write(
        "Dockerfile",
        "FROM busybox:1.37\nCOPY --chown=1000:1000 src /app\nRUN chown 1000:1000 /app\n\
         ENV PATH=/app/bin:/bin LD_PRELOAD=/app/evil.so\nCMD [\"sleep\", \"100000\"]\n",
    );
    project.write(".dockerignore", "outside\n");
    for name in ["f", "gone", "secret"] {
        project.write(format!("outside/{name}"), "root's");
        project.chmod(format!("outside/{name}"), 0o600);
    }
    for name in ["f", "gone"] {
        project.write(format!("src/d/{name}"), "one");
    }
    project
}

/// What stands in the directory of the host: names, modes, contents.
fn outside(project: &Project) -> Vec<(String, u32, Option<String>)> {
    let entries = std::fs::read_dir(project.path("outside")).unwrap();
    let mut found: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, mode, std::fs::read_to_string(&path).ok())
        })
        .collect();
    found.sort();
    found
}

/// A command as the container's own user, with whatever program is meant.
#[track_caller]
fn as_user(project: &Project, command: &str) {
    within(project, "1000", command);
}

/// Root sends a signal to the helper, which has to be there.
#[track_caller]
fn to_the_helper(project: &Project, signal: &str) {
    let command = format!(
        "found=1; for p in /proc/[0-9]*; do case \"$(/bin/busybox cat $p/cmdline 2>/dev/null)\" in \
         /.liveupdate/serve*) kill -{signal} ${{p#/proc/}} && found=0 ;; esac; done; exit $found"
    );
    within(project, "0", &command);
}

#[track_caller]
fn within(project: &Project, user: &str, command: &str) {
    let container = project.container("web");
    project.host(
        "docker",
        &[
            "exec",
            "-u",
            user,
            &container,
            "/bin/busybox",
            "sh",
            "-c",
            command,
        ],
    );
}

/// The next outcome that failed and names this path: what is saved at once may be several updates.
fn failure(up: &mut Session<'_>, path: &str) -> String {
    let named = format!("`{path}` was not touched");
    let outcome = up.wait_for(&named, |event| {
        let failure = event["failure"].as_str().unwrap_or_default();
        event["event"] == "outcome" && event["ok"] == false && failure.contains(&named)
    });
    outcome["failure"].as_str().unwrap_or_default().to_owned()
}

/// H1: a link of the user's to a directory of the host, where that is mounted.
#[test]
fn a_users_link_to_a_directory_of_the_host_is_not_followed_and_said_by_name() {
    for steps in [THROUGH_THE_HELPER, THROUGH_THE_ENGINE] {
        let project = project(steps);
        let mut up = project.up();
        as_user(&project, "mv /app/d /app/away; ln -s /host /app/d");
        let before = outside(&project);
        project.write("src/d/f", "two");
        let said = failure(&mut up, "/app/d/f");
        assert!(said.contains("leads through the link `/app/d`"), "{said}");
        project.write("src/d/new", "new");
        failure(&mut up, "/app/d/new");
        // Also where directories would have to be made first.
        project.write("src/d/deep/er/new", "new");
        failure(&mut up, "/app/d/deep/er/new");
        project.remove("src/d/gone");
        failure(&mut up, "/app/d/gone");
        // The others are not held up.
        project.write("src/a.txt", "two");
        up.until_file("web", "/app/a.txt", "two");
        assert_eq!(outside(&project), before);
        // And once the link is gone, all is as it should be.
        as_user(&project, "rm /app/d; mv /app/away /app/d");
        project.write("src/d/f", "three");
        up.until_file("web", "/app/d/f", "three");
        assert_eq!(up.rebuilds("web"), 0);
    }
}

/// "Links that an image has on the way go on working": also a user's own, to what is that user's.
#[test]
fn a_users_link_to_a_directory_of_that_users_goes_on_working() {
    for steps in [THROUGH_THE_HELPER, THROUGH_THE_ENGINE] {
        let project = project(steps);
        project.write(
            "Dockerfile",
            "FROM busybox:1.37\nCOPY --chown=1000:1000 src /app\n\
             RUN mkdir /shared && chown -R 1000:1000 /app /shared && mv /app/d /shared/d && ln -s /shared/d /app/d\n\
             CMD [\"sleep\", \"100000\"]\n",
        );
        let up = project.up();
        project.write("src/d/f", "two");
        up.until_file("web", "/shared/d/f", "two");
        project.remove("src/d/gone");
        up.until_gone("web", "/shared/d/gone");
        assert_eq!(up.sh("web", "stat -c %u /shared/d/f"), "1000");
        assert_eq!(up.rebuilds("web"), 0);
    }
}

/// H2: the helper is put only where nobody but root can put something else in its place.
#[test]
fn under_a_read_only_root_the_helper_stands_in_a_volume_of_its_own() {
    let project = Project::web_with(
        "read_only: true\nuser: '1000'\nvolumes: ['data:/data']",
        "- sync: ./src:/data/app",
    );
    let compose = project.read("compose.yaml");
    project.write(
        "compose.yaml",
        format!("{compose}volumes: {{data: {{}}}}\n"),
    );
    project.write(
        "Dockerfile",
        "FROM busybox:1.37\nCOPY --chown=1000:1000 src /data/app\nRUN chown 1000:1000 /data\nCMD [\"sleep\", \"100000\"]\n",
    );
    let mut up = project.up();
    project.write("src/a.txt", "two");
    let outcome = up.live_updated("web");
    assert_eq!(outcome["via"], "helper", "{outcome}");
    up.until_file("web", "/data/app/a.txt", "two");
    assert_eq!(up.sh("web", "ls -A /data"), "app");
    assert_eq!(
        up.sh("web", "stat -c '%u %a' /.liveupdate")
            .split(' ')
            .next(),
        Some("0")
    );
    // Started by somebody else it has no such volume: the engine's way is left.
    drop(up);
    project.compose(&["up", "-d", "--force-recreate"]);
    let explained = project.tool(&["explain", "src/a.txt"]).output().unwrap();
    let explained = String::from_utf8(explained.stdout).unwrap();
    assert!(
        explained.contains("can be written by others than root"),
        "{explained}"
    );
}

/// M1: programs that root starts are ours alone.
#[test]
fn no_program_of_the_containers_path_runs_as_root() {
    let project = project(THROUGH_THE_ENGINE);
    for number in 0..40 {
        project.write(format!("src/many/{number}"), "one");
    }
    let up = project.up();
    as_user(
        &project,
        "mkdir /app/bin; for name in rm rmdir stat sh cat kill; do \
         printf '#!/bin/busybox sh\\n/bin/busybox id -u >> /app/proof\\n' > /app/bin/$name; chmod 755 /app/bin/$name; done",
    );
    for number in 0..40 {
        project.write(format!("src/many/{number}"), "two");
    }
    up.until_file("web", "/app/many/39", "two");
    project.remove("src/many");
    up.until_gone("web", "/app/many/0");
    up.until_gone("web", "/app/many");
    assert_eq!(project.file("web", "/app/proof"), None);
}

/// L1: names that somebody has taken beforehand.
#[test]
fn temporary_names_that_are_taken_make_no_rebuild() {
    let project = project(THROUGH_THE_HELPER);
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.live_updated("web");
    as_user(
        &project,
        "for pid in $(cd /proc; echo [0-9]*); do for n in 0 1 2; do echo x > /app/.liveupdate-$pid-$n~; done; done",
    );
    project.write("src/a.txt", "three");
    let outcome = up.live_updated("web");
    assert_eq!(
        (&outcome["via"], &outcome["ok"]),
        (&Value::from("helper"), &Value::from(true))
    );
    up.until_file("web", "/app/a.txt", "three");
    assert_eq!(up.rebuilds("web"), 0);
}

/// M3: "what is stuck is said after 5 s, and the rest of the session goes on".
#[test]
fn a_helper_that_was_stopped_is_said_and_the_edit_arrives_another_way() {
    let project = project(THROUGH_THE_HELPER);
    let mut up = project.up();
    project.write("src/a.txt", "two");
    assert_eq!(up.live_updated("web")["via"], "helper");
    to_the_helper(&project, "STOP");
    project.write("src/a.txt", "three");
    up.wait_for("it is said", |event| {
        event["event"] == "notice"
            && event["text"]
                .as_str()
                .is_some_and(|text| text.contains("has not taken its files yet"))
    });
    let outcome = up.live_updated("web");
    assert_eq!(outcome["via"], "archive", "{outcome}");
    up.until_file("web", "/app/a.txt", "three");
    to_the_helper(&project, "CONT");
    project.write("src/a.txt", "four");
    up.until_file("web", "/app/a.txt", "four");
    assert_eq!(up.rebuilds("web"), 0);
}

/// M3: what only the container has is not read, however long it is.
#[test]
fn verify_ends_beside_a_file_without_end() {
    for steps in [THROUGH_THE_HELPER, THROUGH_THE_ENGINE] {
        let project = project(steps);
        for number in 0..40 {
            project.write(format!("src/many/{number}"), "one");
        }
        let up = project.up_with(&["--keep"]);
        as_user(
            &project,
            "/bin/busybox truncate -s 4398046511104 /app/sparse; /bin/busybox truncate -s 4398046511104 /app/many/3",
        );
        let verified = project.tool(&["verify", "--format", "json"]).output();
        let verified = String::from_utf8(verified.unwrap().stdout).unwrap();
        let changed = r#""to":"/app/many/3""#;
        assert!(
            verified.contains(changed) && verified.contains(r#""clean":false"#),
            "{verified}"
        );
        drop(up);
    }
}

/// M4: a name forges no line of ours, and reaches the terminal as text.
#[test]
fn names_and_refusals_are_shown_as_text() {
    let project = project(THROUGH_THE_HELPER);
    let mut up = project.follow(project.tool(&["up"]));
    up.says("ready");
    let line_with = |up: &mut Session<'_>, text: &str| {
        up.wait_for(text, |line| {
            line["text"]
                .as_str()
                .is_some_and(|line| line.contains(text))
        });
    };
    project.write("src/n\nweb  everything is fine", "x");
    line_with(&mut up, r"src/n\nweb  everything is fine");
    project.write("src/e\u{1b}]0;PWNED\u{7}", "x");
    line_with(&mut up, "]0;PWNED");
    for line in up.events() {
        let line = line["text"].as_str().unwrap_or_default();
        assert!(
            !line.contains("\u{1b}]") && !line.contains('\u{7}'),
            "{line:?}"
        );
        assert!(
            !line.contains("web  everything") || line.contains("src/n"),
            "{line:?}"
        );
    }
}
