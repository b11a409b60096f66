//! What `tests/run` makes of the tests: what it reads out of the runner's report, and what it clears away. No engine is needed.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// A report as cargo-nextest writes it.
const REPORT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="nextest-run" tests="3" failures="1">
    <testsuite name="docker-liveupdate::real_engine" tests="2" failures="1">
        <testcase name="up::a_save_arrives" classname="docker-liveupdate::real_engine" timestamp="2026-11-27T00:00:00" time="1.521">
            <failure message="thread &apos;a&apos; panicked" type="test failure with exit code 101">thread &apos;a&apos; panicked
left: 1</failure>
            <system-out>running 1 test
it said &lt;b&gt; &amp;amp; &quot;c&quot;
</system-out>
            <system-err>thread &apos;a&apos; panicked
left: 1</system-err>
        </testcase>
        <testcase name="up::a_mount" classname="docker-liveupdate::real_engine" timestamp="2026-11-27T00:00:00" time="0.010">
            <system-out>running 1 test
SKIPPED: root, who alone may mount
test up::a_mount ... ok
</system-out>
        </testcase>
    </testsuite>
    <testsuite name="docker-liveupdate" tests="1">
        <testcase name="plan::tests::a" classname="docker-liveupdate" timestamp="2026-11-27T00:00:00" time="0.004">
            <system-out>a test that says SKIPPED is none</system-out>
        </testcase>
    </testsuite>
</testsuites>
"#;

/// What a script says that has read one of the parts of `tests/run`.
fn bash(part: &str, script: &str, home: &Path) -> String {
    let read =
        format!("set -euo pipefail; say() {{ echo \"$@\"; }}; source tests/{part}; {script}");
    let output = Command::new("bash")
        .args(["-c", &read])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("TMPDIR", home)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{script}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_test_passed_failed_or_was_skipped_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("report.xml"), REPORT).unwrap();
    assert_eq!(
        bash("results.sh", "cases \"$TMPDIR/report.xml\"", folder.path()),
        "failed\t1.521\tdocker-liveupdate::real_engine\tup::a_save_arrives\t\n\
         skipped\t0.010\tdocker-liveupdate::real_engine\tup::a_mount\troot, who alone may mount\n\
         passed\t0.004\tdocker-liveupdate\tplan::tests::a\t\n"
    );
}

#[test]
fn what_a_failed_test_printed_is_shown_in_full_and_once() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("report.xml"), REPORT).unwrap();
    let shown = bash(
        "results.sh",
        "output_of \"$TMPDIR/report.xml\" docker-liveupdate::real_engine up::a_save_arrives",
        folder.path(),
    );
    let shown: Vec<&str> = shown
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(
        shown,
        [
            "running 1 test",
            "it said <b> &amp; \"c\"",
            "thread 'a' panicked",
            "left: 1"
        ]
    );
}

/// What is left of a killed run is a folder and processes that have it as their temporary one.
#[test]
fn a_killed_runs_processes_and_folder_are_cleared_away_and_a_living_runs_are_not() {
    let home = tempfile::tempdir().unwrap();
    // A process that has ended, so that its number is nobody's.
    let mut ended = Command::new("true").spawn().unwrap();
    ended.wait().unwrap();
    let dead = home
        .path()
        .join(format!("liveupdate-tests.{}.abcdef", ended.id()));
    fs::create_dir_all(dead.join("project/locked")).unwrap();
    let start = |folder: &Path| {
        Command::new("sleep")
            .arg("1000")
            .env("TMPDIR", folder)
            .stdin(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut left = start(&dead);
    let mut other = start(home.path());
    // One that looks like a run at work.
    let script = "exec -a tests/run sleep 1000";
    let mut running = Command::new("bash").args(["-c", script]).spawn().unwrap();
    let command_line = format!("/proc/{}/cmdline", running.id());
    while !fs::read_to_string(&command_line)
        .unwrap()
        .starts_with("tests/run")
    {
        std::thread::yield_now();
    }
    let alive = home
        .path()
        .join(format!("liveupdate-tests.{}.abcdef", running.id()));
    fs::create_dir(&alive).unwrap();

    bash(
        "leftovers.sh",
        "USERS_TMPDIR=$TMPDIR; clean_up_after_killed_runs",
        home.path(),
    );
    assert!(!dead.exists());
    assert!(alive.exists());
    assert!(!left.wait().unwrap().success());
    assert!(other.try_wait().unwrap().is_none());
    assert!(running.try_wait().unwrap().is_none());
    for process in [&mut other, &mut running] {
        process.kill().unwrap();
        process.wait().unwrap();
    }
}
