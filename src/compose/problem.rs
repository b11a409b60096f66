//! A wrong line in a compose file, as the user sees it: message, location, the line itself, what to write instead. Knows no rules.

use std::fmt::{self, Write as _};

use anstyle::{AnsiColor, Style};

use crate::harmless;
use crate::paths::HostPath;

use super::block::Step;

/// Whether a problem prevents the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is started until it is fixed.
    Error,
    /// It works, but was hardly meant.
    Warning,
}

impl Severity {
    /// `error` or `warning`, as printed and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A line and column of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Absolute.
    pub file: HostPath,
    /// The file's name as shown: as one would type it in the current directory.
    pub shown: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The line's text, without its line break.
    pub text: String,
}

/// Which step a problem is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// A step of a block's list.
    Step(Step),
    /// B3: a named step, where it is defined.
    Named(String),
    /// A rule of `develop.watch`: its position, from 1.
    WatchRule(usize),
}

impl Which {
    /// Its position in the block, from 1, as plans count steps; `None` for a definition.
    pub fn number(&self) -> Option<usize> {
        match self {
            Self::Step(step) => Some(step.number),
            Self::WatchRule(number) => Some(*number),
            Self::Named(_) => None,
        }
    }

    /// B3: its name; `None` for a step without one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Step(step) => step.name.as_deref(),
            Self::Named(name) => Some(name),
            Self::WatchRule(_) => None,
        }
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(step) => step.fmt(f),
            Self::Named(name) => write!(f, "named step `{}`", harmless::value(name)),
            Self::WatchRule(number) => write!(f, "watch rule {number}"),
        }
    }
}

/// One error or warning about the configuration (B4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether it prevents the start.
    pub severity: Severity,
    /// The service it is about; `None` when it is about the whole project.
    pub service: Option<String>,
    /// The step it is about; `None` when it is about no single step.
    pub step: Option<Which>,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to write instead; may have several lines.
    pub hint: Option<String>,
    /// Where it was written; `None` when that is not known or no file could be read.
    pub location: Option<Location>,
}

impl Problem {
    /// The problem as text, without a trailing newline.
    pub fn render(&self, color: bool) -> String {
        let paint = |style: Style, text: &str| {
            if color {
                format!("{style}{text}{style:#}")
            } else {
                text.to_owned()
            }
        };
        let bold = Style::new().bold();
        let frame = Style::new().fg_color(Some(AnsiColor::BrightBlue.into()));
        let strong = match self.severity {
            Severity::Error => bold.fg_color(Some(AnsiColor::Red.into())),
            Severity::Warning => bold.fg_color(Some(AnsiColor::Yellow.into())),
        };
        let mut out = format!(
            "{} {}",
            paint(strong, &format!("{}:", self.severity.word())),
            paint(bold, &self.subject_and_message())
        );
        if let Some(location) = &self.location {
            let number = location.line.to_string();
            let margin = " ".repeat(number.len());
            // A tab stays a tab, so that the caret is below its column at any tab width.
            let before: String = location
                .text
                .chars()
                .take(location.column.saturating_sub(1))
                .collect();
            let indent: String = harmless::line(&before)
                .chars()
                .map(|character| if character == '\t' { '\t' } else { ' ' })
                .collect();
            // Writing to a string cannot fail.
            let _ = write!(
                out,
                "\n{margin}{} {}:{}:{}\n{margin} {}\n{} {} {}\n{margin} {} {indent}{}",
                paint(frame, "-->"),
                harmless::value(&location.shown),
                location.line,
                location.column,
                paint(frame, "|"),
                paint(frame, &number),
                paint(frame, "|"),
                harmless::line(&location.text),
                paint(frame, "|"),
                paint(strong, "^"),
            );
        }
        if let Some(hint) = &self.hint {
            let hint = harmless::message(hint);
            let _ = write!(out, "\n{} {hint}", paint(bold, "hint:"));
        }
        out
    }

    fn subject_and_message(&self) -> String {
        let message = harmless::quoted(&self.message);
        let service = self.service.as_deref().map(harmless::value);
        match (service, &self.step) {
            (Some(service), Some(step)) => format!("service `{service}`, {step}: {message}"),
            (Some(service), None) => format!("service `{service}`: {message}"),
            (None, Some(step)) => format!("{step}: {message}"),
            (None, None) => message,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem() -> Problem {
        Problem {
            severity: Severity::Error,
            service: Some("web".into()),
            step: Some(Which::Step(Step::new(2))),
            message: "unknown key `triger` in `run`".into(),
            hint: Some("did you mean `trigger`?".into()),
            location: Some(Location {
                file: HostPath::new("/p/compose.yaml").unwrap(),
                shown: "compose.yaml".into(),
                line: 12,
                column: 5,
                text: "\t - {triger: x}".into(),
            }),
        }
    }

    #[test]
    fn a_problem_shows_service_step_place_line_and_what_to_write() {
        assert_eq!(
            problem().to_string(),
            "error: service `web`, step 2: unknown key `triger` in `run`\n  --> compose.yaml:12:5\n   |\n12 | \t - {triger: x}\n   | \t   ^\nhint: did you mean `trigger`?"
        );
    }

    #[test]
    fn colours_are_added_only_when_asked_for() {
        assert!(problem().render(true).contains("\u{1b}["));
        assert!(!problem().render(false).contains('\u{1b}'));
    }
}
