//! How much output may wait for a reader that does not read; what goes beyond it is dropped, and counted. Prints nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::event::Event;

/// Bytes of output that may wait: some ten thousand lines.
const BUDGET: usize = 2 << 20;
/// Stands in the count while output is dropped: until all that waits is printed, so that one line tells of one gap.
const DROPPING: usize = 1 << (usize::BITS - 1);

/// The output that waits to be printed.
#[derive(Debug)]
pub struct Backlog {
    budget: usize,
    /// Bytes, and perhaps [`DROPPING`].
    waiting: AtomicUsize,
    dropped: Mutex<Dropped>,
}

/// Lines that were dropped, by whose they were.
#[derive(Debug, Default, PartialEq, Eq)]
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
            dropped: Mutex::default(),
        }
    }

    /// Whether the event may wait to be printed; a line of output that may not is counted.
    pub fn takes(&self, event: &Event) -> bool {
        let Some(whose) = event.output_of() else {
            return true;
        };
        let size = event.size();
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

    /// The event was printed. The answer is what was dropped behind it, to be told now.
    pub fn printed(&self, event: &Event) -> Option<Dropped> {
        event.output_of()?;
        let size = event.size();
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

    /// What is told of it.
    pub fn notice(&self) -> Event {
        let lines: u64 = self.0.values().sum();
        let (lines, were) = if lines == 1 {
            ("1 line".to_owned(), "was")
        } else {
            (format!("{lines} lines"), "were")
        };
        let whose: Vec<&str> = self.0.keys().map(String::as_str).collect();
        Event::Notice {
            service: None,
            text: format!(
                "{lines} of the output of {} {were} dropped here: nobody read what came before",
                whose.join(", ")
            ),
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
        let size = line("web-1").size();
        let backlog = Backlog::of(2 * size);
        let took: Vec<bool> = ["web-1", "web-1", "web-1", "db-1", "web-1"]
            .map(|name| backlog.takes(&line(name)))
            .into();
        assert_eq!(took, [true, true, false, false, false]);
        assert_eq!(backlog.printed(&line("web-1")), None);
        assert!(!backlog.takes(&line("web-1")), "one gap, told once");
        let dropped = backlog.printed(&line("web-1")).unwrap();
        let Event::Notice { text, .. } = dropped.notice() else {
            panic!("{dropped:?}");
        };
        assert_eq!(
            text,
            "4 lines of the output of db-1, web-1 were dropped here: nobody read what came before"
        );
        assert_eq!(backlog.bytes(), 0);
        assert!(backlog.takes(&line("web-1")));
        assert_eq!(backlog.printed(&line("web-1")), None);
    }

    #[test]
    fn a_line_longer_than_the_budget_is_shown_when_nothing_waits() {
        let backlog = Backlog::of(1);
        assert!(backlog.takes(&line("web-1")));
        assert!(!backlog.takes(&line("web-1")));
        assert!(backlog.printed(&line("web-1")).is_some());
    }

    #[test]
    fn what_is_no_output_is_never_dropped() {
        let backlog = Backlog::of(0);
        assert!(backlog.takes(&line("web-1")));
        let notice = Event::Notice {
            service: None,
            text: "x".repeat(1000),
        };
        assert!(backlog.takes(&notice) && backlog.takes(&notice));
        assert_eq!(backlog.printed(&notice), None);
    }

    #[test]
    fn every_line_is_printed_or_counted_whoever_writes_at_the_same_time() {
        const LINES: u64 = 20_000;
        let size = line("web-1").size();
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
                if let Some(gap) = backlog.printed(&event) {
                    dropped += gap.0.values().sum::<u64>();
                }
            }
            (printed, dropped)
        });
        assert_eq!(printed + dropped, 3 * LINES);
        assert_eq!(backlog.bytes(), 0);
    }
}
