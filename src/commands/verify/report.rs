//! What `verify` found in one container and did about it, for people and for programs.

use serde_json::{Value, json};

use crate::cli::ExitCode;
use crate::commands::output::{BAD, DIM, GOOD, count, say};
use crate::compose::block::Step;
use crate::engine::EngineError;
use crate::harmless;
use crate::paths::{ContainerPath, HostPath};
use crate::service::compare::Comparison;

/// Drifted paths that are shown of each container; all of them are in the JSON.
const SHOWN: usize = 5;

/// What was found in one container, and done about it.
pub(super) struct Report {
    pub(super) service: String,
    pub(super) container: String,
    /// As it was found.
    pub(super) found: Result<Comparison, EngineError>,
    /// What `--fix` came to; `None` when it was not asked for, or there was nothing to do.
    pub(super) repair: Option<Repair>,
}

/// What `--fix` came to.
pub(super) enum Repair {
    /// The container has the files now; the commands and the restart that were left out.
    Done {
        paths: usize,
        left_out: Vec<(String, Step)>,
    },
    /// It still differs, and why.
    Failed { why: String, hint: String },
}

impl Report {
    pub(super) fn code(&self) -> ExitCode {
        match (&self.found, &self.repair) {
            (Err(EngineError::Gone(_)), _) => ExitCode::Ok,
            (Err(_), _) => ExitCode::Docker,
            (Ok(found), _) if !found.unreadable.is_empty() => ExitCode::Problems,
            (Ok(found), None) if found.is_clean() => ExitCode::Ok,
            (Ok(_), Some(Repair::Done { .. })) => ExitCode::Ok,
            (Ok(_), _) => ExitCode::Problems,
        }
    }

    /// One row, what it says is wrong, and what was done about it.
    pub(super) fn print(&self, width: usize) {
        let found = match &self.found {
            Ok(found) => found,
            Err(error) => {
                say(&format!(
                    "{:width$}  {BAD}not compared{BAD:#}: {error}",
                    self.container
                ));
                return;
            }
        };
        let numbers = [
            found.same.len(),
            found.changed.len(),
            found.missing.len(),
            found.stale.len(),
        ];
        let line = row(
            &self.container,
            width,
            numbers.map(|number| number.to_string()),
        );
        let style = if found.is_clean() { GOOD } else { BAD };
        say(&format!(
            "{style}{}{style:#}{}",
            &line[..width],
            &line[width..]
        ));
        print_drift(found);
        if let Some(repair) = &self.repair {
            repair.print();
        }
    }

    pub(super) fn fields(&self) -> Value {
        let found = match &self.found {
            Ok(found) => found,
            Err(error) => {
                return json!({"service": self.service, "container": self.container, "error": error.to_string()});
            }
        };
        let pair = |from: &HostPath, to: &ContainerPath| json!({"from": from.verbatim(), "to": to.verbatim()});
        let (fixed, not_run, failure) = match &self.repair {
            None => (None, None, None),
            Some(Repair::Done { left_out, .. }) => {
                let commands = left_out.iter();
                let commands: Vec<Value> = commands
                    .map(|(command, step)| json!({"command": command, "step": step.number}))
                    .collect();
                (Some(true), Some(commands), None)
            }
            Some(Repair::Failed { why, .. }) => (Some(false), None, Some(why)),
        };
        json!({
            "service": self.service, "container": self.container, "clean": found.is_clean(),
            "same": found.same.len(),
            "changed": found.changed.iter().map(|(from, to, _)| pair(from, to)).collect::<Vec<_>>(),
            "missing": found.missing.iter().map(|(from, to)| pair(from, to)).collect::<Vec<_>>(),
            "stale": found.stale.iter().map(|(from, to, _)| pair(from, to)).collect::<Vec<_>>(),
            "unreadable": found.unreadable.iter()
                .map(|(path, why)| json!({"path": path.verbatim(), "reason": why})).collect::<Vec<_>>(),
            "fixed": fixed, "not_run": not_run, "failure": failure,
        })
    }
}

impl Repair {
    fn print(&self) {
        match self {
            Self::Done { paths, left_out } => {
                say(&format!(
                    "  {GOOD}repaired{GOOD:#} {}",
                    count(*paths, "path", "paths")
                ));
                for (command, step) in left_out {
                    let command = harmless::value(command);
                    say(&format!(
                        "  {DIM}not run: {command} ({step}); `--fix` repairs files alone{DIM:#}"
                    ));
                }
            }
            Self::Failed { why, hint } => {
                say(&format!(
                    "  {BAD}not repaired{BAD:#}: {why}\n  hint: {hint}"
                ));
            }
        }
    }
}

fn print_drift(found: &Comparison) {
    let changed = found
        .changed
        .iter()
        .map(|(path, to, _)| ("changed", path, to));
    let missing = found.missing.iter().map(|(path, to)| ("missing", path, to));
    let owed = found
        .stale
        .iter()
        .map(|(path, to, _)| ("stale  ", path, to));
    for (what, path, to) in changed.chain(missing).chain(owed).take(SHOWN) {
        say(&format!("  {what}  {path} -> {to}"));
    }
    let more = found.drift().count().saturating_sub(SHOWN);
    if more > 0 {
        say(&format!(
            "  {DIM}and {more} more (`--format json` has them all){DIM:#}"
        ));
    }
    for (path, why) in found.unreadable.iter().take(SHOWN) {
        say(&format!(
            "  {BAD}unread{BAD:#}   {}: {}",
            path,
            harmless::value(why)
        ));
    }
}

/// One line of the table.
pub(super) fn row(name: &str, width: usize, cells: [impl std::fmt::Display; 4]) -> String {
    let [same, changed, missing, stale] = cells;
    // Padded by hand: a display may ignore a width.
    format!(
        "{name:width$}  {:>6}  {:>7}  {:>7}  {:>5}",
        same.to_string(),
        changed.to_string(),
        missing.to_string(),
        stale.to_string()
    )
}
