//! What came of a trial: what was wrong, and numbers. Judges what was said; sees no file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::settings::Settings;
use crate::up::Said;

/// More of the same says no more.
const MOST: usize = 30;

/// The verdict.
#[derive(Default)]
pub struct Verdict {
    label: String,
    seed: u64,
    wrong: Vec<(String, String)>,
    pub rounds: usize,
    pub edits: usize,
    /// What the adversary did, by its own account.
    pub moves: usize,
    /// How often the adversary began: once, and again in each new container.
    pub begun: usize,
    /// How many files nobody was to touch.
    pub protected: usize,
    /// How many were compared at the end.
    pub compared: usize,
    /// Edits that had nothing to do with the adversary's, and waited for the next change all the same.
    pub held_up: usize,
    pub settled_after: Duration,
    pub ended_after: Duration,
    pub peak_mib: f64,
    outcomes: usize,
    failures: usize,
    rebuilds: usize,
    pub end_of_output: String,
    pub kept: Vec<PathBuf>,
}

impl Verdict {
    pub fn of(settings: &Settings) -> Self {
        Self {
            label: settings.label(),
            seed: settings.seed,
            ..Self::default()
        }
    }

    /// Something that may not be. The same thing twice is once, however it is by now.
    pub fn wrong(&mut self, what: &str, how: &str) {
        if self.wrong.len() < MOST && !self.wrong.iter().any(|(known, _)| known == what) {
            self.wrong.push((what.to_owned(), how.to_owned()));
        }
    }

    pub fn is_good(&self) -> bool {
        self.wrong.is_empty()
    }

    pub fn count_said(&mut self, said: &[Said]) {
        let outcomes = || said.iter().filter(|said| said.event["event"] == "outcome");
        self.outcomes = outcomes().count();
        self.failures = outcomes().filter(|said| said.event["ok"] == false).count();
        self.rebuilds = outcomes()
            .filter(|said| said.event["action"] == "rebuild")
            .count();
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(
            f,
            "{}: seed {}, {} rounds, {} edits, {} hostile moves, {} outcomes ({} failed, {} rebuilds, {} containers): {}",
            self.label,
            self.seed,
            self.rounds,
            self.edits,
            self.moves,
            self.outcomes,
            self.failures,
            self.rebuilds,
            self.begun,
            if self.is_good() {
                "nothing was wrong"
            } else {
                "WRONG"
            },
        )?;
        writeln!(
            f,
            "  {} things of others as they were, {} files in step after {:.1} s, {} held up, {:.0} MiB at most, ended in {:.1} s",
            self.protected,
            self.compared,
            self.settled_after.as_secs_f64(),
            self.held_up,
            self.peak_mib,
            self.ended_after.as_secs_f64(),
        )?;
        for (what, how) in &self.wrong {
            writeln!(f, "  {} {}", what.escape_debug(), how.escape_debug())?;
        }
        if !self.end_of_output.is_empty() {
            writeln!(f, "the end of what `up` said:\n{}", self.end_of_output)?;
        }
        for kept in &self.kept {
            writeln!(f, "(all of it: {})", kept.display())?;
        }
        Ok(())
    }
}

/// The edits of which nothing was said afterwards: neither that the path was seen, and what came of it, nor a rebuild.
pub fn unsaid(said: &[Said], written: &BTreeMap<PathBuf, SystemTime>) -> Vec<PathBuf> {
    let is_end = |said: &Said| said.event["event"] == "outcome" || said.event["event"] == "problem";
    let is_said = |(path, at): (&PathBuf, &SystemTime)| {
        // The tool's times are cut to milliseconds.
        let at = *at - Duration::from_millis(1);
        let mut later = said.iter().skip_while(|said| said.at < at);
        let Some(_) = later.find(|said| speaks_of(said, path) || is_rebuild(said)) else {
            return false;
        };
        later.any(is_end)
    };
    written
        .iter()
        .filter(|edit| !is_said(*edit))
        .map(|(path, _)| path.clone())
        .collect()
}

fn is_rebuild(said: &Said) -> bool {
    said.event["event"] == "plan" && said.event["action"] == "rebuild"
}

/// Whether it names the path, or a directory above it.
fn speaks_of(said: &Said, path: &Path) -> bool {
    let paths = said.event["paths"].as_array();
    said.event["event"] == "change"
        && paths
            .into_iter()
            .flatten()
            .filter_map(|named| named.as_str())
            .any(|named| path.starts_with(named))
}
