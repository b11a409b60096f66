//! When a burst is over: commands and restarts wait for that, files do not. A pure state machine; time is a parameter, no
//! disk, no clock.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::paths::HostPath;

#[cfg(test)]
mod tests;

/// Batches that come closer to each other than this may be one burst.
const CLOSE: Duration = Duration::from_millis(150);
/// So many paths or batches close to each other are a few saves: each goes at once.
const FEW_PATHS: usize = 3;
const FEW_BATCHES: u32 = 2;
/// A burst's quiet time is so many times the longest pause within it,
const PAUSES: u32 = 3;
/// and grows with each of its batches by this, for the longer it lasts the longer its next pause may be,
const EACH_BATCH: Duration = Duration::from_millis(30);
/// up to this.
const BY_BATCHES: Duration = Duration::from_millis(500);
/// The longest quiet time of all.
const LONGEST_QUIET: Duration = Duration::from_secs(1);
/// A burst is the same one again when it goes on within so many of its quiet times,
const SAME: u32 = 2;
/// or of so many, when it goes on with more than a few saves.
const SAME_WITH_MANY: u32 = 8;
/// Whoever writes ever new files gets his commands and restarts so often all the same.
const IN_ALL: Duration = Duration::from_secs(10);
/// More paths of one burst are not remembered.
const MOST_PATHS: usize = 100_000;
/// Restarts closer to each other than this are too many in a row.
const IN_A_ROW: Duration = Duration::from_millis(300);
/// The first pause after two in a row; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// No restart waits longer than this for the one before.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Why what costs something is not done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// A burst of changes is not over.
    Burst,
    /// Git is writing the working tree.
    Git,
    /// The restart before has not had the time to start.
    Start,
}

/// Tells a few saves from a burst, and when that is over.
///
/// The first batch after a rest is never held back, nor are a few saves. Only paths that are new in a burst prolong it: a
/// chatty file holds nobody back.
#[derive(Debug, Default)]
pub struct Calm {
    burst: Option<Burst>,
    /// Since when something is held back.
    held_since: Option<Instant>,
    restart: Option<Restart>,
}

#[derive(Debug)]
struct Burst {
    paths: HashSet<HostPath>,
    batches: u32,
    /// The last touch of a path that was new in it.
    last: Instant,
    quiet: Duration,
    /// What it asks for was done since its last batch: too early, if there is another one.
    acted: bool,
}

#[derive(Clone, Copy, Debug)]
struct Restart {
    ended: Instant,
    /// The next one begins no sooner after that.
    pause: Duration,
    /// How many followed each other closely.
    in_a_row: u32,
}

impl Calm {
    /// Takes note of a batch with these paths, the first and the last of which were touched then.
    pub fn batch<'a>(
        &mut self,
        paths: impl Iterator<Item = &'a HostPath>,
        first: Instant,
        last: Instant,
    ) {
        let paths: HashSet<HostPath> = paths.cloned().collect();
        let count = paths.len();
        let same = |burst: &&mut Burst| burst.is_same(first, count);
        let Some(burst) = self.burst.as_mut().filter(same) else {
            self.burst = Some(Burst {
                paths,
                batches: 1,
                last,
                quiet: Duration::ZERO,
                acted: false,
            });
            return;
        };
        if burst.paths.len() > MOST_PATHS {
            burst.paths.clear();
        }
        let known = burst.paths.len();
        burst.paths.extend(paths);
        if burst.paths.len() > known {
            burst.goes_on(first, last);
        }
    }

    /// What holds back now, and until when, as far as is known.
    pub fn held(&mut self, now: Instant) -> Option<(Held, Instant)> {
        let burst = self.burst.as_ref().map(|burst| (Held::Burst, burst.over()));
        let start = self
            .restart
            .map(|restart| (Held::Start, restart.ended + restart.pause));
        let held = [burst, start]
            .into_iter()
            .flatten()
            .filter(|(_, until)| *until > now)
            .max_by_key(|(_, until)| *until);
        let Some((why, until)) = held else {
            self.held_since = None;
            return None;
        };
        let since = *self.held_since.get_or_insert(now);
        let until = until.min(since + IN_ALL);
        (until > now).then_some((why, until))
    }

    /// What was due is done.
    pub fn acted(&mut self) {
        self.held_since = None;
        if let Some(burst) = &mut self.burst {
            burst.acted = true;
        }
    }

    /// A restart was begun and ended then.
    pub fn restarted(&mut self, begun: Instant, ended: Instant) {
        let close = self.restart.filter(|before| {
            begun.saturating_duration_since(before.ended) < IN_A_ROW + before.pause
        });
        let in_a_row = close.map_or(1, |before| before.in_a_row.saturating_add(1));
        let doublings = in_a_row.saturating_sub(2).min(8);
        let in_a_row_pause = match in_a_row {
            1 => Duration::ZERO,
            _ => FIRST_PAUSE * (1 << doublings),
        };
        let took = ended.saturating_duration_since(begun);
        self.restart = Some(Restart {
            ended,
            pause: took.max(in_a_row_pause).min(LONGEST_PAUSE),
            in_a_row,
        });
    }
}

impl Burst {
    /// Whether a batch of so many paths, the first of which was touched at `first`, belongs to it.
    fn is_same(&self, first: Instant, paths: usize) -> bool {
        let quiets = if paths > FEW_PATHS {
            SAME_WITH_MANY
        } else {
            SAME
        };
        first.saturating_duration_since(self.last) < CLOSE.max(self.quiet * quiets)
    }

    fn goes_on(&mut self, first: Instant, last: Instant) {
        let pause = first.saturating_duration_since(self.last);
        self.batches = self.batches.saturating_add(1);
        self.last = self.last.max(last);
        if self.batches <= FEW_BATCHES && self.paths.len() <= FEW_PATHS {
            return;
        }
        let mut quiet = self.quiet;
        if std::mem::take(&mut self.acted) {
            quiet *= 2;
        }
        let by_batches = (EACH_BATCH * (self.batches - 1)).min(BY_BATCHES);
        self.quiet = quiet.max(pause * PAUSES).max(by_batches).min(LONGEST_QUIET);
    }

    fn over(&self) -> Instant {
        self.last + self.quiet
    }
}
