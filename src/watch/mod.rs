//! Services in, batches of [`Change`]s out: what is true on disk when a batch closes (`spec.md` C2, C3, C5).

pub mod change;

pub use change::{Change, Entry, Kind};
