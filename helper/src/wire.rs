//! Frames in from a file descriptor and out to one. Knows how frames are cut, not what they mean.

use crate::protocol::{self, Malformed, PULSE_MS, Reply};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// How much is read at once.
const READ: usize = 64 * 1024;
/// Answers are gathered up to this size before they are written.
const GATHER: usize = 64 * 1024;

/// The other side is gone, or speaks nonsense: the connection is over.
#[derive(Debug)]
pub struct Hangup;

impl From<Malformed> for Hangup {
    fn from(_: Malformed) -> Self {
        Self
    }
}

/// Frames from a descriptor.
pub struct Input<Fd> {
    fd: Fd,
    buffer: Vec<u8>,
    start: usize,
}

impl<Fd: AsFd> Input<Fd> {
    pub fn new(fd: Fd) -> Self {
        Self {
            fd,
            buffer: Vec::new(),
            start: 0,
        }
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Whether the next frame is here already.
    pub fn has_frame(&self) -> Result<bool, Hangup> {
        Ok(protocol::split(&self.buffer[self.start..])?.is_some())
    }

    /// The next frame that is here already.
    pub fn next(&mut self) -> Result<Option<(u8, &[u8])>, Hangup> {
        let Some((kind, fields, length)) = protocol::split(&self.buffer[self.start..])? else {
            return Ok(None);
        };
        self.start += length;
        Ok(Some((kind, fields)))
    }

    /// Reads once. Blocks when there is nothing to read.
    pub fn read(&mut self) -> Result<(), Hangup> {
        self.buffer.drain(..self.start);
        self.start = 0;
        // A frame that was longer than usual must not cost memory for ever.
        if self.buffer.capacity() > 4 * READ && self.buffer.len() < READ {
            self.buffer.shrink_to(2 * READ);
        }
        self.buffer.reserve(READ);
        match rustix::io::read(&self.fd, rustix::buffer::spare_capacity(&mut self.buffer)) {
            Ok(0) => Err(Hangup),
            Ok(_) | Err(Errno::INTR | Errno::AGAIN) => Ok(()),
            Err(_) => Err(Hangup),
        }
    }
}

/// How often a long piece of work looks whether anybody waits for it.
const LOOK: Duration = Duration::from_millis(100);

/// Frames to a descriptor.
pub struct Output<Fd> {
    fd: Fd,
    buffer: Vec<u8>,
    /// Where the host's words come from: closed when it is gone.
    host: Fd,
    looked: Instant,
    said: Instant,
}

impl<Fd: AsFd> Output<Fd> {
    pub fn new(fd: Fd, host: Fd) -> Self {
        Self {
            fd,
            buffer: Vec::new(),
            host,
            looked: Instant::now(),
            said: Instant::now(),
        }
    }

    /// To be called again and again by what takes long: says now and then that the work goes on. Fails when nobody waits for
    /// it any more.
    pub fn beat(&mut self) -> Result<(), Hangup> {
        if self.looked.elapsed() < LOOK {
            return Ok(());
        }
        self.looked = Instant::now();
        if self.is_alone() {
            return Err(Hangup);
        }
        if self.said.elapsed() >= Duration::from_millis(PULSE_MS) {
            self.send(&Reply::Working)?;
        }
        Ok(())
    }

    /// Whether the host is gone.
    pub fn is_alone(&self) -> bool {
        let mut host = [PollFd::new(&self.host, PollFlags::empty())];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        poll(&mut host, Some(&now)).is_ok() && host[0].revents().intersects(gone)
    }

    /// Adds a frame; it goes out with [`Output::flush`], or when enough is gathered.
    pub fn add(&mut self, reply: &Reply) -> Result<(), Hangup> {
        reply.encode(&mut self.buffer)?;
        if self.buffer.len() >= GATHER {
            self.flush()?;
        }
        Ok(())
    }

    /// Sends a frame now.
    pub fn send(&mut self, reply: &Reply) -> Result<(), Hangup> {
        self.add(reply)?;
        self.flush()
    }

    pub fn flush(&mut self) -> Result<(), Hangup> {
        let done = write_all(self.fd.as_fd(), &self.buffer);
        self.buffer.clear();
        self.said = Instant::now();
        done.map_err(|_| Hangup)
    }
}

/// Writes all of `bytes`.
pub fn write_all(fd: impl AsFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(&fd, bytes) {
            Ok(0) => return Err(Errno::NOSPC),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
