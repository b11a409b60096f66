//! The helper as a process of this machine, driven over pipes as it is in a container, without an engine.

#![cfg(target_os = "linux")]

mod batches;
mod commands;
mod inventory;
mod place;
mod protocol;
mod supervisor;
