//! A plan in, calls on the engine out: loads each file once, brings it to every container, runs, restarts. Decides nothing.

mod apply;
mod ledger;
mod load;

pub use apply::{Job, Landed, RunFailure, apply};
pub use ledger::{Ledger, is_live};
pub use load::{Loaded, Unread, fingerprint, load};
