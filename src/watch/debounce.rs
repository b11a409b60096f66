//! The quiet period: when the touches so far form a batch. A pure state machine: time is a parameter, no disk, no clock.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use crate::paths::HostPath;

use super::editors;
use super::touch::{Stage, Touch};

#[cfg(test)]
mod tests;

/// A single finished save waits this long: enough to see whether more follows at once.
const SINGLE: Duration = Duration::from_millis(1);
/// The first quiet period of a burst, and that of a removal or a new directory, which are often the first half of a change.
const BURST: Duration = Duration::from_millis(5);
/// The quiet period doubles when a burst lasts longer than this many of them. A larger factor would make a thousand saves wait
/// as long as they took.
const OUTLASTS: u32 = 8;
/// The longest quiet period of a burst.
const LONGEST_QUIET: Duration = Duration::from_millis(250);
/// The longest silence after which a file that was not closed still waits for its close. Where the system does not report a
/// close, the silence is the only sign that the writing is over.
const STILL: Duration = if cfg!(any(target_os = "linux", target_os = "android")) {
    Duration::from_secs(1)
} else {
    LONGEST_QUIET
};
/// A file that is kept open and written to is taken as it is after this time, and again each time it has passed.
const OPEN: Duration = Duration::from_secs(30);
/// A name that editors use for short-lived files is ignored for this long; after that it is a file like any other.
const A_MOMENT: Duration = Duration::from_millis(500);
/// Nothing else waits longer than this in all ..
const IN_ALL: Duration = Duration::from_secs(1);
/// .. unless the user sets `debounce`: then a burst that never ends is cut after this.
const IN_ALL_DEBOUNCED: Duration = Duration::from_secs(60);
/// How long a batch is remembered, so that a file reported in it is never taken for one that came and went.
const REMEMBERED: Duration = Duration::from_secs(5);

/// How long to wait for more touches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quiet {
    /// The user's `debounce`; `None` for the adaptive quiet period.
    pub debounce: Option<Duration>,
}

/// Paths to be looked at together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Each path once, sorted: a directory comes before what is in it.
    pub paths: Vec<HostPath>,
    /// Paths that were created and removed within the batch, such as the temporary file of an atomic save. They matter only to a
    /// sync that may have copied one; they are no reason for a rebuild.
    pub fleeting: Vec<HostPath>,
    /// When the first and the last of the finished paths were touched; `None` when there is none among them.
    pub span: Option<(Instant, Instant)>,
}

/// Gathers touches until they form a batch.
///
/// A burst's quiet period doubles when the burst lasts much longer than it: so a short burst is over quickly, and a long one is
/// not cut into pieces. Only paths that are new in the batch prolong it, so a file that is written all the time holds nothing
/// back. A file that is still being written waits for its close without holding back the finished ones, and so does one that may
/// be gone in a moment.
/// moment.
#[derive(Debug, Default)]
pub struct Debouncer {
    quiet: Quiet,
    waiting: HashMap<HostPath, Waiting>,
    burst: Option<Burst>,
    /// No path that goes alone is due before this; `None` when there is no such path.
    alone_due: Option<Instant>,
    taken: HashMap<HostPath, Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    first: Instant,
    last: Instant,
    stage: Stage,
    /// Its first touch was its creation: nothing was there before.
    created: bool,
    /// One of its touches was [`Stage::Renewed`], whatever came later.
    renewed: bool,
    /// It counts as one of the burst's paths.
    counted: bool,
    name: Name,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Ordinary,
    /// A name that editors give to short-lived files.
    Momentary,
}

impl Name {
    fn of(path: &HostPath) -> Self {
        if editors::momentary(path.as_path()) {
            Self::Momentary
        } else {
            Self::Ordinary
        }
    }
}

impl Waiting {
    fn finished(&self) -> bool {
        self.stage.finished()
    }

    /// It was created and removed since the last batch.
    fn fleeting(&self) -> bool {
        self.created && !self.renewed && self.stage == Stage::Gone
    }

    /// It exists, but may be gone in a moment.
    fn passes(&self) -> bool {
        self.name == Name::Momentary && self.finished() && self.stage != Stage::Gone
    }

    /// It neither counts in the burst nor holds it back.
    fn goes_alone(&self) -> bool {
        !self.finished() || self.fleeting() || self.passes()
    }

    /// When a path that goes alone is taken, whatever may still happen to it.
    fn due(&self) -> Instant {
        if !self.finished() {
            (self.last + STILL).min(self.first + OPEN)
        } else if self.passes() {
            (self.last + A_MOMENT).min(self.first + IN_ALL)
        } else {
            (self.last + LONGEST_QUIET).min(self.first + IN_ALL)
        }
    }
}

/// The finished paths of the batch so far.
#[derive(Clone, Copy, Debug)]
struct Burst {
    paths: usize,
    first: Instant,
    last: Instant,
    /// When the present quiet period began to hold.
    since: Instant,
    quiet: Duration,
}

impl Debouncer {
    /// Waits as `quiet` says.
    pub fn new(quiet: Quiet) -> Self {
        Self {
            quiet,
            ..Self::default()
        }
    }

    /// Waits as `quiet` says from now on; the paths that are waiting already are kept (E7).
    pub fn set_quiet(&mut self, quiet: Quiet) {
        self.quiet = quiet;
    }

    /// Whether no path is waiting.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Records one touch.
    pub fn touch(&mut self, touch: &Touch) {
        let at = touch.at;
        let known = self.taken.contains_key(&touch.path);
        let waiting = self.waiting.entry(touch.path.clone()).or_insert(Waiting {
            first: at,
            last: at,
            stage: touch.stage,
            created: touch.stage == Stage::Created && !known,
            renewed: false,
            counted: false,
            name: Name::of(&touch.path),
        });
        waiting.renewed |= touch.stage == Stage::Renewed;
        waiting.last = waiting.last.max(at);
        waiting.stage = touch.stage;
        if waiting.goes_alone() {
            let due = waiting.due();
            let uncount = waiting.fleeting() && std::mem::take(&mut waiting.counted);
            self.alone_due = Some(self.alone_due.map_or(due, |other| other.min(due)));
            if uncount {
                self.forget_arrival();
            }
        } else if !waiting.counted {
            waiting.counted = true;
            self.arrival(at, touch.stage);
        }
    }

    fn arrival(&mut self, at: Instant, stage: Stage) {
        let Some(burst) = &mut self.burst else {
            let quiet = match (self.quiet.debounce, stage) {
                (Some(debounce), _) => debounce,
                (None, Stage::Renewed | Stage::Gone) => BURST,
                (None, _) => SINGLE,
            };
            self.burst = Some(Burst {
                paths: 1,
                first: at,
                last: at,
                since: at,
                quiet,
            });
            return;
        };
        burst.paths += 1;
        burst.last = burst.last.max(at);
        if self.quiet.debounce.is_some() {
            return;
        }
        if burst.quiet < BURST {
            burst.quiet = BURST;
        } else if at.saturating_duration_since(burst.since) > burst.quiet * OUTLASTS {
            burst.quiet = (burst.quiet * 2).min(LONGEST_QUIET);
            burst.since = at;
        }
    }

    /// The temporary file of an atomic save is gone: the file that it was renamed to counts as a single save again.
    fn forget_arrival(&mut self) {
        if let Some(burst) = &mut self.burst {
            burst.paths -= 1;
            if burst.paths == 0 {
                self.burst = None;
            }
        }
    }

    /// When to call [`take`](Self::take) next; `None` when no path is waiting.
    pub fn deadline(&self) -> Option<Instant> {
        [self.burst_due(), self.alone_due]
            .into_iter()
            .flatten()
            .min()
    }

    fn burst_due(&self) -> Option<Instant> {
        let burst = self.burst?;
        let in_all = match self.quiet.debounce {
            Some(debounce) => IN_ALL_DEBOUNCED.max(debounce),
            None => IN_ALL,
        };
        Some((burst.last + burst.quiet).min(burst.first + in_all))
    }

    /// The batch that is due at `now`, if any. Files that are still being written stay for the next one, unless their time is up.
    pub fn take(&mut self, now: Instant) -> Option<Batch> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        let closes = self.burst_due().is_some_and(|due| due <= now);
        let mut due: BTreeMap<HostPath, Waiting> = BTreeMap::new();
        let mut next = None::<Instant>;
        self.waiting.retain(|path, waiting| {
            let goes = if waiting.goes_alone() {
                waiting.due() <= now || (closes && waiting.fleeting())
            } else {
                closes
            };
            if goes {
                due.insert(path.clone(), *waiting);
            } else {
                waiting.counted &= !closes;
                if waiting.goes_alone() {
                    next = Some(next.map_or(waiting.due(), |other| other.min(waiting.due())));
                }
            }
            !goes
        });
        self.alone_due = next;
        let burst = self.burst.take_if(|_| closes);
        if due.is_empty() {
            return None;
        }
        self.taken
            .retain(|_, at| now.saturating_duration_since(*at) < REMEMBERED);
        let mut batch = Batch {
            span: burst.map(|burst| (burst.first, burst.last)),
            ..Batch::default()
        };
        for (path, waiting) in due {
            self.taken.insert(path.clone(), now);
            if waiting.fleeting() {
                batch.fleeting.push(path);
                continue;
            }
            batch.paths.push(path);
        }
        Some(batch)
    }
}
