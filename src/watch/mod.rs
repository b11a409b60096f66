//! Turns services into batches of [`Change`]s: what is true on disk when a batch closes (`spec.md` C2, C3, C5).

pub mod scope;

mod editors;
pub mod ignored;

pub mod walk;

pub mod watcher;

pub mod touch;

pub mod debounce;

pub mod calm;

pub mod git;

pub mod look;

pub mod looks;

pub mod entries;

mod names;

mod last_seen;

pub mod change;

pub use calm::{Calm, Held};
pub use change::{Change, Entry, Inode, Kind};
pub use debounce::{Batch, Debouncer, Quiet};
pub use entries::Entries;
pub use ignored::{BadIgnore, IgnoredBy};
pub use look::Signature;
pub use looks::Looks;
pub use scope::{Scope, Verdict};
pub use touch::{Stage, Touch};
pub use watcher::{Notice, WatchError, WatchEvent, Watcher};
