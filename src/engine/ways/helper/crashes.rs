//! Hears of a process that crashed right after its restart, on a link that nobody else wants just then.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, Notify};

use super::links::Slot;
use crate::engine::client::Docker;
use crate::engine::{Container, End};
use crate::helper::FRESH;

/// Whoever wants the link wants it for an update, which is more than one question.
const ASIDE: Duration = Duration::from_millis(20);
/// The crash is heard of a moment after it.
const SOON: Duration = Duration::from_secs(1);

/// One container's helper, and who wants it.
#[derive(Default)]
pub(super) struct Shared {
    slot: Mutex<Slot>,
    waiting: AtomicUsize,
    wanted: Notify,
    /// The number of the last listener: those before it are of no use any more.
    listener: AtomicU64,
}

impl Shared {
    /// Whoever merely listens makes way at once.
    pub(super) async fn lock(&self) -> MutexGuard<'_, Slot> {
        let _waiting = Waiting::new(&self.waiting);
        self.wanted.notify_waiters();
        self.slot.lock().await
    }

    /// The exit code of the next crash; `None` when the link is gone, or somebody else listens.
    async fn crash(&self) -> Option<u32> {
        let listener = self.listener.fetch_add(1, Ordering::SeqCst) + 1;
        loop {
            let wanted = self.wanted.notified();
            tokio::pin!(wanted);
            wanted.as_mut().enable();
            let mut slot = self.slot.lock().await;
            if self.listener.load(Ordering::SeqCst) != listener {
                return None;
            }
            // Whoever came before we could be told is waiting now.
            if self.waiting.load(Ordering::SeqCst) == 0 {
                let heard = tokio::select! {
                    biased;
                    () = &mut wanted => None,
                    crash = slot.link.as_mut()?.crashed() => Some(crash),
                };
                match heard {
                    Some(Ok(code)) => return Some(code),
                    Some(Err(_)) => {
                        slot.link = None;
                        return None;
                    }
                    None => {}
                }
            }
            drop(slot);
            tokio::time::sleep(ASIDE).await;
        }
    }
}

/// Counted for as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Docker {
    /// The end of a process that was restarted just now, should it crash while its container goes on without it.
    pub(in crate::engine) async fn crash_of(&self, container: &Container) -> Option<End> {
        const KILLED: u32 = 137;
        let shared = self.slot(&container.id).await;
        let crash = tokio::time::timeout(FRESH + SOON, shared.crash());
        let code = crash.await.ok().flatten()?;
        let out_of_memory = code == KILLED && {
            let seen = self
                .inner
                .api
                .inspect_container(&container.id.0, None)
                .await;
            let state = seen.ok().and_then(|seen| seen.state);
            state.and_then(|state| state.oom_killed) == Some(true)
        };
        Some(End {
            service: container.service.clone(),
            id: container.id.clone(),
            name: container.name.clone(),
            code: i64::from(code),
            requested: false,
            out_of_memory,
            lived: None,
        })
    }
}
