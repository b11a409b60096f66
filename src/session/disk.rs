//! What the disk held when it was last looked at: every watched path of one service. Pure; the looking is done by `watch`.

use std::collections::{BTreeMap, BTreeSet};

use crate::paths::HostPath;
use crate::watch::{Change, Entry, Kind};

/// The last look at every watched path.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    entries: BTreeMap<HostPath, Known>,
    look: u64,
}

#[derive(Clone, Debug)]
struct Known {
    /// `None`: it is gone, and a container made later may not know.
    entry: Option<Entry>,
    /// What stood there before the last change.
    was_directory: Option<bool>,
    /// The look that saw its last change.
    changed: u64,
}

impl Disk {
    /// Takes in a first, complete look.
    pub fn of(entries: impl IntoIterator<Item = (HostPath, Entry)>) -> Self {
        let known = |entry| Known {
            entry: Some(entry),
            was_directory: None,
            changed: 0,
        };
        Self {
            entries: entries
                .into_iter()
                .map(|(path, entry)| (path, known(entry)))
                .collect(),
            look: 0,
        }
    }

    /// Writes down one batch's changes; the answer is what may concern a container: everything but the removal of what was never there.
    pub fn note(&mut self, changes: impl IntoIterator<Item = Change>) -> BTreeSet<HostPath> {
        self.look += 1;
        let mut news = BTreeSet::new();
        for change in changes {
            let (path, entry) = match change {
                Change::Written(path, entry) => (path, Some(entry)),
                Change::Removed(path) => (path, None),
            };
            let before = self.entries.get(&path);
            if entry.is_none() && before.is_none() {
                continue;
            }
            // A directory that is still one: what changed is what it holds, and that is told by its own paths; or its mode.
            let directory = |entry: &Option<Entry>| {
                let entry = entry.as_ref()?;
                (entry.kind == Kind::Directory).then_some(entry.mode)
            };
            let known = before.and_then(|known| directory(&known.entry));
            if known.is_some() && known == directory(&entry) {
                continue;
            }
            let was_directory = before.and_then(|known| match &known.entry {
                Some(entry) => Some(entry.kind == Kind::Directory),
                None => known.was_directory,
            });
            self.entries.insert(
                path.clone(),
                Known {
                    entry,
                    was_directory,
                    changed: self.look,
                },
            );
            news.insert(path);
        }
        news
    }

    /// Holds a complete look against what is known: what differs, and what was not seen.
    pub fn compare(
        &self,
        seen: impl IntoIterator<Item = (HostPath, Entry)>,
    ) -> (Vec<Change>, Vec<HostPath>) {
        let seen: BTreeMap<HostPath, Entry> = seen.into_iter().collect();
        let missing = self
            .present()
            .map(|(path, _)| path)
            .filter(|path| !seen.contains_key(path))
            .cloned()
            .collect();
        let differs = |(path, entry): &(HostPath, Entry)| {
            self.entries
                .get(path)
                .and_then(|known| known.entry.as_ref())
                != Some(entry)
        };
        let changes = seen
            .into_iter()
            .filter(differs)
            .map(|(path, entry)| Change::Written(path, entry))
            .collect();
        (changes, missing)
    }

    /// What stands at `path`, as a change to plan for.
    pub fn change(&self, path: &HostPath) -> Change {
        match self.entries.get(path).and_then(|known| known.entry.clone()) {
            Some(entry) => Change::Written(path.clone(), entry),
            None => Change::Removed(path.clone()),
        }
    }

    /// Whether what stood at `path` before its last change was a directory; `None` when nothing is known of it.
    pub fn was_directory(&self, path: &HostPath) -> Option<bool> {
        self.entries.get(path).and_then(|known| known.was_directory)
    }

    /// Every path that is there at or below `root`, sorted.
    pub fn present_below<'a>(
        &'a self,
        root: &'a HostPath,
    ) -> impl Iterator<Item = (&'a HostPath, &'a Entry)> {
        self.entries
            .range(root.clone()..)
            .take_while(|(path, _)| path.below(root).is_some())
            .filter_map(|(path, known)| Some((path, known.entry.as_ref()?)))
    }

    /// Every path that is there, sorted.
    pub fn present(&self) -> impl Iterator<Item = (&HostPath, &Entry)> {
        self.entries
            .iter()
            .filter_map(|(path, known)| Some((path, known.entry.as_ref()?)))
    }

    /// What changed since `older` was a copy of this: what a container of an image built then has to be brought (E1).
    pub fn changed_since(&self, older: &Disk) -> BTreeSet<HostPath> {
        self.entries
            .iter()
            .filter(|(path, known)| {
                // What came and went since is news to nobody.
                known.changed > older.look && (known.entry.is_some() || older.is_present(path))
            })
            .map(|(path, _)| path.clone())
            .collect()
    }

    fn is_present(&self, path: &HostPath) -> bool {
        self.entries
            .get(path)
            .is_some_and(|known| known.entry.is_some())
    }

    /// What is gone since the first look: a container of an image that nobody here built may still have it.
    pub fn gone(&self) -> impl Iterator<Item = &HostPath> {
        self.entries
            .iter()
            .filter(|(_, known)| known.entry.is_none())
            .map(|(path, _)| path)
    }

    /// Present paths that changed at any time since the first look: no image is sure to have them, even one built later.
    pub fn ever_changed(&self) -> impl Iterator<Item = (&HostPath, &Entry)> {
        self.entries
            .iter()
            .filter(|(_, known)| known.changed > 0)
            .filter_map(|(path, known)| Some((path, known.entry.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn path(path: &str) -> HostPath {
        HostPath::new("/p").unwrap().join(path)
    }

    fn there(name: &str, kind: Kind) -> Change {
        Change::Written(
            path(name),
            Entry {
                kind,
                mode: 0o644,
                modified: SystemTime::UNIX_EPOCH,
            },
        )
    }

    fn file(name: &str) -> Change {
        there(name, Kind::File { len: 1 })
    }

    #[test]
    fn a_file_that_came_and_went_between_two_looks_is_no_news() {
        let mut disk = Disk::default();
        assert!(disk.note([Change::Removed(path("a"))]).is_empty());
    }

    #[test]
    fn a_container_of_an_older_image_is_owed_all_that_changed_since() {
        let mut disk = Disk::default();
        disk.note([file("a"), file("b")]);
        let built = disk.clone();
        disk.note([file("b"), file("c"), Change::Removed(path("a"))]);
        let owed: Vec<_> = disk.changed_since(&built).into_iter().collect();
        assert_eq!(owed, [path("a"), path("b"), path("c")]);
    }

    #[test]
    fn a_new_container_of_an_older_image_hears_again_of_what_was_removed() {
        let mut disk = Disk::default();
        disk.note([there("d", Kind::Directory)]);
        let built = disk.clone();
        disk.note([Change::Removed(path("d"))]);
        assert_eq!(disk.changed_since(&built), BTreeSet::from([path("d")]));
        assert_eq!(disk.was_directory(&path("d")), Some(true));
    }

    #[test]
    fn what_a_removed_path_was_is_remembered_until_everybody_knows() {
        let mut disk = Disk::default();
        disk.note([there("d", Kind::Directory), file("d/f")]);
        disk.note([Change::Removed(path("d")), Change::Removed(path("d/f"))]);
        assert_eq!(disk.was_directory(&path("d")), Some(true));
        assert_eq!(disk.was_directory(&path("d/f")), Some(false));
    }

    #[test]
    fn what_came_and_went_since_the_build_is_news_to_no_container() {
        let mut disk = Disk::default();
        let built = disk.clone();
        disk.note([file("t")]);
        disk.note([Change::Removed(path("t"))]);
        assert!(disk.changed_since(&built).is_empty());
        assert_eq!(disk.gone().collect::<Vec<_>>(), [&path("t")]);
    }

    #[test]
    fn below_means_below_and_not_beside() {
        let mut disk = Disk::default();
        disk.note([file("d"), file("d-e"), file("d/f"), file("da")]);
        let root = path("d");
        let below: Vec<_> = disk
            .present_below(&root)
            .map(|(path, _)| path.clone())
            .collect();
        assert_eq!(below, [path("d"), path("d/f")]);
    }
}
    #[test]
    fn what_a_directory_holds_is_no_news_of_it_and_another_mode_is() {
        let mut disk = Disk::default();
        disk.note([there("d", Kind::Directory)]);
        assert!(disk.note([there("d", Kind::Directory)]).is_empty());
        let mut closed = there("d", Kind::Directory);
        if let Change::Written(_, entry) = &mut closed {
            entry.mode = 0o700;
        }
        assert_eq!(disk.note([closed]), BTreeSet::from([path("d")]));
        assert_eq!(disk.was_directory(&path("d")), Some(true));
    }

