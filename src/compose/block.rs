//! The words of `x-live-update`: checked steps and options of one service. No files, no engine.

use std::fmt;
use std::time::Duration;

use crate::harmless;
use crate::paths::{ContainerPath, HostPath};

use super::rule::PathRule;
pub use super::work::{Command, Does, LastStep, OnFailure, Run, Work};

/// The checked `x-live-update` of one service (`spec.md` section 1).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    /// Where the block was written.
    pub origin: Origin,
    /// E5: compare when a container first appears; the step's number.
    pub initial_sync: Option<Step>,
    /// Files whose change asks for a full rebuild.
    pub fall_back_on: Vec<FallBackOn>,
    /// What is copied where, in the order of the list.
    pub syncs: Vec<Sync>,
    /// Which of the syncs that hold a file copy it.
    pub matching: Matching,
    /// What is done once the files are there, in order: commands, and at most one last step behind them.
    pub works: Vec<Work>,
    /// Files watched for their triggers alone, never copied: `develop.watch`'s `action: restart`, and what the triggers of a
    /// block's last step name of its own `watch`.
    pub watch_only: Vec<FallBackOn>,
    /// Watched in place of the build context, wherever it lies; empty means the context.
    pub watch: Vec<HostPath>,
    /// Context filter: what is left out, in `.dockerignore`'s syntax, relative to the block's directory.
    pub ignore: Vec<String>,
    /// Context filter: what alone is watched, same syntax; empty means everything.
    pub only: Vec<String>,
    /// The directory `ignore` and `only` are relative to (B5); `None` only for an empty default.
    pub dir: Option<HostPath>,
    /// What a watched file that no step covers asks for.
    pub unmatched: Unmatched,
    /// Whether changes are applied by themselves or wait for a key.
    pub trigger_mode: TriggerMode,
    /// A quiet time of the user's choice in place of the adaptive one.
    pub debounce: Option<Duration>,
    /// D3: an image built by the user's own command.
    pub custom_build: Option<CustomBuild>,
    /// What the container runs under `docker liveupdate up` only.
    pub entrypoint: Option<Vec<String>>,
    /// Its arguments, likewise.
    pub command: Option<Vec<String>>,
    /// Whether the in-container helper may be used (`helper: off` forbids it).
    pub helper: HelperUse,
}

impl Block {
    /// An empty list of steps: rebuild on every change of the context (B2).
    pub fn always_rebuilds(&self) -> bool {
        self.syncs.is_empty() && self.watch_only.is_empty() && self.unmatched == Unmatched::Rebuild
    }

    /// Puts `work` behind what is there, and before the last step; of the last steps the first stays.
    pub fn add(&mut self, work: Work) {
        match self.works.iter().position(Work::is_last) {
            Some(_) if work.is_last() => {}
            Some(last) => self.works.insert(last, work),
            None => self.works.push(work),
        }
    }

    /// The last step, if there is one.
    pub fn last(&self) -> Option<&Work> {
        self.works.iter().find(|work| work.is_last())
    }
}

/// Which of the two keys the block was read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// `x-live-update`.
    #[default]
    LiveUpdate,
    /// Compose's own `develop.watch` (spec.md, F1).
    DevelopWatch,
}

/// A step's number in its list, from 1, with the name it was used by, if any.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step {
    /// Position in the merged list, from 1.
    pub number: usize,
    /// B3: the named step it came from.
    pub name: Option<String>,
    /// F1: the action of the watch rule that it is.
    pub action: Option<Action>,
}

/// The actions of `develop.watch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// `sync`
    Sync,
    /// `sync+restart`
    SyncRestart,
    /// `sync+exec`
    SyncExec,
    /// `restart`
    Restart,
    /// `rebuild`
    Rebuild,
}

impl Action {
    /// All of them, as they are written.
    pub const ALL: [(&'static str, Self); 5] = [
        ("sync", Self::Sync),
        ("sync+restart", Self::SyncRestart),
        ("sync+exec", Self::SyncExec),
        ("restart", Self::Restart),
        ("rebuild", Self::Rebuild),
    ];
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = Self::ALL.iter().find(|(_, action)| action == self);
        f.write_str(written.map_or("", |(word, _)| word))
    }
}

impl Step {
    /// The step at `number`, written in place.
    pub fn new(number: usize) -> Self {
        Self {
            number,
            name: None,
            action: None,
        }
    }

    /// The watch rule at `number`.
    pub fn watch_rule(number: usize, action: Action) -> Self {
        Self {
            number,
            name: None,
            action: Some(action),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, self.action) {
            (_, Some(action)) => write!(f, "watch rule {} ({action})", self.number),
            (Some(name), None) => write!(f, "step {} `{}`", self.number, harmless::value(name)),
            (None, None) => write!(f, "step {}", self.number),
        }
    }
}

/// One path or glob of a `fall_back_on` step.
#[derive(Clone, Debug, PartialEq)]
pub struct FallBackOn {
    /// The step it stands in.
    pub step: Step,
    /// What it matches.
    pub rule: PathRule,
}

/// One `sync` step.
#[derive(Clone, Debug, PartialEq)]
pub struct Sync {
    /// The step's place.
    pub step: Step,
    /// The file or directory on the host.
    pub local: HostPath,
    /// Where it goes.
    pub remote: ContainerPath,
    /// `remote_path` ended in `/`: a single file goes into that directory (C4).
    pub into_directory: bool,
    /// Left out of this sync, in `.dockerignore`'s syntax, relative to `local`.
    pub ignore: Vec<String>,
    /// When not empty, only these are in this sync; same syntax.
    pub include: Vec<String>,
    /// Write into the same inode, for single-file watchers.
    pub in_place: bool,
    /// E5 for this sync alone.
    pub initial: bool,
}

/// `matching`: what holds for a file that several steps name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Matching {
    /// C4: the first sync that holds it decides, and what falls back is not synced.
    #[default]
    First,
    /// F1: as Compose's own rules, every sync copies it to its own place, also into the container of its rebuild.
    All,
}

/// `unmatched`: what a watched file that no sync covers asks for (C3.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unmatched {
    /// A full rebuild.
    #[default]
    Rebuild,
    /// The file is left out, and said so.
    Ignore,
}

/// `trigger_mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TriggerMode {
    /// Changes are applied by themselves.
    #[default]
    Auto,
    /// Changes gather until the user applies them.
    Manual,
}

/// `helper`: whether updates may go through the in-container helper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HelperUse {
    /// When it can run there.
    #[default]
    Auto,
    /// Never: the plain Engine API.
    Off,
}

/// D3: `custom_build`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomBuild {
    /// Run by the host's shell in the project directory, `EXPECTED_REF` set to the tag.
    pub command: String,
    /// What is watched in place of the context.
    pub deps: Vec<HostPath>,
    /// The image's name; the service's `image:` when not given.
    pub tag: String,
}
