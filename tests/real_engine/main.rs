//! The engine room's promises on a real Docker Engine: state is compared, nothing is timed. `DOCKER_HOST` and the like say which engine.

mod compose_config;
mod engine_basics;
mod fixture;
