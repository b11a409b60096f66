//! Commands: output, exit codes, users, timeouts; and no process is left behind.

use crate::needs::is_root;
use crate::place::{Pipes, Place, code, lives, until};
use docker_liveupdate::helper::{Code, Error};
use docker_liveupdate::transfer::{Ended, Exec, Stream};
use std::fs;
use std::time::Duration;

fn shell(script: &str) -> Exec {
    Exec {
        argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        ..Exec::default()
    }
}

/// Runs to the end, and tells what was written to which stream and how it ended.
async fn told(link: &mut Pipes, exec: &Exec) -> String {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let ended = link.run(exec, collect(&mut out, &mut err)).await;
    let [out, err] = [out, err].map(|text| String::from_utf8_lossy(&text).trim_end().to_owned());
    match ended {
        Ok(Ended::Exit(code)) => format!("out: {out}, err: {err}, code {code}"),
        Ok(Ended::TimedOut) => format!("out: {out}, err: {err}, timed out"),
        Err(error) => format!("error: {error}"),
    }
}

fn collect<'a>(out: &'a mut Vec<u8>, err: &'a mut Vec<u8>) -> impl FnMut(Stream, &[u8]) + 'a {
    |stream, bytes| match stream {
        Stream::Out => out.extend(bytes),
        Stream::Err => err.extend(bytes),
    }
}

#[tokio::test]
async fn a_commands_output_and_exit_code_come_back() {
    let place = Place::new();
    let (mut link, _helper) = place.serve().await;
    let script = shell("echo to out; echo to err >&2; exit 3");
    assert_eq!(
        told(&mut link, &script).await,
        "out: to out, err: to err, code 3"
    );
    assert_eq!(
        told(&mut link, &shell("kill -9 $$")).await,
        "out: , err: , code 137"
    );
    let quiet = Exec {
        argv: vec!["true".into()],
        ..Exec::default()
    };
    assert_eq!(told(&mut link, &quiet).await, "out: , err: , code 0");
}

#[tokio::test]
async fn output_streams_while_the_command_runs() {
    let place = Place::new();
    let (mut link, _helper) = place.serve().await;
    // The command waits for a file that only its own output brings about.
    let go = place.path("go");
    let script = format!(
        "echo ready; while [ ! -e {} ]; do :; done; echo done",
        go.display()
    );
    let mut out = Vec::new();
    let ended = link
        .run(&shell(&script), |_, bytes| {
            out.extend(bytes);
            fs::write(&go, "").unwrap();
        })
        .await
        .unwrap();
    assert_eq!(
        (ended, out.as_slice()),
        (Ended::Exit(0), &b"ready\ndone\n"[..])
    );
}

#[tokio::test]
async fn large_output_arrives_whole() {
    let place = Place::new();
    let (mut link, _helper) = place.serve().await;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let script = shell("head -c 3000000 /dev/zero; head -c 2000000 /dev/zero >&2");
    link.run(&script, collect(&mut out, &mut err))
        .await
        .unwrap();
    assert_eq!((out.len(), err.len()), (3_000_000, 2_000_000));
}

#[tokio::test]
async fn a_missing_program_is_127_and_one_that_cannot_be_executed_126_with_the_reason() {
    let place = Place::new();
    let (mut link, _helper) = place.serve().await;
    let text = place.container("text", "no program");
    let mut command = Exec {
        argv: vec!["no-such-program".into()],
        ..Exec::default()
    };
    assert_eq!(
        told(&mut link, &command).await,
        "out: , err: exec: `no-such-program`: no such file or directory, code 127"
    );
    command.argv = vec![text.to_str().unwrap().into()];
    let told = told(&mut link, &command).await;
    assert!(told.ends_with(": permission denied, code 126"), "{told}");
}

#[tokio::test]
async fn working_directory_and_environment_are_the_commands() {
    let place = Place::new();
    let (mut link, _helper) = place.serve().await;
    let mut command = shell("pwd; echo $A-$B; umask");
    command.environment = vec![("A".into(), "x=y z".into()), ("B".into(), String::new())];
    assert_eq!(
        told(&mut link, &command).await,
        "out: /\nx=y z-\n0022, err: , code 0"
    );
    command.workdir = "/usr/bin".into();
    assert!(
        told(&mut link, &command)
            .await
            .starts_with("out: /usr/bin\n")
    );
    command.workdir = "/no/such".into();
    assert_eq!(
        told(&mut link, &command).await,
        "error: `/no/such`: no such file or directory"
    );
}

#[tokio::test]
async fn a_command_runs_as_the_user_of_the_containers_own_files() {
    let place = Place::new();
    let (mut link, _helper) = place.serve().await;
    let mut command =
        shell("id -u; id -g; id -G; echo $HOME; grep -c . /proc/self/status >/dev/null; umask");
    command.user = Some("no-such-user".into());
    let error = link.run(&command, |_, _| {}).await.unwrap_err();
    assert_eq!(code(&error), Some(Code::User));
    assert_eq!(error.to_string(), "no user `no-such-user` in /etc/passwd");
    if is_root() {
        command.user = Some("1234:4321".into());
        assert_eq!(
            told(&mut link, &command).await,
            "out: 1234\n4321\n4321\n/\n0022, err: , code 0"
        );
        command.user = Some("daemon".into());
        assert_eq!(
            told(&mut link, &command).await,
            "out: 1\n1\n1\n/usr/sbin\n0022, err: , code 0"
        );
    }
}

#[tokio::test]
async fn a_command_that_hangs_ends_at_its_timeout_with_its_whole_tree() {
    let place = Place::new();
    let (mut link, _helper) = place.serve().await;
    let pids = place.path("pids");
    // Everyone is deaf to SIGTERM, one has left the group, and one has lost its parent as well.
    let script = format!(
        "trap '' TERM; echo $$ >>{0}; (sleep 1000 & echo $! >>{0}; sleep 1000) & \
         setsid sh -c 'echo $$ >>{0}; sleep 1000' & (setsid sleep 1000 & echo $! >>{0}) ; echo up; wait",
        pids.display()
    );
    let mut command = shell(&script);
    command.timeout = Some(Duration::from_secs(2));
    assert_eq!(told(&mut link, &command).await, "out: up, err: , timed out");
    let pids: Vec<u32> = fs::read_to_string(&pids)
        .unwrap()
        .lines()
        .map(|line| line.parse().unwrap())
        .collect();
    assert_eq!(pids.len(), 4);
    until("all of them are gone", || {
        !pids.iter().any(|pid| lives(*pid))
    })
    .await;
    assert_eq!(
        told(&mut link, &shell("echo next")).await,
        "out: next, err: , code 0"
    );
}

#[tokio::test]
async fn a_command_that_ends_at_sigterm_is_not_killed() {
    let place = Place::new();
    let (mut link, _helper) = place.serve().await;
    let mut command = shell("trap 'echo bye; exit 9' TERM; while :; do :; done");
    command.timeout = Some(Duration::from_secs(2));
    assert_eq!(
        told(&mut link, &command).await,
        "out: bye, err: , timed out"
    );
}

#[tokio::test]
async fn a_command_ends_when_the_host_vanishes() {
    let place = Place::new();
    let (mut link, mut helper) = place.serve().await;
    let up = place.path("up");
    let script = format!(
        "echo $$ >{0}.part; mv {0}.part {0}; sleep 1000",
        up.display()
    );
    let command = shell(&script);
    tokio::select! {
        ended = link.run(&command, |_, _| {}) => panic!("{ended:?}"),
        () = until("it runs", || up.exists()) => {}
    }
    assert!(matches!(link.ping().await, Err(Error::OutOfStep)));
    drop(link);
    helper.wait().await.unwrap();
    let pid: u32 = fs::read_to_string(&up).unwrap().trim().parse().unwrap();
    until("the command is gone", || !lives(pid)).await;
}

#[tokio::test]
async fn what_a_command_leaves_in_the_background_is_not_waited_for() {
    let place = Place::new();
    let (mut link, _helper) = place.serve().await;
    let left = place.path("left");
    let script = format!("sleep 1000 & echo $! >{}; echo started", left.display());
    assert_eq!(
        told(&mut link, &shell(&script)).await,
        "out: started, err: , code 0"
    );
    let left: u32 = fs::read_to_string(&left).unwrap().trim().parse().unwrap();
    assert!(lives(left));
    // When it ends it is reaped, though its parent is long gone.
    assert_eq!(
        told(&mut link, &shell(&format!("kill {left}"))).await,
        "out: , err: , code 0"
    );
    until("no zombie is left", || {
        !std::path::Path::new(&format!("/proc/{left}")).exists()
    })
    .await;
}
