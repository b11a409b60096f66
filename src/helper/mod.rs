//! Speaks to a small executable inside a container: atomic updates, commands, hashes, process restarts, over one long
//! connection. Knows nothing of the engine: a connection is any pair of byte streams, the container any Linux file system.

mod batch;
mod command;
mod encoder;
mod error;
mod inventory;
mod link;
mod patience;
mod supervisor;

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

/// The executable for containers of that architecture. `None` when this build has none.
///
/// It goes into a directory of its own, `/.liveupdate` unless that cannot be written, with mode 0755, and is started as root
/// with the one argument `serve`. It removes itself as soon as it runs, and at its end the directory when nothing else is in it.
pub fn binary(architecture: &str) -> Option<Vec<u8>> {
    // Packed as it lies in this program, where it would otherwise stay in memory once it has been read.
    miniz_oxide::inflate::decompress_to_vec(embedded(architecture)?).ok()
}
