//! The requests to end a running session: signals, and Docker's plugin socket. Ends nothing itself.

use std::ffi::OsString;
use std::io;
use std::time::Duration;

use tokio::time::Instant;

/// The variable in which the CLI names a socket; the CLI closes it to say "shut down".
const SOCKET: &str = "DOCKER_CLI_PLUGIN_SOCKET";

/// What asked the session to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Ctrl-C, which sends SIGINT.
    Interrupt,
    /// SIGTERM, as from `kill` or a service manager.
    Terminate,
    /// The terminal is gone (SIGHUP).
    HangUp,
    /// The `docker` that started us was told to end, and closed its socket to pass that on.
    CliGone,
}

/// Receives the requests to end. The first asks for an orderly end; the second means "at once".
#[derive(Debug)]
pub struct Shutdown {
    sources: sources::Signals,
    once: Once,
}

impl Shutdown {
    /// Listens from now on; signals no longer end the process by themselves. Fails when the system refuses a signal handler.
    ///
    /// Must be called within a tokio runtime.
    pub fn listen() -> io::Result<Self> {
        Self::listen_to(std::env::var_os(SOCKET).filter(|socket| !socket.is_empty()))
    }

    fn listen_to(socket: Option<OsString>) -> io::Result<Self> {
        Ok(Self {
            sources: sources::Signals::open(socket)?,
            once: Once::default(),
        })
    }

    /// The next request to end. Safe to drop and call again, as in a `select!`.
    pub async fn next(&mut self) -> Reason {
        loop {
            let reason = self.sources.next().await;
            if self.once.is_new(reason, Instant::now()) {
                return reason;
            }
        }
    }
}

/// Recognises one request that arrives twice: Ctrl-C in a pipeline reaches us as a signal, and as the socket that `docker` closes because of it.
#[derive(Debug, Default)]
struct Once {
    last: Option<(Reason, Instant)>,
}

impl Once {
    /// Requests from two sources within this time are one request; two from one source are two.
    const SAME: Duration = Duration::from_secs(1);

    fn is_new(&mut self, reason: Reason, now: Instant) -> bool {
        let echo = self.last.is_some_and(|(last, at)| {
            // The closed socket adds nothing once anything else has asked.
            reason == Reason::CliGone || last != reason && now.duration_since(at) < Self::SAME
        });
        if !echo {
            self.last = Some((reason, now));
        }
        !echo
    }
}

#[cfg(unix)]
mod sources {
    use std::ffi::{OsStr, OsString};
    use std::io;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixStream as StdStream};

    use tokio::net::UnixStream;
    use tokio::signal::unix::{Signal, SignalKind, signal};

    use super::Reason;

    #[derive(Debug)]
    pub struct Signals {
        interrupt: Signal,
        terminate: Signal,
        /// `None` under `nohup`: a process started that way is to keep running.
        hang_up: Option<Signal>,
        socket: Option<UnixStream>,
    }

    impl Signals {
        pub fn open(socket: Option<OsString>) -> io::Result<Self> {
            let hang_up_ignored = ignored_signals() & 1 != 0;
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hang_up: if hang_up_ignored {
                    None
                } else {
                    Some(signal(SignalKind::hangup())?)
                },
                // If the CLI's socket cannot be reached, the CLI can still send signals; Docker's own plugins ignore this too.
                socket: socket.and_then(|socket| connect(&socket).ok()),
            })
        }

        pub async fn next(&mut self) -> Reason {
            tokio::select! {
                _ = self.interrupt.recv() => Reason::Interrupt,
                _ = self.terminate.recv() => Reason::Terminate,
                () = hung_up(&mut self.hang_up) => Reason::HangUp,
                () = closed(&mut self.socket) => Reason::CliGone,
            }
        }
    }

    async fn hung_up(signal: &mut Option<Signal>) {
        match signal {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }

    /// Resolves once, when the CLI has closed the socket.
    async fn closed(socket: &mut Option<UnixStream>) {
        let Some(stream) = socket else {
            return std::future::pending().await;
        };
        let mut ignored = [0; 64];
        while stream.readable().await.is_ok() {
            match stream.try_read(&mut ignored) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
        *socket = None;
    }

    fn connect(name: &OsStr) -> io::Result<UnixStream> {
        let stream = StdStream::connect_addr(&address(name)?)?;
        stream.set_nonblocking(true)?;
        UnixStream::from_std(stream)
    }

    /// A leading `@` means Linux's abstract namespace.
    fn address(name: &OsStr) -> io::Result<SocketAddr> {
        #[cfg(target_os = "linux")]
        if let Some(name) = name.as_bytes().strip_prefix(b"@") {
            use std::os::linux::net::SocketAddrExt;
            return SocketAddr::from_abstract_name(name);
        }
        SocketAddr::from_pathname(name)
    }

    /// The signals that our parent process set to be ignored, SIGHUP in the lowest bit; 0 without Linux's `/proc`.
    fn ignored_signals() -> u64 {
        std::fs::read_to_string("/proc/self/status")
            .ok()
            .and_then(|status| {
                let mask = status
                    .lines()
                    .find_map(|line| line.strip_prefix("SigIgn:"))?;
                u64::from_str_radix(mask.trim(), 16).ok()
            })
            .unwrap_or(0)
    }
}

#[cfg(not(unix))]
mod sources {
    use std::ffi::OsString;
    use std::io;

    use super::Reason;

    /// Ctrl-C only: Windows has no other signal, and Docker's socket is a Unix one.
    #[derive(Debug)]
    pub struct Signals;

    impl Signals {
        pub fn open(_socket: Option<OsString>) -> io::Result<Self> {
            Ok(Self)
        }

        pub async fn next(&mut self) -> Reason {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
            Reason::Interrupt
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::net::UnixListener;

    use tokio::sync::Mutex;

    use super::*;

    /// All listeners in a process receive a signal, so the tests that listen run one after the other.
    static ALONE: Mutex<()> = Mutex::const_new(());

    #[test]
    fn ctrl_c_in_a_pipeline_is_one_request_though_it_arrives_twice() {
        let start = Instant::now();
        let soon = start + Duration::from_millis(20);
        let mut once = Once::default();
        assert!(once.is_new(Reason::Interrupt, start));
        assert!(!once.is_new(Reason::CliGone, soon));

        let mut once = Once::default();
        assert!(once.is_new(Reason::CliGone, start));
        assert!(!once.is_new(Reason::Interrupt, soon));
        assert!(once.is_new(Reason::Interrupt, start + Duration::from_secs(2)));
    }

    #[test]
    fn a_second_ctrl_c_is_a_second_request_however_soon() {
        let start = Instant::now();
        let mut once = Once::default();
        assert!(once.is_new(Reason::Interrupt, start));
        assert!(once.is_new(Reason::Interrupt, start));
    }

    #[tokio::test]
    async fn the_closed_plugin_socket_ends_the_session() {
        let _alone = ALONE.lock().await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plugin.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let mut shutdown = Shutdown::listen_to(Some(path.into())).unwrap();
        drop(listener.accept().unwrap());
        assert_eq!(shutdown.next().await, Reason::CliGone);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_plugin_socket_with_an_at_sign_is_an_abstract_one() {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::SocketAddr;

        let _alone = ALONE.lock().await;
        let name = format!("docker_cli_test_{}", std::process::id());
        let listener =
            UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let mut shutdown = Shutdown::listen_to(Some(format!("@{name}").into())).unwrap();
        drop(listener.accept().unwrap());
        assert_eq!(shutdown.next().await, Reason::CliGone);
    }

    #[tokio::test]
    async fn a_signal_is_a_request_to_end() {
        let _alone = ALONE.lock().await;
        let mut shutdown = Shutdown::listen_to(None).unwrap();
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM)
            .unwrap();
        assert_eq!(shutdown.next().await, Reason::Terminate);
    }
}
