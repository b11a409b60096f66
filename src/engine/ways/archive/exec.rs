//! Runs commands in containers: create, start, drain, inspect; and ends their process tree when their time is up. Knows nothing of files.

mod environment;
mod frames;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::models::ExecConfig;
use bytes::Bytes;
use futures_util::StreamExt;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep, timeout};

pub(in crate::engine) use self::environment::own_environment;
use crate::engine::client::{Docker, refused};
use crate::engine::transport::{cut, size};
use crate::engine::{ContainerId, Ended, EngineError, Exec, Stream};
use crate::harmless;

/// In the environment of a command with a timeout, so that its process tree can be told from the rest: children inherit it.
const MARK: &str = "LIVEUPDATE_EXEC";

/// Sends the signal `$2` to every process that carries the mark `$1` in its environment, or is of the session of one that does; prints how many.
///
/// The engine tells only the host's process IDs, which mean nothing when it is remote, so the container's own `/proc` is asked.
/// It needs `sh` and `cat`. A process that both cleared its environment and began a new session is not found.
const END_TREE: &str = r#"
sessions=' '; found=0
session_of() { read -r line < "$1/stat" && set -- ${line##*) } && session=$4; }
for round in 1 2; do
  for p in /proc/[0-9]*; do
    [ "${p#/proc/}" = $$ ] && continue
    session_of "$p" 2>/dev/null || continue
    case $round in
    1) case "$(cat "$p/environ" 2>/dev/null)" in *"LIVEUPDATE_EXEC=$1"*) sessions="$sessions$session " ;; esac ;;
    2) mine=no
       case "$sessions" in *" $session "*) [ "$session" != 0 ] && mine=yes ;; esac
       case "$line" in *") Z "*) mine=no ;; esac
       [ $mine = yes ] && kill -"$2" "${p#/proc/}" 2>/dev/null && found=$((found + 1)) ;;
    esac
  done
done
echo $found
"#;

/// How long a command has to end after `TERM`.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How often `KILL` is repeated against a tree that keeps forking.
const KILLS: usize = 20;

/// An engine that says a command does not run, but not how it ended, has so long to find out.
const NO_CODE: Duration = Duration::from_secs(10);

/// As much of what a command of ours said is shown.
const SHOWN: usize = 2 * 1024;

/// What a command of our own may take: a container's processes can stop it, slow it down, or stand in for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Allowance {
    /// Until its exit code is known.
    time: Duration,
    /// Of both streams.
    output: u64,
    /// Of its complaints, beyond which they are dropped: one for each argument is as good as none.
    complaints: usize,
}

impl Allowance {
    /// Grows with what it is given: a line about each of the shortest paths is four times as long as the path.
    fn of(argv: &[&str], input: &[u8]) -> Self {
        // Each argument costs its bytes, an end and a pointer.
        let arguments: usize = argv.iter().map(|argument| argument.len() + 9).sum();
        let given = (arguments + input.len()) as u64;
        Self {
            time: Duration::from_secs(30 + given / (16 * 1024)),
            output: 64 * 1024 + 16 * given,
            complaints: 64 * 1024,
        }
    }
}

/// How an exec is started: its streams are ours, in frames.
const START: &str = r#"{"Detach":false,"Tty":false}"#;

/// A started exec: its ID and its two ends.
pub(in crate::engine) struct Started {
    pub(in crate::engine) id: String,
    pub(in crate::engine) output: frames::Output,
    pub(in crate::engine) input: std::pin::Pin<Box<dyn tokio::io::AsyncWrite + Send>>,
}

/// Output of a short command of our own, kept whole.
pub(in crate::engine) struct ExecOutput {
    pub(in crate::engine) code: i64,
    pub(in crate::engine) out: Vec<u8>,
    pub(in crate::engine) err: Vec<u8>,
}

impl Docker {
    /// C7: runs a command, from `/` unless told otherwise; a timeout ends its whole process tree.
    pub(in crate::engine) async fn exec(
        &self,
        container: &ContainerId,
        exec: &Exec,
        output: &mut (dyn FnMut(Stream, &[u8]) + Send),
    ) -> Result<Ended, EngineError> {
        let mark = exec.timeout.map(|_| new_mark());
        let mut env: Vec<String> = exec
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        env.extend(mark.iter().map(|mark| format!("{MARK}={mark}")));
        let config = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(exec.argv.clone()),
            env: Some(env),
            user: exec.user.clone(),
            privileged: exec.privileged.then_some(true),
            working_dir: (!exec.workdir.is_empty()).then(|| exec.workdir.clone()),
            ..ExecConfig::default()
        };
        let mut started = self.start_exec(container, config).await?;
        let Some((limit, mark)) = exec.timeout.zip(mark) else {
            drain(&mut started, output).await;
            return self
                .exit_code(container, &started.id)
                .await
                .map(Ended::Exit);
        };
        let whole = async {
            drain(&mut started, output).await;
            self.exit_code(container, &started.id).await
        };
        if let Ok(code) = timeout(limit, whole).await {
            return code.map(Ended::Exit);
        }
        self.end_tree(container, &mark, limit).await?;
        let _ = timeout(LAST_WORDS, drain(&mut started, output)).await;
        Ok(Ended::TimedOut)
    }

    /// `TERM`, some time to obey, then `KILL` until nobody is left.
    async fn end_tree(
        &self,
        container: &ContainerId,
        mark: &str,
        limit: Duration,
    ) -> Result<(), EngineError> {
        let mut signal = "TERM";
        let patience = Instant::now() + LAST_WORDS;
        let mut kills = 0;
        loop {
            let argv = ["sh", "-c", END_TREE, "sh", mark, signal];
            let said = match self.root_exec(container, &argv, Bytes::new()).await {
                Ok(said) => said,
                // The container ended with everything in it.
                Err(EngineError::NotRunning(_) | EngineError::Gone(_)) => return Ok(()),
                Err(error) => return Err(error),
            };
            let left = String::from_utf8_lossy(&said.out).trim().parse::<u64>();
            match left {
                Ok(0) => return Ok(()),
                Ok(_) if kills < KILLS => {}
                _ => {
                    return Err(EngineError::Refused(format!(
                        "the command did not end within {} and could not be killed: {}\nhint: without `sh` and `cat` in the image, only the in-container helper can end a command",
                        humantime::format_duration(limit),
                        said.words()
                    )));
                }
            }
            if Instant::now() < patience && signal == "TERM" {
                // Ask with signal 0 whether anybody is left, so that `TERM` is sent once.
                signal = "0";
            } else if Instant::now() >= patience {
                signal = "KILL";
                kills += 1;
            }
            if signal == "0" {
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// A command of our own as root, with `input` on its stdin.
    pub(in crate::engine) async fn root_exec(
        &self,
        container: &ContainerId,
        argv: &[&str],
        input: Bytes,
    ) -> Result<ExecOutput, EngineError> {
        self.own_exec(container, "0", argv, input).await
    }

    /// A command of our own, with `input` on its stdin, as `user`: a name, `uid` or `uid:gid`. It has an environment of its own,
    /// and an end: what takes longer or says more than what it was given explains is refused. In the container it may go on.
    pub(in crate::engine) async fn own_exec(
        &self,
        container: &ContainerId,
        user: &str,
        argv: &[&str],
        input: Bytes,
    ) -> Result<ExecOutput, EngineError> {
        let allowance = Allowance::of(argv, &input);
        let whole = self.own_exec_within(container, user, argv, input, allowance.output);
        let said = timeout(allowance.time, whole).await;
        let program = argv.first().copied().unwrap_or_default();
        let mut said = said.unwrap_or_else(|_| {
            Err(EngineError::Refused(format!(
                "`{program}` in the container did not end within {} s",
                allowance.time.as_secs()
            )))
        })?;
        said.err.truncate(allowance.complaints);
        Ok(said)
    }

    async fn own_exec_within(
        &self,
        container: &ContainerId,
        user: &str,
        argv: &[&str],
        input: Bytes,
        most: u64,
    ) -> Result<ExecOutput, EngineError> {
        let config = ExecConfig {
            attach_stdin: Some(!input.is_empty()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(argv.iter().map(ToString::to_string).collect()),
            env: Some(own_environment()),
            user: Some(user.to_owned()),
            working_dir: Some("/".to_owned()),
            ..ExecConfig::default()
        };
        let mut started = self.start_exec(container, config).await?;
        let mut stdin = std::mem::replace(&mut started.input, Box::pin(tokio::io::sink()));
        // A command that ends before it read all closes the pipe: its exit code tells.
        let feed = async {
            if !input.is_empty() && stdin.write_all(&input).await.is_ok() {
                let _ = stdin.shutdown().await;
            }
            Ok(())
        };
        let ((), (out, err)) =
            tokio::try_join!(feed, collect(&mut started, most)).map_err(|()| {
                let program = argv.first().copied().unwrap_or_default();
                EngineError::Refused(format!(
                    "`{program}` in the container wrote more than {}",
                    size(most)
                ))
            })?;
        let code = self.exit_code(container, &started.id).await?;
        Ok(ExecOutput { code, out, err })
    }

    pub(in crate::engine) async fn start_exec(
        &self,
        container: &ContainerId,
        config: ExecConfig,
    ) -> Result<Started, EngineError> {
        let id = self
            .inner
            .api
            .create_exec(&container.0, config)
            .await
            .map_err(|error| refused(error, container))?
            .id;
        let started = self
            .upgraded(&format!("/exec/{id}/start"), START.to_owned(), container)
            .await?;
        let (output, input) = tokio::io::split(TokioIo::new(started));
        Ok(Started {
            id,
            output: frames::output(output),
            input: Box::pin(input),
        })
    }

    /// The exit code, once there is one: the streams may close a moment (or, for a command that closes them itself, long) before.
    /// How long that takes is the command's; the end of its container ends it as well.
    pub(in crate::engine) async fn exit_code(
        &self,
        container: &ContainerId,
        exec: &str,
    ) -> Result<i64, EngineError> {
        let mut pause = Duration::from_millis(1);
        let mut ended = None;
        loop {
            let seen = self
                .inner
                .api
                .inspect_exec(exec)
                .await
                .map_err(|error| refused(error, container))?;
            if seen.running != Some(true)
                && let Some(code) = seen.exit_code
            {
                return Ok(code);
            }
            if seen.running == Some(true) {
                ended = None;
            } else if ended.get_or_insert_with(Instant::now).elapsed() > NO_CODE {
                return Err(EngineError::Refused(
                    "the engine does not tell how a command ended".to_owned(),
                ));
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(200));
        }
    }
}

impl ExecOutput {
    /// What the command said, or its beginning, for an error.
    pub(in crate::engine) fn words(&self) -> String {
        let all = [self.err.as_slice(), self.out.as_slice()].concat();
        let text = String::from_utf8_lossy(&all);
        match text.trim() {
            "" => format!("exit code {}", self.code),
            said => harmless::quoted(&cut(said.to_owned(), SHOWN)),
        }
    }
}

/// Hands all output on; a broken stream ends it, and the exit code (or its absence) tells why.
async fn drain(started: &mut Started, output: &mut (dyn FnMut(Stream, &[u8]) + Send)) {
    while let Some(Ok(part)) = started.output.next().await {
        match part {
            LogOutput::StdErr { message } => output(Stream::Err, &message),
            LogOutput::StdOut { message } | LogOutput::Console { message } => {
                output(Stream::Out, &message);
            }
            LogOutput::StdIn { .. } => {}
        }
    }
}

/// Keeps all output, as long as it is not too much.
async fn collect(started: &mut Started, most: u64) -> Result<(Vec<u8>, Vec<u8>), ()> {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while let Some(Ok(part)) = started.output.next().await {
        let to = match part {
            LogOutput::StdErr { .. } => &mut err,
            _ => &mut out,
        };
        to.extend_from_slice(&part.into_bytes());
        if (out.len() + err.len()) as u64 > most {
            return Err(());
        }
    }
    Ok((out, err))
}

/// No two commands of ours share a mark, not even those of two tools.
fn new_mark() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    format!(
        "{:x}-{:x}-{:x}.",
        std::process::id(),
        now.as_nanos(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_of_ours_may_take_more_the_more_it_is_given() {
        assert_eq!(Allowance::of(&["rmdir"], b"").time, Duration::from_secs(30));
        let path = "x".repeat(1024 - 9);
        let many = vec![path.as_str(); 256];
        let large = Allowance::of(&many, b"");
        assert_eq!(large.time, Duration::from_secs(30 + 16));
        assert_eq!(large.output, 64 * 1024 + 16 * 256 * 1024);
        assert_eq!(Allowance::of(&[], &[0; 1024]).output, 64 * 1024 + 16 * 1024);
    }

    #[test]
    fn a_line_about_each_of_the_shortest_paths_is_allowed() {
        let many = vec!["/a"; 20_000];
        let told = "81a4 4294967294 4294967294 /a\n".len();
        let complained = "stat: cannot statx '/a': No such file or directory\n".len();
        let said = (told + complained) * many.len();
        assert!(said as u64 <= Allowance::of(&many, b"").output);
    }

    #[test]
    fn what_a_command_said_is_shown_up_to_some_lines() {
        let said = |err: &str| ExecOutput {
            code: 3,
            out: Vec::new(),
            err: err.into(),
        };
        assert_eq!(said("\n").words(), "exit code 3");
        assert_eq!(said("rm: no\n").words(), "rm: no");
        assert_eq!(said(&"x".repeat(100_000)).words().len(), SHOWN + 3);
    }

    use crate::harmless::everywhere::{HOSTILE, assert_harmless};

    #[test]
    fn what_a_command_of_ours_said_is_quoted() {
        let said = ExecOutput {
            code: 1,
            out: HOSTILE.into(),
            err: b"rm: \xff\n".to_vec(),
        };
        assert_harmless(&said.words());
    }
}
