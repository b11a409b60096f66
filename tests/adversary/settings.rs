//! What is asked of a trial, from the environment. Knows no tool at work.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Who is hostile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The owner of the sync's target, without rights beyond that.
    User,
    /// Root in the container.
    Root,
}

/// The way that updates take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The helper in the container.
    Helper,
    /// The Engine's API alone.
    Archive,
}

/// One trial.
#[derive(Clone, Debug)]
pub struct Settings {
    pub who: Who,
    pub way: Way,
    /// `read_only: true`, with a volume of the user's.
    pub hardened: bool,
    /// The adversary makes its moves between updates, not while one goes on: the engine follows paths as root, and nobody can
    /// ask it to look and write in one step.
    pub takes_turns: bool,
    /// Brings back the same edits and the same plans of the adversary, though not the same moments.
    pub seed: u64,
    /// After so many rounds of edits the adversary has had its time.
    pub rounds: usize,
    /// And after so long.
    pub time: Duration,
    /// How long it may take until all is in step again, and how long an update may be held up.
    pub limit: Duration,
}

impl Settings {
    /// `ADVERSARY_SEED`, `_ROUNDS`, `_SECONDS`, `_LIMIT` (seconds), `_AT_ONCE` (if set, it does not take turns); what is not set is as CI has it.
    pub fn new(who: Who, way: Way) -> Result<Self, String> {
        Ok(Self {
            who,
            way,
            hardened: false,
            takes_turns: way == Way::Archive && std::env::var_os("ADVERSARY_AT_ONCE").is_none(),
            seed: number("ADVERSARY_SEED", 1)?,
            rounds: number("ADVERSARY_ROUNDS", usize::MAX)?,
            time: Duration::from_secs(number("ADVERSARY_SECONDS", 7)?),
            limit: Duration::from_secs(number("ADVERSARY_LIMIT", 120)?),
        })
    }

    /// The same in a hardened container.
    pub fn hardened(self) -> Self {
        Self {
            hardened: true,
            ..self
        }
    }

    /// In a word, for people and for names of files.
    pub fn label(&self) -> String {
        let who = match self.who {
            Who::User => "user",
            Who::Root => "root",
        };
        let way = match self.way {
            Way::Helper => "helper",
            Way::Archive => "archive",
        };
        let hardened = if self.hardened { "-hardened" } else { "" };
        format!("{who}-{way}{hardened}")
    }

    /// The plugin.
    pub fn plugin() -> PathBuf {
        env!("CARGO_BIN_EXE_docker-liveupdate").into()
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
