//! One stream of events for any number of listeners. Whoever comes late hears first what holds now; whoever does not listen
//! fast enough loses lines of output, or its place, and nobody waits for it. Prints nothing.

#[cfg(test)]
mod tests;

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
