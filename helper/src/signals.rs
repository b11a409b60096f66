//! Signals as bytes on a descriptor, and signals to others. The place for the executable's unsafe code, with `run`'s and
//! `init`'s last steps before exec.
#![expect(
    unsafe_code,
    reason = "rustix has no signalfd, no signal masks and no kill with an arbitrary number"
)]

use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

pub const CHILD: u32 = libc::SIGCHLD.unsigned_abs();
pub const TERM: u32 = libc::SIGTERM.unsigned_abs();
pub const INT: u32 = libc::SIGINT.unsigned_abs();
pub const QUIT: u32 = libc::SIGQUIT.unsigned_abs();
pub const KILL: u32 = libc::SIGKILL.unsigned_abs();
pub const CONT: u32 = libc::SIGCONT.unsigned_abs();
/// The highest signal number there is.
const LAST: u32 = 64;

/// Signals that arrive as reads on a descriptor; none interrupts anything any more.
pub struct Signals(OwnedFd);

impl Signals {
    /// Of one signal.
    pub fn only(signal: u32) -> Result<Self, Errno> {
        // SAFETY: `set` is initialised by sigemptyset before anything reads it.
        unsafe {
            let mut set = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, signal.cast_signed());
            Self::of(&set)
        }
    }

    /// Of every signal that is about the process and not about a mistake in its own code.
    pub fn all() -> Result<Self, Errno> {
        // SAFETY: `set` is initialised by sigfillset before anything reads it.
        unsafe {
            let mut set = std::mem::zeroed();
            libc::sigfillset(&raw mut set);
            for own in [
                libc::SIGSEGV,
                libc::SIGBUS,
                libc::SIGILL,
                libc::SIGFPE,
                libc::SIGABRT,
                libc::SIGTRAP,
                libc::SIGSYS,
            ] {
                libc::sigdelset(&raw mut set, own);
            }
            Self::of(&set)
        }
    }

    fn of(set: &libc::sigset_t) -> Result<Self, Errno> {
        // SAFETY: `set` is a valid set; a descriptor that signalfd returns is new and ours.
        unsafe {
            if libc::sigprocmask(libc::SIG_BLOCK, set, std::ptr::null_mut()) != 0 {
                return Err(last());
            }
            let fd = libc::signalfd(-1, set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
            if fd < 0 {
                return Err(last());
            }
            Ok(Self(OwnedFd::from_raw_fd(fd)))
        }
    }

    /// The next signal that has arrived.
    pub fn next(&self) -> Option<u32> {
        let mut information = [0_u8; size_of::<libc::signalfd_siginfo>()];
        let read = rustix::io::read(&self.0, &mut information).ok()?;
        // The signal's number is the first field.
        (read == information.len())
            .then(|| information.first_chunk().copied().map(u32::from_ne_bytes))?
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sends a signal to a process, or to a process group when `target` is negative.
pub fn send(target: i32, signal: u32) -> Result<(), Errno> {
    // 0, 1 and -1 mean "everyone" or the container's own first process: never ours to hit.
    if matches!(target, -1..=1) || signal > LAST {
        return Err(Errno::INVAL);
    }
    // SAFETY: kill takes two numbers and touches no memory.
    if unsafe { libc::kill(target, signal.cast_signed()) } == 0 {
        Ok(())
    } else {
        Err(last())
    }
}

/// Whether anything is left of a process group.
pub fn group_lives(group: i32) -> bool {
    send(-group, 0) != Err(Errno::SRCH)
}

/// Lets every signal through again: a new program must not inherit our blocks. For [`before_exec`].
pub fn let_all_through() {
    // SAFETY: `none` is initialised by sigemptyset before it is read.
    unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Has `before_exec` run in the child that `command` starts, after fork and before exec.
/// It may only make system calls: no allocation, no locks.
pub fn before_exec(
    command: &mut std::process::Command,
    before_exec: impl FnMut() -> std::io::Result<()> + Send + Sync + 'static,
) {
    use std::os::unix::process::CommandExt as _;
    // SAFETY: the callers' closures make plain system calls on values captured beforehand.
    unsafe {
        command.pre_exec(before_exec);
    }
}

fn last() -> Errno {
    crate::failure::errno(&std::io::Error::last_os_error())
}
