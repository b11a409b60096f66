//! Tells when a burst of changes is over: commands and restarts wait for that, file copies do not. A pure state machine: time is
//! a parameter, no disk, no clock.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::paths::HostPath;

#[cfg(test)]
mod tests;

/// Batches closer together than this may belong to one burst.
const CLOSE: Duration = Duration::from_millis(150);
/// Up to this many paths or batches close together are separate saves: each is acted on at once.
const FEW_PATHS: usize = 3;
const FEW_BATCHES: u32 = 2;
/// A burst's quiet period is this many times the longest pause within it ..
const PAUSES: u32 = 3;
/// .. plus this for each batch, since the longer a burst lasts, the longer its next pause may be ..
const EACH_BATCH: Duration = Duration::from_millis(30);
/// .. but for all batches together no more than this.
const BY_BATCHES: Duration = Duration::from_millis(500);
/// The longest quiet period.
const LONGEST_QUIET: Duration = Duration::from_secs(1);
/// A burst continues when the next batch comes within this many quiet periods ..
const SAME: u32 = 2;
/// .. or within this many, when that batch has more paths than a few saves.
const SAME_WITH_MANY: u32 = 8;
/// A program that never stops writing new files still gets its commands and restarts this often.
const IN_ALL: Duration = Duration::from_secs(10);
/// No more paths of a burst than this are remembered.
const MOST_PATHS: usize = 100_000;
/// Restarts closer together than this count as too many in a row.
const IN_A_ROW: Duration = Duration::from_millis(300);
/// The pause after the second restart in a row; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// No restart waits longer than this for the previous one.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Why commands and restarts are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// A burst of changes is still going on.
    Burst,
    /// Git is writing the working tree.
    Git,
    /// The process restarted last has not had time to start.
    Start,
}

/// Tells a few saves from a burst, and when the burst is over.
///
/// The first batch after a rest is never held back, and neither are a few saves. Only paths that are new in a burst prolong it, so a
/// file that is written all the time holds nothing back.
#[derive(Debug, Default)]
pub struct Calm {
    burst: Option<Burst>,
    /// Since when commands and restarts are held back; `None` when they are not.
    held_since: Option<Instant>,
    restart: Option<Restart>,
}

#[derive(Debug)]
struct Burst {
    paths: HashSet<HostPath>,
    batches: u32,
    /// The last touch of a path that was new in the burst.
    last: Instant,
    quiet: Duration,
    /// Commands and restarts were done since its last batch: too early, if another batch comes.
    acted: bool,
}

#[derive(Clone, Copy, Debug)]
struct Restart {
    ended: Instant,
    /// The shortest time from this restart to the next.
    pause: Duration,
    /// How many restarts followed each other closely.
    in_a_row: u32,
}

impl Calm {
    /// Records a batch: its paths, and when the first and the last of them were touched.
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

    /// What holds commands and restarts back, and until when, as far as is known; `None` when nothing does.
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

    /// Records that what was due has been done.
    pub fn acted(&mut self) {
        self.held_since = None;
        if let Some(burst) = &mut self.burst {
            burst.acted = true;
        }
    }

    /// Records a restart that began and ended at these times.
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
    /// Whether a batch of this many paths, the first of which was touched at `first`, belongs to the burst.
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
