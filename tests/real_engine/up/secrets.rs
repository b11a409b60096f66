//! What must not leave the host does not: every byte that a session sends is looked through.

use std::fs;
use std::os::unix::fs::symlink;

use crate::interposer::Interposer;
use crate::project::Project;
use crate::session::Session;

/// In the content of every ignored file.
const CONTENT: &str = "ignored-content-must-stay-here";
/// In the name of every ignored file.
const NAME: &str = "ignored-name-must-stay-here";
/// In the content of what lies outside the context.
const OUTSIDE: &str = "what-is-outside-must-stay-there";

const IGNORED: &str = "**/*.secret\n**/node_modules\nsrc/private\n";

fn begin<'p>(project: &'p Project, door: &Interposer, helper: bool) -> Session<'p> {
    let mut command = project.tool(&["up", "--format", "json"]);
    command.env("DOCKER_HOST", door.host());
    if !helper {
        command.env("LIVEUPDATE_HELPER", "off");
    }
    let mut up = project.follow(command);
    up.wait_for("the session has started", |event| {
        event["event"] == "started"
    });
    up
}

/// The builder's own way to the sources.
const BUILDER: &str = "POST /session";

#[track_caller]
fn nothing_sent(door: &Interposer, marker: &str, but_with: Option<&str>) {
    let calls = door.calls();
    assert!(calls.len() > 20, "only {} calls were seen", calls.len());
    let is_another = |line: &str| but_with.is_some_and(|other| line.starts_with(other));
    for call in calls.into_iter().filter(|call| !is_another(&call.line)) {
        let text = [call.line.as_bytes(), &call.sent].concat();
        let found = text
            .windows(marker.len())
            .position(|part| part == marker.as_bytes());
        if let Some(at) = found {
            let from = at.saturating_sub(300);
            panic!(
                "`{marker}` was sent with {}:\n{}",
                call.line,
                String::from_utf8_lossy(&text[from..at + marker.len()])
            );
        }
    }
}

/// That what is not ignored is seen there: a test that looks in the wrong place would never fail.
#[track_caller]
fn something_sent(door: &Interposer, marker: &str) {
    let seen = door.calls().iter().any(|call| {
        let mut parts = call.sent.windows(marker.len());
        parts.any(|part| part == marker.as_bytes())
    });
    assert!(seen, "`{marker}` was never sent");
}

/// A folder with ignored files of all kinds beside one that is not.
fn plant(project: &Project, folder: &str) {
    project.write(format!("{folder}/open.txt"), "for everybody");
    for path in [
        format!("{folder}/{NAME}.secret"),
        format!("{folder}/node_modules/{NAME}/index.js"),
        format!("{folder}/deeper/{NAME}.secret"),
    ] {
        project.write(path, CONTENT.repeat(50));
    }
}

fn a_session_with_secrets(helper: bool) {
    let project =
        Project::web("- initial_sync\n- fall_back_on: ./Dockerfile.part\n- sync: ./src:/app");
    project.write(".dockerignore", IGNORED);
    project.write("Dockerfile.part", "");
    plant(&project, "src/first");
    project.write(format!("src/private/{NAME}"), CONTENT);
    // A container of before, so that the session begins with a comparison.
    project.compose(&["up", "-d", "--build"]);
    project.write("src/first/open.txt", "changed before the session");
    let door = Interposer::open();
    let mut up = begin(&project, &door, helper);
    let visible = ["first", "second", "third", "moved"];
    up.until_file("web", "/app/first/open.txt", "changed before the session");
    // Created and edited.
    plant(&project, "src/second");
    project.write(format!("src/private/{NAME}"), CONTENT.repeat(2));
    project.write(format!("src/second/{NAME}.secret"), CONTENT.repeat(3));
    up.until_file("web", "/app/second/open.txt", "for everybody");
    // Renamed and moved in, with all that is in them.
    project.rename("src/second", "src/third");
    up.until_file("web", "/app/third/open.txt", "for everybody");
    plant(&project, "aside");
    project.rename("aside", "src/moved");
    up.until_file("web", "/app/moved/open.txt", "for everybody");
    // A file takes an ignored name, and then holds a secret.
    project.write("src/plain.txt", "plain-before-it-was-secret");
    up.until_file("web", "/app/plain.txt", "plain-before-it-was-secret");
    project.rename("src/plain.txt", format!("src/{NAME}.secret"));
    project.write(format!("src/{NAME}.secret"), CONTENT);
    up.until_gone("web", "/app/plain.txt");
    // Deleted with the folder they lie in.
    project.remove("src/third");
    up.until_gone("web", "/app/third");
    // Rebuilt, recreated by somebody, and compared.
    project.write("Dockerfile.part", "changed");
    up.wait_for("a rebuild", |event| {
        event["event"] == "outcome" && event["action"] == "rebuild"
    });
    project.compose(&["up", "-d", "--no-build", "--force-recreate"]);
    project.write("src/last.txt", "last-of-all");
    up.until_file("web", "/app/last.txt", "last-of-all");
    let mut verify = project.tool(&["verify", "--fix"]);
    verify.env("DOCKER_HOST", door.host());
    assert!(verify.output().unwrap().status.success());
    for folder in visible {
        for path in [format!("{NAME}.secret"), "node_modules".into()] {
            let path = format!("/app/{folder}/{path}");
            assert!(project.tree("web", &path).is_none(), "{path}");
        }
    }
    assert_eq!(up.interrupt(), Some(130));
    something_sent(&door, "plain-before-it-was-secret");
    something_sent(&door, "last-of-all");
    nothing_sent(&door, CONTENT, None);
    nothing_sent(&door, NAME, None);
}

/// Issue: "ignored files never appear in any request body (checked in the proxy)".
#[test]
fn ignored_files_are_in_no_request_through_the_helper() {
    a_session_with_secrets(true);
}

#[test]
fn ignored_files_are_in_no_request_of_the_plain_way() {
    a_session_with_secrets(false);
}

/// Issue: "nothing outside the context is read through links"; links that are put in the place of files and folders while
/// these are read among them.
fn links_lead_nowhere(helper: bool) {
    let outside = tempfile::tempdir().unwrap();
    for name in ["f", "g", "large"] {
        let times = if name == "large" { 60_000 } else { 100 };
        fs::write(outside.path().join(name), OUTSIDE.repeat(times)).unwrap();
    }
    let outside_text = outside.path().to_str().unwrap().to_owned();
    let project = Project::web("- sync: ./src:/app");
    project.write(".dockerignore", "aside*\n");
    let door = Interposer::open();
    let up = begin(&project, &door, helper);
    project.link(&format!("{outside_text}/f"), "src/to-a-file");
    project.link(&outside_text, "src/to-a-folder");
    project.write("src/inside.txt", "inside");
    up.until_file("web", "/app/inside.txt", "inside");
    let real = project.path("aside");
    for round in 0..150 {
        // A folder that is a folder, then a link of the same name to one with the same names in it.
        for name in ["f", "g", "large"] {
            let size = if name == "large" { 100_000 } else { 10 };
            project.write(
                format!("src/swap/{name}"),
                format!("{round:>8}inside").repeat(size),
            );
        }
        project.write("src/single", format!("inside {round}"));
        fs::rename(project.path("src/swap"), &real).unwrap();
        symlink(outside.path(), project.path("src/swap")).unwrap();
        let link = project.path("aside-link");
        symlink(outside.path().join("f"), &link).unwrap();
        fs::rename(link, project.path("src/single")).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(round % 7));
        fs::remove_file(project.path("src/swap")).unwrap();
        fs::remove_file(project.path("src/single")).unwrap();
        fs::rename(&real, project.path("src/swap")).unwrap();
    }
    up.until_in_step("src", "web", "/app");
    project.write("src/done.txt", "done-with-links");
    up.until_file("web", "/app/done.txt", "done-with-links");
    assert!(up.events().len() > 1);
    assert_eq!(up.interrupt(), Some(130));
    something_sent(&door, "done-with-links");
    // When a batch that was refused is answered by a build, what the builder reads of a tree that changes under its hands is
    // its own matter: it may follow a link that was a folder when it looked.
    nothing_sent(&door, OUTSIDE, Some(BUILDER));
}

#[test]
fn nothing_outside_the_context_is_read_through_links_by_the_helpers_way() {
    links_lead_nowhere(true);
}

#[test]
fn nothing_outside_the_context_is_read_through_links_by_the_plain_way() {
    links_lead_nowhere(false);
}
