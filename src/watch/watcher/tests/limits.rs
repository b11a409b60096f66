//! The system's limits, in a user namespace of its own: the test starts itself there once more.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::watch::{Change, Entry, Kind, look};

use super::*;

/// Runs the test `name` of this module once more, as `arguments` of `unshare` say. `None` when the machine allows no
/// user namespaces.
fn again(arguments: &[&str], before: &str, name: &str) -> Option<(bool, String)> {
    let possible = Command::new("unshare").args(arguments).arg("true").status();
    if !possible.is_ok_and(|status| status.success()) {
        return None;
    }
    let myself = std::env::current_exe().unwrap();
    let name = format!("watch::watcher::tests::limits::{name}");
    let output = Command::new("unshare")
        .args(arguments)
        .args(["sh", "-c", &format!("{before}\nexec \"$@\""), "sh"])
        .arg(myself)
        .args(["--exact", &name, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Some((output.status.success(), text))
}

const INSIDE: &str = "LIVEUPDATE_TEST_INSIDE";

fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

fn assert_passed(result: Option<(bool, String)>) {
    if let Some((passed, text)) = result {
        assert!(passed && text.contains("1 passed"), "{text}");
    }
}

fn deep(context: &Path) {
    for index in 0..40 {
        fs::create_dir_all(context.join(format!("d{index}"))).unwrap();
    }
}

#[tokio::test]
async fn when_the_watches_run_out_the_rest_is_polled_and_it_is_said_what_to_do() {
    if !is_inside() {
        let limit = "echo 30 > /proc/sys/user/max_inotify_watches";
        let name = "when_the_watches_run_out_the_rest_is_polled_and_it_is_said_what_to_do";
        assert_passed(again(&["-Ur"], limit, name));
        return;
    }
    let mut watched = Watched::after(deep);
    let count = watched.count();
    assert_eq!(
        (count.watched + count.leading, count.watched + count.polled),
        (30, 41)
    );
    let notice = watched.notices.first().unwrap().to_string();
    assert!(notice.contains("limit of 30 watches"), "{notice}");
    assert!(
        notice.contains("sysctl fs.inotify.max_user_watches=524288"),
        "{notice}"
    );
    let names: Vec<String> = (0..40).map(|index| format!("d{index}/f")).collect();
    for name in &names {
        watched.write(name);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    watched.touched(&names).await;
    watched.mkdir("d39/new/deep");
    watched.write("d39/new/deep/f");
    watched.touched(&["d39/new/deep/f"]).await;
    fs::remove_dir_all(watched.path("d39/new")).unwrap();
    watched.touched(&["d39/new"]).await;
}

#[tokio::test]
async fn when_there_is_no_watcher_to_be_had_everything_is_polled_and_it_is_said_what_to_do() {
    if !is_inside() {
        let limit = "echo 0 > /proc/sys/user/max_inotify_instances";
        let name =
            "when_there_is_no_watcher_to_be_had_everything_is_polled_and_it_is_said_what_to_do";
        assert_passed(again(&["-Ur"], limit, name));
        return;
    }
    let mut watched = Watched::after(deep);
    assert_eq!(watched.count().watched, 0);
    let notice = watched.notices.first().unwrap().to_string();
    assert!(notice.contains("limit of 0 watchers"), "{notice}");
    assert!(
        notice.contains("sysctl fs.inotify.max_user_instances=1024"),
        "{notice}"
    );
    watched.write("d7/f");
    watched.touched(&["d7/f"]).await;
    fs::remove_file(watched.path("d7/f")).unwrap();
    watched.touched(&["d7/f"]).await;
    // The root goes and comes back.
    let context = watched.dir.path().join("context");
    let away = watched.dir.path().join("away");
    fs::rename(&context, &away).unwrap();
    watched.touched(&[""]).await;
    fs::rename(&away, &context).unwrap();
    watched.touched(&["d39"]).await;
    watched.write("d39/f");
    watched.touched(&["d39/f"]).await;
}

#[tokio::test]
async fn an_unreadable_directory_is_skipped_and_said_until_it_can_be_read() {
    if !is_inside() {
        // Without a mapped root, even root may not read what its mode forbids.
        let name = "an_unreadable_directory_is_skipped_and_said_until_it_can_be_read";
        assert_passed(again(&["-U"], "", name));
        return;
    }
    let allow =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let mut watched = Watched::after(|context| {
        fs::create_dir_all(context.join("closed/in")).unwrap();
        fs::create_dir(context.join("open")).unwrap();
        allow(&context.join("closed"), 0);
    });
    let notice = watched.notices.first().unwrap().to_string();
    assert!(
        notice.contains("closed` cannot be read and is not watched"),
        "{notice}"
    );
    watched.write("open/f");
    watched.touched(&["open/f"]).await;
    allow(&watched.path("open/f"), 0o200);
    let file = HostPath::new(watched.path("open/f")).unwrap();
    let changes = look::look(&scope_of(watched.dir.path()), &[file]);
    assert!(
        matches!(&changes[..], [Change::Written(_, Entry { kind: Kind::Unreadable { why }, .. })] if why.contains("ermission denied")),
        "{changes:?}"
    );
    allow(&watched.path("closed"), 0o755);
    watched.touched(&["closed/in"]).await;
    watched.write("closed/in/f");
    watched.touched(&["closed/in/f"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_where_most_is_polled_ends_up_equal_to_the_disk() {
    if !is_inside() {
        let limit = "echo 8 > /proc/sys/user/max_inotify_watches";
        let name = "a_storm_where_most_is_polled_ends_up_equal_to_the_disk";
        assert_passed(again(&["-Ur"], limit, name));
        return;
    }
    super::storm::storm(4711, 3000).await;
}

fn run(program: &str, args: &[&str], paths: &[&Path]) {
    let mut command = Command::new(program);
    let status = command.args(args).args(paths).status();
    assert!(status.unwrap().success());
}

/// No event of the system's tells of a mount.
#[tokio::test]
async fn what_is_mounted_onto_a_root_above_or_within_one_is_noticed() {
    if !is_inside() {
        let name = "what_is_mounted_onto_a_root_above_or_within_one_is_noticed";
        assert_passed(again(&["-Urm"], "", name));
        return;
    }
    let elsewhere = tempfile::tempdir().unwrap();
    fs::create_dir_all(elsewhere.path().join("context/src")).unwrap();
    for name in ["context/src/f", "context/top", "in"] {
        fs::write(elsewhere.path().join(name), "").unwrap();
    }
    let other = |name: &str| elsewhere.path().join(name);
    // Onto the root itself, and then within it.
    let mut watched = Watched::after(|context| fs::create_dir_all(context).unwrap());
    run(
        "mount",
        &["--bind"],
        &[&other("context"), &watched.path("")],
    );
    watched.touched(&["src/f", "top"]).await;
    watched.write("src/g");
    watched.touched(&["src/g"]).await;
    run(
        "mount",
        &["--bind"],
        &[elsewhere.path(), &watched.path("src")],
    );
    watched.touched(&["src/in"]).await;
    watched.write("src/more");
    watched.touched(&["src/more"]).await;
    for name in ["src", ""] {
        run("umount", &["-l"], &[&watched.path(name)]);
    }
    // Above a root that is missing.
    let mut watched = Watched::after(|context| fs::remove_dir(context).unwrap());
    let above = watched.dir.path().to_owned();
    run("mount", &["--bind"], &[elsewhere.path(), &above]);
    watched.touched(&["src/f", "top"]).await;
    watched.write("src/h");
    watched.touched(&["src/h"]).await;
    run("umount", &["-l"], &[&above]);
}

#[tokio::test]
async fn an_unmounted_root_is_no_deletion_and_is_watched_when_it_is_mounted_again() {
    if !is_inside() {
        let name = "an_unmounted_root_is_no_deletion_and_is_watched_when_it_is_mounted_again";
        assert_passed(again(&["-Urm"], "", name));
        return;
    }
    let mount = |context: &Path| {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "none"]).arg(context);
        assert!(mount.status().unwrap().success());
        fs::create_dir(context.join("src")).unwrap();
        fs::write(context.join("src/f"), "").unwrap();
    };
    let mut watched = Watched::after(mount);
    let scope = scope_of(watched.dir.path());
    let file = HostPath::new(watched.path("src/f")).unwrap();
    assert_eq!(look::look(&scope, std::slice::from_ref(&file)).len(), 1);
    let unmounted = Command::new("umount").arg(watched.path("")).status();
    assert!(unmounted.unwrap().success());
    watched.touched(&[""]).await;
    assert!(look::look(&scope, std::slice::from_ref(&file)).is_empty());
    mount(&watched.path(""));
    watched.touched(&["src/f"]).await;
    watched.write("src/g");
    watched.touched(&["src/g"]).await;
    assert_eq!(look::look(&scope, &[file]).len(), 1);
    let umount = Command::new("umount")
        .arg("-l")
        .arg(watched.path(""))
        .status();
    assert!(umount.unwrap().success());
}
