//! How much output may wait for a reader that does not read; what goes beyond it is dropped, and counted. Prints nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::event::Event;
use super::notice::Notice;

/// Bytes of output that may wait: some ten thousand lines.
const BUDGET: usize = 2 << 20;
/// A reader that takes nothing for so long does not read.
const STALLED: Duration = Duration::from_millis(200);
/// Stands in the count while output is dropped: until all that waits is printed, so that one line tells of one gap.
const DROPPING: usize = 1 << (usize::BITS - 1);

/// The output that waits to be printed.
#[derive(Debug)]
pub struct Backlog {
    budget: usize,
    /// Bytes, and perhaps [`DROPPING`].
    waiting: AtomicUsize,
    writes: AtomicU64,
    /// How often that had been when it was last waited for in vain.
    stalled: AtomicU64,
    /// Told at each of them.
    written: Notify,
    dropped: Mutex<Dropped>,
}

/// Lines that were dropped, by whose they were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped(BTreeMap<String, u64>);

impl Default for Backlog {
    fn default() -> Self {
        Self::of(BUDGET)
    }
}

impl Backlog {
    /// For a listener that reads everything.
    pub fn unbounded() -> Self {
        Self::of(DROPPING - 1)
    }

    fn of(budget: usize) -> Self {
        Self {
            budget,
            waiting: AtomicUsize::new(0),
            writes: AtomicU64::new(0),
            stalled: AtomicU64::new(u64::MAX),
            written: Notify::new(),
            dropped: Mutex::default(),
        }
    }

    /// Whether the event may wait to be printed; a line of output that may not is counted.
    pub fn takes(&self, event: &Event) -> bool {
        let Some(whose) = event.output_of() else {
            return true;
        };
        let size = event.output_size();
        let fits = |waiting| self.with(waiting, size);
        if self
            .waiting
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, fits)
            .is_ok()
        {
            return true;
        }
        // The printer ends the dropping under the same lock: a line that is dropped is always in the count that is told.
        let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        let takes_or_drops = |waiting| Some(fits(waiting).unwrap_or(waiting | DROPPING));
        let before = self
            .waiting
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, takes_or_drops);
        let takes = before.is_ok_and(|before| fits(before).is_some());
        if !takes {
            dropped.count(whose);
        }
        takes
    }

    /// Whether lines were dropped behind what is about to be printed: these bytes of output and nothing else of it.
    pub fn is_gap_behind(&self, size: usize) -> bool {
        size > 0 && self.waiting.load(Ordering::Acquire) == DROPPING | size
    }

    /// Something was printed, and so many bytes of output with it. The answer is what was dropped behind it, to be told now.
    pub fn printed(&self, size: usize) -> Option<Dropped> {
        if size == 0 {
            return None;
        }
        let told = self.take_away(size);
        self.written.notify_waiters();
        told
    }

    fn take_away(&self, size: usize) -> Option<Dropped> {
        // Only the printer takes away: nothing becomes negative.
        let left = self.waiting.fetch_sub(size, Ordering::AcqRel) - size;
        if left != DROPPING {
            return None;
        }
        let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.store(0, Ordering::Release);
        Some(std::mem::take(&mut dropped))
    }

    /// What waits when `size` more does; `None` when that is too much. A single line always fits.
    fn with(&self, waiting: usize, size: usize) -> Option<usize> {
        let more = waiting + size;
        (waiting == 0 || more <= self.budget).then_some(more)
    }

    /// Waits until there is room, for as long as somebody reads: what is written faster than it is read is held back then, and
    /// none of it is lost. With a reader that does not read, nobody waits twice.
    pub async fn room(&self) {
        while self.is_full() {
            let written = self.written.notified();
            // It may have been written since.
            if self.is_full() {
                let writes = self.writes();
                if timeout(STALLED, written).await.is_err() {
                    self.stalled.store(writes, Ordering::Relaxed);
                }
            }
        }
    }

    /// Whether it is half full, and somebody reads as far as is known.
    fn is_full(&self) -> bool {
        let waiting = self.waiting.load(Ordering::Acquire);
        let stalled = self.stalled.load(Ordering::Relaxed) == self.writes();
        waiting & DROPPING == 0 && waiting > self.budget / 2 && !stalled
    }

    /// A piece was taken by who reads.
    pub fn wrote(&self) {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.written.notify_waiters();
    }

    /// How often something was printed: whether somebody reads.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.waiting.load(Ordering::Acquire) & !DROPPING
    }
}

impl Dropped {
    fn count(&mut self, whose: &str) {
        // A flood is no time to copy names.
        if let Some(lines) = self.0.get_mut(whose) {
            *lines += 1;
        } else {
            self.0.insert(whose.to_owned(), 1);
        }
    }

    /// So many lines of one.
    #[cfg(test)]
    pub fn of(whose: &str, lines: u64) -> Self {
        Self(BTreeMap::from([(whose.to_owned(), lines)]))
    }

    /// How many.
    pub fn lines(&self) -> u64 {
        self.0.values().sum()
    }

    /// Whose they were.
    pub fn whose(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What is told of it.
    pub fn notice(self) -> Event {
        Event::Notice {
            service: None,
            notice: Notice::OutputDropped(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Stream;

    fn line(container: &str) -> Event {
        Event::Log {
            container: container.into(),
            stream: Stream::Out,
            text: "y".into(),
        }
    }

    #[test]
    fn what_does_not_fit_is_dropped_until_all_that_waits_is_printed() {
        let size = line("web-1").output_size();
        let backlog = Backlog::of(2 * size);
        let took: Vec<bool> = ["web-1", "web-1", "web-1", "db-1", "web-1"]
            .map(|name| backlog.takes(&line(name)))
            .into();
        assert_eq!(took, [true, true, false, false, false]);
        assert_eq!(backlog.printed(line("web-1").output_size()), None);
        assert!(!backlog.takes(&line("web-1")), "one gap, told once");
        let dropped = backlog.printed(line("web-1").output_size()).unwrap();
        assert_eq!(
            dropped.to_string(),
            "4 lines of the output of db-1, web-1 were dropped here: nobody read what came before"
        );
        assert_eq!(backlog.bytes(), 0);
        assert!(backlog.takes(&line("web-1")));
        assert_eq!(backlog.printed(line("web-1").output_size()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_read_holds_back_and_what_is_not_does_so_once() {
        let size = line("web-1").output_size();
        let backlog = &Backlog::of(4 * size);
        for _ in 0..3 {
            backlog.room().await;
            assert!(backlog.takes(&line("web-1")));
        }
        let begun = tokio::time::Instant::now();
        let printing = async {
            tokio::time::sleep(STALLED / 2).await;
            backlog.wrote();
            backlog.printed(2 * size);
        };
        tokio::join!(backlog.room(), printing);
        assert_eq!(begun.elapsed(), STALLED / 2, "until there is room");
        for _ in 0..3 {
            assert!(backlog.takes(&line("web-1")));
        }
        let begun = tokio::time::Instant::now();
        backlog.room().await;
        assert_eq!(begun.elapsed(), STALLED, "nobody reads");
        backlog.room().await;
        assert!(!backlog.takes(&line("web-1")));
        backlog.room().await;
        assert_eq!(begun.elapsed(), STALLED);
    }

    #[test]
    fn a_line_longer_than_the_budget_is_shown_when_nothing_waits() {
        let backlog = Backlog::of(1);
        assert!(backlog.takes(&line("web-1")));
        assert!(!backlog.takes(&line("web-1")));
        assert!(backlog.printed(line("web-1").output_size()).is_some());
    }

    #[test]
    fn what_is_no_output_is_never_dropped() {
        let backlog = Backlog::of(0);
        assert!(backlog.takes(&line("web-1")));
        let notice = Event::Notice {
            service: None,
            notice: Notice::Unsupervised("x".repeat(1000)),
        };
        assert!(backlog.takes(&notice) && backlog.takes(&notice));
        assert_eq!(backlog.printed(notice.output_size()), None);
    }

    #[test]
    fn every_line_is_printed_or_counted_whoever_writes_at_the_same_time() {
        const LINES: u64 = 20_000;
        let size = line("web-1").output_size();
        let backlog = &Backlog::of(8 * size);
        let (sender, queue) = std::sync::mpsc::channel();
        let (printed, dropped) = std::thread::scope(|scope| {
            for name in ["web-1", "web-2", "web-3"] {
                let sender = sender.clone();
                scope.spawn(move || {
                    for _ in 0..LINES {
                        if backlog.takes(&line(name)) {
                            sender.send(line(name)).unwrap();
                        }
                    }
                });
            }
            drop(sender);
            let (mut printed, mut dropped) = (0, 0);
            while let Ok(event) = queue.recv() {
                printed += 1;
                if let Some(gap) = backlog.printed(event.output_size()) {
                    dropped += gap.0.values().sum::<u64>();
                }
            }
            (printed, dropped)
        });
        assert_eq!(printed + dropped, 3 * LINES);
        assert_eq!(backlog.bytes(), 0);
    }
}
