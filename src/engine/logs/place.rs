//! How far a container's log has been read. Pure.

use std::time::{Duration, SystemTime};

use super::frames::{Message, Stamp};

/// What a clock of ours and the engine's may be apart, and what lies between a line and its time.
const APART: Duration = Duration::from_secs(1);

/// Where a log begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogsFrom {
    /// With the container's first line.
    Beginning,
    /// With so many of the lines that are there.
    Last(u32),
    /// With what is written at that time or later, by the engine's clock.
    Time(SystemTime),
}

/// The query that begins or resumes there, and what came with the very time that it names.
#[derive(Clone)]
pub struct Place {
    since: String,
    last: Option<Stamp>,
    /// Messages seen with that very stamp: `since` includes it, so they come again.
    at_last: usize,
    /// How many of those were not dropped yet in the present reading.
    repeats: usize,
}

impl Place {
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

    /// A little before that time of ours: what comes again is found by its content.
    pub fn resume_before(&mut self, time: SystemTime) {
        *self = Self::begin(LogsFrom::Time(time.checked_sub(APART).unwrap_or(time)));
    }

    /// A little before the run that began at that time of the engine's.
    pub fn resume_with_run(&mut self, begun: &str) {
        let stamp = Stamp::read(begun.as_bytes());
        *self = Self::begin(LogsFrom::Beginning);
        self.since = stamp.map_or_else(String::new, |stamp| stamp.before_by(APART).since());
    }

    /// The query, for a reading that begins now.
    pub fn query(&mut self) -> &str {
        self.repeats = self.at_last;
        &self.since
    }

    /// The next message of that reading; the answer is whether it came before already.
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
        let mut place = Place::begin(LogsFrom::Last(3));
        assert_eq!(place.query(), "&tail=3");
        let (one, two) = ("1970-01-01T00:00:01.5Z", "1970-01-01T00:00:02Z");
        for time in [one, two, two] {
            assert!(!place.is_repeated(&message(time)));
        }
        assert_eq!(place.query(), "&since=2.000000000");
        let again = [two, two, two].map(|time| place.is_repeated(&message(time)));
        assert_eq!(again, [true, true, false]);
        place.query();
        assert!(place.is_repeated(&message(two)));
        // The log was rotated: what had that time is gone.
        assert!(!place.is_repeated(&message("1970-01-01T00:00:03Z")));
    }

    #[test]
    fn a_reading_resumes_a_little_earlier() {
        let mut place = Place::begin(LogsFrom::Beginning);
        place.resume_with_run("1970-01-01T00:00:05.25Z");
        assert_eq!(place.query(), "&since=4.250000000");
        place.resume_before(UNIX_EPOCH + Duration::from_secs(9));
        assert_eq!(place.query(), "&since=8.000000000");
    }
}
