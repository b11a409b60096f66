//! What the disk held when it was last looked at: every watched path of one service. Pure; the looking is done by `watch`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::iter::Peekable;
use std::sync::Arc;

use crate::paths::HostPath;
use crate::watch::{Change, Entries, Entry, Inode, Kind, Scope};

use super::ledger::Doubt;
use super::linked::Linked;
use super::told::Heard;

/// So many paths that are gone are remembered for containers of images that nobody here built; of more, the latest.
const MOST_GONE: usize = 100_000;

/// A state that the disk was in, by its number: a hundred thousand paths need not be kept twice to come back to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(u64);

/// The last look at every watched path: the first one, which others may have as well, and over it what changed since.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    first: Vec<Arc<Entries>>,
    /// Of these the first look says nothing any more.
    since: BTreeMap<HostPath, Known>,
    revision: u64,
    /// Of states before this one nobody asks any more.
    oldest: u64,
    /// How many of `since` are gone.
    gone: usize,
    linked: Linked,
}

#[derive(Clone, Debug)]
struct Known {
    /// `None`: it is gone, and a container made later may not know.
    entry: Option<Entry>,
    /// What stood there before the last change.
    was_directory: Option<bool>,
    /// The revision of the last event for it, even of one that changed nothing.
    changed: u64,
    /// The revision at which it became what it is.
    altered: u64,
    /// The revisions at which it came or went, the last one last; those that somebody may ask for.
    flipped: Vec<u64>,
    /// Its target changed in a reload (E7), so no image is known to have it there.
    moved: bool,
    /// Whether a container may have what is there now.
    doubt: Doubt,
}

impl Disk {
    /// Takes in a first, complete look.
    pub fn of(first: Vec<Arc<Entries>>) -> Self {
        Self {
            first,
            ..Self::default()
        }
    }

    /// What stands at `path`.
    pub fn entry(&self, path: &HostPath) -> Option<&Entry> {
        match self.since.get(path) {
            Some(known) => known.entry.as_ref(),
            None => self.at_first(path),
        }
    }

    fn at_first(&self, path: &HostPath) -> Option<&Entry> {
        self.first.iter().find_map(|entries| entries.get(path))
    }

    /// All that is known of `path`.
    fn known(&self, path: &HostPath) -> Option<Known> {
        let known = self.since.get(path).cloned();
        known.or_else(|| self.at_first(path).cloned().map(Known::at_first))
    }

    /// Writes down one batch's changes, and what was heard of them; the answer is what may concern a container: everything but
    /// the removal of what was never there, and what is the same for sure.
    pub fn note(
        &mut self,
        changes: impl IntoIterator<Item = Change>,
        heard: impl Fn(&HostPath) -> Heard,
    ) -> BTreeSet<HostPath> {
        self.revision += 1;
        let mut news = BTreeSet::new();
        for change in changes {
            let (path, entry) = match change {
                Change::Written(path, entry) => (path, Some(entry)),
                Change::Removed(path) => (path, None),
            };
            let before = self.known(&path);
            if entry.is_none() && before.is_none() {
                continue;
            }
            // A directory that is still one: what changed is what it holds, and that is told by its own paths; or its mode.
            let directory = |entry: &Option<Entry>| {
                let entry = entry.as_ref()?;
                (entry.kind == Kind::Directory).then_some(entry.mode)
            };
            let known = before.as_ref().and_then(|known| directory(&known.entry));
            if known.is_some() && known == directory(&entry) {
                continue;
            }
            let heard = heard(&path);
            let was = before.as_ref().and_then(|known| known.entry.as_ref());
            if let (Some(was), Some(is)) = (was, &entry)
                && is_the_same(was, is, heard)
            {
                self.refresh(path, entry);
                continue;
            }
            let doubt = doubt(before.as_ref(), entry.as_ref(), heard);
            let was_directory = before.as_ref().and_then(|known| match &known.entry {
                Some(entry) => Some(entry.kind == Kind::Directory),
                None => known.was_directory,
            });
            let altered = match &before {
                Some(known) if known.entry == entry => known.altered,
                _ => self.revision,
            };
            let was_there = was.is_some();
            let (mut flipped, moved) = before
                .map(|known| (known.flipped, known.moved))
                .unwrap_or_default();
            if was_there != entry.is_some() {
                flipped.push(self.revision);
            }
            flipped.retain(|revision| *revision > self.oldest);
            self.gone += usize::from(entry.is_none());
            let known = self.since.insert(
                path.clone(),
                Known {
                    entry,
                    was_directory,
                    changed: self.revision,
                    altered,
                    flipped,
                    moved,
                    doubt,
                },
            );
            self.gone -= usize::from(known.is_some_and(|known| known.entry.is_none()));
            news.insert(path);
        }
        if self.gone > MOST_GONE {
            self.forget_the_oldest_gone();
        }
        news
    }

    /// Of states before `oldest` nobody asks any more; `None`: of none at all.
    pub fn forget_before(&mut self, oldest: Option<Revision>) {
        self.oldest = oldest.map_or(self.revision, |oldest| oldest.0);
    }

    /// Half of what is gone is forgotten, unless an image that was built here may still have it.
    fn forget_the_oldest_gone(&mut self) {
        let is_gone = |known: &&Known| known.entry.is_none();
        let mut gone: Vec<u64> = self
            .since
            .values()
            .filter(is_gone)
            .map(|it| it.changed)
            .collect();
        let middle = gone.len() / 2;
        let (_, middle, _) = gone.select_nth_unstable(middle);
        let (until, oldest) = (*middle, self.oldest);
        self.since.retain(|_, known| {
            known.entry.is_some() || known.changed > until || known.changed > oldest
        });
        self.gone = self.since.values().filter(is_gone).count();
    }

    /// What stands at `path` is what stood there; its times and names may be others.
    pub fn refresh(&mut self, path: HostPath, entry: Option<Entry>) {
        if self.entry(&path) == entry.as_ref() {
            return;
        }
        if let Some(mut known) = self.known(&path) {
            known.entry = entry;
            self.since.insert(path, known);
        }
    }

    /// Whether what stands at `path` since its last change may be what a container has.
    pub fn doubt(&self, path: &HostPath) -> Doubt {
        self.since
            .get(path)
            .map_or(Doubt::Perhaps, |known| known.doubt)
    }

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

    /// Holds a complete look against what is known: what differs, and what was not seen. Where two looks differ is found out
    /// once for all services.
    pub fn compare(&self, seen: &[Arc<Entries>]) -> (Vec<Change>, Vec<HostPath>) {
        let mut doubtful: BTreeSet<HostPath> = self.since.keys().cloned().collect();
        for (before, now) in self.first.iter().zip(seen) {
            doubtful.extend(now.differences(before).iter().cloned());
        }
        // Of what is in no pair nothing is known to be the same.
        let pairs = self.first.len().min(seen.len());
        let alone = self.first[pairs..].iter().chain(&seen[pairs..]);
        doubtful.extend(alone.flat_map(|it| it.iter().map(|(path, _)| path)));
        let (mut changes, mut missing) = (Vec::new(), Vec::new());
        for path in doubtful {
            let known = self.entry(&path);
            match seen.iter().find_map(|entries| entries.get(&path)) {
                Some(entry) if known != Some(entry) => {
                    changes.push(Change::Written(path, entry.clone()));
                }
                None if known.is_some() => missing.push(path),
                _ => {}
            }
        }
        (changes, missing)
    }

    /// Knows from now on only of paths that `scope` watches.
    pub fn narrow(&mut self, scope: &Scope) {
        let key = scope.key();
        for entries in &mut self.first {
            // Nobody else's is narrowed by it.
            if !scope.watches_all_of(entries) {
                *entries = entries.narrowed(key, |path| scope.watches(path));
            }
        }
        self.since.retain(|path, _| scope.watches(path));
        let gone = self.since.values().filter(|known| known.entry.is_none());
        self.gone = gone.count();
        self.linked.retain(|path| scope.watches(path));
    }

    /// What stands at `path`, as a change to plan for.
    pub fn change(&self, path: &HostPath) -> Change {
        match self.entry(path) {
            Some(entry) => Change::Written(path.clone(), entry.clone()),
            None => Change::Removed(path.clone()),
        }
    }

    /// Whether anything stands there.
    pub fn has(&self, path: &HostPath) -> bool {
        self.entry(path).is_some()
    }

    /// Whether what stood at `path` before its last change was a directory; `None` when nothing is known of it.
    pub fn was_directory(&self, path: &HostPath) -> Option<bool> {
        self.since.get(path).and_then(|known| known.was_directory)
    }

    /// Every path that is there at or below `root`, sorted.
    pub fn present_below<'a>(
        &'a self,
        root: &'a HostPath,
    ) -> impl Iterator<Item = (HostPath, &'a Entry)> {
        let since = self.since.range(root.clone()..);
        let since = since.take_while(|(path, _)| path.below(root).is_some());
        Present::of(since, self.first.iter().map(|it| it.below(root)))
    }

    /// Every path that is there, sorted.
    pub fn present(&self) -> impl Iterator<Item = (HostPath, &Entry)> {
        Present::of(self.since.iter(), self.first.iter().map(|it| it.iter()))
    }

    /// The present state, to come back to.
    pub fn now(&self) -> Revision {
        Revision(self.revision)
    }

    /// What changed since `then`: what a container of an image built then has to be brought (E1).
    pub fn changed_since(&self, then: Revision) -> BTreeSet<HostPath> {
        self.since
            .iter()
            .filter(|(_, known)| {
                // What came and went since is news to nobody.
                known.changed > then.0 && (known.entry.is_some() || known.was_present(then))
            })
            .map(|(path, _)| path.clone())
            .collect()
    }

    /// Whether `path` is what it was then.
    pub fn is_as_it_was(&self, path: &HostPath, then: Revision) -> bool {
        self.since.get(path).is_none_or(|known| {
            let absent = known.entry.is_none() && !known.was_present(then);
            known.altered <= then.0 || absent
        })
    }

    /// What is gone since the first look: a container of an image that nobody here built may still have it.
    pub fn gone(&self) -> impl Iterator<Item = &HostPath> {
        self.since
            .iter()
            .filter(|(_, known)| known.entry.is_none())
            .map(|(path, _)| path)
    }

    /// These belong elsewhere than when the session began (E7).
    pub fn moved<'a>(&mut self, paths: impl Iterator<Item = &'a HostPath>) {
        for path in paths {
            if let Some(mut known) = self.known(path) {
                known.moved = true;
                self.since.insert(path.clone(), known);
            }
        }
    }

    /// Directories whose mode was changed since the first look. A comparison leaves a directory's mode to the container, which
    /// is right until it was changed here.
    pub fn chmodded(&self) -> impl Iterator<Item = &HostPath> {
        self.since
            .iter()
            .filter(|(_, known)| {
                let entry = known.entry.as_ref();
                let is_directory = entry.is_some_and(|entry| entry.kind == Kind::Directory);
                known.changed > 0 && is_directory && known.was_directory == Some(true)
            })
            .map(|(path, _)| path)
    }

    /// Present paths that changed, or whose place did, at any time since the first look: no image is sure to have them, even
    /// one built later.
    pub fn ever_changed(&self) -> impl Iterator<Item = (&HostPath, &Entry)> {
        self.since
            .iter()
            .filter(|(_, known)| known.changed > 0 || known.moved)
            .filter_map(|(path, known)| Some((path, known.entry.as_ref()?)))
    }
}

/// What is known of each path, sorted; `None`: it is gone.
type KnownPaths<'a> = Box<dyn Iterator<Item = (HostPath, Option<&'a Entry>)> + 'a>;

/// What is there, by what changed since the first look and, where that says nothing, by the look.
struct Present<'a>(Vec<Peekable<KnownPaths<'a>>>);

impl<'a> Present<'a> {
    fn of(
        since: impl Iterator<Item = (&'a HostPath, &'a Known)> + 'a,
        first: impl Iterator<Item = impl Iterator<Item = (HostPath, &'a Entry)> + 'a>,
    ) -> Self {
        let since = since.map(|(path, known)| (path.clone(), known.entry.as_ref()));
        let mut all: Vec<KnownPaths<'a>> = vec![Box::new(since)];
        for entries in first {
            all.push(Box::new(entries.map(|(path, entry)| (path, Some(entry)))));
        }
        Self(all.into_iter().map(Iterator::peekable).collect())
    }
}

impl<'a> Iterator for Present<'a> {
    type Item = (HostPath, &'a Entry);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let heads = self.0.iter_mut().enumerate();
            let heads = heads.filter_map(|(at, paths)| Some((at, &paths.peek()?.0)));
            // Of two for one path the first counts.
            let (at, _) = heads.min_by(|(_, one), (_, other)| one.cmp(other))?;
            let (path, entry) = self.0[at].next()?;
            for paths in &mut self.0[at + 1..] {
                while paths.next_if(|(other, _)| *other == path).is_some() {}
            }
            if let Some(entry) = entry {
                return Some((path, entry));
            }
        }
    }
}

/// Whether nothing has changed, by what one look can say and what was heard.
fn is_the_same(was: &Entry, is: &Entry, heard: Heard) -> bool {
    let alike = (&was.kind, was.mode) == (&is.kind, is.mode);
    match heard {
        Heard::Attributes => {
            alike && (was.modified, was.inode.number) == (is.modified, is.inode.number)
        }
        // All that a file could have is not in the look.
        Heard::Written => alike && !matches!(is.kind, Kind::File { .. }),
        Heard::WhileBuilding => false,
    }
}

fn doubt(before: Option<&Known>, is: Option<&Entry>, heard: Heard) -> Doubt {
    let Some(before) = before else {
        return Doubt::Another;
    };
    let alike = before.entry.as_ref().zip(is);
    match alike.map(|(was, is)| (&was.kind, was.mode) == (&is.kind, is.mode)) {
        Some(true) if heard == Heard::Attributes => Doubt::Probably,
        // As it was at first is how the containers have it; what came since they may not have got yet.
        Some(false) if before.changed == 0 => Doubt::Another,
        _ => Doubt::Perhaps,
    }
}

impl Known {
    /// What the first look says.
    fn at_first(entry: Entry) -> Self {
        Self {
            entry: Some(entry),
            was_directory: None,
            changed: 0,
            altered: 0,
            flipped: Vec::new(),
            moved: false,
            doubt: Doubt::Perhaps,
        }
    }

    fn was_present(&self, then: Revision) -> bool {
        let since = self.flipped.iter().rev().take_while(|look| **look > then.0);
        self.entry.is_some() == (since.count() % 2 == 0)
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
        Change::Written(path(name), entry(kind))
    }

    fn entry(kind: Kind) -> Entry {
        Entry {
            kind,
            mode: 0o644,
            modified: SystemTime::UNIX_EPOCH,
            inode: Inode::default(),
        }
    }

    fn note<const N: usize>(disk: &mut Disk, changes: [Change; N]) -> BTreeSet<HostPath> {
        disk.note(changes, |_| Heard::Written)
    }

    fn name_of(name: &str, number: u64, names: u32) -> Change {
        let mut file = file(name);
        if let Change::Written(_, entry) = &mut file {
            entry.inode = Inode { number, names };
        }
        file
    }

    #[test]
    fn the_other_names_of_a_file_are_known_also_where_it_had_one_when_it_was_looked_at() {
        let mut disk = Disk::default();
        note(
            &mut disk,
            [name_of("a", 7, 1), name_of("b", 8, 1), name_of("c", 0, 0)],
        );
        note(&mut disk, [name_of("d/a", 7, 2)]);
        let other_names = |disk: &mut Disk, name: &str| {
            let names = disk.other_names([path(name)].iter());
            names.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(other_names(&mut disk, "d/a"), [path("a")]);
        assert!(other_names(&mut disk, "b").is_empty() && other_names(&mut disk, "c").is_empty());
        let told = BTreeSet::from([Inode {
            number: 7,
            names: 2,
        }]);
        assert_eq!(
            disk.named(&told).into_iter().collect::<Vec<_>>(),
            [path("a"), path("d/a")]
        );
        // Saved by a rename, it is a file of its own.
        note(&mut disk, [name_of("a", 9, 1)]);
        assert!(other_names(&mut disk, "d/a").is_empty());
        // A name that came by a rename is found like one that was made.
        note(
            &mut disk,
            [name_of("e", 7, 2), Change::Removed(path("d/a"))],
        );
        note(&mut disk, [name_of("f", 7, 2)]);
        assert_eq!(other_names(&mut disk, "e"), [path("f")]);
    }

    fn file(name: &str) -> Change {
        there(name, Kind::File { len: 1 })
    }

    #[test]
    fn a_file_that_came_and_went_between_two_looks_is_no_news() {
        let mut disk = Disk::default();
        assert!(note(&mut disk, [Change::Removed(path("a"))]).is_empty());
    }

    #[test]
    fn a_container_of_an_older_image_is_owed_all_that_changed_since() {
        let mut disk = Disk::default();
        note(&mut disk, [file("a"), file("b")]);
        let built = disk.now();
        note(
            &mut disk,
            [file("b"), file("c"), Change::Removed(path("a"))],
        );
        let owed: Vec<_> = disk.changed_since(built).into_iter().collect();
        assert_eq!(owed, [path("a"), path("b"), path("c")]);
    }

    #[test]
    fn a_new_container_of_an_older_image_hears_again_of_what_was_removed() {
        let mut disk = Disk::default();
        note(&mut disk, [there("d", Kind::Directory)]);
        let built = disk.now();
        note(&mut disk, [Change::Removed(path("d"))]);
        assert_eq!(disk.changed_since(built), BTreeSet::from([path("d")]));
        assert_eq!(disk.was_directory(&path("d")), Some(true));
    }

    #[test]
    fn what_a_removed_path_was_is_remembered_until_everybody_knows() {
        let mut disk = Disk::default();
        note(&mut disk, [there("d", Kind::Directory), file("d/f")]);
        note(
            &mut disk,
            [Change::Removed(path("d")), Change::Removed(path("d/f"))],
        );
        assert_eq!(disk.was_directory(&path("d")), Some(true));
        assert_eq!(disk.was_directory(&path("d/f")), Some(false));
    }

    #[test]
    fn an_older_state_is_known_by_its_number_whatever_came_and_went_since() {
        let first = Entries::from_iter([(path("a"), entry(Kind::File { len: 1 }))]);
        let mut disk = Disk::of(vec![Arc::new(first)]);
        let first = disk.now();
        note(&mut disk, [Change::Removed(path("a")), file("b")]);
        let second = disk.now();
        note(&mut disk, [file("a"), Change::Removed(path("b"))]);
        let third = disk.now();
        note(&mut disk, [Change::Removed(path("a")), file("b")]);
        let owed = |then| disk.changed_since(then).into_iter().collect::<Vec<_>>();
        assert_eq!(owed(first), [path("a"), path("b")]);
        // Of `a` that state knew nothing.
        assert_eq!(owed(second), [path("b")]);
        assert_eq!(owed(third), [path("a"), path("b")]);
    }

    #[test]
    fn a_late_event_of_what_is_the_same_alters_nothing() {
        let mut disk = Disk::default();
        note(&mut disk, [file("a")]);
        let built = disk.now();
        assert_eq!(note(&mut disk, [file("a")]), BTreeSet::from([path("a")]));
        assert!(disk.is_as_it_was(&path("a"), built));
        note(&mut disk, [there("a", Kind::File { len: 2 })]);
        assert!(!disk.is_as_it_was(&path("a"), built));
        note(&mut disk, [file("t")]);
        note(&mut disk, [Change::Removed(path("t"))]);
        assert!(disk.is_as_it_was(&path("t"), built));
    }

    #[test]
    fn what_came_and_went_since_the_build_is_news_to_no_container() {
        let mut disk = Disk::default();
        let built = disk.now();
        note(&mut disk, [file("t")]);
        note(&mut disk, [Change::Removed(path("t"))]);
        assert!(disk.changed_since(built).is_empty());
        assert_eq!(disk.gone().collect::<Vec<_>>(), [&path("t")]);
    }

    #[test]
    fn what_a_directory_holds_is_no_news_of_it_and_another_mode_is() {
        let mut disk = Disk::default();
        note(&mut disk, [there("d", Kind::Directory)]);
        assert!(note(&mut disk, [there("d", Kind::Directory)]).is_empty());
        let mut closed = there("d", Kind::Directory);
        if let Change::Written(_, entry) = &mut closed {
            entry.mode = 0o700;
        }
        assert_eq!(disk.chmodded().count(), 0);
        assert_eq!(note(&mut disk, [closed]), BTreeSet::from([path("d")]));
        assert_eq!(disk.was_directory(&path("d")), Some(true));
        assert_eq!(disk.chmodded().collect::<Vec<_>>(), [&path("d")]);
    }

    #[test]
    fn what_was_only_touched_is_no_news_unless_its_content_may_be_another() {
        let mut disk = Disk::default();
        let link = || {
            let target = "t".into();
            there("l", Kind::Link { target })
        };
        note(&mut disk, [file("a"), link()]);
        let mut touched = file("a");
        if let Change::Written(_, entry) = &mut touched {
            entry.modified += std::time::Duration::from_secs(1);
        }
        let attributes =
            |disk: &mut Disk, change: Change| disk.note([change], |_| Heard::Attributes);
        assert!(attributes(&mut disk, file("a")).is_empty());
        assert_eq!(attributes(&mut disk, touched), BTreeSet::from([path("a")]));
        assert!(disk.doubt(&path("a")) == Doubt::Probably);
        // A write within one step of the clock: the look is the same, the content is not.
        assert_eq!(note(&mut disk, [file("a")]), BTreeSet::from([path("a")]));
        assert_eq!(disk.doubt(&path("a")), Doubt::Perhaps);
        // A link is all that the look says of it; but not of what an image has that was built meanwhile.
        assert!(note(&mut disk, [link()]).is_empty());
        let meanwhile = disk.note([link()], |_| Heard::WhileBuilding);
        assert_eq!(meanwhile, BTreeSet::from([path("l")]));
    }

    #[test]
    fn what_is_another_by_its_length_or_is_new_needs_no_comparison() {
        let long = || there("a", Kind::File { len: 2 });
        let first = Entries::from_iter([(path("a"), entry(Kind::File { len: 1 }))]);
        let mut disk = Disk::of(vec![Arc::new(first)]);
        note(&mut disk, [long(), file("b")]);
        assert_eq!(
            ["a", "b"].map(|name| disk.doubt(&path(name))),
            [Doubt::Another; 2]
        );
        // Back again, before anybody may have got the other.
        note(&mut disk, [file("a")]);
        assert_eq!(disk.doubt(&path("a")), Doubt::Perhaps);
    }

    #[test]
    fn below_means_below_and_not_beside() {
        let mut disk = Disk::default();
        note(&mut disk, [file("d"), file("d-e"), file("d/f"), file("da")]);
        let root = path("d");
        let below: Vec<_> = disk.present_below(&root).map(|(path, _)| path).collect();
        assert_eq!(below, [path("d"), path("d/f")]);
    }
}
