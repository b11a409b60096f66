//! Files with several names: what is written through one of them is changed at all.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::paths::HostPath;
use crate::watch::{Entry, Inode};

use super::Disk;

impl Disk {
    /// The other watched names of files that `paths` are names of, as they stand now: what was written through one name is
    /// changed at all.
    pub fn other_names<'a>(
        &mut self,
        paths: impl Iterator<Item = &'a HostPath>,
    ) -> BTreeSet<HostPath> {
        let linked: Vec<(&HostPath, Inode)> = paths
            .filter_map(|path| Some((path, self.inode(path)?)))
            .filter(|(_, inode)| inode.has_other_names())
            .collect();
        let unknown = linked
            .iter()
            .filter(|(path, inode)| !self.linked.knows(*inode, Some(path)));
        self.look_for_names(unknown.map(|(_, inode)| *inode).collect());
        let mut names = BTreeSet::new();
        for (_, inode) in &linked {
            names.extend(self.names_of(*inode));
        }
        for (path, _) in linked {
            names.remove(path);
        }
        names
    }

    /// The watched names of files that somebody else has seen change.
    pub fn named(&mut self, inodes: &BTreeSet<Inode>) -> BTreeSet<HostPath> {
        let unknown = inodes
            .iter()
            .filter(|inode| !self.linked.knows(**inode, None));
        self.look_for_names(unknown.copied().collect());
        let names = inodes.iter().flat_map(|inode| self.names_of(*inode));
        names.collect()
    }

    /// Which file with several names stands at `path`.
    pub fn inode(&self, path: &HostPath) -> Option<Inode> {
        self.entry(path).map(|entry| entry.inode)
    }

    /// One pass over all that is known for all files whose names are not: a name that was the only one when it was looked at is
    /// in no index.
    fn look_for_names(&mut self, inodes: Vec<Inode>) {
        let mut found: HashMap<u64, (Inode, BTreeSet<HostPath>)> = inodes
            .into_iter()
            .map(|inode| (inode.number, (inode, BTreeSet::new())))
            .collect();
        if found.is_empty() {
            return;
        }
        let inodes: HashSet<u64> = found.keys().copied().collect();
        let is_sought = |entry: &Entry| inodes.contains(&entry.inode.number);
        let firsts = self.first.iter().flat_map(|it| it.whose(is_sought));
        let since = self.since.iter();
        let since = since.filter_map(|(path, known)| Some((path.clone(), known.entry.as_ref()?)));
        // Which of them still stand for it is asked when they are needed.
        for (path, entry) in firsts.chain(since) {
            if let Some((_, names)) = found.get_mut(&entry.inode.number) {
                names.insert(path);
            }
        }
        for (inode, names) in found.into_values() {
            self.linked.learn(inode, names);
        }
    }

    /// A name may stand for another file by now.
    fn names_of(&self, inode: Inode) -> Vec<HostPath> {
        let is_still = |path: &&HostPath| {
            self.inode(path)
                .is_some_and(|known| known.number == inode.number)
        };
        let names = self.linked.names(inode).filter(is_still);
        names.cloned().collect()
    }
}
