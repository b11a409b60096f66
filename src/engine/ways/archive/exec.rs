//! Runs commands in containers: create, start, read to the end, inspect; and ends their process tree after a timeout. Knows nothing of files.

mod environment;
mod frames;
mod own;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::models::ExecConfig;
use bytes::Bytes;
use futures_util::StreamExt;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, sleep, timeout};

pub(in crate::engine) use self::environment::own_environment;
use crate::engine::client::{Docker, refused};
use crate::engine::{ContainerId, Ended, EngineError, Exec, Stream};

/// A variable in the environment of a command with a timeout. Children inherit it, so the command's process tree can be recognised.
const MARK: &str = "LIVEUPDATE_EXEC";

/// Sends the signal `$2` to every process that has the mark `$1` in its environment, or is in the session of one that has; prints how many.
///
/// The engine reports only the host's process IDs, which are useless when it is remote, so the container's own `/proc` is read.
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

/// How long an engine that reports a command as ended has to find out its exit code.
const NO_CODE: Duration = Duration::from_secs(10);

/// How an exec is started: we get its streams, in frames.
const START: &str = r#"{"Detach":false,"Tty":false}"#;

/// A started exec: its ID, its output and its input.
pub(in crate::engine) struct Started {
    pub(in crate::engine) id: String,
    pub(in crate::engine) output: frames::Output,
    pub(in crate::engine) input: std::pin::Pin<Box<dyn tokio::io::AsyncWrite + Send>>,
}

impl Docker {
    /// C7: runs a command, in `/` unless told otherwise; a timeout ends its whole process tree.
    pub(in crate::engine) async fn exec(
        &self,
        container: &ContainerId,
        exec: &Exec,
        output: &mut (dyn FnMut(Stream, &[u8]) + Send),
    ) -> Result<Ended, EngineError> {
        let Exec {
            argv,
            workdir,
            user,
            privileged,
            environment,
            timeout: limit,
        } = exec;
        let mark = limit.map(|_| new_mark());
        let mut env: Vec<String> = environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        env.extend(mark.iter().map(|mark| format!("{MARK}={mark}")));
        let config = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(argv.clone()),
            env: Some(env),
            user: user.clone(),
            privileged: privileged.then_some(true),
            working_dir: (!workdir.is_empty()).then(|| workdir.clone()),
            ..ExecConfig::default()
        };
        let mut started = self.start_exec(container, config).await?;
        let Some((limit, mark)) = limit.zip(mark) else {
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

    /// Sends `TERM`, waits, then sends `KILL` until no process is left.
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
                // The container ended, and everything in it.
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
                // Signal 0 only asks whether any process is left, so that `TERM` is sent once.
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

    /// The exit code, once there is one. The streams may close a moment earlier, or much earlier if the command closes them itself. How
    /// long it takes is up to the command; the end of its container ends the wait too.
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

/// Passes all output on. A broken stream ends it; the exit code (or its absence) tells why.
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

/// No two of our commands have the same mark, even if two tools run.
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
