//! How far a container's log has been read. Pure.

use std::time::{Duration, SystemTime};

use super::frames::{Message, Stamp};

/// How far our clock and the engine's may differ, the delay between a line and its time included.
const APART: Duration = Duration::from_secs(1);

/// Where in a log to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogsFrom {
    /// At the container's first line.
    Beginning,
    /// With this many of the existing lines.
    Last(u32),
    /// With what was written at this time or later, by the engine's clock.
    Time(SystemTime),
}

/// A position in a log: the query that resumes there, and what was read already with exactly that time.
#[derive(Clone)]
pub struct Position {
    since: String,
    last: Option<Stamp>,
    /// How many messages with exactly that time were read: `since` includes the time, so they come again.
    at_last: usize,
    /// How many of those have not yet come again in the present reading.
    repeats: usize,
}

impl Position {
    pub fn begin(from: LogsFrom) -> Self {
        let since = match from {
            LogsFrom::Beginning => String::new(),
            LogsFrom::Last(lines) => format!("&tail={lines}"),
            LogsFrom::Time(time) => Stamp::of(time).since(),
        };
        Self {
            since,
            last: None,
            at_last: 0,
            repeats: 0,
        }
    }

    /// Resumes a little before that time of our clock: repeated output is recognised by its content.
    pub fn resume_before(&mut self, time: SystemTime) {
        *self = Self::begin(LogsFrom::Time(time.checked_sub(APART).unwrap_or(time)));
    }

    /// Resumes a little before the run that began at that time of the engine's clock.
    pub fn resume_with_run(&mut self, begun: &str) {
        let stamp = Stamp::read(begun.as_bytes());
        *self = Self::begin(LogsFrom::Beginning);
        self.since = stamp.map_or_else(String::new, |stamp| stamp.before_by(APART).since());
    }

    /// The query for a reading that begins now.
    pub fn query(&mut self) -> &str {
        self.repeats = self.at_last;
        &self.since
    }

    /// Takes the next message of that reading; returns whether it was read before.
    pub fn is_repeated(&mut self, message: &Message) -> bool {
        let Some(stamp) = message.stamp else {
            return false;
        };
        if self.repeats > 0 && Some(stamp) == self.last {
            self.repeats -= 1;
            return true;
        }
        self.repeats = 0;
        if self.last == Some(stamp) {
            self.at_last += 1;
        } else {
            self.since = stamp.since();
            self.last = Some(stamp);
            self.at_last = 1;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use bytes::Bytes;

    use super::super::super::Stream;
    use super::*;

    fn message(time: &str) -> Message {
        Message {
            stream: Stream::Out,
            stamp: Stamp::read(time.as_bytes()),
            text: Bytes::new(),
        }
    }

    #[test]
    fn what_came_with_the_last_time_comes_again_and_is_told_apart() {
        let mut position = Position::begin(LogsFrom::Last(3));
        assert_eq!(position.query(), "&tail=3");
        let (one, two) = ("1970-01-01T00:00:01.5Z", "1970-01-01T00:00:02Z");
        for time in [one, two, two] {
            assert!(!position.is_repeated(&message(time)));
        }
        assert_eq!(position.query(), "&since=2.000000000");
        let again = [two, two, two].map(|time| position.is_repeated(&message(time)));
        assert_eq!(again, [true, true, false]);
        position.query();
        assert!(position.is_repeated(&message(two)));
        // The log was rotated: what had that time is gone.
        assert!(!position.is_repeated(&message("1970-01-01T00:00:03Z")));
    }

    #[test]
    fn a_reading_resumes_a_little_earlier() {
        let mut position = Position::begin(LogsFrom::Beginning);
        position.resume_with_run("1970-01-01T00:00:05.25Z");
        assert_eq!(position.query(), "&since=4.250000000");
        position.resume_before(UNIX_EPOCH + Duration::from_secs(9));
        assert_eq!(position.query(), "&since=8.000000000");
    }
}
