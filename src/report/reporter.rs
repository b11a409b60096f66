//! What everybody who has something to say has of it: a way to the [hub](super::hub), which never waits.

use std::io::Write;
use std::sync::{Arc, mpsc};

use super::backlog::Backlog;
use super::event::Event;
use super::hub::{Hub, Listening};
use super::notice::Notice;
use super::print::{Format, Gate, Printing, Silence};
use super::problem::Problem;
use super::text::Text;

/// Takes events from anywhere; all listeners hear them in order, the printing among them. Output that nobody reads is dropped
/// and counted, nothing else is.
#[derive(Clone, Debug)]
pub struct Reporter {
    hub: Arc<Hub>,
    /// Of the printing.
    pub(super) backlog: Arc<Backlog>,
    gate: Arc<Gate>,
}

impl Reporter {
    /// What is said from now on waits until the answer is dropped.
    pub fn silence(&self) -> Silence {
        Silence::of(&self.gate)
    }

    /// Prints to standard output until every clone is dropped.
    pub fn start(format: Format) -> (Self, Printing) {
        // anstream knows terminals, pipes, NO_COLOR and `--ansi`.
        Self::onto(
            anstream::AutoStream::auto(std::io::stdout()),
            format,
            Text::default(),
        )
    }

    pub(super) fn onto(
        out: impl Write + Send + 'static,
        format: Format,
        text: Text,
    ) -> (Self, Printing) {
        let reporter = Self::with(Backlog::default());
        let (events, received) = mpsc::channel();
        reporter.add(move |event| events.send(event).is_ok());
        let (backlog, gate) = (Arc::clone(&reporter.backlog), Arc::clone(&reporter.gate));
        let printing = Printing::start(out, format, text, received, backlog, gate);
        (reporter, printing)
    }

    fn with(backlog: Backlog) -> Self {
        Self {
            hub: Arc::default(),
            backlog: Arc::new(backlog),
            gate: Arc::default(),
        }
    }

    fn add(&self, sink: impl Fn(Arc<Event>) -> bool + Send + Sync + 'static) {
        self.hub.add(Arc::clone(&self.backlog), sink);
    }

    /// For a test that looks at every event.
    pub fn to(events: mpsc::Sender<Event>) -> Self {
        let reporter = Self::with(Backlog::unbounded());
        reporter.add(move |event| events.send(Arc::unwrap_or_clone(event)).is_ok());
        reporter
    }

    /// Another place to listen from, which hears first what holds now.
    pub fn listen(&self) -> Listening {
        self.hub.listen()
    }

    /// Reports `event`, and never waits. Nobody listening is no error: the session may be ending.
    pub fn say(&self, event: Event) {
        self.hub.say(event);
    }

    /// Waits until there is room for output, while somebody reads.
    pub async fn room(&self) {
        self.backlog.room().await;
    }

    /// Something that went wrong.
    pub fn problem(&self, service: Option<&str>, problem: Problem) {
        self.say(Event::Problem {
            service: service.map(str::to_owned),
            problem,
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

    /// Something worth knowing.
    pub fn notice(&self, service: Option<&str>, notice: Notice) {
        self.say(Event::Notice {
            service: service.map(str::to_owned),
            notice,
        });
    }
}
