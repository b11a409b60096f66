//! Live Update for plain Docker Compose.

pub mod paths;

pub mod docker;

pub mod cli;

pub mod compose;

pub mod watch;

pub mod engine;

pub mod commands;
