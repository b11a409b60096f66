//! What the tools print on standard output: lines for people, or one versioned JSON object a line. Decides nothing.

use std::fmt::{Display, Write as _};
use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value};

use crate::harmless;
use crate::plan::Plan;
pub use crate::report::count;
use crate::report::json::VERSION;

/// A live update, and whatever else is as it should be.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// A rebuild.
pub const COSTLY: Style = AnsiColor::Yellow.on_default();
/// What is wrong.
pub const BAD: Style = AnsiColor::Red.on_default();
/// What asks for nothing.
pub const DIM: Style = Style::new().dimmed();
/// What a paragraph is about.
pub const TITLE: Style = Style::new().bold();

/// One line; colours are left out where standard output cannot show them.
pub fn say(line: &str) {
    // Nobody reads any more: there is nobody to tell either.
    let _ = writeln!(anstream::stdout(), "{}", harmless::painted(line));
}

/// One object on a line, in the style of `up --format json`; without a time, for nothing happened.
pub fn say_object(event: &str, fields: Value) {
    let mut object = Map::new();
    object.insert("v".into(), VERSION.into());
    object.insert("event".into(), event.into());
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    let object = Value::Object(object).to_string();
    let _ = writeln!(std::io::stdout(), "{}", harmless::json(&object));
}

/// The colour of a plan.
pub fn style_of(plan: &Plan) -> Style {
    match plan {
        Plan::Nothing(_) => DIM,
        Plan::LiveUpdate(_) => GOOD,
        Plan::Rebuild(_) => COSTLY,
    }
}

/// `name  text`, the first line's beginning coloured, further lines indented below the text.
pub fn beside(name: &str, width: usize, text: impl Display, style: Style) -> String {
    let text = text.to_string();
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let (word, rest) = match first.split_once(':') {
        Some((word, rest)) => (word, format!(":{rest}")),
        None => (first, String::new()),
    };
    let mut out = format!("{name:width$}  {style}{word}{style:#}{rest}");
    for line in lines {
        let _ = write!(out, "\n{:width$}  {line}", "");
    }
    out
}

/// `a`, `a and b`, `a, b and c`.
pub fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
