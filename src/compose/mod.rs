//! Compose files in, a checked [`Project`] out; a wrong block is a problem with file, line and column.
//!
//! Knows nothing of watching, planning or the engine; runs nothing but `docker compose config`.

pub mod block;
pub mod project;
pub mod rule;

pub use block::Block;
pub use project::{Build, Mount, MountKind, Project, Service};
pub use rule::PathRule;
