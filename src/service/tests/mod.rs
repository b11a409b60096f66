//! The promises of one service as tables: a state, what happens, and what is done about it. No engine, no disk, no clock.

mod world;

mod builds;
mod containers;
mod saves;
mod waits;
