//! The first look at what a service watches.

use std::sync::Arc;

use crate::service::disk::Disk;
use crate::service::{Configuration, named};
use crate::watch::{Entries, Looks, Scope};

use super::contents::Contents;

/// What the disk held when the session began with a service: before its first build, so that the image has no less.
#[derive(Debug, Default)]
pub struct Seen {
    pub(super) disk: Disk,
    pub(super) contents: Contents,
}

impl Seen {
    /// Looks at all that is watched, and into the files that the rules name.
    pub async fn of(configuration: &Configuration, looks: &Arc<Looks>) -> Self {
        let disk = Disk::of(scan(looks, &configuration.scope).await);
        let named = named(&configuration.rules, &disk);
        let contents = tokio::task::spawn_blocking(move || Contents::of(named));
        Self {
            contents: contents.await.unwrap_or_default(),
            disk,
        }
    }
}

/// A look at everything that `scope` watches, which may be another one's already.
pub async fn scan(looks: &Arc<Looks>, scope: &Arc<Scope>) -> Vec<Arc<Entries>> {
    let (looks, scope) = (Arc::clone(looks), Arc::clone(scope));
    tokio::task::spawn_blocking(move || looks.at(&scope))
        .await
        .unwrap_or_default()
}
