//! Compose files in, a checked [`Project`] out; a wrong block is a problem with file, line and column.
//!
//! Knows nothing of watching, planning or the engine; runs nothing but `docker compose config`.

mod bases;
pub mod block;
mod checks;
mod convert;
mod disk;
mod dockerfile;
pub mod edited;
mod entry;
pub mod filter;
mod finding;
mod interpolate;
mod load;
mod locate;
mod model;
mod names;

pub mod problem;
pub mod project;
mod reader;
mod resolve;
pub mod rule;
mod schema;
mod sources;
mod steps;
mod ties;
mod trace;
mod values;
mod watch_rules;
mod work;
mod yaml;

#[cfg(test)]
mod tests;

pub use block::Block;
pub use convert::convert;
pub use disk::{Disk, FileKind, Files};
pub use load::{LoadError, Loaded, load};
pub use problem::{Location, Problem, Severity, Which};
pub use project::{Build, Mount, MountKind, Project, Service};
pub use resolve::{project_from, read_block};
pub use rule::PathRule;
pub use schema::schema;
pub use sources::{Entry, Sources};
pub use ties::{Tie, TieKind, ties};
