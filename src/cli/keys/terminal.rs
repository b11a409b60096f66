//! Reads a terminal key by key, and puts its old settings back whatever happens. Knows no session.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Weak};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Signal, getpgrp, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use rustix::termios::{isatty, tcgetattr, tcgetpgrp, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Key, decode};

/// The keys typed in a terminal. Dropping it restores the terminal's settings.
#[derive(Debug)]
pub struct Listening {
    keys: mpsc::UnboundedReceiver<Key>,
    /// Dropping it closes the pipe, which ends the reading thread.
    _reading: PipeWriter,
    suspending: JoinHandle<()>,
    terminal: Arc<Terminal>,
}

impl Listening {
    /// `None` when nobody can type: there is no terminal, or we are in its background.
    pub fn on_standard_input() -> Option<Self> {
        let stdin = io::stdin();
        if !isatty(stdin.as_fd()) || !isatty(io::stdout().as_fd()) {
            return None;
        }
        Self::on(stdin.as_fd().try_clone_to_owned().ok()?).ok()
    }

    fn on(fd: OwnedFd) -> io::Result<Self> {
        let terminal = Arc::new(Terminal::open(fd)?);
        if !terminal.is_ours() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let suspend = signal(SignalKind::from_raw(Signal::TSTP.as_raw()))?;
        let resume = signal(SignalKind::from_raw(Signal::CONT.as_raw()))?;
        let (until, reading) = io::pipe()?;
        let (sender, keys) = mpsc::unbounded_channel();
        restore_on_panic(Arc::downgrade(&terminal));
        terminal.listen()?;
        let listening = Self {
            keys,
            _reading: reading,
            suspending: tokio::spawn(follow_suspends(suspend, resume, Arc::clone(&terminal))),
            terminal: Arc::clone(&terminal),
        };
        // A thread, since tokio has no safe way to wait for a terminal, and would wait for its own reader at the end.
        std::thread::Builder::new()
            .name("keys".to_owned())
            .spawn(move || {
                // An error means that the terminal is gone: no more keys.
                let _ = read(&terminal.fd, &until, &sender);
            })?;
        Ok(listening)
    }

    /// The next key; `None` when the terminal is gone.
    pub async fn next(&mut self) -> Option<Key> {
        self.keys.recv().await
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.suspending.abort();
        self.terminal.restore();
    }
}

/// On Ctrl-Z, restores the terminal before the process stops, and takes it again afterwards.
async fn follow_suspends(
    mut suspend: tokio::signal::unix::Signal,
    mut resume: tokio::signal::unix::Signal,
    terminal: Arc<Terminal>,
) {
    /// Long enough for the stop to take effect, too short to be noticed.
    const STOPPED_BY_NOW: Duration = Duration::from_millis(100);
    loop {
        tokio::select! {
            _ = suspend.recv() => {
                terminal.restore();
                // Our handler replaced the signal's own effect, so another signal stops us, which has the same effect: it does nothing when
                // there is no shell to continue us, as in a terminal without one.
                let _ = kill_process(getpid(), Signal::TTOU);
                // The stop takes effect a moment later, so wait for the continuation before taking the terminal again.
                let _ = timeout(STOPPED_BY_NOW, resume.recv()).await;
            }
            _ = resume.recv() => {}
        }
        let _ = terminal.listen();
    }
}

/// Reads until the terminal is gone or `until` is closed.
fn read(
    terminal: &OwnedFd,
    until: &PipeReader,
    keys: &mpsc::UnboundedSender<Key>,
) -> io::Result<()> {
    let mut buffer = [0; 64];
    loop {
        let mut ready = [
            PollFd::new(terminal, PollFlags::IN),
            PollFd::new(until, PollFlags::IN),
        ];
        match poll(&mut ready, None) {
            Err(Errno::INTR) => continue,
            result => result?,
        };
        if !ready[1].revents().is_empty() {
            return Ok(());
        }
        let gone = ready[0]
            .revents()
            .intersects(PollFlags::HUP | PollFlags::ERR);
        // Does not block: the terminal is set to return nothing when there is nothing.
        let length = match rustix::io::read(terminal, &mut buffer) {
            Err(Errno::INTR) => continue,
            result => result?,
        };
        for key in decode(&buffer[..length]) {
            // If nobody listens any more, the session is ending.
            let _ = keys.send(key);
        }
        if gone {
            return Ok(());
        }
    }
}

/// A terminal, and its settings before we changed them.
#[derive(Debug)]
struct Terminal {
    fd: OwnedFd,
    before: Termios,
}

impl Terminal {
    fn open(fd: OwnedFd) -> io::Result<Self> {
        let before = tcgetattr(&fd)?;
        Ok(Self { fd, before })
    }

    /// Changing a terminal from its background would stop the process. A terminal that is not our controlling one has no background.
    fn is_ours(&self) -> bool {
        tcgetpgrp(&self.fd).map_or(true, |group| group == getpgrp())
    }

    /// Turns off echo and waiting for a newline; Ctrl-C and Ctrl-Z still send signals.
    fn listen(&self) -> io::Result<()> {
        if self.is_ours() {
            let mut settings = self.before.clone();
            settings
                .local_modes
                .remove(LocalModes::ICANON | LocalModes::ECHO);
            settings.special_codes[SpecialCodeIndex::VMIN] = 0;
            settings.special_codes[SpecialCodeIndex::VTIME] = 0;
            tcsetattr(&self.fd, OptionalActions::Now, &settings)?;
        }
        Ok(())
    }

    fn restore(&self) {
        if self.is_ours() {
            // A terminal that is gone needs no settings.
            let _ = tcsetattr(&self.fd, OptionalActions::Now, &self.before);
        }
    }
}

/// A panic may end the process without running destructors.
fn restore_on_panic(terminal: Weak<Terminal>) {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if let Some(terminal) = terminal.upgrade() {
            terminal.restore();
        }
        before(panic);
    }));
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use tokio::sync::Mutex;

    use super::*;

    /// A panic gives back every terminal of the process, so these tests go one after the other.
    static ALONE: Mutex<()> = Mutex::const_new(());

    /// The next key, or none in time: then the terminal still waits for a whole line.
    async fn next(listening: &mut Listening) -> Option<Key> {
        const LIMIT: Duration = Duration::from_secs(20);
        timeout(LIMIT, listening.next()).await.expect("a key")
    }

    /// Both ends of a new terminal: what the user's side writes, the other side reads.
    fn terminal() -> (File, OwnedFd) {
        let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&user).unwrap();
        unlockpt(&user).unwrap();
        let name = ptsname(&user, Vec::new()).unwrap();
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
        let other = rustix::fs::open(&name, flags, rustix::fs::Mode::empty()).unwrap();
        (File::from(user), other)
    }

    fn modes(fd: &OwnedFd) -> LocalModes {
        tcgetattr(fd).unwrap().local_modes
    }

    #[tokio::test]
    async fn keys_arrive_one_by_one_without_a_newline() {
        let _alone = ALONE.lock().await;
        let (mut user, other) = terminal();
        let mut listening = Listening::on(other).unwrap();
        user.write_all(b"r").unwrap();
        assert_eq!(next(&mut listening).await, Some(Key::Rebuild));
        user.write_all(b"xv?").unwrap();
        assert_eq!(next(&mut listening).await, Some(Key::Verify));
        assert_eq!(next(&mut listening).await, Some(Key::Help));
    }

    #[tokio::test]
    async fn the_terminal_is_silent_while_keys_are_heard_and_as_before_afterwards() {
        let _alone = ALONE.lock().await;
        let (_user, other) = terminal();
        let watched = other.try_clone().unwrap();
        let before = modes(&watched);
        assert!(before.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG));
        let listening = Listening::on(other).unwrap();
        assert!(!modes(&watched).intersects(LocalModes::ECHO | LocalModes::ICANON));
        assert!(modes(&watched).contains(LocalModes::ISIG));
        drop(listening);
        assert_eq!(modes(&watched), before);
    }

    #[tokio::test]
    async fn a_panic_puts_the_terminal_back() {
        let _alone = ALONE.lock().await;
        let (_user, other) = terminal();
        let watched = other.try_clone().unwrap();
        let before = modes(&watched);
        let _listening = Listening::on(other).unwrap();
        assert_ne!(modes(&watched), before);
        let panicked = std::thread::spawn(|| panic!("on purpose")).join();
        assert!(panicked.is_err());
        assert_eq!(modes(&watched), before);
    }
}
