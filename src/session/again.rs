//! When what the engine did not take is tried again by itself: soon, then ever later. Knows no engine.

use std::time::{Duration, Instant};

use super::settle::Why;

/// The pauses between two attempts.
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);

/// The next attempt of one worker.
#[derive(Debug)]
pub(super) struct Again {
    next: Option<(Instant, Why)>,
    pause: Duration,
}

impl Default for Again {
    fn default() -> Self {
        Self {
            next: None,
            pause: FIRST,
        }
    }
}

impl Again {
    /// Something failed that may go well a little later; a change that failed stays a change.
    pub(super) fn later(&mut self, now: Instant, why: Why) {
        let why = match self.next {
            Some((_, Why::Change)) => Why::Change,
            _ => why,
        };
        self.next = Some((now + self.pause, why));
    }

    /// When the next attempt is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.next.map(|(due, _)| due)
    }

    /// The attempt that is due by `now`; should it fail as well, the next one comes later.
    pub(super) fn take(&mut self, now: Instant) -> Option<Why> {
        let (_, why) = self.next.take_if(|(due, _)| *due <= now)?;
        self.pause = (self.pause * 2).min(LONGEST);
        Some(why)
    }

    /// An attempt is over: after one that went well, the next failure is a first one.
    pub(super) fn rest(&mut self) {
        if self.next.is_none() {
            self.pause = FIRST;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_come_ever_later_until_one_goes_well() {
        let start = Instant::now();
        let mut again = Again::default();
        assert_eq!(again.due(), None);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            again.later(start, Why::Containers);
            let due = again.due().unwrap();
            assert_eq!(again.take(start), None);
            assert_eq!(again.take(due), Some(Why::Containers));
            pauses.push((due - start).as_millis());
        }
        assert_eq!(
            pauses,
            [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]
        );
        again.rest();
        again.later(start, Why::Containers);
        assert_eq!(again.due(), Some(start + FIRST));
    }

    #[test]
    fn a_change_that_failed_stays_a_change() {
        let start = Instant::now();
        let mut again = Again::default();
        again.later(start, Why::Change);
        again.later(start, Why::Containers);
        assert_eq!(again.take(start + FIRST), Some(Why::Change));
    }
}
