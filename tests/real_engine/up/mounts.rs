//! Mounts and roots (`spec.md` E6).

use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use crate::needs::{has, is_root, needs};
use crate::project::Project;
use crate::session::Session;

/// E6: "a bind mount that already carries the sync source is \"already live\" (no copy, but runs and restart)".
#[test]
fn a_bind_mount_of_the_source_is_already_live_and_runs_run() {
    let project = Project::web_with(
        "volumes: ['./src:/app']",
        "- sync: ./src:/app\n- run: cat /app/a.txt >> /ran\n- restart_container",
    );
    let mut up = project.up();
    let began = project.started_at("web");
    project.write("src/a.txt", "two\n");
    let outcome = up.live_updated("web");
    assert_eq!(outcome["detail"]["copied"], 0, "{outcome}");
    assert_eq!(outcome["detail"]["live"], 1, "{outcome}");
    assert_eq!(project.file("web", "/ran").as_deref(), Some("two\n"));
    assert_ne!(project.started_at("web"), began);
    // It does not feed itself.
    project.write("src/a.txt", "three\n");
    up.live_updated("web");
    assert_eq!(project.file("web", "/ran").as_deref(), Some("two\nthree\n"));
    assert_eq!(up.rebuilds("web"), 0);
}

/// E6, C5: what is live is the host's own, and a delete would follow the link there.
#[test]
fn a_directory_of_a_bind_mount_that_moved_and_left_a_link_keeps_all_that_is_in_it_on_the_host() {
    let project = Project::web_with(
        "volumes: ['./src:/app']",
        "- sync: ./src:/app\n- run: 'echo >> /ran'",
    );
    project.write("src/d/x", "one");
    let mut up = project.up();
    project.rename("src/d", "src/e");
    project.link("e", "src/d");
    up.live_updated("web");
    assert_eq!(project.read("src/e/x"), "one");
}

/// E6: a bind mount that is read-only is as live as any.
#[test]
fn a_read_only_bind_mount_of_the_source_is_already_live() {
    let project = Project::web_with(
        "volumes: ['./src:/app:ro']",
        "- sync: ./src:/app\n- run: cat /app/a.txt >> /ran",
    );
    let mut up = project.up();
    project.write("src/a.txt", "two\n");
    up.live_updated("web");
    assert_eq!(project.file("web", "/ran").as_deref(), Some("two\n"));
    project.remove("src/a.txt");
    project.write("src/b.txt", "x");
    up.eventually("the host's files stay the user's", || {
        !project.path("src/a.txt").exists() && project.path("src/b.txt").exists()
    });
    assert_eq!(up.rebuilds("web"), 0);
}

/// E6: "a named volume": its content outlives the image, and is kept in step all the same.
#[test]
fn a_named_volume_over_the_target_is_kept_in_step() {
    let project = Project::web_with("volumes: ['data:/app']", "- sync: ./src:/app");
    let compose = project.read("compose.yaml");
    project.write("compose.yaml", compose + "volumes: {data: {}}\n");
    project.write("src/old", "goes");
    let up = project.up();
    project.write("src/a.txt", "two");
    project.write("src/new/file", "new");
    project.remove("src/old");
    up.until_in_step("src", "web", "/app");
    assert_eq!(up.rebuilds("web"), 0);
}

/// E6: what a volume holds is older than the image, and nobody knows it but the volume.
#[test]
fn a_volume_that_outlived_its_container_has_the_hosts_files_in_the_next() {
    let project = Project::web_with("volumes: ['data:/app']", "- sync: ./src:/app");
    let compose = project.read("compose.yaml");
    project.write("compose.yaml", compose + "volumes: {data: {}}\n");
    project.up().interrupt();
    project.compose(&["down"]);
    project.write("src/a.txt", "written while nobody looked");
    let up = project.up();
    up.until_in_step("src", "web", "/app");
}

/// E6: tmpfs "is handled or refused by name, never silently" (facts, trap 7: the engine's copy says 200 and the file is not there).
#[test]
fn a_tmpfs_over_the_target_is_handled_or_refused_by_name() {
    let project = Project::web_with("tmpfs: [/app]", "- sync: ./src:/app");
    let up = project.up();
    project.write("src/a.txt", "two");
    up.eventually("the file is there, or the tmpfs is named", || {
        project.sh("web", "cat /app/a.txt") == "two" || up.said("tmpfs")
    });
}

/// E6: tmpfs is handled: under a read-only root too, and filled again whenever its container starts.
#[test]
fn a_tmpfs_under_a_read_only_root_is_filled_with_each_start() {
    let project = Project::web_with(
        "read_only: true\ntmpfs: [/app]",
        "- sync: ./src:/app\n- restart_container",
    );
    let mut up = project.up();
    let id = project.id("web");
    up.until_file("web", "/app/a.txt", "one");
    project.write("src/deep/b.txt", "two");
    let outcome = up.live_updated("web");
    assert_eq!(outcome["ok"], true, "{outcome}");
    for _ in 0..2 {
        up.eventually("all is there after the restart", || {
            project.sh("web", "cat /app/a.txt /app/deep/b.txt") == "onetwo"
        });
        project.docker(&["restart", "-t", "1"], "web");
    }
    up.eventually("all is there after the last one", || {
        project.sh("web", "cat /app/a.txt /app/deep/b.txt") == "onetwo"
    });
    assert_eq!((project.id("web"), up.rebuilds("web")), (id, 0));
}

/// C8: "a full disk is said once per change", and no rebuild is tried, which could not help.
#[test]
fn a_full_disk_is_said_and_not_rebuilt() {
    let project = Project::web_with("tmpfs: ['/app:size=1m']", "- sync: ./src:/app");
    let mut up = project.up();
    up.until_file("web", "/app/a.txt", "one");
    project.write("src/big", vec![b'x'; 2 << 20]);
    let failed = up.wait_for("the failure", |event| event["ok"] == false);
    let failure = failed["failure"].as_str().unwrap();
    assert!(failure.contains("no space left on device"), "{failed}");
    project.write("src/big", "small");
    let outcome = up.live_updated("web");
    assert_eq!(outcome["ok"], true, "{outcome}");
    assert_eq!(up.rebuilds("web"), 0);
}

/// The same without the helper, which alone reaches into a tmpfs.
#[test]
fn a_tmpfs_without_the_helper_is_said_and_not_rebuilt() {
    let project = Project::web_with("tmpfs: [/app]", "helper: off\nsteps: [sync: ./src:/app]");
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.says("only the in-container helper can write there");
    assert!(up.said("the helper is not used: the block says `helper: off`"));
    assert_eq!(up.rebuilds("web"), 0);
}

/// E6: "a read-only root is handled or refused by name, never silently".
#[test]
fn a_read_only_root_is_handled_or_refused_by_name() {
    let project = Project::web_with("read_only: true", "- sync: ./src:/app");
    let up = project.up();
    let before = project.id("web");
    project.write("src/a.txt", "two");
    up.eventually("the file is there, and how is said", || {
        project.file("web", "/app/a.txt").as_deref() == Some("two")
            && (project.id("web") == before || up.said("read-only"))
    });
}

/// E6: a read-only root with a writable volume at the target. Issue 5.1: the helper "leaves one hidden directory, removed on exit".
#[test]
fn a_writable_volume_in_a_read_only_root_is_updated() {
    let project = Project::web_with(
        "read_only: true\nvolumes: ['data:/app']",
        "- sync: ./src:/app",
    );
    let compose = project.read("compose.yaml");
    project.write("compose.yaml", compose + "volumes: {data: {}}\n");
    project.write("src/old", "goes");
    let up = project.up();
    let before = project.id("web");
    project.write("src/a.txt", "two");
    up.until_file("web", "/app/a.txt", "two");
    project.remove("src/old");
    project.write("src/deep/new", "new");
    up.until_file("web", "/app/deep/new", "new");
    up.until_gone("web", "/app/old");
    assert_eq!(project.id("web"), before);
    drop(up);
    assert_eq!(
        project.tree("web", "/app").as_ref(),
        Some(&project.host_tree("src"))
    );
}

/// E6, C8: a target below a read-only mount of something else cannot be reached by a rebuild either: it is said, by name.
#[test]
fn a_target_below_a_read_only_mount_of_something_else_is_refused_by_name() {
    let project = Project::web_with("volumes: ['./other:/app/other:ro']", "- sync: ./src:/app");
    project.write("other/x", "mounted");
    let mut up = project.up();
    project.write("src/other/x", "cannot get there");
    up.says("/app/other");
    project.write("src/a.txt", "two");
    up.until_file("web", "/app/a.txt", "two");
    assert_eq!(project.read("other/x"), "mounted");
}

/// Facts, trap 7: a single-file bind mount of the source is already live.
#[test]
fn a_single_file_bind_mount_of_the_source_is_already_live() {
    let project = Project::web_with(
        "volumes: ['./src/a.txt:/app/a.txt']",
        "- sync: ./src:/app\n- run: echo ran >> /ran",
    );
    let mut up = project.up();
    project.write("src/a.txt", "two");
    up.live_updated("web");
    assert_eq!(up.sh("web", "cat /app/a.txt"), "two");
    project.write("src/b.txt", "beside it");
    up.live_updated("web");
    assert_eq!(
        project.file("web", "/app/b.txt").as_deref(),
        Some("beside it")
    );
    assert_eq!(up.rebuilds("web"), 0);
}

/// Issue 4.4: "targets that are symlinks".
#[test]
fn a_target_that_is_a_symlinked_directory_keeps_the_link() {
    let project = Project::web("- sync: ./src:/current");
    project.write(
        "Dockerfile",
        "FROM busybox:1.37\nCOPY src /releases/1\nRUN ln -s /releases/1 /current\nCMD [\"sleep\", \"100000\"]\n",
    );
    let up = project.up();
    project.write("src/a.txt", "two");
    project.write("src/new/file", "new");
    up.until_file("web", "/releases/1/a.txt", "two");
    up.until_file("web", "/releases/1/new/file", "new");
    assert_eq!(up.sh("web", "readlink /current"), "/releases/1");
    assert_eq!(up.rebuilds("web"), 0);
}

/// Issue 4.4: "targets that do not exist".
#[test]
fn a_target_that_does_not_exist_is_made() {
    let project = Project::web("- sync: ./src:/not/yet/there");
    let up = project.up();
    project.write("src/deep/file", "new");
    up.until_file("web", "/not/yet/there/deep/file", "new");
    assert_eq!(up.rebuilds("web"), 0);
}

/// E6: a bind mount of something else hides what a sync would bring there; the host's files behind it are not the tool's.
#[test]
fn files_behind_a_bind_mount_of_something_else_are_neither_written_nor_deleted() {
    let project = Project::web_with(
        "volumes: ['./storage:/app/storage']",
        "- sync: ./src:/app\n- run: echo ran >> /ran",
    );
    project.write("storage/x", "the user's");
    project.write("storage/y", "the user's");
    project.write("src/storage/y", "another");
    let mut up = project.up();
    project.write("src/storage/x", "another");
    up.says("left out");
    project.remove("src/storage/y");
    project.write("src/a.txt", "two");
    up.until_file("web", "/app/a.txt", "two");
    assert_eq!(project.read("storage/x"), "the user's");
    assert_eq!(project.read("storage/y"), "the user's");
    assert_eq!(up.rebuilds("web"), 0);
    let verify = project.tool(&["verify", "--fix"]).output().unwrap();
    assert_eq!(verify.status.code(), Some(0), "{verify:?}");
    assert_eq!(project.read("storage/x"), "the user's");
}

/// E6': "a host file is never written through a bind mount of a local project, whatever the engine calls its source". An engine
/// in a virtual machine has names of its own for the user's files; here it has one that its client does not see.
#[test]
fn the_hosts_own_file_is_not_written_through_a_mount_whose_name_says_nothing_here() {
    needs!(
        is_root() && has("unshare"),
        "root, and unshare: a name that the engine alone sees"
    );
    let project = Project::web_with(
        "volumes: ['./vm/src:/app']",
        "- sync: ./src:/app\n- run: cat /app/a.txt >> /ran",
    );
    project.mkdir("vm");
    project.link("../src", "vm/src");
    let tool = project.tool(&["up", "--format", "json"]);
    let mut hidden = Command::new("unshare");
    hidden
        .args(["--mount", "sh", "-c"])
        .arg("mount -t tmpfs none vm && exec \"$0\" \"$@\"")
        .arg(tool.get_program())
        .args(tool.get_args())
        .current_dir(project.path(""));
    let mut up = project.follow(hidden);
    up.wait_for("the session has started", |event| {
        event["event"] == "started"
    });
    the_users_file_stays_his(&project, &mut up);
}

/// The same through a volume that is made of the directory.
#[test]
fn the_hosts_own_file_is_not_written_through_a_volume_that_is_made_of_its_directory() {
    let project = Project::web_with(
        "volumes: ['source:/app']",
        "- sync: ./src:/app\n- run: cat /app/a.txt >> /ran",
    );
    let compose = project.read("compose.yaml");
    let device = project.path("src");
    let volume = format!(
        "volumes: {{source: {{driver_opts: {{type: none, o: bind, device: {}}}}}}}\n",
        device.display()
    );
    project.write("compose.yaml", compose + &volume);
    let mut up = project.up();
    the_users_file_stays_his(&project, &mut up);
}

/// Whoever replaces a file makes another inode.
#[track_caller]
fn the_users_file_stays_his(project: &Project, up: &mut Session<'_>) {
    let inode = || std::fs::metadata(project.path("src/a.txt")).unwrap().ino();
    let before = inode();
    for content in ["two\n", "three\n"] {
        project.write("src/a.txt", content);
        let outcome = up.live_updated("web");
        assert_eq!(outcome["detail"]["live"], 1, "{outcome}");
        assert_eq!(outcome["detail"]["copied"], 0, "{outcome}");
        assert_eq!(inode(), before);
        assert_eq!(project.read("src/a.txt"), content);
    }
    assert_eq!(project.file("web", "/ran").as_deref(), Some("two\nthree\n"));
    project.remove("src/a.txt");
    project.write("src/b.txt", "new");
    up.eventually("the container has what the host has", || {
        project.sh("web", "ls /app") == "b.txt"
    });
    assert_eq!(up.rebuilds("web"), 0);
}
