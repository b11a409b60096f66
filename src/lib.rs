//! Live Update for plain Docker Compose.

// No input, engine or disk may end the program: tests alone may unwrap.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod harmless;

pub mod paths;

pub mod plain_file;

pub mod programs;

pub mod children;

pub mod docker;

pub mod own_folder;

pub mod cli;

pub mod compose;

pub mod dockerignore;

pub mod watch;

pub mod plan;

pub mod source;

pub mod transfer;

pub mod life;

pub mod update;

pub mod engine;

pub mod helper;

pub mod protocol;

pub mod report;

pub mod session;

pub mod commands;
