//! What the disk held when it was last looked at: every watched path of one service. Pure; the looking is done by `watch`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::paths::HostPath;
use crate::watch::{Change, Entries, Entry, Kind, Scope};

use super::ledger::Doubt;
use super::linked::Linked;
use super::present::Present;
use super::told::Heard;

mod names;
#[cfg(test)]
mod tests;

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
            if self.note_one(&path, entry, &heard) {
                news.insert(path);
            }
        }
        if self.gone > MOST_GONE {
            self.forget_the_oldest_gone();
        }
        news
    }

    /// Whether it may concern a container.
    fn note_one(
        &mut self,
        path: &HostPath,
        entry: Option<Entry>,
        heard: impl Fn(&HostPath) -> Heard,
    ) -> bool {
        let before = self.known(path);
        if entry.is_none() && before.is_none() {
            return false;
        }
        let was = before.as_ref().and_then(|known| known.entry.as_ref());
        // A directory that is still one: what changed is what it holds, and that is told by its own paths; or its mode.
        let directory = |entry: Option<&Entry>| {
            let entry = entry?;
            (entry.kind == Kind::Directory).then_some(entry.mode)
        };
        let known = directory(was);
        if known.is_some() && known == directory(entry.as_ref()) {
            return false;
        }
        let heard = heard(path);
        if let (Some(was), Some(is)) = (was, &entry)
            && is_the_same(was, is, heard)
        {
            self.refresh(path.clone(), entry);
            return false;
        }
        let mut known = Known::after(before, entry, heard, self.revision);
        known.flipped.retain(|revision| *revision > self.oldest);
        self.gone += usize::from(known.entry.is_none());
        let known = self.since.insert(path.clone(), known);
        self.gone -= usize::from(known.is_some_and(|known| known.entry.is_none()));
        true
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
        let since = since.map(|(path, known)| (path, known.entry.as_ref()));
        Present::of(since, self.first.iter().map(|it| it.below(root)))
    }

    /// Every path that is there, sorted.
    pub fn present(&self) -> impl Iterator<Item = (HostPath, &Entry)> {
        let since = self.since.iter();
        let since = since.map(|(path, known)| (path, known.entry.as_ref()));
        Present::of(since, self.first.iter().map(|it| it.iter()))
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

    /// What a change says of the path that `before` was known of.
    fn after(before: Option<Self>, entry: Option<Entry>, heard: Heard, revision: u64) -> Self {
        let doubt = doubt(before.as_ref(), entry.as_ref(), heard);
        let was_directory = before.as_ref().and_then(|known| match &known.entry {
            Some(entry) => Some(entry.kind == Kind::Directory),
            None => known.was_directory,
        });
        let altered = match &before {
            Some(known) if known.entry == entry => known.altered,
            _ => revision,
        };
        let was_there = before.as_ref().is_some_and(|known| known.entry.is_some());
        let (mut flipped, moved) = before
            .map(|known| (known.flipped, known.moved))
            .unwrap_or_default();
        if was_there != entry.is_some() {
            flipped.push(revision);
        }
        Self {
            entry,
            was_directory,
            changed: revision,
            altered,
            flipped,
            moved,
            doubt,
        }
    }

    fn was_present(&self, then: Revision) -> bool {
        let since = self.flipped.iter().rev().take_while(|look| **look > then.0);
        self.entry.is_some() == (since.count() % 2 == 0)
    }
}
