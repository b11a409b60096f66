//! The user's terminal, lent to Compose while it builds and starts, so that it can draw its progress.

use std::io::{IsTerminal, Write as _};
use std::process::Stdio;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::process::Command;

use super::EngineError;
use super::client::Docker;
use super::command::{Group, cannot_start};

const KEPT: u8 = 0;
const LENT: u8 = 1;
/// Lent, and not for the first time: Compose's warnings were shown before.
const LENT_AGAIN: u8 = 2;

/// Who may write to the terminal.
#[derive(Debug, Default)]
pub(super) struct Screen {
    state: AtomicU8,
    times: AtomicU8,
}

impl Screen {
    pub(super) fn is_lent(&self) -> bool {
        self.state.load(Ordering::Relaxed) != KEPT
    }

    /// Whether Compose's warnings were shown there before.
    pub(super) fn has_warned(&self) -> bool {
        self.state.load(Ordering::Relaxed) == LENT_AGAIN
    }
}

/// Compose has the terminal until this is dropped; nothing else may write to it.
pub struct Lent(Docker);

impl Docker {
    /// From now on Compose draws on the terminal. The caller has checked that there [is one](has_screen).
    pub fn lend_screen(&self) -> Lent {
        let screen = &self.inner.screen;
        let before = screen.times.fetch_add(1, Ordering::Relaxed);
        let state = if before == 0 { LENT } else { LENT_AGAIN };
        screen.state.store(state, Ordering::Relaxed);
        Lent(self.clone())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.0.inner.screen.state.store(KEPT, Ordering::Relaxed);
        // A program that was killed while drawing has left the cursor hidden in the middle of a line.
        let _ = std::io::stderr().write_all(b"\x1b[?25h\x1b[0m\r\x1b[K");
    }
}

/// Whether somebody sits at a terminal that a background program may write to.
pub fn has_screen() -> bool {
    let out = anstream::AutoStream::choice(&std::io::stderr());
    std::io::stdout().is_terminal()
        && std::io::stderr().is_terminal()
        && out != anstream::ColorChoice::Never
        && lets_the_background_write()
}

/// With `stty tostop` the system stops programs in process groups of their own that write, as ours do.
#[cfg(unix)]
fn lets_the_background_write() -> bool {
    use rustix::termios::{LocalModes, tcgetattr};
    tcgetattr(std::io::stderr()).is_ok_and(|modes| !modes.local_modes.contains(LocalModes::TOSTOP))
}

#[cfg(not(unix))]
fn lets_the_background_write() -> bool {
    true
}

/// Runs a command that writes to the terminal itself. Dropping the future ends the whole group.
pub(super) async fn show(mut command: Command, what: &str) -> Result<(), EngineError> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let ended = Group::start(command)
        .map_err(|error| cannot_start(what, &error))?
        .ended()
        .await
        .map_err(|error| EngineError::Refused(format!("lost sight of {what}: {error}")))?;
    if ended.success() {
        return Ok(());
    }
    Err(EngineError::Refused(format!(
        "{what} failed: it says above why"
    )))
}
