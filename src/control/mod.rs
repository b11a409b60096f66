//! What is asked of a running session, by whom and with which answer: keys and signals today, other programs later. Does
//! nothing itself.

mod order;
mod sources;

pub use order::{Answer, Asked, Condition, Order, Pause, Reply, Which};
pub use sources::{Door, Sources};
