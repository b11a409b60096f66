//! Programs that we start for an answer. Each runs in a process group of its own, so that it can be ended with everything it has
//! started, and none outlives us. Knows nothing about what they do.

use std::io;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

use groups::Group;

/// A running program. Dropping it ends it at once, with everything it has started.
#[derive(Debug)]
pub struct Started {
    /// The program itself, whose pipes can be taken.
    pub child: Child,
    group: Group,
}

/// How much a program may write to each of its outputs, and how long it may run.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For each output, in bytes.
    pub length: u64,
    /// From its start until it has ended and its outputs are read.
    pub time: Duration,
}

impl Limits {
    /// No limits: for a program that the user waits for and can end.
    pub const NONE: Self = Self {
        length: u64::MAX,
        time: Duration::MAX,
    };
}

/// Starts a program. Ctrl-C in a terminal does not reach it: it is ended by dropping what is returned.
pub fn start(mut command: Command) -> io::Result<Started> {
    command.kill_on_drop(true);
    let (child, group) = Group::start(&mut command)?;
    Ok(Started { child, group })
}

/// Runs a program without input to its end; an error when it exceeds `limits`.
pub async fn output(mut command: Command, limits: Limits) -> io::Result<Output> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut started = start(command)?;
    let pipes = (started.child.stdout.take(), started.child.stderr.take());
    let (Some(stdout), Some(stderr)) = pipes else {
        return Err(io::Error::other("it has no pipes"));
    };
    let whole = async {
        tokio::try_join!(
            all(stdout, limits.length),
            all(stderr, limits.length),
            started.child.wait()
        )
    };
    let ended = tokio::time::timeout(limits.time, whole).await;
    let (stdout, stderr, status) = ended.map_err(|_| {
        let seconds = limits.time.as_secs();
        io::Error::new(
            io::ErrorKind::TimedOut,
            format!("it did not end within {seconds} s"),
        )
    })??;
    started.group.has_ended();
    Ok(Output {
        status,
        stdout,
        stderr,
    })
}

async fn all(from: impl AsyncRead + Unpin, limit: u64) -> io::Result<Vec<u8>> {
    let mut said = Vec::new();
    from.take(limit.saturating_add(1))
        .read_to_end(&mut said)
        .await?;
    if said.len() as u64 > limit {
        let limit = limit >> 20;
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it says more than {limit} MiB"),
        ));
    }
    Ok(said)
}

/// Ends all programs that are running, at once; no other can be started after this.
pub fn end_all() {
    groups::end_all();
}

#[cfg(unix)]
mod groups {
    use std::collections::BTreeSet;
    use std::io;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use rustix::process::{Pid, Signal, kill_process_group};
    use tokio::process::{Child, Command};

    /// The running groups. Global, because the end of the process concerns all of them, whichever task started them.
    static RUNNING: Mutex<Running> = Mutex::new(Running {
        groups: BTreeSet::new(),
        ended: false,
    });

    struct Running {
        groups: BTreeSet<i32>,
        ended: bool,
    }

    fn running() -> MutexGuard<'static, Running> {
        // A panic while the lock was held cannot have left this half changed.
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A process group, by its leader's process ID; `None` once it has ended.
    #[derive(Debug)]
    pub struct Group(Option<i32>);

    impl Group {
        pub fn start(command: &mut Command) -> io::Result<(Child, Self)> {
            command.process_group(0);
            // The lock is held until the group is entered, so that `end_all` misses none.
            let mut running = running();
            if running.ended {
                return Err(io::Error::new(
                    io::ErrorKind::Interrupted,
                    "this process is about to end",
                ));
            }
            let child = command.spawn()?;
            let id = child.id().and_then(|id| i32::try_from(id).ok());
            running.groups.extend(id);
            Ok((child, Self(id)))
        }

        /// All its processes have ended, and its number may soon be another group's.
        pub fn has_ended(&mut self) {
            if let Some(id) = self.0.take() {
                running().groups.remove(&id);
            }
        }
    }

    impl Drop for Group {
        fn drop(&mut self) {
            if let Some(id) = self.0.take()
                && running().groups.remove(&id)
            {
                end(id);
            }
        }
    }

    pub fn end_all() {
        let mut running = running();
        running.ended = true;
        for id in std::mem::take(&mut running.groups) {
            end(id);
        }
    }

    fn end(id: i32) {
        if let Some(group) = Pid::from_raw(id) {
            // They write no files, so nothing needs tidying up; and they may have ended already.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

#[cfg(not(unix))]
mod groups {
    use std::io;

    use tokio::process::{Child, Command};

    /// Windows has no such groups: Ctrl-C reaches all processes of a console, and a dropped child is killed by itself.
    #[derive(Debug)]
    pub struct Group;

    impl Group {
        pub fn start(command: &mut Command) -> io::Result<(Child, Self)> {
            Ok((command.spawn()?, Self))
        }

        #[expect(clippy::unused_self, reason = "as on unix")]
        pub fn has_ended(&mut self) {}
    }

    pub fn end_all() {}
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    async fn said(script: &str, limits: Limits) -> Result<String, String> {
        let output = output(shell(script), limits).await;
        let output = output.map_err(|error| error.to_string())?;
        Ok(format!(
            "{}{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            output.status
        ))
    }

    #[tokio::test]
    async fn what_a_program_says_is_returned_with_its_end() {
        let said = said("echo one; echo two >&2; exit 3", Limits::NONE).await;
        assert_eq!(said.unwrap(), "one\ntwo\nexit status: 3");
    }

    #[tokio::test]
    async fn a_program_that_says_too_much_is_ended() {
        let limits = Limits {
            length: 1 << 20,
            ..Limits::NONE
        };
        for script in ["yes", "yes >&2", "yes & wait"] {
            let said = said(script, limits).await;
            assert_eq!(said.unwrap_err(), "it says more than 1 MiB");
        }
    }

    #[tokio::test(start_paused = true)] // the clock jumps ahead by itself
    async fn a_program_that_takes_too_long_is_ended() {
        let limits = Limits {
            time: Duration::from_secs(60),
            ..Limits::NONE
        };
        let said = said("sleep 1000", limits).await;
        assert_eq!(said.unwrap_err(), "it did not end within 60 s");
    }

    #[tokio::test]
    async fn what_a_dropped_program_started_ends_with_it() {
        let mut command = shell("sleep 1000 & echo ready; wait");
        command.stdout(Stdio::piped());
        let mut started = start(command).unwrap();
        let mut stdout = started.child.stdout.take().unwrap();
        let mut ready = [0; 6];
        stdout.read_exact(&mut ready).await.unwrap();
        drop(started);
        // Both had the pipe open: this ends when both are gone.
        stdout.read_to_end(&mut Vec::new()).await.unwrap();
    }
}
