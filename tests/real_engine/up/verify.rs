//! `verify` beside a session: what a session has not done yet is a difference, what it keeps is none.

use std::process::Output;

use crate::project::Project;
use crate::session::Session;

fn verify(project: &Project, args: &[&str]) -> (i32, String) {
    let mut command = project.tool(&["verify"]);
    let Output { status, stdout, .. } = command.args(args).output().unwrap();
    let text = String::from_utf8_lossy(&stdout).into_owned();
    (status.code().unwrap_or(-1), text)
}

/// Waits until `verify` ends so; the answer is what it said.
#[track_caller]
fn until_it_ends_with(up: &Session<'_>, expected: i32) -> String {
    let mut said = String::new();
    up.until("the exit code of `verify`", &expected, || {
        let (code, text) = verify(up, &[]);
        said = text;
        code
    });
    said
}

#[test]
fn deletions_that_are_still_owed_are_differences_while_a_session_runs() {
    for helper in ["", "helper: off\n"] {
        let project = Project::web(&format!(
            "{helper}trigger_mode: manual\nsteps: [{{sync: ./src:/app}}, {{run: touch /ran}}]"
        ));
        project.write("src/old dir/b.txt", "one");
        let mut up = project.up();
        assert_eq!(verify(&project, &[]).0, 0);
        project.remove("src/a.txt");
        project.remove("src/old dir");
        up.wait_for("they wait", |event| event["action"] == "waits");
        let said = until_it_ends_with(&up, 1);
        assert!(
            said.contains("  stale    src/a.txt -> /app/a.txt"),
            "{said}"
        );
        assert!(
            said.contains("  stale    src/old dir/b.txt -> /app/old dir/b.txt"),
            "{said}"
        );
        let (code, text) = verify(&project, &["--format", "json"]);
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((code, &object["clean"]), (1, &false.into()));
        assert_eq!(object["stale"].as_array().unwrap().len(), 3);
        // What is there again is owed no deletion.
        project.write("src/old dir/b.txt", "one");
        up.wait_for("it waits", |event| event["action"] == "waits");
        up.until("one is left", &1, || {
            let (_, text) = verify(&project, &["--format", "json"]);
            let object: serde_json::Value = serde_json::from_str(&text).unwrap();
            object["stale"].as_array().map_or(0, Vec::len)
        });
        let (code, text) = verify(&project, &["--fix"]);
        assert!(text.contains("repaired 1 path"), "{text}");
        assert_eq!(code, 0, "{text}");
        up.until_in_step("src", "web", "/app");
        assert_eq!(project.file("web", "/ran"), None);
        // What is paid is no difference any more.
        project.remove("src/old dir");
        up.wait_for("it waits", |event| event["action"] == "waits");
        until_it_ends_with(&up, 1);
        up.signal(rustix::process::Signal::USR1);
        up.live_updated("web");
        until_it_ends_with(&up, 0);
    }
}

#[test]
fn a_link_to_a_directory_in_the_image_is_kept_by_initial_sync_and_is_no_difference() {
    for helper in ["", "helper: off\n"] {
        let project = Project::web(&format!(
            "{helper}steps: [initial_sync, {{sync: ./src:/app}}]"
        ));
        project.write("src/conf/c.txt", "one");
        project.write("src/conf/deep/d.txt", "one");
        project.write(
            "Dockerfile",
            "FROM busybox:1.37\nCOPY src /app\nRUN mkdir /shared && mv /app/conf /shared/conf && ln -s /shared/conf /app/conf\n\
             CMD [\"sleep\", \"100000\"]\n",
        );
        let mut up = project.up();
        let links = || project.sh("web", "readlink /app/conf");
        until_it_ends_with(&up, 0);
        project.write("src/conf/c.txt", "two");
        let outcome = up.outcome("web");
        assert_eq!(outcome["detail"]["copied"], 1, "{outcome}");
        assert!(!outcome["detail"]["catching_up"].as_bool().unwrap());
        until_it_ends_with(&up, 0);
        assert_eq!(
            project.file("web", "/shared/conf/c.txt").as_deref(),
            Some("two")
        );
        assert_eq!(links().trim(), "/shared/conf");
    }
}
