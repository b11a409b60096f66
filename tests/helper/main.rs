//! The helper as a process of this machine, driven over pipes as it is in a container, without an engine.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test says so by failing")]

mod batches;
mod commands;
mod costs;
mod failures;
mod hostile;
mod impostor;
mod inventory;
mod place;
mod protocol;
mod supervisor;

#[path = "../shared/needs.rs"]
mod needs;
#[path = "../shared/program.rs"]
mod program;
