//! The one file of a session that prints: a thread of its own, so that a slow terminal never holds back an update.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::SystemTime;

use super::backlog::Backlog;
use super::event::Event;
use super::json;
use super::text::Text;

/// What is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Takes events from anywhere; prints them in order. Output that nobody reads is dropped and counted, nothing else is.
#[derive(Clone, Debug)]
pub struct Reporter {
    events: mpsc::Sender<Event>,
    backlog: Arc<Backlog>,
    gate: Arc<Gate>,
}

/// Closed while somebody else writes to the terminal.
#[derive(Debug, Default)]
struct Gate {
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

impl Drop for Silence {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Reporter {
    /// What is said from now on waits until the answer is dropped.
    pub fn silence(&self) -> Silence {
        self.gate.set(true);
        Silence(Arc::clone(&self.gate))
    }

    /// Prints to standard output until every clone is dropped. The handle ends when all is printed.
    pub fn start(format: Format) -> (Self, JoinHandle<()>) {
        // anstream knows terminals, pipes, NO_COLOR and `--ansi`.
        Self::onto(
            anstream::AutoStream::auto(std::io::stdout()),
            format,
            Text::default(),
        )
    }

    fn onto(
        out: impl Write + Send + 'static,
        format: Format,
        text: Text,
    ) -> (Self, JoinHandle<()>) {
        let (events, received) = mpsc::channel();
        let reporter = Self {
            events,
            backlog: Arc::default(),
            gate: Arc::default(),
        };
        let (backlog, gate) = (Arc::clone(&reporter.backlog), Arc::clone(&reporter.gate));
        let printer =
            std::thread::spawn(move || print(out, format, text, &received, &backlog, &gate));
        (reporter, printer)
    }

    /// One event, for a test to look at.
    pub fn to(events: mpsc::Sender<Event>) -> Self {
        Self {
            events,
            backlog: Arc::new(Backlog::unbounded()),
            gate: Arc::default(),
        }
    }

    /// Reports `event`, and never waits. Nobody listening is no error: the session may be ending.
    pub fn say(&self, event: Event) {
        if self.backlog.takes(&event) {
            let _ = self.events.send(event);
        }
    }

    /// A problem with a hint.
    pub fn problem(&self, service: Option<&str>, message: impl Into<String>, hint: Option<&str>) {
        self.say(Event::Problem {
            service: service.map(str::to_owned),
            message: message.into(),
            hint: hint.map(str::to_owned),
        });
    }

    /// A line of a build or of Compose; an empty one says nothing.
    pub fn build(&self, service: Option<&str>, line: &str) {
        let text = line.trim_end();
        if !text.is_empty() {
            self.say(Event::Build {
                service: service.map(str::to_owned),
                text: text.to_owned(),
            });
        }
    }

    /// A line worth knowing.
    pub fn notice(&self, service: Option<&str>, text: impl Into<String>) {
        self.say(Event::Notice {
            service: service.map(str::to_owned),
            text: text.into(),
        });
    }
}

fn print(
    mut out: impl Write,
    format: Format,
    mut text: Text,
    events: &mpsc::Receiver<Event>,
    backlog: &Backlog,
    gate: &Gate,
) {
    let mut show = |event: &Event| {
        let lines = match format {
            Format::Text => text.lines(event),
            Format::Json => json::line(event, SystemTime::now()),
        };
        // A closed pipe is for the session's end to notice, not for a line to die of.
        let _ = out.write_all(lines.as_bytes());
        let _ = out.flush();
    };
    while let Ok(event) = events.recv() {
        gate.pass();
        show(&event);
        if let Some(dropped) = backlog.printed(&event) {
            show(&dropped.notice());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::engine::Stream;

    /// A terminal after Ctrl-S: what is written to it waits until it is released.
    #[derive(Clone, Default)]
    struct Terminal(Arc<(Mutex<Shown>, Condvar)>);

    #[derive(Default)]
    struct Shown {
        released: bool,
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
            shown.bytes.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const LINES: usize = 1_000_000;

    /// A million lines and ten notices for a terminal that does not read; what it shows when it does.
    fn flood(format: Format) -> Vec<String> {
        let terminal = Terminal::default();
        let text = Text::default();
        let (reporter, printer) = Reporter::onto(terminal.clone(), format, text);
        let line = Event::Log {
            container: "web-1".into(),
            stream: Stream::Out,
            text: "y".into(),
        };
        for number in 0..LINES {
            reporter.say(line.clone());
            if number % (LINES / 10) == 0 {
                reporter.notice(Some("web"), format!("notice {number}"));
            }
            assert!(reporter.backlog.bytes() <= 2 << 20);
        }
        terminal.release();
        drop(reporter);
        printer.join().unwrap();
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
}
