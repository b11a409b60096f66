//! Commands in the container: what to run, and how it ended.

use super::error::Error;
use super::link::{Link, unexpected};
use crate::protocol::{Reply, Request, Stream};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// A command to run as `docker exec` would run it.
#[derive(Debug, Clone, Default)]
pub struct Command {
    /// The program and its arguments; no shell is involved.
    pub argv: Vec<String>,
    /// Names and values, on top of the container's environment.
    pub environment: Vec<(String, String)>,
    /// The working directory; empty is `/`.
    pub directory: String,
    /// `name`, `uid`, `name:group` or `uid:gid`, looked up in the container; empty is the helper's own user, root.
    pub user: String,
    /// When its process group is ended: SIGTERM, half a second later SIGKILL for all that is left of its tree.
    pub timeout: Option<Duration>,
}

/// How a [`Command`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// As a shell counts: 128 + signal, 127 not found, 126 not executable.
    pub code: u32,
    /// It was ended for its timeout.
    pub timed_out: bool,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Link<R, W> {
    /// Runs a command to its end, and hands over what it writes as it comes. When `cancel` is ready first, the command's
    /// process tree is ended, and its end awaited.
    pub async fn run(
        &mut self,
        command: &Command,
        mut on_output: impl FnMut(Stream, &[u8]),
        cancel: impl Future<Output = ()>,
    ) -> Result<Ended, Error> {
        self.begin()?;
        let environment: Vec<String> = command
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        // 0 stands for "no timeout".
        let timeout_ms = command.timeout.map_or(0, |timeout| millis(timeout).max(1));
        // A command may take as long as it likes; the helper says all the while that it runs.
        let limit = match command.timeout {
            Some(timeout) => self.patience.and(timeout),
            None => self.patience.without_end(),
        };
        let request = Request::Run {
            argv: command.argv.iter().map(String::as_bytes).collect(),
            environment: environment.iter().map(String::as_bytes).collect(),
            directory: command.directory.as_bytes(),
            user: command.user.as_bytes(),
            timeout_ms,
        };
        self.send(&request, &limit).await?;
        let mut cancel = std::pin::pin!(cancel);
        let mut cancelled = false;
        loop {
            let reply = tokio::select! {
                reply = self.incoming.next(&limit) => Some(reply?),
                () = &mut cancel, if !cancelled => None,
            };
            match reply {
                Some(Reply::Output { stream, bytes }) => on_output(stream, bytes),
                Some(Reply::Ended { code, timed_out }) => {
                    self.end();
                    return Ok(Ended { code, timed_out });
                }
                Some(other) => {
                    let error = unexpected(&other);
                    self.end();
                    return Err(error);
                }
                None => {
                    cancelled = true;
                    self.send(&Request::Cancel, &limit).await?;
                }
            }
        }
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
