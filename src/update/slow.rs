//! Waits for what may be stuck, and says that it is still waited for. Ends nothing.

use std::time::Duration;

use crate::engine::Container;
use crate::report::{Notice, Reporter, Slow};

/// After so long something may be stuck.
pub const SLOW: Duration = Duration::from_secs(5);

/// Waits for `work`; `say` is called once when it takes longer than `slow`.
pub async fn if_slow<T>(work: impl Future<Output = T>, slow: Duration, say: impl FnOnce()) -> T {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return done,
        () = tokio::time::sleep(slow) => {}
    }
    say();
    work.await
}

/// The same, said of a container in a session.
pub async fn said_if_slow<T>(
    work: impl Future<Output = T>,
    slow: Duration,
    container: &Container,
    so_far: impl FnOnce() -> Slow,
    reporter: &Reporter,
) -> T {
    let say = || reporter.notice(Some(&container.service), Notice::Slow(so_far()));
    if_slow(work, slow, say).await
}
