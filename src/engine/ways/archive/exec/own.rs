//! Our own commands in a container: short ones, each with an environment of its own and limits to its time and output.

use std::time::Duration;

use bollard::models::ExecConfig;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::{Started, own_environment};
use crate::engine::client::Docker;
use crate::engine::transport::{cut, size};
use crate::engine::{ContainerId, EngineError};
use crate::harmless;
use bollard::container::LogOutput;

/// How many bytes of such a command's output are shown.
const SHOWN: usize = 2 * 1024;

/// The limits of one of our commands: a container's processes can stop it, slow it down, or replace the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Allowance {
    /// Until its exit code is known.
    time: Duration,
    /// The most bytes of both streams together.
    output: u64,
    /// The most bytes of error output; more is dropped, since one complaint says as much as one for each argument.
    complaints: usize,
}

impl Allowance {
    /// Grows with the input: a line about each of the shortest paths is four times as long as the path.
    fn of(argv: &[&str], input: &[u8]) -> Self {
        // Each argument costs its bytes, a terminator and a pointer.
        let arguments: usize = argv.iter().map(|argument| argument.len() + 9).sum();
        let given = (arguments + input.len()) as u64;
        Self {
            time: Duration::from_secs(30 + given / (16 * 1024)),
            output: 64 * 1024 + 16 * given,
            complaints: 64 * 1024,
        }
    }
}

/// The complete output of one of our commands.
pub(in crate::engine) struct ExecOutput {
    pub(in crate::engine) code: i64,
    pub(in crate::engine) out: Vec<u8>,
    pub(in crate::engine) err: Vec<u8>,
}

impl Docker {
    /// Runs one of our commands as root, with `input` on its stdin.
    pub(in crate::engine) async fn root_exec(
        &self,
        container: &ContainerId,
        argv: &[&str],
        input: Bytes,
    ) -> Result<ExecOutput, EngineError> {
        self.own_exec(container, "0", argv, input).await
    }

    /// Runs one of our commands as `user` (a name, `uid` or `uid:gid`) with `input` on its stdin and an environment of its own. One that
    /// takes longer or writes more than its input explains is an error; in the container it may go on running.
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
        // A command that ends before it has read everything closes the pipe: its exit code tells.
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
}

impl ExecOutput {
    /// The beginning of its output, for an error.
    pub(in crate::engine) fn words(&self) -> String {
        let all = [self.err.as_slice(), self.out.as_slice()].concat();
        let text = String::from_utf8_lossy(&all);
        match text.trim() {
            "" => format!("exit code {}", self.code),
            said => harmless::quoted(&cut(said.to_owned(), SHOWN)),
        }
    }
}

/// Collects all output; an error when it exceeds the limit.
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
