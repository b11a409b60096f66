//! The product's promises on a real Docker Engine: state is compared, nothing is timed. `DOCKER_HOST` and the like say which engine.

mod engine_basics;
mod fixture;

mod session;
mod tree;

mod bad_input;
mod examples;
mod up;
