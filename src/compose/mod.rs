//! Compose files in, a checked [`Project`] out; a wrong block is a problem with file, line and column.
//!
//! Knows nothing of watching, planning or the engine; runs nothing but `docker compose config`.

pub mod block;
pub mod finding;
pub mod places;
pub mod problem;
pub mod project;
pub mod rule;
pub mod yaml;

pub use block::Block;
pub use project::{Build, Mount, MountKind, Project, Service};
pub use rule::PathRule;
