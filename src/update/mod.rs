//! A plan in, calls on the engine out: loads each file once, brings it to every container, runs, restarts. Decides nothing.

mod apply;
mod ledger;
mod load;
mod mounts;
mod slow;

pub use apply::{Job, Landed, RunFailure, apply};
pub use ledger::{Doubt, Ledger};
pub use load::{Loaded, Unread, fingerprint, load};
pub use mounts::{Bound, below, bound, is_hidden, is_live};
pub use slow::{SLOW, if_slow, said_if_slow};
