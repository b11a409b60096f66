//! x
pub mod helper;
