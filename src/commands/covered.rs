//! What `check` says of mounts: where one carries what a sync would bring, or hides it (E6). Asks no engine.

use serde_json::{Value, json};

use crate::compose::block::Sync;
use crate::compose::{Mount, MountKind, Service};
use crate::harmless::value;
use crate::service::{Bound, below, bound};

/// A sync's place in the container, as far as a mount covers it.
pub struct Covered<'a> {
    sync: &'a Sync,
    mount: &'a Mount,
    how: How,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// The container sees the host's files themselves.
    Live,
    /// It sees others in their place.
    Hidden,
    /// It has them in a volume, which outlives it.
    Kept,
}

/// What mounts cover of a service's syncs, in the order of the steps.
pub fn covered(service: &Service) -> Vec<Covered<'_>> {
    let syncs = service.block.iter().flat_map(|block| &block.syncs);
    syncs
        .flat_map(|sync| of_sync(sync, &service.mounts))
        .collect()
}

fn of_sync<'a>(sync: &'a Sync, mounts: &'a [Mount]) -> Vec<Covered<'a>> {
    let mut found = Vec::new();
    if let Some(mount) = Mount::over(mounts, &sync.remote) {
        let how = match (&mount.kind, bound(mounts, &sync.local, &sync.remote)) {
            (_, Bound::TheFile) => Some(How::Live),
            (_, Bound::Another(_)) => Some(How::Hidden),
            (MountKind::Volume(_), _) => Some(How::Kept),
            _ => None,
        };
        found.extend(how.map(|how| Covered { sync, mount, how }));
    }
    let inside =
        |mount: &&Mount| mount.target != sync.remote && mount.target.is_within(&sync.remote);
    for mount in mounts.iter().filter(inside) {
        if let Some(rest) = below(&mount.target, &sync.remote)
            && matches!(
                bound(mounts, &sync.local.join(rest), &mount.target),
                Bound::Another(_)
            )
        {
            found.push(Covered {
                sync,
                mount,
                how: How::Hidden,
            });
        }
    }
    found
}

impl Covered<'_> {
    /// One line.
    pub fn text(&self) -> String {
        let Self { sync, mount, how } = self;
        // The smaller of the two is what is covered.
        let place = if mount.target.is_within(&sync.remote) {
            &mount.target
        } else {
            &sync.remote
        };
        let source = match &mount.kind {
            MountKind::Bind(source) => format!("the bind mount of `{source}`"),
            MountKind::Volume(name) if name.is_empty() => "a volume".to_owned(),
            MountKind::Volume(name) => format!("the volume `{}`", value(name)),
            _ => "another mount".to_owned(),
        };
        let step = &sync.step;
        match how {
            How::Live => format!("`{place}` is live through {source}: {step} copies nothing there"),
            How::Hidden => format!("`{place}` shows {source}: {step} brings nothing there"),
            How::Kept => format!(
                "`{place}` lies in {source}: what {step} brings stays when the container goes"
            ),
        }
    }

    /// The same for programs.
    pub fn fields(&self) -> Value {
        json!({
            "step": self.sync.step.number,
            "target": self.sync.remote.verbatim(),
            "mount": self.mount.target.verbatim(),
            "effect": match self.how {
                How::Live => "live",
                How::Hidden => "hidden",
                How::Kept => "kept",
            },
        })
    }
}
