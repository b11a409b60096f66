//! Ctrl-C as a flag that every wait looks at, so that what was started is cleaned up on the way out.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Result;

static ASKED_TO_END: AtomicBool = AtomicBool::new(false);

/// From now on the first Ctrl-C or SIGTERM sets the flag; the second ends the process at once.
pub fn listen() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut terminate), Ok(mut interrupt)) = (
                signal(SignalKind::terminate()),
                signal(SignalKind::interrupt()),
            ) else {
                return;
            };
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if ASKED_TO_END.swap(true, Ordering::Relaxed) {
                    std::process::exit(130);
                }
            }
        });
    });
    Ok(())
}

/// An error once the user has asked to end.
pub fn check() -> Result<()> {
    if ASKED_TO_END.load(Ordering::Relaxed) {
        return Err("interrupted".into());
    }
    Ok(())
}
