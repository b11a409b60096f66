//! The container's process under the helper's `init`: keeps the container alive during an update, and restarts the process.

use super::command::millis;
use super::error::Error;
use super::link::{Link, unexpected};
use crate::protocol::{Reply, Request};
use crate::transfer::Restarted;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// A process that ends this soon after an update probably ended because of it.
pub const FRESH: Duration = Duration::from_secs(10);

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Link<R, W> {
    /// Ends the update. If the process ended meanwhile and was not restarted, the container now ends with its exit code.
    pub async fn release(&mut self) -> Result<(), Error> {
        self.have_done(&Request::Release).await?;
        self.held = false;
        Ok(())
    }

    /// Stops the container's process group with `signal`, kills what is left after `grace`, and starts the process again. This ends
    /// the update, whatever the result.
    /// Fails with [`Code::NoSupervisor`](super::Code::NoSupervisor) when the process does not run under the helper.
    /// If the new process crashes within `fresh`, its container waits for the next restart, as long as this link exists.
    pub async fn restart(
        &mut self,
        signal: u32,
        grace: Duration,
        fresh: Duration,
    ) -> Result<Restarted, Error> {
        self.begin()?;
        let (grace_ms, fresh_ms) = (millis(grace), millis(fresh));
        // The helper waits for the process, and is silent meanwhile.
        let limit = self.patience.and(grace);
        let request = Request::Restart {
            signal,
            grace_ms,
            fresh_ms,
        };
        self.send(&request, &limit).await?;
        let answer = match self.incoming.next(&limit).await? {
            Reply::Restarted { killed } => Ok(Restarted {
                killed,
                whole_container: false,
            }),
            other => Err(unexpected(&other)),
        };
        if answer.is_ok() {
            self.incoming.forget_crash();
        }
        self.held = false;
        self.end();
        answer
    }

    /// Waits for a crash of a process whose container then waits for the next restart; returns its exit code. May be dropped.
    pub async fn crashed(&mut self) -> Result<u32, Error> {
        if !self.is_in_step() {
            return Err(Error::OutOfStep);
        }
        self.incoming.crash().await
    }
}

/// The names of signals 1 to 31 on Linux.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// The name of a signal on Linux, without `SIG`.
pub fn signal_name(number: u32) -> Option<&'static str> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    NAMES.get(index).copied()
}

/// A signal's number on Linux, from what Docker and Compose accept: `SIGTERM`, `term`, `15`, `RTMIN+3`.
pub fn signal_number(name: &str) -> Option<u32> {
    const RTMIN: u32 = 34;
    const RTMAX: u32 = 64;
    let name = name.trim().to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let number: u32 = if let Ok(number) = name.parse() {
        number
    } else if let Some(index) = NAMES.iter().position(|known| *known == name) {
        u32::try_from(index).ok()? + 1
    } else if let Some(offset) = name.strip_prefix("RTMIN") {
        RTMIN.checked_add(distance(offset, '+')?)?
    } else {
        RTMAX.checked_sub(distance(name.strip_prefix("RTMAX")?, '-')?)?
    };
    (1..=RTMAX).contains(&number).then_some(number)
}

/// The number after `RTMIN` or `RTMAX`.
fn distance(offset: &str, sign: char) -> Option<u32> {
    if offset.is_empty() {
        return Some(0);
    }
    offset.strip_prefix(sign)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{signal_name, signal_number};

    #[test]
    fn a_signal_is_known_by_every_name_that_compose_accepts() {
        let known = [
            "SIGTERM",
            "term",
            "15",
            "SIGINT",
            "USR2",
            "RTMIN",
            "SIGRTMIN+3",
            "RTMAX-1",
            "sys",
        ];
        let numbers = known.map(signal_number);
        assert_eq!(numbers, [15, 15, 15, 2, 12, 34, 37, 63, 31].map(Some));
        for unknown in [
            "", "SIG", "NOPE", "0", "65", "RTMIN+x", "RTMIN3", "RTMAX-64",
        ] {
            assert_eq!(signal_number(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_signals_name_has_its_number() {
        for number in 1..=31 {
            assert_eq!(signal_number(signal_name(number).unwrap()), Some(number));
        }
        assert_eq!([0, 32, 64].map(signal_name), [None; 3]);
    }
}
