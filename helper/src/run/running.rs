//! A command that runs: what it writes is sent on; when time is up or the host is gone, its whole process tree ends.

use super::reap;
use crate::protocol::{PULSE_MS, Reply, Stream};
use crate::signals::{self, Signals};
use crate::tree;
use crate::wire::{Hangup, Input, Output};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::time::{Duration, Instant};

/// How long a command may take to end after SIGTERM, before it is killed.
const GRACE: Duration = Duration::from_millis(500);
const READ: usize = 32 * 1024;

/// While a command runs the host has nothing to say: what is heard is that it is gone, or lost its way.
fn hear<I: AsFd>(input: &mut Input<I>) -> Result<(), Hangup> {
    input.read()?;
    if input.has_frame()? {
        return Err(Hangup);
    }
    Ok(())
}

/// What is to end with a command.
struct Ending {
    /// Its tree when it was asked to end.
    tree: Vec<i32>,
    /// When it started itself.
    since: u64,
}

/// A command that runs.
pub struct Running {
    pid: i32,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    /// When the next stage of its end is due.
    deadline: Option<Instant>,
    timed_out: bool,
    ending: Option<Ending>,
    code: Option<u32>,
}

impl Running {
    pub fn new(mut child: Child, timeout: Option<Duration>) -> Self {
        Self {
            pid: child.id().cast_signed(),
            stdout: child.stdout.take().map(OwnedFd::from),
            stderr: child.stderr.take().map(OwnedFd::from),
            deadline: timeout.map(|timeout| Instant::now() + timeout),
            timed_out: false,
            ending: None,
            code: None,
        }
    }

    pub fn follow<I: AsFd, O: AsFd>(
        mut self,
        input: &mut Input<I>,
        output: &mut Output<O>,
        signals: &Signals,
    ) -> Result<(), Hangup> {
        // The tree ends even when nobody listens any more: that is noted, and answered at the end.
        let mut listening = Ok(());
        let mut buffer = vec![0; READ];
        while self.code.is_none() {
            // Nobody takes it for stuck while the command has nothing to say.
            if listening.is_ok() && output.beat().is_err() {
                listening = Err(Hangup);
                self.end();
            }
            let [hears, out, err] = self.wait(listening.is_ok().then(|| input.fd()), signals);
            if hears && let Err(hangup) = hear(input) {
                listening = Err(hangup);
                self.end();
            }
            for (stream, ready) in [(Stream::Out, out), (Stream::Err, err)] {
                if ready && self.forward(stream, &mut buffer, output).is_err() && listening.is_ok()
                {
                    listening = Err(Hangup);
                    self.end();
                }
            }
            while signals.next().is_some() {}
            self.reap();
            if self.code.is_none()
                && self
                    .deadline
                    .is_some_and(|deadline| deadline <= Instant::now())
            {
                self.time_is_up();
            }
        }
        self.kill();
        listening?;
        self.drain(&mut buffer, output)?;
        output.send(&Reply::Ended {
            code: self.code.unwrap_or_default(),
            timed_out: self.timed_out,
        })
    }

    /// Waits until something happened: the host spoke, output came, output came, or neither (a child ended, or time is up).
    fn wait(&self, input: Option<std::os::fd::BorrowedFd>, signals: &Signals) -> [bool; 3] {
        let pulse = Duration::from_millis(PULSE_MS);
        let left = self.deadline.map_or(pulse, |deadline| {
            deadline
                .saturating_duration_since(Instant::now())
                .min(pulse)
        });
        let timeout = Timespec::try_from(left).unwrap_or(Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        });
        let mut descriptors = vec![PollFd::new(signals, PollFlags::IN)];
        let streams = [
            input,
            self.stdout.as_ref().map(AsFd::as_fd),
            self.stderr.as_ref().map(AsFd::as_fd),
        ];
        let streams = streams.map(|stream| {
            stream.map(|stream| {
                descriptors.push(PollFd::from_borrowed_fd(stream, PollFlags::IN));
                descriptors.len() - 1
            })
        });
        if poll(&mut descriptors, Some(&timeout)).is_err() {
            return [false; 3];
        }
        streams.map(|index| index.is_some_and(|index| !descriptors[index].revents().is_empty()))
    }

    fn forward<O: AsFd>(
        &mut self,
        stream: Stream,
        buffer: &mut [u8],
        output: &mut Output<O>,
    ) -> Result<bool, Hangup> {
        let from = match stream {
            Stream::Out => &mut self.stdout,
            Stream::Err => &mut self.stderr,
        };
        let Some(fd) = from else { return Ok(false) };
        match rustix::io::read(&*fd, &mut *buffer) {
            Ok(0) => {
                *from = None;
                Ok(false)
            }
            Ok(read) => output
                .send(&Reply::Output {
                    stream,
                    bytes: &buffer[..read],
                })
                .map(|()| true),
            Err(rustix::io::Errno::INTR) => Ok(true),
            Err(rustix::io::Errno::AGAIN) => Ok(false),
            Err(_) => {
                *from = None;
                Ok(false)
            }
        }
    }

    /// What the command wrote last. A child that it left in the background may hold the pipes: nobody waits for that one.
    fn drain<O: AsFd>(&mut self, buffer: &mut [u8], output: &mut Output<O>) -> Result<(), Hangup> {
        for stream in [Stream::Out, Stream::Err] {
            let from = match stream {
                Stream::Out => &self.stdout,
                Stream::Err => &self.stderr,
            };
            if let Some(fd) = from {
                let _ = rustix::io::ioctl_fionbio(fd, true);
            }
            while self.forward(stream, buffer, output)? {}
        }
        Ok(())
    }

    fn reap(&mut self) {
        for (pid, code) in reap() {
            if pid == self.pid {
                self.code = Some(code);
            }
        }
    }

    fn time_is_up(&mut self) {
        if self.ending.is_none() {
            self.timed_out = true;
            self.end();
        } else {
            self.kill();
            self.deadline = Some(Instant::now() + GRACE);
        }
    }

    /// Asks the command to end.
    fn end(&mut self) {
        if self.ending.is_none() {
            self.ending = Some(Ending {
                tree: tree::descendants(self.pid),
                since: tree::start(self.pid).unwrap_or(u64::MAX),
            });
            let _ = signals::send(-self.pid, signals::TERM);
            let _ = signals::send(-self.pid, signals::CONT);
            self.deadline = Some(Instant::now() + GRACE);
        }
    }

    /// Kills what is left of a command that was asked to end: its group, what descended from it then, and what did since.
    fn kill(&self) {
        let Some(Ending { tree, since }) = &self.ending else {
            return;
        };
        if self.code.is_none() {
            let _ = signals::send(-self.pid, signals::KILL);
        }
        let mut roots = tree.clone();
        roots.push(self.pid);
        // Whoever forked in the meantime is found by the next look; a few looks see the end of any tree that is not a bomb.
        for _ in 0..16 {
            let mut left = tree::descendants_since(&roots, *since);
            left.extend(tree.iter().filter(|pid| tree::lives(**pid)));
            left.retain(|pid| *pid != self.pid);
            if left.is_empty() {
                return;
            }
            for pid in left {
                let _ = signals::send(pid, signals::KILL);
            }
        }
    }
}
