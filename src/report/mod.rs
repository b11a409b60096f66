//! Events in, lines of text or JSON out. Knows no engine and decides nothing; one file prints.

mod backlog;
pub mod event;
mod failure;
mod hub;
pub mod json;
mod notice;
#[cfg(test)]
mod nowhere_else;
mod print;
mod problem;
mod refusal;
mod reporter;
mod shown;
pub mod text;
mod waits;
#[cfg(test)]
mod words;

pub use backlog::Dropped;
pub use event::{
    After, Done, Ended, Event, Exit, Followed, Outcome, StartedService, Took, Updated,
};
pub use failure::{Failure, Failures, RunEnd, RunFailed};
pub use hub::Listening;
pub use notice::{Notice, Slow, StopRemedy, Unbrought};
pub use print::{Format, Printing, Silence};
pub use problem::{Obstacle, Problem};
pub use refusal::Refusal;
pub use reporter::Reporter;
pub use shown::count;
pub use waits::{HowToGoOn, LastDone, Later, Rest, Waits};

/// What a person would read of `event`, without colours, in one line.
pub fn plain(event: &Event) -> String {
    let lines = text::Text::default().lines(event);
    let lines = anstream::adapter::strip_str(&lines).to_string();
    let lines: Vec<&str> = lines.lines().map(str::trim).collect();
    lines.join(" / ")
}
