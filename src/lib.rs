//! Live Update for plain Docker Compose.
//!
//! The rooms in the order of who may use whom: each knows only those above it, which `tests/layers.rs` holds. The map with the
//! way of one save is `docs/architecture.md`.

// No input, engine or disk may end the program: tests alone may unwrap.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

// What all use: no stage, no service, no step.
pub mod harmless;
pub mod nearest;
pub mod paths;
pub mod plain_file;
pub mod programs;
pub mod source;

// What travels into a container, and the words that the host and the helper exchange.
pub mod protocol;

pub mod transfer;

pub mod children;
pub mod docker;
pub mod own_folder;

// In: what the user says, and what the files say.
pub mod cli;
pub mod dockerignore;

pub mod compose;

pub mod life;

// What changed, and what that asks for.
pub mod watch;

pub mod plan;

// The executable in the container, and Docker.
pub mod helper;

pub mod engine;

// Out: what is said.
pub mod report;

// One live-updated service: what holds, then how it is carried out.
pub mod service;

pub mod update;

// All of it together; what is asked of it comes first.
pub mod control;

pub mod session;

pub mod commands;
