//! The product's promises on a real Docker Engine: state is compared, nothing is timed. `DOCKER_HOST` and the like say which engine.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod compose_config;
mod engine_basics;
mod engine_compose;
mod engine_connect;
mod engine_copy;
mod engine_delete;
mod engine_logs;
mod engine_mounts;
mod engine_reader;
mod engine_run;
mod fixture;
mod gate;
mod interposer;
mod proxy;
mod verify;

mod api;
mod bad_input;
mod examples;
mod project;
mod session;
mod tree;
mod up;

#[path = "../shared/needs.rs"]
mod needs;
#[path = "../shared/program.rs"]
mod program;
