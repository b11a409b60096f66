//! Waits for a crash of a process right after its restart, on a link that is otherwise idle.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, Notify};

use super::links::Slot;
use crate::engine::client::Docker;
use crate::engine::{Container, End};
use crate::helper::FRESH;

/// The pause before the wait continues: whoever needs the link needs it for an update, which is more than one request.
const ASIDE: Duration = Duration::from_millis(20);
/// A crash is reported at most this long after it happened.
const SOON: Duration = Duration::from_secs(1);

/// One container's helper, and how many wait for it.
#[derive(Default)]
pub(super) struct Shared {
    slot: Mutex<Slot>,
    waiting: AtomicUsize,
    wanted: Notify,
    /// The number of the latest wait for a crash; earlier ones end.
    listener: AtomicU64,
}

impl Shared {
    /// Locks the slot; a wait for a crash gives it up at once.
    pub(super) async fn lock(&self) -> MutexGuard<'_, Slot> {
        let _waiting = Waiting::new(&self.waiting);
        self.wanted.notify_waiters();
        self.slot.lock().await
    }

    /// The exit code of the next crash; `None` when the link is gone, or a later call waits.
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
            // Those who came before `wanted` was enabled are counted in `waiting`.
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

/// Counts one who waits for the slot, as long as it exists.
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
    /// The end of a process that was just restarted, if it crashes while its container keeps running.
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
