//! How long an exchange with a helper may take. Other processes of the container may stop the helper or take its place, so every
//! wait needs an end.

use super::error::Error;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The limits of an exchange without payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The longest time without a byte received from the helper or accepted by it.
    pub silence: Duration,
    /// The longest time for a whole exchange, not counting its payload.
    pub whole: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            // A machine busy with a build was seen to delay an answer by several seconds.
            silence: Duration::from_secs(20),
            whole: Duration::from_secs(30),
        }
    }
}

/// What the helper has to do in one exchange.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    pub entries: usize,
    pub bytes: u64,
}

impl Patience {
    /// The slowest disk that is still plausible, in bytes a second.
    const SLOWEST: u64 = 256 * 1024;
    /// The longest time for one file on such a disk, apart from its bytes.
    const ENTRY: Duration = Duration::from_millis(10);

    /// The limits of an exchange that begins now.
    pub(super) fn with(&self, load: Load) -> Limit {
        let entries = u32::try_from(load.entries).unwrap_or(u32::MAX);
        let whole = self.whole
            + Duration::from_secs(load.bytes / Self::SLOWEST)
            + Self::ENTRY.saturating_mul(entries);
        Limit {
            silence: self.silence,
            until: Instant::now().checked_add(whole),
        }
    }

    /// The limits of an exchange that may last for ever: only silence ends it.
    pub(super) fn without_end(&self) -> Limit {
        Limit {
            silence: self.silence,
            until: None,
        }
    }

    /// The limits of an exchange whose answer may itself take this long, in silence.
    pub(super) fn and(&self, longer: Duration) -> Limit {
        Self {
            silence: self.silence.saturating_add(longer),
            whole: self.whole.saturating_add(longer),
        }
        .with(Load::default())
    }
}

/// The limits of one exchange.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    silence: Duration,
    until: Option<Instant>,
}

impl Limit {
    /// Fails when the whole time is over, even if something keeps arriving.
    pub(super) fn is_over(&self) -> Result<(), Error> {
        match self.until {
            Some(until) if until <= Instant::now() => Err(Error::Stuck { silent: false }),
            _ => Ok(()),
        }
    }

    /// Waits for a step whose progress another step of the exchange already limits.
    pub(super) async fn wait_to_the_end<T>(
        &self,
        step: impl Future<Output = T>,
    ) -> Result<T, Error> {
        let only_the_end = Self {
            silence: Duration::MAX,
            until: self.until,
        };
        only_the_end.wait(step).await
    }

    /// Waits for one step of the exchange.
    pub(super) async fn wait<T>(&self, step: impl Future<Output = T>) -> Result<T, Error> {
        let begun = Instant::now();
        let silent = begun.checked_add(self.silence);
        let due = match (silent, self.until) {
            (Some(silent), Some(until)) => Some(silent.min(until)),
            (one, other) => one.or(other),
        };
        let Some(due) = due else {
            return Ok(step.await);
        };
        timeout_at(due, step).await.map_err(|_| Error::Stuck {
            silent: self.until.is_none_or(|until| due < until),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_ends_a_step_and_the_whole_time_the_exchange() {
        let patience = Patience::default();
        let limit = patience.with(Load::default());
        let never = std::future::pending::<()>;
        let begun = Instant::now();
        let stuck = limit.wait(never()).await.unwrap_err();
        assert!(matches!(stuck, Error::Stuck { silent: true }));
        assert_eq!(begun.elapsed().as_secs(), 20);
        let stuck = limit.wait(never()).await.unwrap_err();
        assert!(matches!(stuck, Error::Stuck { silent: false }));
        assert_eq!(begun.elapsed().as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn the_whole_time_grows_with_what_there_is_to_do() {
        let load = Load {
            entries: 100_000,
            bytes: 1 << 30,
        };
        let until = Patience::default().with(load).until.unwrap();
        assert_eq!((until - Instant::now()).as_secs(), 30 + 4096 + 1000);
        assert!(Patience::default().without_end().until.is_none());
    }
}
