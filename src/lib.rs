//! Live Update for plain Docker Compose.

pub mod paths;

pub mod docker;

pub mod cli;

pub mod compose;

pub mod dockerignore;

pub mod watch;

pub mod plan;

pub mod source;

pub mod update;

pub mod engine;

pub mod helper;

pub mod report;

pub mod session;

pub mod commands;
