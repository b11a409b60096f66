//! One stream of events for any number of listeners. Whoever comes late hears first what holds now; whoever does not listen
//! fast enough loses lines of output, or its place, and nobody waits for it. Prints nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::mpsc;

use super::backlog::Backlog;
use super::event::Event;
use super::notice::Notice;
use super::problem::Problem;

/// So many events may wait for a late listener, besides its output: more of them are waited for by one that has gone.
const MOST: usize = 10_000;

/// Takes an event; the answer is whether more is wanted.
type Sink = Box<dyn Fn(Arc<Event>) -> bool + Send + Sync>;

/// All listeners, and what holds now.
#[derive(Debug, Default)]
pub(super) struct Hub {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    listeners: Vec<Listener>,
    memory: Memory,
}

struct Listener {
    sink: Sink,
    backlog: Arc<Backlog>,
    /// It wants no more.
    is_gone: AtomicBool,
}

/// What holds now, in the events that said so.
#[derive(Debug, Default)]
struct Memory {
    started: Option<Arc<Event>>,
    away: Option<Arc<Event>>,
    paused: Option<Arc<Event>>,
    /// What came last of each service.
    outcomes: BTreeMap<String, Arc<Event>>,
}

/// A place among the listeners; dropping it gives it up.
#[derive(Debug)]
pub struct Listening {
    events: mpsc::UnboundedReceiver<Arc<Event>>,
    backlog: Arc<Backlog>,
    waiting: Arc<AtomicUsize>,
    /// What is to be told of output that was dropped.
    gap: Option<Arc<Event>>,
}

impl Hub {
    /// Everybody hears `event`; nobody is waited for.
    pub fn say(&self, event: Event) {
        if Memory::wants(&event) {
            let event = Arc::new(event);
            let mut state = self.write();
            state.memory.note(&event);
            state.listeners.retain(Listener::is_there);
            state.tell(&event);
            return;
        }
        let state = self.read();
        if let [only] = state.listeners.as_slice() {
            // What is dropped in a flood costs nothing more than that.
            if only.takes(&event) {
                only.hear(Arc::new(event));
            }
        } else {
            state.tell(&Arc::new(event));
        }
    }

    /// One more listener, of what is said from now on.
    pub fn add(
        &self,
        backlog: Arc<Backlog>,
        sink: impl Fn(Arc<Event>) -> bool + Send + Sync + 'static,
    ) {
        self.write().add(backlog, Box::new(sink));
    }

    /// One more listener, which hears first what holds now.
    pub fn listen(&self) -> Listening {
        let (sender, events) = mpsc::unbounded_channel();
        let (backlog, waiting) = (Arc::<Backlog>::default(), Arc::<AtomicUsize>::default());
        let count = Arc::clone(&waiting);
        let sink =
            move |event| count.fetch_add(1, Ordering::Relaxed) < MOST && sender.send(event).is_ok();
        let mut state = self.write();
        for event in state.memory.all() {
            sink(event);
        }
        state.add(Arc::clone(&backlog), Box::new(sink));
        Listening {
            events,
            backlog,
            waiting,
            gap: None,
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tell(&self, event: &Arc<Event>) {
        for listener in &self.listeners {
            if listener.takes(event) {
                listener.hear(Arc::clone(event));
            }
        }
    }

    fn add(&mut self, backlog: Arc<Backlog>, sink: Sink) {
        self.listeners.retain(Listener::is_there);
        self.listeners.push(Listener {
            sink,
            backlog,
            is_gone: AtomicBool::new(false),
        });
    }
}

impl Listener {
    fn is_there(&self) -> bool {
        !self.is_gone.load(Ordering::Relaxed)
    }

    fn takes(&self, event: &Event) -> bool {
        self.is_there() && self.backlog.takes(event)
    }

    fn hear(&self, event: Arc<Event>) {
        if !(self.sink)(event) {
            self.is_gone.store(true, Ordering::Relaxed);
        }
    }
}

impl Memory {
    /// Whether it says what holds from now on.
    fn wants(event: &Event) -> bool {
        match event {
            Event::Started { .. } | Event::Outcome(_) => true,
            Event::Notice { service, notice } => {
                service.is_none()
                    && matches!(
                        notice,
                        Notice::EngineIsBack | Notice::Paused | Notice::GoesOn
                    )
            }
            Event::Problem { problem, .. } => matches!(problem, Problem::EngineAway { .. }),
            _ => false,
        }
    }

    fn note(&mut self, event: &Arc<Event>) {
        let now = || Some(Arc::clone(event));
        match &**event {
            Event::Started { .. } => self.started = now(),
            Event::Outcome(outcome) => {
                let service = outcome.service.clone();
                self.outcomes.insert(service, Arc::clone(event));
            }
            Event::Problem { .. } => self.away = now(),
            Event::Notice { notice, .. } => match notice {
                Notice::EngineIsBack => self.away = None,
                Notice::Paused => self.paused = now(),
                _ => self.paused = None,
            },
            _ => {}
        }
    }

    fn all(&self) -> Vec<Arc<Event>> {
        let once = [&self.started, &self.paused, &self.away];
        let outcomes = self.outcomes.values();
        once.into_iter()
            .flatten()
            .chain(outcomes)
            .cloned()
            .collect()
    }
}

impl Listening {
    /// The next event; `None` when the session is over, or when too much has waited.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        if let Some(gap) = self.gap.take() {
            return Some(gap);
        }
        let event = self.events.recv().await?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let dropped = self.backlog.printed(event.output_size());
        self.gap = dropped.map(|dropped| Arc::new(dropped.notice()));
        Some(event)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Stream;
    use crate::report::{Done, Outcome};

    fn outcome(service: &str, done: Done) -> Event {
        Event::Outcome(Outcome {
            service: service.into(),
            done,
            ..Outcome::default()
        })
    }

    fn notice(notice: Notice) -> Event {
        Event::Notice {
            service: None,
            notice,
        }
    }

    fn line(text: &str) -> Event {
        Event::Log {
            container: "web-1".into(),
            stream: Stream::Out,
            text: text.into(),
        }
    }

    async fn all(mut listening: Listening, hub: Hub) -> Vec<Event> {
        drop(hub);
        let mut heard = Vec::new();
        while let Some(event) = listening.next().await {
            heard.push((*event).clone());
        }
        heard
    }

    #[tokio::test]
    async fn everybody_hears_the_same_in_the_same_order() {
        let hub = Hub::default();
        let (one, other) = (hub.listen(), hub.listen());
        let said = [
            notice(Notice::Keys),
            line("hello"),
            outcome("web", Done::Same),
        ];
        for event in &said {
            hub.say(event.clone());
        }
        let mut other = other;
        for event in &said {
            assert_eq!(*other.next().await.unwrap(), *event);
        }
        assert_eq!(all(one, hub).await, said);
    }

    #[tokio::test]
    async fn whoever_comes_late_hears_what_holds_now_and_then_what_is_news() {
        let hub = Hub::default();
        let started = Event::Started {
            project: "shop".into(),
            services: Vec::new(),
            directories: 1,
        };
        let away = |why: &str| Event::Problem {
            service: None,
            problem: Problem::EngineAway { why: why.into() },
        };
        for event in [
            started.clone(),
            outcome("web", Done::Same),
            line("of long ago"),
            notice(Notice::Paused),
            away("one"),
            notice(Notice::EngineIsBack),
            outcome("web", Done::Verified),
            outcome("api", Done::Same),
        ] {
            hub.say(event);
        }
        let late = hub.listen();
        hub.say(line("news"));
        let expected = [
            started.clone(),
            notice(Notice::Paused),
            outcome("api", Done::Same),
            outcome("web", Done::Verified),
            line("news"),
        ];
        assert_eq!(all(late, hub).await, expected);
    }

    #[tokio::test]
    async fn a_listener_that_stalls_loses_output_with_a_count_and_nobody_else_does() {
        let hub = Hub::default();
        let stalled = hub.listen();
        let mut other = hub.listen();
        for _ in 0..100_000 {
            hub.say(line("y"));
            assert!(other.next().await.is_some());
        }
        let heard = all(stalled, hub).await;
        let lines = heard.iter().filter(|event| **event == line("y")).count();
        let Some(Event::Notice { notice, .. }) = heard.last() else {
            panic!("no count");
        };
        assert!(lines < 100_000, "{lines}");
        assert_eq!(
            notice.to_string(),
            format!(
                "{} lines of the output of web-1 were dropped here: nobody read what came before",
                100_000 - lines
            )
        );
    }

    #[tokio::test]
    async fn one_that_never_listens_loses_its_place() {
        let hub = Hub::default();
        let stalled = hub.listen();
        for _ in 0..=MOST {
            hub.say(notice(Notice::Keys));
        }
        hub.say(outcome("web", Done::Same));
        assert!(hub.read().listeners.is_empty());
        assert_eq!(all(stalled, hub).await.len(), MOST);
    }

    #[test]
    fn whoever_has_left_is_forgotten() {
        let hub = Hub::default();
        drop(hub.listen());
        hub.say(notice(Notice::Keys));
        drop(hub.listen());
        assert_eq!(hub.read().listeners.len(), 1);
    }
}
