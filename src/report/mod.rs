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

/// What a person would read of `event`, without colours, in one line.
pub fn plain(event: &Event) -> String {
    let lines = text::Text::default().lines(event);
    let lines = anstream::adapter::strip_str(&lines).to_string();
    let lines: Vec<&str> = lines.lines().map(str::trim).collect();
    lines.join(" / ")
}
