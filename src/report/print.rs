//! The one file of a session that prints: a thread of its own, so that a slow terminal never holds back an update.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;

use super::backlog::Backlog;
use super::event::Event;
use super::json;
use super::text::Text;

/// So much goes out in one write, while more waits.
const BATCH: usize = 64 * 1024;
/// After so much of it is looked whether somebody reads.
const AT_ONCE: usize = 8 * 1024;
/// At the end a reader that takes nothing for so long does not read.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Closed while somebody else writes to the terminal.
#[derive(Debug, Default)]
pub(super) struct Gate {
    closed: Mutex<bool>,
    opened: Condvar,
}

/// Nothing is printed until this is dropped.
pub struct Silence(Arc<Gate>);

impl Gate {
    fn set(&self, closed: bool) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = closed;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = self.opened.wait_while(closed, |closed| *closed);
        drop(opened.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Silence {
    pub(super) fn of(gate: &Arc<Gate>) -> Self {
        gate.set(true);
        Self(Arc::clone(gate))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// The printing, which goes on until all is printed.
#[derive(Debug)]
pub struct Printing {
    backlog: Arc<Backlog>,
    end: oneshot::Receiver<()>,
}

impl Printing {
    /// Prints what is `received` until nobody is left who could say anything.
    pub(super) fn start(
        out: impl Write + Send + 'static,
        format: Format,
        text: Text,
        received: mpsc::Receiver<Arc<Event>>,
        backlog: Arc<Backlog>,
        gate: Arc<Gate>,
    ) -> Self {
        let (ended, end) = oneshot::channel();
        let waits = Arc::clone(&backlog);
        std::thread::spawn(move || {
            print(out, format, text, &received, &backlog, &gate);
            // Whoever waits for it may have given up.
            let _ = ended.send(());
        });
        Self {
            backlog: waits,
            end,
        }
    }

    /// Until all is printed; a reader that does not read is waited for two seconds.
    pub async fn ended(mut self) {
        loop {
            let before = self.backlog.writes();
            let end = tokio::time::timeout(PATIENCE, &mut self.end).await;
            if end.is_ok() || self.backlog.writes() == before {
                return;
            }
        }
    }
}

/// One write for what waits, and a flush when nothing does: a flood is as many lines as there can be.
fn print(
    mut out: impl Write,
    format: Format,
    mut text: Text,
    events: &mpsc::Receiver<Arc<Event>>,
    backlog: &Backlog,
    gate: &Gate,
) {
    let mut lines = |event: &Event| match format {
        Format::Text => text.lines(event),
        Format::Json => json::line(event, SystemTime::now()),
    };
    let mut batch = String::new();
    while let Ok(first) = events.recv() {
        let mut next = Some(first);
        while let Some(event) = next.take() {
            let mut output = 0;
            let mut more = Some(event);
            while let Some(event) = more.take() {
                batch.push_str(&lines(&event));
                output += event.output_size();
                // A gap is told where it is.
                if batch.len() < BATCH && !backlog.is_gap_behind(output) {
                    more = events.try_recv().ok();
                }
            }
            gate.pass();
            for part in batch.as_bytes().chunks(AT_ONCE) {
                // A closed pipe is for the session's end to notice, not for a line to die of.
                let _ = out.write_all(part);
                backlog.wrote();
            }
            batch.clear();
            if let Some(dropped) = backlog.printed(output) {
                batch.push_str(&lines(&dropped.notice()));
            }
            next = events.try_recv().ok();
        }
        if !batch.is_empty() {
            gate.pass();
            let _ = out.write_all(batch.as_bytes());
            batch.clear();
        }
        let _ = out.flush();
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::engine::Stream;
    use crate::report::{Notice, Reporter};

    /// A terminal after Ctrl-S: what is written to it waits until it is released.
    #[derive(Clone, Default)]
    struct Terminal(Arc<(Mutex<Shown>, Condvar)>);

    #[derive(Default)]
    struct Shown {
        released: bool,
        writes: usize,
        bytes: Vec<u8>,
    }

    impl Terminal {
        fn release(&self) {
            self.0.0.lock().unwrap().released = true;
            self.0.1.notify_all();
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.0.lock().unwrap().bytes.clone()).unwrap()
        }
    }

    impl Write for Terminal {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let shown = self.0.0.lock().unwrap();
            let mut shown = self.0.1.wait_while(shown, |shown| !shown.released).unwrap();
            shown.writes += 1;
            shown.bytes.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const LINES: usize = 1_000_000;

    fn numbered(number: usize) -> Notice {
        Notice::Unsupervised(format!("notice {number}"))
    }

    /// A million lines and ten notices for a terminal that does not read; what it shows when it does.
    fn flood(format: Format) -> Vec<String> {
        let terminal = Terminal::default();
        let text = Text::default();
        let (reporter, printing) = Reporter::onto(terminal.clone(), format, text);
        let line = Event::Log {
            container: "web-1".into(),
            stream: Stream::Out,
            text: "y".into(),
        };
        for number in 0..LINES {
            reporter.say(line.clone());
            if number % (LINES / 10) == 0 {
                reporter.notice(Some("web"), numbered(number));
            }
            assert!(reporter.backlog.bytes() <= 2 << 20);
        }
        terminal.release();
        drop(reporter);
        printing.end.blocking_recv().unwrap();
        let shown = anstream::adapter::strip_str(&terminal.text()).to_string();
        shown.lines().map(str::to_owned).collect()
    }

    #[test]
    fn output_that_nobody_reads_is_dropped_with_a_count_and_nothing_else_is() {
        let shown = flood(Format::Text);
        let logs = shown.iter().filter(|line| *line == "web-1  | y").count();
        assert!((1000..100_000).contains(&logs), "{logs}");
        let notices: Vec<&String> = shown
            .iter()
            .filter(|line| line.starts_with("web  notice "))
            .collect();
        let said: Vec<String> = (0..10)
            .map(|number| format!("web  notice {}", number * (LINES / 10)))
            .collect();
        assert_eq!(notices, said.iter().collect::<Vec<_>>());
        let dropped = format!(
            "{} lines of the output of web-1 were dropped here: nobody read what came before",
            LINES - logs
        );
        let gap = shown.iter().position(|line| *line == dropped).unwrap();
        assert_eq!(shown[gap - 1], "web-1  | y");
        assert_eq!(shown.len(), logs + said.len() + 1);
    }

    #[test]
    fn programs_are_told_of_dropped_output_as_well() {
        let shown = flood(Format::Json);
        let dropped: Vec<serde_json::Value> = shown
            .iter()
            .filter(|line| line.contains("dropped here"))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(dropped.len(), 1);
        assert_eq!(dropped[0]["event"], "notice");
    }

    /// How long the end waits for the printing.
    async fn waits(terminal: &Terminal) -> Duration {
        let text = Text::default();
        let (reporter, printing) = Reporter::onto(terminal.clone(), Format::Text, text);
        for number in 0..10_000 {
            reporter.notice(None, numbered(number));
        }
        drop(reporter);
        let begun = std::time::Instant::now();
        printing.ended().await;
        begun.elapsed()
    }

    #[tokio::test]
    async fn a_reader_that_stalls_does_not_keep_the_session_from_ending() {
        let terminal = Terminal::default();
        let waited = waits(&terminal).await;
        assert!(waited >= PATIENCE, "{waited:?}");
        assert_eq!(terminal.text(), "");
        terminal.release();
    }

    #[tokio::test]
    async fn one_that_reads_gets_all_of_it_before_the_session_ends() {
        let terminal = Terminal::default();
        terminal.release();
        waits(&terminal).await;
        let shown = anstream::adapter::strip_str(&terminal.text()).to_string();
        assert_eq!(shown.lines().count(), 10_000);
        assert!(shown.ends_with("notice 9999\n"));
        let writes = terminal.0.0.lock().unwrap().writes;
        assert!(writes < 1000, "{writes} writes");
    }
}
