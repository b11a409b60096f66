//! Modes, links, directories, vanished roots (`spec.md` C5).

use std::fs;
use std::process::Command;

use crate::needs::{is_root, needs};
use crate::project::Project;

const SYNC: &str = "- sync: ./src:/app";

/// C5: "Modes, symlinks and mtimes are kept."
#[test]
fn mode_and_time_are_kept() {
    let project = Project::web(SYNC);
    let up = project.up();
    project.write("src/run.sh", "#!/bin/sh");
    // The mode last: a time alone is no change of the content.
    project.touch("src/run.sh", 1_600_000_000);
    project.chmod("src/run.sh", 0o750);
    up.until_in_step("src", "web", "/app");
    project.chmod("src/a.txt", 0o600);
    up.until_in_step("src", "web", "/app");
    assert_eq!(
        up.sh("web", "stat -c '%a %Y' /app/run.sh; stat -c %a /app/a.txt"),
        "750 1600000000\n600"
    );
}

/// E4: "content, modes, links": those of directories too, in the container that is there and in the next one.
#[test]
fn a_directorys_mode_that_was_changed_is_its_mode_in_the_container() {
    for (helper, flags) in [
        ("auto", &[][..]),
        ("off", &[]),
        // Of a container whose image the session did not build, a comparison tells what it needs.
        ("auto", &["--no-build"]),
    ] {
        let project = Project::web(&format!("helper: {helper}\nsteps:\n- sync: ./src:/app"));
        project.write("src/d/f", "one");
        project.compose(&["build", "--quiet"]);
        let up = project.up_with(flags);
        project.chmod("src/d", 0o700);
        up.until_in_step("src", "web", "/app");
        project.compose(&["up", "-d", "--no-build", "--force-recreate"]);
        up.until_in_step("src", "web", "/app");
        // What only the container has changed of a directory is its own business.
        up.sh("web", "chmod 777 /app/d");
        project.write("src/d/f", "two");
        up.until_file("web", "/app/d/f", "two");
        assert_eq!(up.sh("web", "stat -c %a /app/d"), "777", "helper: {helper}");
        assert_eq!(up.rebuilds("web"), 0);
    }
}

/// C5: "A dangling symlink is a symlink, not a deletion."
#[test]
fn symlinks_are_kept_dangling_ones_too() {
    let project = Project::web(SYNC);
    let up = project.up();
    project.link("a.txt", "src/good");
    project.link("not/there", "src/dangling");
    project.link("/etc/passwd", "src/out");
    up.until_in_step("src", "web", "/app");
    // A file becomes a dangling link.
    project.remove("src/a.txt");
    project.link("nowhere", "src/a.txt");
    up.until_in_step("src", "web", "/app");
    // And a file again, not through the link.
    project.remove("src/out");
    project.write("src/out", "mine");
    up.until_in_step("src", "web", "/app");
    assert!(up.sh("web", "cat /etc/passwd").starts_with("root:"));
    assert_eq!(up.rebuilds("web"), 0);
}

/// C5: a link to a directory is not followed.
#[test]
fn a_link_to_a_directory_is_a_link_and_its_inside_is_not_copied() {
    let project = Project::web(SYNC);
    project.write("src/real/x", "one");
    let up = project.up();
    project.link("real", "src/alias");
    up.until_in_step("src", "web", "/app");
    project.write("src/real/x", "two");
    up.until_in_step("src", "web", "/app");
    project.remove("src/alias");
    up.until_in_step("src", "web", "/app");
}

/// C5, by both ways: what the link led to is none of the directory's business.
#[test]
fn a_link_to_a_directory_becomes_a_directory_and_the_reverse() {
    for options in ["", "helper: off\n"] {
        let project = Project::web(&format!(
            "{options}steps:\n  - sync: ./src:/app\n  - sync: ./current:/current\n"
        ));
        project.write(
            "Dockerfile",
            "FROM busybox:1.37\nCOPY src /app\nCOPY current /releases/1\nRUN ln -s /releases/1 /current\nCMD [\"sleep\", \"100000\"]\n",
        );
        project.write("src/e/x", "one");
        project.link("e", "src/d");
        project.write("current/x", "one");
        let up = project.up();
        project.remove("src/d");
        project.write("src/d/x", "two");
        // E6: a link that the image has in the target's place stays, even when the source comes anew.
        project.remove("current");
        project.write("current/x", "two");
        up.until_in_step("src", "web", "/app");
        up.until_file("web", "/releases/1/x", "two");
        assert_eq!(up.sh("web", "readlink /current"), "/releases/1");
        assert_eq!(up.rebuilds("web"), 0);
    }
}

/// C5, E2, by both ways, in a container that runs and in one that has to be started for it: what the deletes name is now the
/// link's business.
#[test]
fn a_directory_that_moved_and_left_a_link_keeps_all_that_is_in_it() {
    for options in ["", "helper: off\n"] {
        for meanwhile in ["", "crash", "pause"] {
            let project = Project::web(&format!("{options}steps: [{{sync: './src:/app'}}]"));
            project.write("src/d/x", "one");
            project.write("src/d/sub/y", "one");
            let mut up = project.up();
            match meanwhile {
                "crash" => project.crash("web"),
                "pause" => project.docker(&["pause"], "web"),
                _ => {}
            }
            project.rename("src/d", "src/e");
            project.link("e", "src/d");
            if meanwhile == "pause" {
                up.until_file("web", "/app/e/x", "one");
                project.docker(&["unpause"], "web");
            }
            up.live_updated("web");
            up.until_in_step("src", "web", "/app");
            // Whatever was still to be deleted is by now.
            project.write("src/last", "one");
            up.until_file("web", "/app/last", "one");
            assert_eq!(up.host_tree("src"), up.tree("web", "/app").unwrap());
            assert_eq!(up.rebuilds("web"), 0, "{options} {meanwhile}");
        }
    }
}

/// E4: "files that only the container has are kept".
#[test]
fn a_deleted_directory_keeps_what_only_the_container_has() {
    let project = Project::web(SYNC);
    project.write("src/d/host", "one");
    project.write("src/d/sub/host", "one");
    let up = project.up();
    up.sh("web", "echo mine > /app/d/container-only");
    project.remove("src/d");
    up.until_gone("web", "/app/d/sub");
    up.until_gone("web", "/app/d/host");
    assert_eq!(
        up.file("web", "/app/d/container-only").as_deref(),
        Some("mine\n")
    );
}

/// C5: an empty directory is a directory, and is gone when it is removed.
#[test]
fn empty_directories_come_and_go() {
    let project = Project::web(SYNC);
    let up = project.up();
    project.mkdir("src/empty/deeper");
    up.until_in_step("src", "web", "/app");
    project.remove("src/empty");
    up.until_in_step("src", "web", "/app");
    assert_eq!(up.rebuilds("web"), 0);
}

/// C5: "Deleting a synced single file deletes it remotely."
#[test]
fn deleting_a_synced_single_file_deletes_it_remotely() {
    let project = Project::web("- sync: ./settings.ini:/etc/settings.ini\n- sync: ./src:/app");
    project.write("settings.ini", "one");
    let up = project.up();
    project.write("settings.ini", "two");
    up.until_file("web", "/etc/settings.ini", "two");
    project.remove("settings.ini");
    up.until_gone("web", "/etc/settings.ini");
    project.write("settings.ini", "three");
    up.until_file("web", "/etc/settings.ini", "three");
    assert_eq!(up.rebuilds("web"), 0);
}

/// C5: "A vanished sync root (moved away [..]) never wipes the target and never ends the watch; when it is back, it is compared and
/// synced."
#[test]
fn a_sync_root_that_was_moved_away_never_wipes_the_target_and_is_synced_when_it_is_back() {
    let project = Project::web("- sync: ./src:/app\n- sync: ./other:/other");
    project.write("src/b.txt", "one");
    project.write("other/x", "one");
    let up = project.up();
    let away = tempfile::tempdir_in(project.path("..")).unwrap();
    fs::rename(project.path("src"), away.path().join("src")).unwrap();
    project.write("other/x", "two");
    up.until_file("web", "/other/x", "two");
    assert_eq!(project.file("web", "/app/a.txt").as_deref(), Some("one"));
    fs::write(away.path().join("src/a.txt"), "changed while away").unwrap();
    fs::remove_file(away.path().join("src/b.txt")).unwrap();
    fs::rename(away.path().join("src"), project.path("src")).unwrap();
    up.until_in_step("src", "web", "/app");
    project.write("src/a.txt", "the watch lives");
    up.until_in_step("src", "web", "/app");
    assert_eq!(up.rebuilds("web"), 0);
}

/// A file system of its own at a directory, until it is dropped.
struct Mounted(std::path::PathBuf);

impl Mounted {
    fn at(directory: std::path::PathBuf) -> Self {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "none"]).arg(&directory);
        assert!(mount.status().unwrap().success());
        Self(directory)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// C5: a root that vanishes is no deletion, though what is left of an unmounted one is an empty directory.
#[test]
fn a_sync_root_that_was_unmounted_never_wipes_the_target_and_is_synced_when_it_is_mounted_again() {
    needs!(is_root(), "root, who alone may mount");
    let project = Project::web("- sync: ./src:/app\n- sync: ./other:/other");
    let mounted = Mounted::at(project.path("src"));
    project.write("src/a.txt", "one");
    project.write("src/b.txt", "one");
    project.write("other/x", "one");
    let up = project.up();
    drop(mounted);
    project.write("other/x", "two");
    up.until_file("web", "/other/x", "two");
    assert_eq!(project.file("web", "/app/a.txt").as_deref(), Some("one"));
    let _mounted = Mounted::at(project.path("src"));
    project.write("src/a.txt", "two");
    up.until_in_step("src", "web", "/app");
    project.write("src/a.txt", "the watch lives");
    up.until_in_step("src", "web", "/app");
    assert_eq!(up.rebuilds("web"), 0);
}

/// C5: "or recreated by a build tool".
#[test]
fn a_sync_root_that_a_build_tool_recreates_again_and_again_stays_in_step() {
    let project = Project::web("- sync: ./dist:/dist");
    project.write("dist/app.js", "0");
    let up = project.up();
    for round in 1..6 {
        project.remove("dist");
        project.write("dist/app.js", format!("{round}"));
        project.write(format!("dist/chunk-{round}.js"), "x");
    }
    project.write("dist/done", "x");
    up.until("the built files", &Some("5".to_owned()), || {
        project.file("web", "/dist/app.js")
    });
    up.until_in_step("dist", "web", "/dist");
    assert_eq!(up.rebuilds("web"), 0);
}

/// Issue 4.4: "file against directory".
#[test]
fn a_file_becomes_a_directory_and_a_directory_becomes_a_file() {
    let project = Project::web(SYNC);
    project.write("src/thing", "a file");
    project.write("src/folder/inside", "one");
    let up = project.up();
    project.remove("src/thing");
    project.write("src/thing/inside", "now a directory");
    up.until_in_step("src", "web", "/app");
    project.remove("src/folder");
    project.write("src/folder", "now a file");
    up.until_in_step("src", "web", "/app");
    project.remove("src/folder");
    project.link("a.txt", "src/folder");
    up.until_in_step("src", "web", "/app");
}

/// Issue 4.5: "case-only renames".
#[test]
fn a_rename_that_changes_only_the_case_is_a_rename() {
    let project = Project::web(SYNC);
    let up = project.up();
    project.rename("src/a.txt", "src/A.txt");
    up.until_in_step("src", "web", "/app");
}

/// C5: directories renamed with all that is in them.
#[test]
fn a_renamed_directory_is_renamed_with_all_that_is_in_it() {
    let project = Project::web(SYNC);
    for number in 0..20 {
        project.write(format!("src/old/deep/{number}"), format!("{number}"));
    }
    let up = project.up();
    project.rename("src/old", "src/new");
    up.until_in_step("src", "web", "/app");
    project.write("src/new/deep/5", "watched under its new name");
    up.until_in_step("src", "web", "/app");
}

/// Issue 4.5: "sockets and FIFOs" are left out and harm nothing.
#[test]
fn a_fifo_and_a_socket_are_left_out() {
    let project = Project::web(SYNC);
    let mut up = project.up();
    project.host("mkfifo", &["src/pipe"]);
    let _socket = std::os::unix::net::UnixListener::bind(project.path("src/socket")).unwrap();
    project.write("src/a.txt", "two");
    up.until_file("web", "/app/a.txt", "two");
    project.write("src/marker", "later");
    up.until_file("web", "/app/marker", "later");
    assert_eq!(project.tree("web", "/app/pipe"), None);
    assert_eq!(project.tree("web", "/app/socket"), None);
    assert_eq!(up.rebuilds("web"), 0);
    up.live_updated("web");
}

/// C5: a file of some megabytes arrives whole.
#[test]
fn a_large_file_arrives_whole() {
    let project = Project::web(SYNC);
    let up = project.up();
    let content: Vec<u8> = (0..30_000_000_u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    project.write("src/large", content);
    up.until_in_step("src", "web", "/app");
}

/// C3: a thousand files written at once.
#[test]
fn a_thousand_files_arrive_and_go() {
    let project = Project::web(SYNC);
    let up = project.up();
    for number in 0..1000 {
        project.write(format!("src/many/{}/{number}", number % 10), "content");
    }
    up.until_in_step("src", "web", "/app");
    project.remove("src/many");
    up.until_in_step("src", "web", "/app");
}

/// E4: more at once than the system keeps events for.
#[test]
fn twenty_thousand_files_arrive_whatever_events_were_lost() {
    let project = Project::web(SYNC);
    let up = project.up();
    for number in 0..20_000 {
        project.write(format!("src/many/{}/f{number}", number % 20), "content");
    }
    // One file is looked for before all are, as each look at all of them takes the engine a while.
    up.until_file("web", "/app/many/19/f19999", "content");
    up.until_in_step("src", "web", "/app");
    project.write("src/many/7/f7", "the watch lives");
    up.until_in_step("src", "web", "/app");
    assert_eq!(up.rebuilds("web"), 0);
}
