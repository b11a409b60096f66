//! The tools that are measured and tortured, as programs: started, awaited, stopped. Knows nothing of what they are put through.
#![allow(
    dead_code,
    reason = "each program that measures or tortures uses its part"
)]

pub mod docker;
pub mod interrupt;
pub mod median;
pub mod process;
pub mod project;
pub mod running;

use std::path::Path;

/// What goes wrong here ends the run with its text; nobody handles it by kind.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A tool that keeps containers in step with files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tool {
    /// `docker liveupdate up`.
    LiveUpdate,
    /// `docker liveupdate up` through the Engine API alone, with nothing of ours inside the container.
    LiveUpdateWithoutHelper,
    /// `docker compose watch`.
    ComposeWatch,
    /// An older build of ours.
    Before,
    /// An older build of ours through the Engine API alone.
    BeforeWithoutHelper,
}

impl Tool {
    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::LiveUpdate => "liveupdate",
            Self::LiveUpdateWithoutHelper => "liveupdate, helper off",
            Self::ComposeWatch => "compose watch",
            Self::Before => "before",
            Self::BeforeWithoutHelper => "before, helper off",
        }
    }

    /// The name for files and projects.
    pub fn slug(self) -> &'static str {
        match self {
            Self::LiveUpdate => "liveupdate",
            Self::LiveUpdateWithoutHelper => "helper-off",
            Self::ComposeWatch => "compose-watch",
            Self::Before => "before",
            Self::BeforeWithoutHelper => "before-helper-off",
        }
    }

    /// Whether it is ours, and so understands `x-live-update` and prints JSON.
    pub fn is_ours(self) -> bool {
        self != Self::ComposeWatch
    }

    /// Whether it is the older build.
    pub fn is_before(self) -> bool {
        matches!(self, Self::Before | Self::BeforeWithoutHelper)
    }

    /// What comes after `docker`. The project's image is built and, for the peer, its containers run.
    pub fn arguments(self, file: &Path, project: &str) -> Vec<String> {
        let file = file.to_string_lossy();
        let (plugin, rest): (_, &[&str]) = if self.is_ours() {
            (
                "liveupdate",
                &[
                    "up",
                    "--no-build",
                    "--no-logs",
                    "--keep",
                    "--format",
                    "json",
                ],
            )
        } else {
            ("compose", &["watch", "--no-up"])
        };
        [plugin, "-f", &file, "-p", project]
            .iter()
            .chain(rest)
            .map(ToString::to_string)
            .collect()
    }

    /// What is set in its environment beyond Docker's own.
    pub fn environment(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::LiveUpdateWithoutHelper | Self::BeforeWithoutHelper => {
                &[("LIVEUPDATE_HELPER", "off")]
            }
            Self::LiveUpdate | Self::ComposeWatch | Self::Before => &[],
        }
    }

    /// Whether a line of its output says that it is ready for edits.
    pub fn is_ready(self, line: &str) -> bool {
        if self.is_ours() {
            line.contains(r#""event":"started""#)
        } else {
            line.contains("Watch enabled")
        }
    }
}
