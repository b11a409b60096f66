//! Says how containers and their processes end, and which update each end followed. Nobody waits for it: an update is told at
//! once, an end when the update that it followed was told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::engine::{ContainerId, End};
use crate::report::{After, Done, Event, Exit, Reporter};

/// An end during an update is told after it, but no later than this.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the workers do to containers, and who is told of their ends.
#[derive(Debug)]
pub struct Ends {
    reporter: Reporter,
    updates: Mutex<Updates>,
    over: Notify,
}

#[derive(Debug, Default)]
struct Updates {
    /// How many are under way, by service.
    under_way: HashMap<String, usize>,
    last: HashMap<ContainerId, (Done, Instant)>,
}

/// As long as it lives, an update of a service is under way.
pub struct UnderWay {
    ends: Arc<Ends>,
    service: String,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut updates = self.ends.updates();
        if let Some(count) = updates.under_way.get_mut(&self.service) {
            *count = count.saturating_sub(1);
        }
        updates.under_way.retain(|_, count| *count > 0);
        drop(updates);
        self.ends.over.notify_waiters();
    }
}

impl Ends {
    /// Tells `reporter`.
    pub fn new(reporter: Reporter) -> Self {
        Self {
            reporter,
            updates: Mutex::default(),
            over: Notify::new(),
        }
    }

    fn updates(&self) -> MutexGuard<'_, Updates> {
        // A panic while it was held leaves nothing half done in it.
        self.updates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An update of a service's containers begins.
    pub fn begin(self: &Arc<Self>, service: &str) -> UnderWay {
        let mut updates = self.updates();
        *updates.under_way.entry(service.to_owned()).or_default() += 1;
        UnderWay {
            ends: Arc::clone(self),
            service: service.to_owned(),
        }
    }

    /// This was done to a container, and told just now.
    pub fn updated(&self, id: &ContainerId, done: &Done) {
        let now = Instant::now();
        self.updates().last.insert(id.clone(), (done.clone(), now));
    }

    /// Of containers that are gone nothing more is told.
    pub fn forget(&self, id: &ContainerId) {
        self.updates().last.remove(id);
    }

    /// A container ended, or its process did and it `waits` for the next save.
    pub async fn tell(self: Arc<Self>, end: End, waits: bool) {
        let at = Instant::now();
        let _ = tokio::time::timeout(PATIENCE, self.until_told(&end.service)).await;
        let last = self.updates().last.get(&end.id).cloned();
        let after = last.map(|(done, told)| After {
            done,
            time: at.saturating_duration_since(told),
        });
        self.reporter.say(Event::Exit(Exit {
            service: end.service,
            container: end.name,
            code: end.code,
            out_of_memory: end.out_of_memory,
            requested: end.requested,
            waits,
            after,
        }));
    }

    async fn until_told(&self, service: &str) {
        loop {
            let over = self.over.notified();
            tokio::pin!(over);
            over.as_mut().enable();
            if !self.updates().under_way.contains_key(service) {
                return;
            }
            over.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn end() -> End {
        End {
            service: "web".into(),
            id: ContainerId("1".into()),
            name: "web-1".into(),
            code: 1,
            requested: false,
            out_of_memory: false,
            lived: None,
        }
    }

    fn told(events: &mpsc::Receiver<Event>) -> Vec<Exit> {
        let exits = events.try_iter().map(|event| match event {
            Event::Exit(exit) => exit,
            other => panic!("{other:?}"),
        });
        exits.collect()
    }

    fn listened_to() -> (Arc<Ends>, mpsc::Receiver<Event>) {
        let (said, events) = mpsc::channel();
        (Arc::new(Ends::new(Reporter::to(said))), events)
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_during_an_update_is_told_after_it_and_names_it() {
        let (ends, events) = listened_to();
        let under_way = ends.begin("web");
        let telling = tokio::spawn(Arc::clone(&ends).tell(end(), false));
        tokio::task::yield_now().await;
        assert_eq!(told(&events), []);
        ends.updated(&end().id, &Done::Same);
        drop(under_way);
        telling.await.unwrap();
        let after = told(&events).remove(0).after.unwrap();
        assert_eq!((after.done, after.time), (Done::Same, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_update_or_another_services_holds_no_end_back() {
        let (ends, events) = listened_to();
        let _other = ends.begin("db");
        Arc::clone(&ends).tell(end(), false).await;
        assert_eq!(told(&events).len(), 1);
        let _under_way = ends.begin("web");
        Arc::clone(&ends).tell(end(), false).await;
        assert_eq!(told(&events)[0].after, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_container_that_is_gone_had_no_update() {
        let (ends, events) = listened_to();
        ends.updated(&end().id, &Done::Same);
        ends.forget(&end().id);
        Arc::clone(&ends).tell(end(), true).await;
        let exit = told(&events).remove(0);
        assert_eq!((exit.after, exit.waits), (None, true));
    }
}
