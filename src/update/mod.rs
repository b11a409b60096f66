//! Carries out what a service decided: reads files, compares, copies, runs. All it has of the engine is the trait.

mod carry;
mod compare;
mod load;
mod slow;

pub use carry::{copy, finish, release, start};
pub use compare::compare;
pub use load::{fingerprint, load};
pub use slow::{SLOW, if_slow, said_if_slow};
