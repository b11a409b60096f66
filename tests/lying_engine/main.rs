//! What answers in the engine's place and is none: it never ends, never begins, lies about lengths, or talks nonsense. Every verb
//! ends all the same, in its time, with little memory, and without a panic. No engine is needed.
//!
//! `exact` has the lies that were seen to hurt; `random` has as many others as there is time for, from a seed. A longer run:
//!
//! ```sh
//! LYING_ENGINE_CASES=100000 LYING_ENGINE_SEED=7 cargo test --test lying_engine random
//! ```
//!
//! A case that fails says its number; `LYING_ENGINE_FROM=NUMBER` begins there.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod answers;
mod clock;
mod exact;
mod liar;
mod lies;
mod random;
mod verbs;
