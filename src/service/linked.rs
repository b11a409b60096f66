//! Files with several names: a write through one changes what stands at all of them, and the system tells of the one alone.
//! An index of those files only; whoever has one name costs nothing here. Pure.

use std::collections::{BTreeSet, HashMap};

use crate::paths::HostPath;
use crate::watch::Inode;

/// So many files are remembered; beyond it their names are looked for again.
const MOST: usize = 100_000;

/// The names of each such file, by its number.
#[derive(Clone, Debug, Default)]
pub(super) struct Linked {
    files: HashMap<u64, Names>,
}

#[derive(Clone, Debug, Default)]
struct Names {
    /// How many names it had in all, the ones that nobody watches among them.
    count: u32,
    watched: BTreeSet<HostPath>,
}

impl Linked {
    /// Whether all watched names of `inode` are known: it has as many as when they were looked for, and `path` is one of them.
    pub fn knows(&self, inode: Inode, path: Option<&HostPath>) -> bool {
        self.files.get(&inode.number).is_some_and(|names| {
            names.count == inode.names && path.is_none_or(|path| names.watched.contains(path))
        })
    }

    /// These are all its watched names.
    pub fn learn(&mut self, inode: Inode, watched: BTreeSet<HostPath>) {
        if self.files.len() >= MOST {
            self.files.clear();
        }
        let count = inode.names;
        self.files.insert(inode.number, Names { count, watched });
    }

    /// Its watched names, as far as they are known.
    pub fn names(&self, inode: Inode) -> impl Iterator<Item = &HostPath> {
        let names = self.files.get(&inode.number);
        names.into_iter().flat_map(|names| &names.watched)
    }

    /// Knows from now on only of paths that `keep` wants.
    pub fn retain(&mut self, keep: impl Fn(&HostPath) -> bool) {
        for names in self.files.values_mut() {
            names.watched.retain(&keep);
        }
        self.files.retain(|_, names| !names.watched.is_empty());
    }
}
