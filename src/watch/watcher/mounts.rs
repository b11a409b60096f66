//! Reports mounts and unmounts, for which no file event exists: on Linux the kernel signals a change of its mount table. Elsewhere
//! nothing is reported. Costs one sleeping thread.

use std::sync::mpsc::Sender;

use super::scanner::Job;

/// Listens until it is dropped.
#[derive(Debug, Default)]
pub(super) struct MountListener {
    /// Dropping it closes the socket, which ends the thread.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    _end: Option<std::os::unix::net::UnixStream>,
}

impl MountListener {
    /// Sends [`Job::Mounts`] with each change of the mount table.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn start(jobs: Sender<Job>) -> Self {
        use std::fs::File;
        use std::os::unix::net::UnixStream;

        // Without this, a mount is noticed at the next comparison.
        let (Ok(table), Ok((end, other_end))) =
            (File::open("/proc/self/mountinfo"), UnixStream::pair())
        else {
            return Self::default();
        };
        let thread = std::thread::Builder::new().name("mounts".to_owned());
        let started = thread.spawn(move || listen(&table, &other_end, &jobs));
        Self {
            _end: started.is_ok().then_some(end),
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn start(_: Sender<Job>) -> Self {
        Self::default()
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn listen(table: &std::fs::File, end: &std::os::unix::net::UnixStream, jobs: &Sender<Job>) {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::Errno;

    loop {
        let mut awaited = [
            PollFd::new(table, PollFlags::PRI),
            PollFd::new(end, PollFlags::IN),
        ];
        match poll(&mut awaited, None) {
            Ok(_) if !awaited[1].revents().is_empty() => return,
            Ok(_) => {
                if jobs.send(Job::Mounts).is_err() {
                    return;
                }
            }
            Err(Errno::INTR) => {}
            Err(_) => return,
        }
    }
}
