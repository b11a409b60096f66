//! What one container holds of the synced paths, as far as it is known, and what it is owed.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::engine::Container;
use crate::paths::{ContainerPath, HostPath};
use crate::plan::{Copy, Debts, LiveUpdate, Remove};
use crate::transfer::{Body, Delta, Fingerprint, Outgoing, There};
use crate::watch::Kind;

use super::mounts::{Bound, bound, is_live};
use super::update::Loaded;

/// A file whose copy was broken off so often, for it was written to meanwhile, is copied to its end whatever happens to it.
const MOST_BROKEN_OFF: u32 = 3;

/// What a change says by itself of whether a container may have it already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It is new, or another by its length, kind or mode: there is nothing to compare.
    Another,
    /// Only its content tells.
    Perhaps,
    /// Nobody was heard writing it, and but for its times it is what it was: most likely its content is, too.
    Probably,
}

/// The state of one container. Decisions come from it and the disk, not from the order of events.
#[derive(Debug)]
pub struct Ledger {
    /// The container, as last seen.
    pub container: Container,
    /// Host paths that changed and are not in the container yet.
    pub owed: BTreeSet<HostPath>,
    /// Runs and restart that it is owed.
    pub debts: Debts,
    /// Its process crashed after an update, and the container waits for the next one to start it.
    pub crashed: bool,
    /// The start of the container after which its tmpfs was filled.
    pub filled: Option<String>,
    /// What is known to stand there; a path that is not in here is unknown.
    held: HashMap<ContainerPath, Fingerprint>,
    /// How often in a row the copy of a file was broken off.
    broken_off: HashMap<ContainerPath, u32>,
}

impl Ledger {
    /// A container that is owed `owed`; nothing is known of what it holds.
    pub fn new(container: Container, owed: BTreeSet<HostPath>) -> Self {
        Self {
            container,
            owed,
            debts: Debts::default(),
            crashed: false,
            filled: None,
            held: HashMap::new(),
            broken_off: HashMap::new(),
        }
    }

    /// Nothing is owed.
    pub fn is_settled(&self) -> bool {
        self.owed.is_empty() && !self.debts.is_owed_anything()
    }

    /// Writes down what a comparison found in the container.
    pub fn learn(&mut self, path: ContainerPath, found: Fingerprint) {
        self.held.insert(path, found);
    }

    /// Nothing is known any more of what it holds there.
    pub fn lose(&mut self, path: &ContainerPath) {
        self.held.remove(path);
    }

    /// Nothing is known any more of what it holds.
    pub fn forget(&mut self) {
        self.held.clear();
    }

    /// Whether a copy's content is already there.
    pub fn has(&self, to: &ContainerPath, fingerprint: &Fingerprint) -> bool {
        self.held.get(to) == Some(fingerprint)
    }

    /// E6: whether the container sees the host's own file there, through a bind mount.
    pub fn sees_live(&self, copy: &Copy) -> bool {
        is_live(&self.container.mounts, copy)
    }

    /// E6: whether a bind mount carries something of the host there. It is not changed from inside the container: what is to
    /// be there is there already, and nothing of the host outside of the sync is ours to write or delete.
    fn is_bound(&self, host: &HostPath, to: &ContainerPath) -> bool {
        !matches!(bound(&self.container.mounts, host, to), Bound::Nothing)
    }

    /// What of `update` this container still needs. `was_directory` tells what stood at a path before, `doubt` whether the
    /// container may have what stands there now.
    pub fn delta(
        &self,
        update: &LiveUpdate,
        loaded: &Loaded,
        was_directory: impl Fn(&HostPath) -> Option<bool>,
        doubt: impl Fn(&HostPath) -> Doubt,
    ) -> Delta {
        let mut delta = Delta::default();
        for copy in &update.copies {
            let Some((body, fingerprint)) = loaded.get(&copy.from) else {
                continue;
            };
            if self.has(&copy.to, fingerprint) || self.is_bound(&copy.from, &copy.to) {
                continue;
            }
            // A directory where a file was, or the other way round, first makes room.
            match (was_directory(&copy.from), body.is_directory()) {
                (Some(true), false) => delta.remove_dirs.push(copy.to.clone()),
                (Some(false), true) => delta.remove.push(copy.to.clone()),
                _ => {}
            }
            // A directory that was one is worth a word only where its mode was changed.
            let set_mode = was_directory(&copy.from) == Some(true);
            delta.put.push(Outgoing {
                to: copy.to.clone(),
                mode: copy.entry.mode,
                modified: copy.entry.modified,
                body: match body {
                    Body::File { from, len } if self.is_never_left_alone(&copy.to) => Body::File {
                        from: from.clone().to_the_end(),
                        len: *len,
                    },
                    Body::Directory { .. } => Body::Directory { set_mode },
                    body => body.clone(),
                },
                in_place: copy.in_place,
                there: self.may_be_there(&copy.to, fingerprint, doubt(&copy.from)),
            });
        }
        for remove in self.removes_that_touch_nothing_else(update, &delta) {
            if was_directory(&remove.path) == Some(true) {
                delta.remove_dirs.push(remove.to.clone());
            } else {
                delta.remove.push(remove.to.clone());
            }
        }
        delta
            .remove_dirs
            .sort_unstable_by(|one, other| other.cmp(one));
        delta
    }

    /// What is known to stand there is another; of what nothing is known, the container is asked.
    fn may_be_there(&self, to: &ContainerPath, new: &Fingerprint, doubt: Doubt) -> There {
        if !matches!(new, Fingerprint::File { .. }) || self.held.contains_key(to) {
            return There::No;
        }
        match doubt {
            Doubt::Another => There::No,
            Doubt::Perhaps => There::Perhaps(new.clone()),
            Doubt::Probably => There::Probably(new.clone()),
        }
    }

    /// Writes down that these stood there already: the container is owed them no more.
    pub fn settle_same(&mut self, update: &LiveUpdate, loaded: &Loaded, same: &[ContainerPath]) {
        for copy in update.copies.iter().filter(|copy| same.contains(&copy.to)) {
            if let Some((_, fingerprint)) = loaded.get(&copy.from) {
                self.held.insert(copy.to.clone(), fingerprint.clone());
            }
            self.owed.remove(&copy.from);
        }
    }

    fn is_never_left_alone(&self, to: &ContainerPath) -> bool {
        let broken_off = self.broken_off.get(to).copied().unwrap_or_default();
        broken_off >= MOST_BROKEN_OFF
    }

    /// Whether commands and restart wait when one of the update's files cannot be brought whole: its own event brings it, and
    /// them. They do not wait for a file that is never left alone.
    pub fn awaits_whole_files(&self, update: &LiveUpdate) -> bool {
        let mut copies = update.copies.iter();
        !copies.any(|copy| self.is_never_left_alone(&copy.to))
    }

    /// The deletes, less those of the host's own files and those that would follow a link that has taken a directory's place,
    /// in the container or on the host that it sees live. A link that is put with them needs its own: the directory makes room for it.
    fn removes_that_touch_nothing_else<'a>(
        &self,
        update: &'a LiveUpdate,
        delta: &Delta,
    ) -> Vec<&'a Remove> {
        let put: HashSet<&ContainerPath> = delta.put.iter().map(|put| &put.to).collect();
        let copies = update.copies.iter();
        let links: HashSet<&HostPath> = copies
            .filter(|copy| matches!(copy.entry.kind, Kind::Link { .. }))
            .map(|copy| &copy.from)
            .collect();
        let is_link = |host: &HostPath, to: &ContainerPath| {
            let held = matches!(self.held.get(to), Some(Fingerprint::Link { .. }));
            (held || links.contains(host)) && !put.contains(to)
        };
        let removes = update.removes.iter();
        let follows_none = |remove: &&Remove| !above(remove).any(|(host, to)| is_link(&host, &to));
        removes
            .filter(follows_none)
            .filter(|remove| !self.is_bound(&remove.path, &remove.to))
            .collect()
    }

    /// Writes down that `update` is in the container, all but the deletes when those had to wait.
    pub fn settle_as(
        &mut self,
        update: &LiveUpdate,
        loaded: &Loaded,
        unread: &[ContainerPath],
        deletes_wait: bool,
    ) {
        for copy in &update.copies {
            self.owed.remove(&copy.from);
        }
        for copy in &update.copies {
            if unread.contains(&copy.to) {
                self.held.remove(&copy.to);
                *self.broken_off.entry(copy.to.clone()).or_default() += 1;
                self.owed.insert(copy.from.clone());
                continue;
            }
            self.broken_off.remove(&copy.to);
            if let Some((_, fingerprint)) = loaded.get(&copy.from) {
                self.held.insert(copy.to.clone(), fingerprint.clone());
            }
        }
        if !deletes_wait {
            for remove in &update.removes {
                self.held.remove(&remove.to);
                self.owed.remove(&remove.path);
            }
        }
        for path in update
            .noticed
            .iter()
            .chain(update.left_out.iter().map(|left_out| &left_out.path))
        {
            self.owed.remove(path);
        }
    }
}

/// The directories above a path on both sides, as far up as they have the same names: to the sync's source.
fn above(remove: &Remove) -> impl Iterator<Item = (HostPath, ContainerPath)> {
    let start = Some((remove.path.clone(), remove.to.clone()));
    let up = |(host, to): &(HostPath, ContainerPath)| {
        let name = host.as_path().file_name()?.as_encoded_bytes();
        (name == to.file_name()).then_some((host.parent()?, to.parent()?))
    };
    std::iter::successors(start, up).skip(1)
}
