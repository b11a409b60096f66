//! Talks to a small executable inside a container over one long connection: atomic updates, commands, hashes, process restarts.
//! Knows nothing of the engine: a connection is any pair of byte streams, and the container any Linux file system.

mod batch;
mod command;
mod encoder;
mod error;
mod inventory;
mod link;
mod patience;
mod supervisor;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;

pub use crate::protocol::Code;
pub use batch::Delivery;
pub use error::Error;
pub use link::{Link, Terms};
pub use patience::Patience;
pub use supervisor::{FRESH, signal_name, signal_number};

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Whether this build has an executable for containers of that architecture, by the engine's name (`amd64`, `arm64`).
pub fn has_binary(architecture: &str) -> bool {
    embedded(architecture).is_some()
}

/// The executable for containers of that architecture; `None` when this build has none.
///
/// It goes into a directory of its own, `/.liveupdate` unless that cannot be written, with mode 0755, and is started as root
/// with the one argument `serve`. It removes itself once it runs, and at its end the directory if nothing else is in it.
pub fn binary(architecture: &str) -> Option<Bytes> {
    // It is compressed in this program, since its pages would stay in memory once read; it is unpacked once for all who need it at
    // the same time.
    let mut unpacked = UNPACKED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(binary) = unpacked.get(architecture).and_then(Weak::upgrade) {
        return Some(Bytes::from_owner(binary));
    }
    let binary = miniz_oxide::inflate::decompress_to_vec(embedded(architecture)?).ok()?;
    let binary: Arc<[u8]> = binary.into();
    unpacked.insert(architecture.to_owned(), Arc::downgrade(&binary));
    Some(Bytes::from_owner(binary))
}

/// The unpacked executables by architecture, as long as somebody uses them.
static UNPACKED: Mutex<BTreeMap<String, Weak<[u8]>>> = Mutex::new(BTreeMap::new());
