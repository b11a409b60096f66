//! The words of a plan. Every decision carries its reason, and prints itself.

use std::collections::BTreeSet;
use std::fmt;

use crate::compose::block::Step;
use crate::harmless;
use crate::paths::{ContainerPath, HostPath};
use crate::watch::Entry;

use super::steps::DueStep;

/// What one batch asks of one service.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum Plan {
    /// Nothing to do, and why.
    Nothing(Idle),
    /// Update the running containers in place.
    LiveUpdate(LiveUpdate),
    /// Build and recreate the service.
    Rebuild(Because),
}

/// Why there is nothing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Nothing of the batch is watched for this service, or nothing is left of it on disk.
    NothingChanged,
    /// Everything was left out; the first of them.
    LeftOut(LeftOut),
}

/// What is owed to a container from earlier updates (C7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Debts {
    /// Indexes of the steps that failed, never got their turn, or wait for the end of a burst.
    pub owed: BTreeSet<usize>,
}

impl Debts {
    /// Whether an update is due even without a change.
    pub fn is_owed_anything(&self) -> bool {
        !self.owed.is_empty()
    }
}

/// A live update of a service's containers: copy and delete, then each step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveUpdate {
    /// What is copied where.
    pub copies: Vec<Copy>,
    /// What is deleted.
    pub removes: Vec<Remove>,
    /// The steps whose turn it is once the files are there, in order.
    pub steps: Vec<DueStep>,
    /// Changed files that only trigger, and are not copied.
    pub noticed: Vec<HostPath>,
    /// Changed files that are not applied, each with its reason.
    pub left_out: Vec<LeftOut>,
}

impl LiveUpdate {
    /// Nothing at all would be done.
    pub fn is_empty(&self) -> bool {
        self.copies.is_empty() && self.removes.is_empty() && self.steps.is_empty()
    }

    /// Whether files in the container change.
    pub fn touches_container(&self) -> bool {
        !self.copies.is_empty() || !self.removes.is_empty()
    }

    /// The changed files that are synced, copies first.
    pub fn synced(&self) -> impl Iterator<Item = &HostPath> {
        self.copies
            .iter()
            .map(|copy| &copy.from)
            .chain(self.removes.iter().map(|remove| &remove.path))
    }
}

/// One file, link or directory to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// On the host.
    pub from: HostPath,
    /// How many names below the sync's source that is.
    pub depth: usize,
    /// In the container.
    pub to: ContainerPath,
    /// What the disk had when the batch closed.
    pub entry: Entry,
    /// The sync that says so.
    pub step: Step,
    /// Keep the inode.
    pub in_place: bool,
}

/// One path to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remove {
    /// On the host, gone.
    pub path: HostPath,
    /// In the container.
    pub to: ContainerPath,
    /// The sync that says so.
    pub step: Step,
}

/// Why a step's turn has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DueBecause {
    /// It has no trigger.
    Always,
    /// A changed synced file matches one of its triggers.
    Trigger {
        /// The file.
        path: HostPath,
        /// The trigger as written.
        rule: String,
    },
    /// It failed before, never got its turn, or had to wait for the end of a burst.
    Owed,
}

/// A changed file that is not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The file.
    pub path: HostPath,
    /// Why.
    pub why: Why,
}

/// Why a file is not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// No sync covers it, and `unmatched: ignore` says that this is fine.
    Unmatched,
    /// The sync's own `ignore`.
    SyncIgnores {
        /// The sync.
        step: Step,
        /// The pattern as written.
        pattern: String,
    },
    /// F1: another step's file goes to the same place.
    TakenBy {
        /// That step.
        step: Step,
        /// The place.
        to: ContainerPath,
    },
    /// One of the files the project was read from.
    Configuration,
    /// A socket, FIFO or device.
    Special,
    /// It may not be read: the system's own words.
    Unreadable(String),
}

/// Why a service is rebuilt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Because {
    /// A changed file matches `fall_back_on`.
    FallBackOn {
        /// The file.
        path: HostPath,
        /// The rule as written.
        rule: String,
        /// Its step.
        step: Step,
    },
    /// The Dockerfile or an ignore file changed.
    BuildFile {
        /// Which.
        path: HostPath,
    },
    /// No sync covers a changed file.
    NoSyncCovers {
        /// The file.
        path: HostPath,
    },
    /// The engine refused a copy or delete (C8): its own words.
    Refused(String),
    /// A run failed whose `on_failure` is `rebuild`.
    RunFailed {
        /// Its step.
        step: Step,
    },
    /// The user asked for it.
    Asked,
    /// The last build failed, and something changed since.
    BuildOwed,
    /// The service's own configuration changed.
    Configuration,
}

impl Because {
    /// The step that asks for the rebuild, if one does.
    pub fn step(&self) -> Option<&Step> {
        match self {
            Self::FallBackOn { step, .. } | Self::RunFailed { step } => Some(step),
            _ => None,
        }
    }

    /// The changed file, when it is one that asks for the rebuild.
    pub fn path(&self) -> Option<&HostPath> {
        match self {
            Self::FallBackOn { path, .. }
            | Self::BuildFile { path }
            | Self::NoSyncCovers { path } => Some(path),
            Self::Refused(_)
            | Self::RunFailed { .. }
            | Self::Asked
            | Self::BuildOwed
            | Self::Configuration => None,
        }
    }

    /// Whether it answers something that was tried in the container and did not work.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::RunFailed { .. })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing(idle) => {
                f.write_str("nothing: ")?;
                idle.fmt(f)
            }
            Self::Rebuild(because) => {
                f.write_str("rebuild: ")?;
                because.fmt(f)
            }
            Self::LiveUpdate(update) => update.fmt(f),
        }
    }
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingChanged => f.write_str("no watched file changed"),
            Self::LeftOut(left_out) => left_out.fmt(f),
        }
    }
}

impl fmt::Display for LiveUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("live update:")?;
        for copy in &self.copies {
            write!(f, "\n  copy {} -> {} ({})", copy.from, copy.to, copy.step)?;
        }
        for Remove { path, to, step } in &self.removes {
            write!(f, "\n  remove {to} ({path} is gone, {step})")?;
        }
        for left_out in &self.left_out {
            f.write_str("\n  leave out ")?;
            left_out.fmt(f)?;
        }
        for due in &self.steps {
            write!(f, "\n  {due}")?;
        }
        Ok(())
    }
}

impl fmt::Display for DueBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Trigger { path, rule } => {
                let rule = harmless::value(rule);
                write!(f, "{path} matches trigger `{rule}`")
            }
            Self::Owed => f.write_str("owed since it failed, was skipped or had to wait"),
        }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match &self.why {
            Why::Configuration => write!(f, "{path} {}", self.why),
            why => write!(f, "{path}: {why}"),
        }
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FallBackOn { path, rule, step } => {
                let rule = harmless::value(rule);
                if step.action.is_some() {
                    write!(f, "{path} matches `{rule}` of {step}")
                } else {
                    write!(f, "{path} matches fall_back_on `{rule}` ({step})")
                }
            }
            Self::BuildFile { path } => {
                let what = if path.verbatim().ends_with(".dockerignore") {
                    "says which files the build gets"
                } else {
                    "says how the image is built"
                };
                write!(f, "{path} {what}")
            }
            Self::NoSyncCovers { path } => write!(f, "no sync covers {path}"),
            Self::Refused(why) => {
                let why = harmless::message(why);
                write!(f, "the files could not be put in place: {why}")
            }
            Self::RunFailed { step } => write!(f, "{step} failed and its on_failure is `rebuild`"),
            Self::Asked => f.write_str("asked for"),
            Self::BuildOwed => f.write_str("the last build failed"),
            Self::Configuration => f.write_str("the service's configuration changed"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unmatched => f.write_str("no sync covers it, and `unmatched` is `ignore`"),
            Self::SyncIgnores { step, pattern } => {
                write!(f, "{step} ignores it (`{}`)", harmless::value(pattern))
            }
            Self::TakenBy { step, to } => write!(f, "{step} has a file for `{to}` too"),
            Self::Configuration => {
                f.write_str("configures the project: nothing is copied or built for it")
            }
            Self::Special => f.write_str("sockets, FIFOs and devices are not synced"),
            Self::Unreadable(why) => write!(f, "cannot be read: {}", harmless::value(why)),
        }
    }
}
