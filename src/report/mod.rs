//! Events in, lines of text or JSON out. Knows no engine and decides nothing; one file prints.

mod backlog;
pub mod event;
pub mod json;
mod print;
pub mod text;

pub use event::{
    After, Done, Ended, Event, Exit, Followed, Outcome, StartedService, Took, Updated,
};
pub use print::{Format, Printing, Reporter, Silence};
