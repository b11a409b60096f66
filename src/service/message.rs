//! What a service is told: by the watcher, the engine, the user, a reload.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::engine::End;
use crate::plan::Because;
use crate::watch::{Inode, Looks, Touch};

use super::Configuration;

/// Something that happened, or that somebody wants.
#[derive(Debug)]
pub enum Message {
    /// A watched path was touched.
    Touched(Touch),
    /// Files that have several names changed for another service: the names that are watched here were not told.
    OtherNames(Arc<BTreeSet<Inode>>),
    /// Events were lost: compare the trees (E4), by a look that serves all services.
    Rescan(Arc<Looks>),
    /// Something happened to a container of the service: look at them again (E1).
    Containers,
    /// The engine was away: look again, and try again what is owed.
    EngineIsBack,
    /// Build and recreate now.
    Rebuild(Because),
    /// Apply what waits (`trigger_mode: manual`, or paused).
    ApplyNow,
    /// Hold changes back, or go on.
    Pause(bool),
    /// Compare the containers with the disk by content.
    Verify,
    /// New rules after a reload (E7).
    Configure(Box<Configuration>, Arc<Looks>),
    /// Its containers were started in a way that they cannot run: they are made anew, and now run as they are.
    StartAnew,
    /// What a reload brought into the project could not be started: the next change builds it (E3).
    StartFailed,
    /// A process crashed after an update: its container waits, and the next change starts it.
    Crashed(End),
}
