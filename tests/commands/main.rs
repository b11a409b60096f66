//! The tools that ask no engine, as the user calls them, with the real `docker compose config`.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

mod bad_input;
mod check;
mod convert;
mod ended;
mod explain;
mod hostile;
mod odd_files;
mod plan;
mod project;

#[path = "../shared/needs.rs"]
mod needs;
#[path = "../shared/program.rs"]
mod program;
