//! Events as lines for people. Pure: colours are asked for, printing is not done here.

mod exit;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};

use crate::engine::{Stream, is_news};
use crate::harmless::{message, value};

use super::event::{Done, Ended, Event, Followed, Outcome, Took, Updated};
use super::shown::count;
use super::waits::is_over;

/// Turns events into lines, remembering only what prefixes and colours need.
#[derive(Debug, Default)]
pub struct Text {
    width: usize,
    seen: Vec<String>,
}

/// Compose's own order of prefix colours.
const COLORS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Yellow,
    AnsiColor::Green,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::BrightCyan,
];
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const WAITING: Style = AnsiColor::Yellow.on_default();
const DIM: Style = Style::new().dimmed();

impl Text {
    /// The lines of one event, each with its end; empty when people need not see it.
    pub fn lines(&mut self, event: &Event) -> String {
        match event {
            Event::Started {
                project,
                services,
                directories,
            } => {
                let names: Vec<String> = services
                    .iter()
                    .map(|service| match service.addresses.as_slice() {
                        [] => value(&service.name).into_owned(),
                        some => {
                            let addresses = some.join(", ");
                            format!("{} ({})", value(&service.name), value(&addresses))
                        }
                    })
                    .collect();
                format!(
                    "{GOOD}ready{GOOD:#}  {}: watching {} for {}\n",
                    value(project),
                    match directories {
                        // A file that is watched for itself makes no directory a watched one.
                        0 => "single files".to_owned(),
                        some => count(*some, "directory", "directories"),
                    },
                    names.join(", ")
                )
            }
            Event::Notice { service, notice } => {
                format!(
                    "{DIM}{}{}{DIM:#}\n",
                    prefix(service.as_deref()),
                    message(&notice.to_string())
                )
            }
            Event::Rebuild {
                service,
                because,
                builds,
            } => {
                let order = match builds.as_slice() {
                    [] | [_] => String::new(),
                    several => format!(" ({})", value(&several.join(", then "))),
                };
                let service = value(service);
                format!(
                    "{WAITING}{service}{WAITING:#}  rebuilding{order}: {}\n",
                    message(&because.to_string())
                )
            }
            Event::Change { .. } | Event::Plan { .. } => String::new(),
            Event::Step {
                container,
                stream,
                text,
                ..
            } => self.prefixed(container, "run", *stream, text),
            // All of it is in the JSON.
            Event::Build { text, .. } if !is_news(text) => String::new(),
            Event::Build { service, text } => {
                let service = value(service.as_deref().unwrap_or("compose"));
                format!("{DIM}{service}  build | {text}{DIM:#}\n")
            }
            Event::Outcome(outcome) => Self::outcome(outcome),
            Event::Exit(exit) => Self::exit(exit),
            Event::Problem { service, problem } => {
                let mut line = format!(
                    "{BAD}error{BAD:#}: {}{}\n",
                    prefix(service.as_deref()),
                    message(&problem.to_string())
                );
                if let Some(hint) = problem.hint() {
                    let _ = writeln!(line, "hint: {}", value(&hint));
                }
                line
            }
            Event::Log {
                container,
                stream,
                text,
            } => self.prefixed(container, "", *stream, text),
        }
    }

    /// The output is the container's own, and so are its escapes: Compose shows them too.
    fn prefixed(&mut self, container: &str, what: &str, _stream: Stream, text: &str) -> String {
        let container = &*value(container);
        let at = self
            .seen
            .iter()
            .position(|name| name == container)
            .unwrap_or_else(|| {
                self.seen.push(container.to_owned());
                self.seen.len() - 1
            });
        self.width = self.width.max(container.len());
        let style = COLORS[at % COLORS.len()].on_default();
        let gap = if what.is_empty() { "" } else { " " };
        format!(
            "{style}{container:width$} {what}{gap}| {style:#}{text}\n",
            width = self.width + 1
        )
    }

    fn outcome(outcome: &Outcome) -> String {
        let service = value(&outcome.service);
        let (style, what) = match (&outcome.result, &outcome.done) {
            (Ended::Failed(_), Done::Updated(updated)) => {
                let done = Self::updated(outcome, updated);
                (
                    BAD,
                    if done.is_empty() {
                        "failed".to_owned()
                    } else {
                        format!("{done}, then failed")
                    },
                )
            }
            (Ended::Failed(_), Done::Rebuilt(because)) => (
                BAD,
                format!("not rebuilt ({})", message(&because.to_string())),
            ),
            (Ended::Failed(_), Done::Followed(followed)) => {
                (BAD, format!("not {}", follows(followed)))
            }
            (Ended::Failed(_), _) => (BAD, "failed".to_owned()),
            (Ended::Well, Done::Verified) => (
                GOOD,
                "verified: the containers have what the disk has".to_owned(),
            ),
            (Ended::Well, Done::Same) => (
                DIM,
                "nothing to copy: the containers have this content already".to_owned(),
            ),
            (Ended::Well, Done::Updated(updated)) => (GOOD, Self::updated(outcome, updated)),
            (Ended::Well, Done::Rebuilt(because)) => {
                (GOOD, format!("rebuilt: {}", message(&because.to_string())))
            }
            (Ended::Well, Done::BuiltTheSame(because)) => (
                DIM,
                format!(
                    "rebuilt, the image is the same: nothing to do ({})",
                    message(&because.to_string())
                ),
            ),
            (Ended::Well, Done::Followed(followed)) => (GOOD, follows(followed)),
            (Ended::Well, Done::Waits(why)) => {
                (WAITING, format!("waits: {}", message(&why.to_string())))
            }
        };
        let mut line = format!(
            "{style}{service}{style:#}  {what} {DIM}({}){DIM:#}\n",
            took(&outcome.took)
        );
        if let Ended::Failed(failures) = &outcome.result {
            for text in message(&failures.to_string()).lines() {
                let _ = writeln!(line, "{BAD}{service}{BAD:#}  {text}");
            }
            if let Some(hint) = failures.hint() {
                let _ = writeln!(line, "hint: {}", value(&hint));
            }
        }
        line
    }

    fn updated(outcome: &Outcome, updated: &Updated) -> String {
        let place = match outcome.containers.as_slice() {
            [] => String::new(),
            [one] => format!(" in {}", value(one)),
            many => format!(" in {}", count(many.len(), "container", "containers")),
        };
        let mut parts = Vec::new();
        if let Some(files) = Self::files(updated) {
            parts.push(format!("{files}{place}"));
        }
        if updated.revived > 0 {
            parts.push(format!(
                "started {}",
                count(updated.revived, "stopped container", "stopped containers")
            ));
        }
        if updated.ran > 0 {
            parts.push(format!("ran {}", count(updated.ran, "command", "commands")));
        }
        parts.extend(updated.restarted.as_ref().map(ToString::to_string));
        if Self::files(updated).is_none()
            && let Some(last) = parts.last_mut()
        {
            last.push_str(&place);
        }
        parts.extend(updated.later.as_ref().map(ToString::to_string));
        let mut text = parts.join(", ");
        if let Some(after) = updated.after.filter(|_| !text.is_empty()) {
            let _ = write!(text, ": {}", is_over(after));
        }
        if updated.catching_up && !text.is_empty() {
            format!("caught up: {text}")
        } else {
            text
        }
    }

    fn files(updated: &Updated) -> Option<String> {
        let total = updated.copied + updated.live + updated.removed;
        match (&updated.first, total) {
            (_, 0) => None,
            (Some((from, Some(to))), 1) if updated.copied == 1 => Some(format!("{from} -> {to}")),
            (Some((from, Some(to))), 1) if updated.live == 1 => {
                Some(format!("{from} is live at {to} through its mount"))
            }
            (Some((from, _)), 1) => Some(format!("removed {from}")),
            _ => {
                let mut parts = Vec::new();
                if updated.copied > 0 {
                    parts.push(format!("copied {}", count(updated.copied, "file", "files")));
                }
                if updated.live > 0 {
                    parts.push(format!(
                        "{} live through mounts",
                        count(updated.live, "file", "files")
                    ));
                }
                if updated.removed > 0 {
                    parts.push(format!(
                        "removed {}",
                        count(updated.removed, "file", "files")
                    ));
                }
                Some(parts.join(" and "))
            }
        }
    }
}

fn follows(followed: &Followed) -> String {
    let Followed { of, was, how, tie } = followed;
    format!("{how}: {} was {was} (`{}`)", value(of), value(tie))
}

fn prefix(service: Option<&str>) -> String {
    service.map_or_else(String::new, |service| format!("{}  ", value(service)))
}

fn took(took: &Took) -> String {
    let parts = [
        ("copy", took.copy),
        ("run", took.run),
        ("restart", took.restart),
        ("build", took.build),
        ("start", took.start),
    ];
    let mut text = format!("{}: wait {}", duration(took.total), bare(took.wait));
    for (name, part) in parts {
        if let Some(part) = part {
            let _ = write!(text, ", {name} {}", bare(part));
        }
    }
    text
}

/// `0.8 ms`, `31 ms`, `3.2 s`.
fn duration(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else if ms < 1000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1000.0)
    }
}

/// Milliseconds are what is meant when nothing is said.
fn bare(time: Duration) -> String {
    let text = duration(time);
    text.strip_suffix(" ms").map_or(text.clone(), str::to_owned)
}
