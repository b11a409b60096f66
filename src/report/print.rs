//! The one file of a session that prints: a thread of its own, so that a slow terminal never holds back an update.

use std::io::Write as _;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::SystemTime;

use crate::paths::HostPath;

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

/// Takes events from anywhere; prints them in order.
#[derive(Clone, Debug)]
pub struct Reporter {
    events: mpsc::Sender<Event>,
}

impl Reporter {
    /// Prints to standard output until every clone is dropped. The handle ends when all is printed.
    pub fn start(format: Format, dir: HostPath) -> (Self, JoinHandle<()>) {
        let (events, received) = mpsc::channel();
        let printer = std::thread::spawn(move || print(format, dir, &received));
        (Self { events }, printer)
    }

    /// One event, for a test to look at.
    pub fn to(events: mpsc::Sender<Event>) -> Self {
        Self { events }
    }

    /// Reports `event`. Nobody listening is no error: the session may be ending.
    pub fn say(&self, event: Event) {
        let _ = self.events.send(event);
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

fn print(format: Format, dir: HostPath, events: &mpsc::Receiver<Event>) {
    let mut text = Text::new(dir);
    // anstream knows terminals, pipes, NO_COLOR and `--ansi`.
    let mut out = anstream::AutoStream::auto(std::io::stdout());
    while let Ok(event) = events.recv() {
        let lines = match format {
            Format::Text => text.lines(&event),
            Format::Json => json::line(&event, SystemTime::now()),
        };
        // A closed pipe is for the session's end to notice, not for a line to die of.
        let _ = out.write_all(lines.as_bytes());
        let _ = out.flush();
    }
}
