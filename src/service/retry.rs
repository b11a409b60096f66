//! When what the engine did not take is tried again by itself: soon, then ever later. Knows no engine.

use std::time::{Duration, Instant};

use super::action::Trigger;

/// The pauses between two attempts.
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);

/// The next attempt of one worker.
#[derive(Debug)]
pub(super) struct Retry {
    next: Option<(Instant, Trigger)>,
    pause: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            next: None,
            pause: FIRST,
        }
    }
}

impl Retry {
    /// Something failed that may go well a little later; a change that failed stays a change.
    pub(super) fn later(&mut self, now: Instant, trigger: Trigger) {
        let trigger = match self.next {
            Some((_, Trigger::Change)) => Trigger::Change,
            _ => trigger,
        };
        self.next = Some((now + self.pause, trigger));
    }

    /// When the next attempt is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.next.map(|(due, _)| due)
    }

    /// The attempt that is due by `now`; should it fail as well, the next one comes later.
    pub(super) fn take(&mut self, now: Instant) -> Option<Trigger> {
        let (_, trigger) = self.next.take_if(|(due, _)| *due <= now)?;
        self.pause = (self.pause * 2).min(LONGEST);
        Some(trigger)
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
        let mut retry = Retry::default();
        assert_eq!(retry.due(), None);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            retry.later(start, Trigger::Containers);
            let due = retry.due().unwrap();
            assert_eq!(retry.take(start), None);
            assert_eq!(retry.take(due), Some(Trigger::Containers));
            pauses.push((due - start).as_millis());
        }
        assert_eq!(
            pauses,
            [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]
        );
        retry.rest();
        retry.later(start, Trigger::Containers);
        assert_eq!(retry.due(), Some(start + FIRST));
    }

    #[test]
    fn a_change_that_failed_stays_a_change() {
        let start = Instant::now();
        let mut retry = Retry::default();
        retry.later(start, Trigger::Change);
        retry.later(start, Trigger::Containers);
        assert_eq!(retry.take(start + FIRST), Some(Trigger::Change));
    }
}
