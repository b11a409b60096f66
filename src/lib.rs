//! Live Update for plain Docker Compose.

pub mod paths;

pub mod docker;

pub mod compose;

pub mod dockerignore;

pub mod watch;

pub mod engine;

pub mod plan;

pub mod report;

pub mod update;
