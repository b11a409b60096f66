//! Runs commands in the container, and reports how they ended.

use super::error::Error;
use super::link::{Link, unexpected};
use crate::protocol::{Reply, Request, Stream};
use crate::transfer::{Ended, Exec};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Link<R, W> {
    /// Runs a command to its end, as the helper's user (root) and in `/` unless `exec` says otherwise, and passes its output on as it
    /// comes. The command never gets more rights than its container has.
    pub async fn run(
        &mut self,
        exec: &Exec,
        mut on_output: impl FnMut(Stream, &[u8]),
    ) -> Result<Ended, Error> {
        self.begin()?;
        // All options are named: a new one is either sent or left to the engine, as `privileged` is.
        let Exec {
            argv,
            workdir,
            user,
            privileged: _,
            environment,
            timeout,
        } = exec;
        let environment: Vec<String> = environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        // A command may run as long as it likes: the helper reports all the while that it is running.
        let limit = match *timeout {
            Some(timeout) => self.patience.and(timeout),
            None => self.patience.without_end(),
        };
        let request = Request::Run {
            argv: argv.iter().map(String::as_bytes).collect(),
            environment: environment.iter().map(String::as_bytes).collect(),
            directory: workdir.as_bytes(),
            user: user.as_deref().unwrap_or_default().as_bytes(),
            // 0 means "no timeout".
            timeout_ms: timeout.map_or(0, |timeout| millis(timeout).max(1)),
        };
        self.send(&request, &limit).await?;
        let answer = loop {
            match self.incoming.next(&limit).await? {
                Reply::Output { stream, bytes } => on_output(stream, bytes),
                Reply::Ended {
                    timed_out: true, ..
                } => break Ok(Ended::TimedOut),
                Reply::Ended { code, .. } => break Ok(Ended::Exit(i64::from(code))),
                other => break Err(unexpected(&other)),
            }
        };
        self.end();
        answer
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
