//! How `serve` finds `init` in its container, and what they say to each other.
//!
//! They meet on a unix socket with an abstract name. A path will not do: the supervisor runs as the container's user, who may
//! not write into the helper's directory, and under `read_only: true` nobody may. Signals will not do: they carry no answer.
//! Descriptors in /proc/1/fd will not do: they need `CAP_SYS_PTRACE` when the users differ.
//! Abstract names are shared by a whole network namespace, which with `network_mode: host` is the machine's. So the name holds
//! the protocol's version, the number of the mount namespace, which every container has for itself and every exec in it shares,
//! and the helper's own directory. Whoever connects is believed if the kernel says that it is root or the supervisor's own user.
//!
//! A connection lasts as long as the host's session, and holds the supervisor from `Hold` to `Release`: meanwhile the end of the
//! process is not the end of the container. The words are those of the protocol: `Restart` is answered by `Restarted` or
//! `Failed`, and `Crashed` comes unasked.

use crate::failure::{self, Failure};
use crate::protocol::{Code, Reply, Request, VERSION};
use crate::wire::{self, Hangup, Input};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;

/// The supervisor's end. Not blocking.
pub fn listen(home: &Path) -> std::io::Result<UnixListener> {
    let listener = UnixListener::bind_addr(&address(home)?)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Whether the supervisor may do what this one asks.
pub fn is_trusted(stream: &UnixStream) -> bool {
    rustix::net::sockopt::socket_peercred(stream)
        .is_ok_and(|peer| peer.uid.is_root() || peer.uid == rustix::process::geteuid())
}

/// The supervisor, for as long as it is there.
pub struct Supervisor(Input<OwnedFd>);

impl Supervisor {
    /// Finds the container's supervisor, which is held from then on. `None` when there is none.
    pub fn find(home: &Path) -> Option<Self> {
        let stream = UnixStream::connect_addr(&address(home).ok()?).ok()?;
        Some(Self(Input::new(OwnedFd::from(stream))))
    }

    /// Holds it. Fails when it is gone.
    pub fn hold(&self) -> Result<(), Failure> {
        self.say(&Request::Hold)
    }

    /// Lets it go. Fails when it is gone.
    pub fn release(&self) -> Result<(), Failure> {
        self.say(&Request::Release)
    }

    /// Restarts the process as `request` says; the answer goes to `tell`. Fails when the supervisor is gone.
    pub fn restart<T>(
        &mut self,
        request: &Request,
        tell: impl FnOnce(&Reply) -> T,
    ) -> Result<T, Failure> {
        self.say(request)?;
        loop {
            // A crash right before it is put right by it.
            match self.hear().map_err(|_| gone())? {
                Some(Reply::Crashed { .. }) => {}
                Some(reply) => return Ok(tell(&reply)),
                None => self.0.read().map_err(|_| gone())?,
            }
        }
    }

    /// What it says unasked: what is here already, or comes once its descriptor is readable. Fails when it is gone.
    pub fn news(&mut self) -> Result<Option<Reply<'_>>, Hangup> {
        if !self.has_news() {
            self.0.read()?;
        }
        self.hear()
    }

    /// Whether something it said came with an answer.
    pub fn has_news(&self) -> bool {
        self.0.has_frame().unwrap_or(true)
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.fd()
    }

    fn hear(&mut self) -> Result<Option<Reply<'_>>, Hangup> {
        match self.0.next()? {
            Some((kind, fields)) => Ok(Some(Reply::decode(kind, fields)?)),
            None => Ok(None),
        }
    }

    fn say(&self, request: &Request) -> Result<(), Failure> {
        let mut frame = Vec::new();
        request.encode(&mut frame).map_err(|_| gone())?;
        wire::write_all(self.0.fd(), &frame).map_err(|_| gone())
    }
}

fn gone() -> Failure {
    Failure::new(Code::NoSupervisor, b"", "the supervisor is gone")
}

fn address(home: &Path) -> std::io::Result<SocketAddr> {
    let namespace = std::fs::read_link("/proc/self/ns/mnt")?;
    // Another version's supervisor is none: its container is restarted instead, and so gets this one's.
    let mut name = format!("docker-liveupdate/{VERSION}/").into_bytes();
    name.extend_from_slice(namespace.as_os_str().as_bytes());
    let home = xxhash_rust::xxh3::xxh3_64(home.as_os_str().as_bytes());
    name.extend_from_slice(format!("/{home:016x}").as_bytes());
    SocketAddr::from_abstract_name(name)
}

/// The helper's own directory: where its executable lies.
pub fn home() -> std::io::Result<std::path::PathBuf> {
    let own = std::env::current_exe()?;
    own.parent()
        .map(Path::to_owned)
        .ok_or_else(|| failure::words(rustix::io::Errno::NOENT))
        .map_err(std::io::Error::other)
}
