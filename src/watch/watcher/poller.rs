//! Finds changes by polling, where the system gives no events. Keeps directories one by one, as watches do.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use crate::paths::HostPath;
use crate::watch::look::{Signature, signature};
use crate::watch::touch::{Stage, Touch};
use crate::watch::walk;

use super::interest::Interest;

/// The shortest time between two polls.
const INTERVAL: Duration = Duration::from_millis(500);
/// Polling takes at most one part in this many of the time.
const SHARE: u32 = 10;

/// The directories that are polled, with what they held at the last poll.
#[derive(Debug, Default)]
pub(super) struct Poller {
    directories: BTreeMap<HostPath, Listing>,
    /// Roots that do not exist or were unmounted, with the device that is at the place meanwhile.
    awaited: BTreeMap<HostPath, Option<Device>>,
    next: Option<Instant>,
}

type Listing = BTreeMap<HostPath, Known>;

#[derive(Debug, PartialEq, Eq)]
struct Known {
    is_dir: bool,
    signature: Signature,
}

/// A difference between two polls.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finding {
    Touched(Touch),
    /// A directory was added or removed.
    Renew(HostPath),
}

impl Poller {
    /// Polls `directory`; what it holds now is the starting point.
    pub(super) fn add(&mut self, directory: HostPath, interest: &Interest) {
        let listing = listing(&directory, interest).unwrap_or_default();
        self.directories.insert(directory, listing);
        self.next.get_or_insert_with(|| Instant::now() + INTERVAL);
    }

    /// Stops polling all directories; awaited roots are still awaited.
    pub(super) fn clear(&mut self) {
        self.directories.clear();
    }

    /// Waits until `root` is on another device than `left`, which was left there by an unmount. Until then, it may be removed and
    /// made again.
    pub(super) fn wait_for(&mut self, root: HostPath, left: Option<Device>) {
        self.awaited.insert(root, left);
        self.next.get_or_insert_with(|| Instant::now() + INTERVAL);
    }

    /// Stops waiting for `root` if it is there: its arrival is known already.
    pub(super) fn arrived(&mut self, root: &HostPath) {
        self.awaited.retain(|awaited, left| {
            let now = device(awaited);
            awaited != root || now.is_none() || now == *left
        });
    }

    pub(super) fn contains(&self, directory: &HostPath) -> bool {
        self.directories.contains_key(directory)
    }

    pub(super) fn count(&self) -> usize {
        self.directories.len()
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&HostPath) -> bool) {
        self.directories.retain(|directory, _| keep(directory));
    }

    pub(super) fn forget(&mut self, path: &HostPath) {
        self.directories
            .retain(|directory, _| directory.below(path).is_none());
    }

    /// When to poll next; `None` when nothing is polled.
    pub(super) fn due(&self) -> Option<Instant> {
        let idle = self.directories.is_empty() && self.awaited.is_empty();
        self.next.filter(|_| !idle)
    }

    /// Polls every directory.
    pub(super) fn look(&mut self, interest: &Interest) -> Vec<Finding> {
        let begun = Instant::now();
        let mut findings = Vec::new();
        for (directory, known) in &mut self.directories {
            match listing(directory, interest) {
                Some(now) => {
                    compare(known, &now, &mut findings);
                    *known = now;
                }
                None => findings.push(Finding::Renew(directory.clone())),
            }
        }
        self.awaited.retain(|root, left| {
            let now = device(root);
            let has_come = now.is_some() && now != *left;
            if has_come {
                findings.push(Finding::Renew(root.clone()));
            }
            !has_come && interest.enters(root)
        });
        let took = begun.elapsed();
        self.next = Some(begun + took + (took * SHARE).max(INTERVAL));
        findings
    }
}

fn compare(known: &Listing, now: &Listing, findings: &mut Vec<Finding>) {
    let mut say = |path: &HostPath, stage, is_dir: bool| {
        if is_dir {
            findings.push(Finding::Renew(path.clone()));
        }
        findings.push(Finding::Touched(Touch::now(path.clone(), stage)));
    };
    for (path, was) in known {
        match now.get(path) {
            None => say(path, Stage::Gone, was.is_dir),
            // What changes inside a directory shows in that directory's own listing.
            Some(is) if was.is_dir && is.is_dir && was.signature.same_place(&is.signature) => {}
            Some(is) if is != was => say(path, Stage::Complete, was.is_dir || is.is_dir),
            Some(_) => {}
        }
    }
    for (path, is) in now {
        if !known.contains_key(path) {
            say(path, Stage::Complete, is.is_dir);
        }
    }
}

/// What `directory` holds that is of interest; `None` when it does not exist.
fn listing(directory: &HostPath, interest: &Interest) -> Option<Listing> {
    let mut listing = Listing::new();
    for found in walk::list(directory).ok()? {
        let enters = interest.leads(&found.path) || (found.is_dir && interest.keeps(&found.path));
        if !enters && !interest.watches(&found.path) {
            continue;
        }
        if let Ok(metadata) = fs::symlink_metadata(&found.path) {
            let known = Known {
                is_dir: metadata.is_dir(),
                signature: signature(&metadata),
            };
            listing.insert(found.path, known);
        }
    }
    Some(listing)
}

/// The number of a mounted file system (`st_dev`).
pub(super) type Device = u64;

/// The device that `path` lies on; `None` when it does not exist.
#[cfg(unix)]
pub(super) fn device(path: &HostPath) -> Option<Device> {
    fs::metadata(path)
        .ok()
        .map(|found| std::os::unix::fs::MetadataExt::dev(&found))
}

#[cfg(not(unix))]
pub(super) fn device(path: &HostPath) -> Option<Device> {
    fs::metadata(path).ok().map(|_| 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_between_the_unmount_and_the_first_look_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let root = HostPath::new(folder.path()).unwrap();
        let here = device(&root);
        let interest = Interest::new(Vec::new(), vec![root.clone()]);
        let mut poller = Poller::default();
        poller.wait_for(root.clone(), here);
        assert_eq!(poller.look(&interest), []);
        // What was left by the unmount was another device, or nothing: this one has come since.
        for left in [None, here.map(|device| device + 1)] {
            poller.wait_for(root.clone(), left);
            assert_eq!(poller.look(&interest), [Finding::Renew(root.clone())]);
            assert_eq!(poller.look(&interest), []);
        }
    }

    #[test]
    fn a_mount_point_that_is_removed_and_made_again_is_still_awaited() {
        let folder = tempfile::tempdir().unwrap();
        let root = HostPath::new(folder.path()).unwrap().join("mount");
        let interest = Interest::new(Vec::new(), vec![root.clone()]);
        let mut poller = Poller::default();
        let elsewhere = Some(0);
        poller.wait_for(root.clone(), elsewhere);
        assert_eq!(poller.look(&interest), []);
        poller.forget(&root);
        poller.clear();
        assert!(poller.due().is_some());
        fs::create_dir(&root).unwrap();
        assert_eq!(poller.look(&interest), [Finding::Renew(root.clone())]);
    }
}
