//! What a container does, as far as those that depend on it are concerned: the engine sees it, the plan judges it. Knows neither.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::compose::TieKind;

/// One container, as far as following goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// Its full ID.
    pub id: String,
    /// Its number within the service.
    pub number: u32,
    /// What it does.
    pub doing: Doing,
    /// When it was started last; `None` when it never was.
    pub began: Option<SystemTime>,
    /// That start was its restart policy's, not somebody's.
    pub by_policy: bool,
    /// The containers whose namespaces or volumes it has, by ID.
    pub joins: Vec<(TieKind, String)>,
}

/// What a container does, as far as following goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It runs.
    Runs,
    /// It ended by itself; its restart policy may be about to start it.
    Ended,
    /// Somebody has stopped it, or holds it: it is left alone.
    Rests,
}

/// The containers of each service that is tied to another.
pub type Lives = BTreeMap<String, Vec<Life>>;
