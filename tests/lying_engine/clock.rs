//! A clock that runs ahead while everybody waits, so that a minute of patience takes some milliseconds.

use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time;

/// As long as it lives, each turn of the runtime may take `step` on the runtime's clock. The clock that jumps by itself
/// (`start_paused` alone) does not wait for what is on its way through a socket.
pub struct Clock {
    _ends: std::sync::mpsc::Sender<()>,
}

impl Clock {
    /// Starts it, in a test with `start_paused`.
    pub fn start(step: Duration) -> Self {
        let (ends, end) = std::sync::mpsc::channel::<()>();
        let (sender, mut ticks) = mpsc::channel(1);
        // While a blocking task is under way, the runtime leaves its clock alone.
        tokio::task::spawn_blocking(move || {
            while matches!(end.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty)) {
                // A runtime that is busy takes one tick, not all that it missed.
                let _ = sender.try_send(());
                thread::sleep(Duration::from_micros(50));
            }
        });
        tokio::spawn(async move {
            while ticks.recv().await.is_some() {
                time::advance(step).await;
            }
        });
        Self { _ends: ends }
    }
}
