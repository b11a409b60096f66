//! `check`, `explain` and `plan` as the user calls them, with the real `docker compose config`. No engine is asked.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

mod check;
mod explain;
mod hostile;
mod plan;
mod project;
