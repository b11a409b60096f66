//! How `serve` finds `init` in its container, and what they say to each other.
//!
//! They meet on a unix socket with an abstract name. A path will not do: the supervisor runs as the container's user, who may
//! not write into the helper's directory, and under `read_only: true` nobody may. Signals will not do: they carry no answer.
//! Descriptors in /proc/1/fd will not do: they need `CAP_SYS_PTRACE` when the users differ.
//! Abstract names are shared by a whole network namespace, which with `network_mode: host` is the machine's. So the name holds
//! the protocol's version, the number of the mount namespace, which every container has for itself and every exec in it shares,
//! and the helper's own directory. Whoever connects is believed if the kernel says that it is root or the supervisor's own user.
//!
//! An open connection holds the supervisor: while there is one, the end of the process is not the end of the container.
//! The words are those of the protocol: `Restart`, answered by `Restarted` or `Failed`.

use crate::failure::{self, Failure};
use crate::protocol::{Code, Reply, Request, VERSION};
use crate::wire::{self, Input};
use std::os::fd::OwnedFd;
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

/// A held supervisor.
pub struct Supervisor(Input<OwnedFd>);

impl Supervisor {
    /// Finds the container's supervisor and holds it, as long as this value lives. `None` when there is none.
    pub fn hold(home: &Path) -> Option<Self> {
        let stream = UnixStream::connect_addr(&address(home).ok()?).ok()?;
        Some(Self(Input::new(OwnedFd::from(stream))))
    }

    /// Restarts the process; the answer goes to `tell`. Fails when the supervisor is gone.
    pub fn restart<T>(
        &mut self,
        signal: u32,
        grace_ms: u64,
        tell: impl FnOnce(&Reply) -> T,
    ) -> Result<T, Failure> {
        let gone = || Failure::new(Code::NoSupervisor, b"", "the supervisor is gone");
        let mut frame = Vec::new();
        Request::Restart { signal, grace_ms }
            .encode(&mut frame)
            .map_err(|_| gone())?;
        wire::write_all(self.0.fd(), &frame).map_err(|errno| Failure::system(errno, b""))?;
        while !self.0.has_frame().map_err(|_| gone())? {
            self.0.read().map_err(|_| gone())?;
        }
        let (kind, fields) = self.0.next().ok().flatten().ok_or_else(gone)?;
        Reply::decode(kind, fields)
            .map(|reply| tell(&reply))
            .map_err(|_| gone())
    }
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
