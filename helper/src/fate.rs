//! What the end of the supervised process means: the container's end, or a wait for the next restart. Knows no process and no
//! connection.

use crate::signals;
use std::time::{Duration, Instant};

/// How long the engine waits for a process that it asked to end, where nobody told how long it is.
const PATIENCE: Duration = Duration::from_secs(10);

/// What has a say in it.
#[derive(Debug, Default)]
pub struct Fate {
    /// The last restart: its signal and its grace are those of the container's stop, unless the block says otherwise.
    restart: Option<(u32, Duration)>,
    /// An update started the process: until then a crash is the update's.
    fresh_until: Option<Instant>,
    /// Somebody asked the process to end.
    asked: Option<Instant>,
}

impl Fate {
    /// An update stops the process, and will start it again.
    pub fn is_to_restart(&mut self, signal: u32, grace: Duration) {
        self.restart = Some((signal, grace));
    }

    /// The process starts; by an update, whose crash it will be for so long.
    pub fn starts(&mut self, fresh: Option<Duration>, now: Instant) {
        self.asked = None;
        self.fresh_until = fresh.and_then(|fresh| now.checked_add(fresh));
    }

    /// A signal came from outside.
    pub fn hears(&mut self, signal: u32, now: Instant) {
        if asks_to_end(signal) || self.restart.is_some_and(|(its, _)| its == signal) {
            self.asked = Some(now);
        }
    }

    /// Whether it was asked to end, and whoever asked still waits for that. One that went on after all has not heard it.
    pub fn is_asked_to_end(&self, now: Instant) -> bool {
        let patience = self.restart.map_or(PATIENCE, |(_, grace)| grace);
        self.asked
            .is_some_and(|asked| now.saturating_duration_since(asked) <= patience)
    }

    /// Whether an end with this code is an update's crash, and no reason for the container to end. Who is done is done, and who
    /// died of a signal that asks to end was asked by somebody else: by the terminal's Ctrl-C.
    pub fn is_a_crash(&self, code: u32, now: Instant) -> bool {
        let was_asked = self.is_asked_to_end(now) || code.checked_sub(128).is_some_and(asks_to_end);
        code != 0 && !was_asked && self.fresh_until.is_some_and(|until| now < until)
    }
}

fn asks_to_end(signal: u32) -> bool {
    matches!(signal, signals::TERM | signals::INT | signals::QUIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const USR2: u32 = 12;
    const HUP: u32 = 1;

    #[test]
    fn a_crash_within_the_time_after_a_restart_is_the_updates() {
        let now = Instant::now();
        let mut fate = Fate::default();
        fate.starts(None, now);
        assert!(!fate.is_a_crash(1, now), "the container's own start");
        fate.starts(Some(10 * SECOND), now);
        assert!(fate.is_a_crash(1, now + 9 * SECOND));
        assert!(!fate.is_a_crash(0, now + 9 * SECOND), "it is done");
        assert!(!fate.is_a_crash(130, now), "Ctrl-C");
        assert!(fate.is_a_crash(137, now), "out of memory, perhaps");
        assert!(!fate.is_a_crash(1, now + 10 * SECOND), "it ran");
    }

    #[test]
    fn who_was_asked_to_end_did_not_crash() {
        let now = Instant::now();
        for (signal, asked) in [
            (signals::TERM, true),
            (signals::INT, true),
            (signals::QUIT, true),
            (USR2, true),
            (HUP, false),
        ] {
            let mut fate = Fate::default();
            fate.is_to_restart(USR2, 10 * SECOND);
            fate.starts(Some(10 * SECOND), now);
            fate.hears(signal, now);
            assert_eq!(fate.is_a_crash(1, now + SECOND), !asked, "{signal}");
        }
    }

    #[test]
    fn who_went_on_after_a_request_to_end_may_crash_later() {
        let now = Instant::now();
        let mut fate = Fate::default();
        fate.hears(signals::TERM, now);
        assert!(fate.is_asked_to_end(now + PATIENCE));
        assert!(!fate.is_asked_to_end(now + PATIENCE + SECOND));
        // A service with a longer grace is waited for longer.
        fate.is_to_restart(signals::TERM, 60 * SECOND);
        assert!(fate.is_asked_to_end(now + 60 * SECOND));
        fate.starts(None, now);
        assert!(!fate.is_asked_to_end(now));
    }
}
