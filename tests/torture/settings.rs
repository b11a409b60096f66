//! What is asked of a trial, from the environment. Knows no tool at work.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::engine::PrivateEngine;
use super::faults::{ALL, Fault};
use super::parts::{self, Part};
use crate::tools::Tool;

/// A trial.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Brings back the same operations and faults.
    pub seed: u64,
    /// How many operations on files.
    pub operations: usize,
    /// How many faults, spread evenly among them.
    pub faults: usize,
    /// Which kinds of faults.
    pub kinds: Vec<Fault>,
    /// What else there is.
    pub parts: Vec<Part>,
    /// The tool under torture.
    pub tool: Tool,
    /// How long it may take to settle afterwards.
    pub limit: Duration,
    /// Whether all names are UTF-8, as the builder wants them: a rebuild fails otherwise.
    pub buildable: bool,
    /// The plugin.
    pub plugin: PathBuf,
}

impl Settings {
    /// `TORTURE_SEED`, `_OPS`, `_FAULTS`, `_KINDS` and `_PARTS` (separated by commas), `_TOOL`, `_LIMIT` (seconds), `_NAMES`
    /// (any or utf8), `_PLUGIN`; what is not set is as CI has it.
    pub fn from_environment() -> Result<Self, String> {
        let engine_at_hand = PrivateEngine::is_at_hand();
        let kinds = match std::env::var("TORTURE_KINDS") {
            Ok(names) => names.split(',').map(str::parse).collect::<Result<_, _>>()?,
            Err(_) => ALL
                .iter()
                .map(|(_, fault)| *fault)
                .filter(|fault| engine_at_hand || *fault != Fault::Engine)
                .collect(),
        };
        let parts = match std::env::var("TORTURE_PARTS").as_deref() {
            Ok("none") => Vec::new(),
            Ok("all") => parts::ALL.iter().map(|(_, part)| *part).collect(),
            Ok(names) => names.split(',').map(str::parse).collect::<Result<_, _>>()?,
            Err(_) => vec![Part::ImageLinks],
        };
        let tool = match std::env::var("TORTURE_TOOL").as_deref() {
            Err(_) | Ok("liveupdate") => Tool::LiveUpdate,
            Ok("helper-off") => Tool::LiveUpdateWithoutHelper,
            Ok("compose-watch") => Tool::ComposeWatch,
            Ok(other) => {
                return Err(format!(
                    "TORTURE_TOOL is `{other}`; it can be liveupdate, helper-off or compose-watch"
                ));
            }
        };
        Ok(Self {
            seed: number("TORTURE_SEED", 1)?,
            operations: number("TORTURE_OPS", 400)?,
            faults: number("TORTURE_FAULTS", 6)?,
            kinds,
            parts,
            tool,
            limit: Duration::from_secs(number("TORTURE_LIMIT", 120)?),
            buildable: match std::env::var("TORTURE_NAMES").as_deref() {
                Err(_) | Ok("any") => false,
                Ok("utf8") => true,
                Ok(other) => {
                    return Err(format!("TORTURE_NAMES is `{other}`; it can be any or utf8"));
                }
            },
            plugin: std::env::var_os("TORTURE_PLUGIN").map_or_else(
                || env!("CARGO_BIN_EXE_docker-liveupdate").into(),
                Into::into,
            ),
        })
    }
}

fn number<N: FromStr>(name: &str, otherwise: N) -> Result<N, String> {
    match std::env::var(name) {
        Err(_) => Ok(otherwise),
        Ok(text) => text
            .parse()
            .map_err(|_| format!("{name} is `{text}`, which is not a number")),
    }
}
