//! The container's process under `init`: signals, ends, restarts.

use crate::needs::{is_root, needs};
use crate::place::{Place, bytes, code, hold, lives, send, started, terms, until};
use crate::program::write_program;
use docker_liveupdate::helper::{Code, FRESH, Link};
use docker_liveupdate::protocol::VERSION;
use rustix::process::Signal;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

const TERM: u32 = 15;
const LONG: Duration = Duration::from_secs(60);

/// A supervised shell script. `$LOG` in it is a file that the test reads.
struct Supervised {
    place: Place,
    init: Child,
}

impl Drop for Supervised {
    /// A supervisor that is killed leaves its processes behind; a test must not. They are known by their `$LOG`, as some
    /// have left the group, the session and their parents, and some come to be while this looks.
    fn drop(&mut self) {
        let log = [b"LOG=", bytes(&self.place.path("log")).as_slice()].concat();
        loop {
            let left: Vec<String> = fs::read_dir("/proc")
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|process| {
                    let environment = fs::read(process.join("environ")).unwrap_or_default();
                    environment.split(|byte| *byte == 0).any(|it| it == log)
                })
                .map(|process| process.file_name().unwrap().to_string_lossy().into_owned())
                .collect();
            if left.is_empty() {
                return;
            }
            for process in &left {
                // It may have ended meanwhile.
                let _ = send(process, Signal::KILL);
            }
        }
    }
}

impl Supervised {
    fn start(script: &str) -> Self {
        let place = Place::new();
        // A runner in a shell's background ignores interrupts, and hands that on; a container's process begins without.
        let mut command = Command::new("env");
        command
            .arg("--default-signal=INT,QUIT")
            .arg(place.init())
            .args(["init", "--", "/bin/sh", "-c", script])
            .env("LOG", place.path("log"));
        let init = started(&mut command);
        Self { place, init }
    }

    /// What the script wrote, word by word.
    fn log(&self) -> Vec<String> {
        fs::read_to_string(self.place.path("log"))
            .unwrap_or_default()
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    }

    /// Waits for so many words.
    async fn words(&self, count: usize) -> Vec<String> {
        until("the process wrote to its log", || self.log().len() >= count).await;
        self.log()
    }

    fn signal(&self, name: &str) {
        let pid = self.init.id().unwrap().to_string();
        let sent = std::process::Command::new("/bin/sh")
            .args(["-c", "kill -$0 $1", name, &pid])
            .status();
        assert!(sent.unwrap().success());
    }

    async fn code(&mut self) -> Option<i32> {
        self.init.wait().await.unwrap().code()
    }
}

#[tokio::test]
async fn it_ends_with_its_process_and_the_processs_code() {
    for (script, code) in [
        ("exit 0", 0),
        ("exit 7", 7),
        ("kill -9 $$", 137),
        ("kill -TERM $$", 143),
    ] {
        assert_eq!(
            Supervised::start(script).code().await,
            Some(code),
            "{script}"
        );
    }
}

#[tokio::test]
async fn a_process_that_cannot_start_is_named_and_gives_a_shells_code() {
    let place = Place::new();
    let text = place.container("text", "no program");
    for (program, code, reason) in [
        (PathBuf::from("/no/such"), 127, "no such file or directory"),
        (text, 126, "permission denied"),
    ] {
        let mut command = std::process::Command::new(place.init());
        let output = command.args(["init", "--"]).arg(&program).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code));
        assert_eq!(
            text.trim_end(),
            format!("cannot start `{}`: {reason}", program.display())
        );
    }
}

#[tokio::test]
async fn signals_reach_the_process() {
    for (name, code) in [
        ("TERM", 1),
        ("INT", 2),
        ("HUP", 3),
        ("QUIT", 4),
        ("USR1", 5),
        ("USR2", 6),
        ("WINCH", 7),
    ] {
        let script =
            format!("trap 'exit {code}' {name}; echo up >>$LOG; while :; do sleep 0.01; done");
        let mut supervised = Supervised::start(&script);
        supervised.words(1).await;
        supervised.signal(name);
        assert_eq!(supervised.code().await, Some(code), "{name}");
    }
}

#[tokio::test]
async fn the_process_gets_no_signal_mask_and_a_session_of_its_own() {
    let mut supervised = Supervised::start(
        "grep SigBlk /proc/self/status >>$LOG; cut -d' ' -f 1,6 /proc/$$/stat >>$LOG",
    );
    assert_eq!(supervised.code().await, Some(0));
    let log = supervised.log();
    assert_eq!(log[..2], ["SigBlk:", "0000000000000000"]);
    assert_eq!(log[2], log[3]);
}

#[tokio::test]
async fn a_restart_brings_a_new_process_without_ending_the_supervisor() {
    let mut supervised = Supervised::start("echo $$ >>$LOG; exec sleep 1000");
    supervised.words(1).await;
    let (mut link, _helper) = supervised.place.serve().await;
    for round in 1..=5 {
        let restarted = link.restart(TERM, LONG, FRESH).await.unwrap();
        assert!(!restarted.killed);
        let log = supervised.words(round + 1).await;
        assert!(lives(log[round].parse().unwrap()));
        until("the old process is gone", || {
            !lives(log[round - 1].parse().unwrap())
        })
        .await;
    }
    supervised.signal("TERM");
    assert_eq!(supervised.code().await, Some(143));
}

#[tokio::test]
async fn the_whole_group_gets_the_signal_and_may_use_the_grace() {
    // The shell ends at once; its child takes its time to say good-bye.
    let script = "sh -c 'trap \"sleep 0.2; echo bye >>$LOG; exit\" TERM; echo up >>$LOG; while :; do sleep 0.01; done' & wait";
    let supervised = Supervised::start(script);
    supervised.words(1).await;
    let (mut link, _helper) = supervised.place.serve().await;
    let restarted = link.restart(TERM, LONG, FRESH).await.unwrap();
    assert!(!restarted.killed);
    assert_eq!(supervised.words(3).await, ["up", "bye", "up"]);
}

#[tokio::test]
async fn a_process_that_ignores_every_signal_is_killed_after_the_grace() {
    let script = "trap '' TERM INT HUP QUIT USR1; echo $$ >>$LOG; while :; do sleep 0.01; done";
    let supervised = Supervised::start(script);
    supervised.words(1).await;
    let (mut link, _helper) = supervised.place.serve().await;
    let grace = Duration::from_millis(100);
    let begun = Instant::now();
    let restarted = link.restart(TERM, grace, FRESH).await.unwrap();
    assert!(restarted.killed && begun.elapsed() >= grace);
    let log = supervised.words(2).await;
    assert!(!lives(log[0].parse().unwrap()) && lives(log[1].parse().unwrap()));
}

#[tokio::test]
async fn a_process_that_stands_still_is_woken_to_hear_the_signal() {
    let supervised = Supervised::start("echo $$ >>$LOG; exec sleep 1000");
    let pid = supervised.words(1).await[0].clone();
    send(&pid, Signal::STOP).unwrap();
    let (mut link, _helper) = supervised.place.serve().await;
    assert!(!link.restart(TERM, LONG, FRESH).await.unwrap().killed);
}

#[tokio::test]
async fn what_forked_and_outlived_its_parent_is_gone_after_a_restart() {
    // One orphan in the group, one daemon in a session of its own, deaf to signals.
    let script = "(sleep 1000 & echo $! >>$LOG); \
                  setsid sh -c 'trap \"\" TERM; echo $$ >>$LOG; while :; do sleep 0.01; done' & \
                  while [ $(wc -w <$LOG) -lt 2 ]; do sleep 0.01; done; echo up >>$LOG; exec sleep 1000";
    let supervised = Supervised::start(script);
    let log = supervised.words(3).await;
    let (mut link, _helper) = supervised.place.serve().await;
    link.restart(TERM, LONG, FRESH).await.unwrap();
    let old: Vec<u32> = log.iter().filter_map(|word| word.parse().ok()).collect();
    assert_eq!(old.len(), 2);
    assert!(!old.iter().any(|pid| lives(*pid)));
}

/// The first run goes on; those after it end as this says.
fn then(end: &str) -> String {
    format!("[ -e $LOG ] && {{ echo again >>$LOG; {end}; }}; echo up >>$LOG; exec sleep 1000")
}

#[tokio::test]
async fn a_process_that_crashes_right_after_a_restart_waits_for_the_next_one() {
    for (crash, code) in [("exit 5", 5), ("kill -9 $$", 137)] {
        let mut supervised = Supervised::start(&then(crash));
        supervised.words(1).await;
        let (mut link, _helper) = supervised.place.serve().await;
        for round in 1..=3 {
            // With an update around it, and without.
            if round == 2 {
                assert!(hold(&mut link).await);
            }
            link.restart(TERM, LONG, FRESH).await.unwrap();
            assert!(!link.is_held());
            assert_eq!(link.crashed().await.unwrap(), code);
            assert_eq!(supervised.log().len(), 1 + round);
            // The link is good for anything else meanwhile.
            link.ping().await.unwrap();
            assert!(supervised.init.try_wait().unwrap().is_none());
        }
        // Nobody is left who could start it again.
        link.bye().await.unwrap();
        assert_eq!(supervised.code().await, i32::try_from(code).ok());
    }
}

/// A program of its own in the place, with this script.
fn write_script(place: &Place, script: &str) -> PathBuf {
    let program = place.path("program");
    write_program(&program, format!("#!/bin/sh\n{script}\n").as_bytes());
    program
}

#[tokio::test]
async fn a_program_that_an_update_made_unusable_waits_for_the_next_one() {
    let place = Place::new();
    let program = write_script(&place, "exec sleep 1000");
    let mut command = Command::new(place.init());
    let mut init = started(command.args(["init", "--"]).arg(&program));
    let (mut link, _helper) = place.serve().await;
    while !hold(&mut link).await {}
    link.release().await.unwrap();
    fs::remove_file(&program).unwrap();
    let error = link.restart(TERM, LONG, FRESH).await.unwrap_err();
    assert!(error.to_string().contains("cannot start"), "{error}");
    assert!(init.try_wait().unwrap().is_none());
    write_script(&place, "exit 6");
    link.restart(TERM, LONG, Duration::ZERO).await.unwrap();
    assert_eq!(init.wait().await.unwrap().code(), Some(6));
}

#[tokio::test]
async fn an_end_that_is_no_crash_of_an_update_ends_the_supervisor_with_its_code() {
    for (end, fresh, code) in [
        // It is done.
        ("exit 0", FRESH, 0),
        // It ran for longer than what counts as the update's.
        ("exit 5", Duration::ZERO, 5),
    ] {
        let mut supervised = Supervised::start(&then(end));
        supervised.words(1).await;
        let (mut link, _helper) = supervised.place.serve().await;
        link.restart(TERM, LONG, fresh).await.unwrap();
        assert_eq!(supervised.code().await, Some(code));
    }
}

/// As `docker stop` does it, whatever the container's stop signal is.
#[tokio::test]
async fn an_order_to_stop_ends_a_waiting_supervisor_at_once() {
    for signal in ["TERM", "USR2", "WINCH"] {
        let mut supervised = Supervised::start(&then("exit 5"));
        supervised.words(1).await;
        let (mut link, _helper) = supervised.place.serve().await;
        link.restart(TERM, LONG, FRESH).await.unwrap();
        link.crashed().await.unwrap();
        supervised.signal(signal);
        assert_eq!(supervised.code().await, Some(5), "{signal}");
    }
}

#[tokio::test]
async fn a_killed_helper_leaves_no_supervisor_that_waits() {
    let mut supervised = Supervised::start(&then("exit 5"));
    supervised.words(1).await;
    let (mut link, mut helper) = supervised.place.serve().await;
    link.restart(TERM, LONG, FRESH).await.unwrap();
    link.crashed().await.unwrap();
    helper.kill().await.unwrap();
    assert_eq!(supervised.code().await, Some(5));
}

#[tokio::test]
async fn a_process_that_crashes_during_an_update_waits_for_its_restart() {
    let script = "echo $$ >>$LOG; trap 'exit 9' USR1; while :; do sleep 0.01; done";
    let mut supervised = Supervised::start(script);
    let first = supervised.words(1).await[0].parse().unwrap();
    let (mut link, _helper) = supervised.place.serve().await;
    assert!(hold(&mut link).await);
    supervised.signal("USR1");
    until("the process crashed", || !lives(first)).await;
    link.restart(TERM, LONG, Duration::ZERO).await.unwrap();
    let second = supervised.words(2).await[1].parse().unwrap();
    // With the restart that update is over. In one without a restart, the end of the update is the end of the container.
    assert!(hold(&mut link).await);
    supervised.signal("USR1");
    until("the process crashed again", || !lives(second)).await;
    assert!(supervised.init.try_wait().unwrap().is_none());
    link.release().await.unwrap();
    assert_eq!(supervised.code().await, Some(9));
}

/// As `docker stop` would have it: a master ends its workers in its own way.
#[tokio::test]
async fn the_process_hears_the_signal_of_a_restart_before_its_group_does() {
    let worker = "trap \"echo hit >>$LOG\" TERM; trap \"echo finished >>$LOG; exit\" USR1; echo up >>$LOG; while :; do sleep 0.01; done";
    let script = format!(
        "sh -c '{worker}' & worker=$!; trap 'echo asked >>$LOG; kill -USR1 $worker; wait $worker; exit' TERM; \
         while :; do wait $worker; done"
    );
    let supervised = Supervised::start(&script);
    supervised.words(1).await;
    let (mut link, _helper) = supervised.place.serve().await;
    let restarted = link.restart(TERM, LONG, FRESH).await.unwrap();
    assert!(!restarted.killed);
    assert_eq!(supervised.words(4).await, ["up", "asked", "finished", "up"]);
}

/// A shell looks at its traps when the program that it waits for has ended.
#[tokio::test]
async fn a_process_that_waits_for_its_group_is_not_waited_for_in_vain() {
    let script = "trap 'echo trapped >>$LOG; exit' TERM; sh -c 'echo up >>$LOG; exec sleep 1000'";
    let supervised = Supervised::start(script);
    supervised.words(1).await;
    let (mut link, _helper) = supervised.place.serve().await;
    let grace = Duration::from_millis(200);
    let begun = Instant::now();
    let restarted = link.restart(TERM, grace, FRESH).await.unwrap();
    assert!(!restarted.killed && begun.elapsed() >= grace / 2);
    assert_eq!(supervised.words(3).await, ["up", "trapped", "up"]);
}

/// As `docker stop` does it: the process hears the signal and ends a moment later, and there is nothing left to wait for.
#[tokio::test]
async fn an_order_to_stop_during_an_update_is_obeyed() {
    let script = "trap 'sleep 0.2; exit 3' TERM; echo up >>$LOG; while :; do sleep 0.01; done";
    let mut supervised = Supervised::start(script);
    supervised.words(1).await;
    let (mut link, _helper) = supervised.place.serve().await;
    assert!(hold(&mut link).await);
    supervised.signal("TERM");
    assert_eq!(supervised.code().await, Some(3));
}

#[tokio::test]
async fn a_killed_helper_leaves_a_plain_supervisor() {
    let script = "echo $$ >>$LOG; trap 'exit 9' USR1; while :; do sleep 0.01; done";
    let mut supervised = Supervised::start(script);
    supervised.words(1).await;
    let (mut link, mut helper) = supervised.place.serve().await;
    assert!(hold(&mut link).await);
    helper.kill().await.unwrap();
    supervised.signal("USR1");
    assert_eq!(supervised.code().await, Some(9));
}

/// The restart is an update's last step: nobody has to say more.
#[tokio::test]
async fn after_the_restart_of_an_update_an_end_is_the_containers() {
    let script = "echo $$ >>$LOG; trap 'exit 9' USR1; while :; do sleep 0.01; done";
    let mut supervised = Supervised::start(script);
    supervised.words(1).await;
    let (mut link, _helper) = supervised.place.serve().await;
    assert!(hold(&mut link).await);
    link.restart(TERM, LONG, Duration::ZERO).await.unwrap();
    supervised.words(2).await;
    supervised.signal("USR1");
    assert_eq!(supervised.code().await, Some(9));
}

#[tokio::test]
async fn an_order_to_stop_during_a_restart_is_obeyed() {
    let script = "trap 'echo asked >>$LOG' TERM; trap 'exit 4' USR2; echo up >>$LOG; while :; do sleep 0.01; done";
    let mut supervised = Supervised::start(script);
    supervised.words(1).await;
    let (mut link, _helper) = supervised.place.serve().await;
    let restart = link.restart(TERM, LONG, FRESH);
    tokio::pin!(restart);
    tokio::select! {
        done = &mut restart => panic!("{done:?}"),
        log = supervised.words(2) => assert_eq!(log, ["up", "asked"]),
    }
    // As `docker stop` does it, and then the process ends after all.
    supervised.signal("TERM");
    supervised.words(3).await;
    supervised.signal("USR2");
    assert_eq!(code(&restart.await.unwrap_err()), Some(Code::NoSupervisor));
    assert_eq!(supervised.code().await, Some(4));
}

#[tokio::test]
async fn orphans_are_reaped() {
    let script = "(sleep 0.01 & echo $! >>$LOG); exec sleep 1000";
    let supervised = Supervised::start(script);
    let orphan = supervised.words(1).await[0].clone();
    until("the orphan is no zombie", || {
        !std::path::Path::new(&format!("/proc/{orphan}")).exists()
    })
    .await;
}

#[tokio::test]
async fn a_restart_without_a_supervisor_says_so() {
    let place = Place::new();
    let (mut link, _helper) = place.serve().await;
    assert!(!hold(&mut link).await);
    let error = link.restart(TERM, LONG, FRESH).await.unwrap_err();
    assert_eq!(code(&error), Some(Code::NoSupervisor));
    link.ping().await.unwrap();
}

#[tokio::test]
async fn as_process_1_and_another_user_it_is_found_by_roots_helper() {
    needs!(is_root(), "root, for namespaces of their own");
    let place = Place::new();
    let script = "echo $$ $(id -u) >>$0; (sleep 0.01 & echo $! >>$0); exec sleep 1000";
    let log = place.path("log");
    fs::write(&log, "").unwrap();
    std::os::unix::fs::chown(&log, Some(1234), None).unwrap();
    let mut command = Command::new("unshare");
    command.args([
        "--fork",
        "--pid",
        "--mount-proc",
        "--kill-child",
        "setpriv",
        "--reuid=1234",
        "--regid=1234",
    ]);
    command.args(["--clear-groups"]).arg(place.init());
    command
        .args(["init", "--", "/bin/sh", "-c", script])
        .arg(&log);
    let mut unshare = started(&mut command);
    let words = || fs::read_to_string(&log).unwrap().split_whitespace().count();
    until("it is up", || words() >= 3).await;
    let children = format!("/proc/{0}/task/{0}/children", unshare.id().unwrap());
    let init = fs::read_to_string(children).unwrap().trim().to_owned();

    let mut command = Command::new("nsenter");
    command
        .args(["--target", &init, "--mount", "--pid"])
        .arg(place.put_helper("serve"))
        .arg("serve");
    let mut helper = started(&mut command);
    let (reader, writer) = (helper.stdout.take().unwrap(), helper.stdin.take().unwrap());
    let mut link = Link::open(reader, writer, &terms()).await.unwrap();
    assert!(hold(&mut link).await);
    assert!(!link.restart(TERM, LONG, FRESH).await.unwrap().killed);
    until("it is up again", || words() >= 6).await;
    let told = fs::read_to_string(&log).unwrap();
    assert!(told.starts_with("2 1234\n"), "{told}");
    link.bye().await.unwrap();
    assert!(unshare.try_wait().unwrap().is_none());

    // `docker stop`: process 1 gets the signal although the kernel shields it from those it does not want.
    send(&init, Signal::TERM).unwrap();
    assert_eq!(unshare.wait().await.unwrap().code(), Some(143));
}

#[tokio::test]
async fn on_a_terminal_the_process_is_in_the_foreground_before_and_after_a_restart() {
    let place = Place::new();
    let log = place.path("log");
    let script = format!(
        "echo up >>{0}; while read word; do echo $word >>{0}; done",
        log.display()
    );
    let command = format!(
        "exec env --default-signal=INT,QUIT '{}' init -- /bin/sh -c '{script}'",
        place.init().display()
    );
    let mut terminal = started(Command::new("script").args(["-qec", &command, "/dev/null"]));
    let mut keyboard = terminal.stdin.take().unwrap();
    let mut screen = terminal.stdout.take().unwrap();
    let words = || {
        fs::read_to_string(&log)
            .unwrap_or_default()
            .split_whitespace()
            .count()
    };
    until("it is up", || words() == 1).await;
    keyboard.write_all(b"one\n").await.unwrap();
    until("it heard the keyboard", || words() == 2).await;
    let (mut link, _helper) = place.serve().await;
    link.restart(TERM, LONG, FRESH).await.unwrap();
    until("it is up again", || words() == 3).await;
    keyboard.write_all(b"two\n").await.unwrap();
    until("it heard the keyboard again", || words() == 4).await;
    assert_eq!(fs::read_to_string(&log).unwrap(), "up\none\nup\ntwo\n");
    // Ctrl-C is the terminal's own doing, and goes to the foreground.
    keyboard.write_all(b"\x03").await.unwrap();
    let mut shown = Vec::new();
    screen.read_to_end(&mut shown).await.unwrap();
    let status = terminal.wait().await.unwrap();
    assert_eq!(
        (status.code(), status.signal()),
        (Some(130), None),
        "{}",
        String::from_utf8_lossy(&shown)
    );
}

/// Issue 5, bad input: "a protocol of another version left by an older tool".
#[tokio::test]
async fn a_supervisor_of_another_version_is_none() {
    // An older one was given its own words by an older tool; what it would make of ours nobody knows.
    let place = Place::new();
    let home = place.init().parent().unwrap().to_owned();
    let _older = abstract_listener(&home, VERSION - 1);
    let (mut link, _helper) = place.serve().await;
    assert!(!hold(&mut link).await);
    let error = link.restart(TERM, LONG, FRESH).await.unwrap_err();
    assert_eq!(code(&error), Some(Code::NoSupervisor));
    let _same = abstract_listener(&home, VERSION);
    assert!(hold(&mut link).await, "the name is another one by now");
}

/// Where a supervisor of that version would listen.
fn abstract_listener(home: &std::path::Path, version: u32) -> std::os::unix::net::UnixListener {
    use std::os::linux::net::SocketAddrExt as _;
    let namespace = fs::read_link("/proc/self/ns/mnt").unwrap();
    let home = xxhash_rust::xxh3::xxh3_64(&bytes(home));
    let name = format!(
        "docker-liveupdate/{version}/{}/{home:016x}",
        namespace.display()
    );
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap();
    std::os::unix::net::UnixListener::bind_addr(&address).unwrap()
}
