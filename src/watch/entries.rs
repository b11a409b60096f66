//! The content of one watched root. Many services share such a table, so it is compact, sorted and never changed. No I/O.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::paths::HostPath;

use super::change::Entry;
use super::names::Names;

#[cfg(test)]
mod tests;

/// What one walk found in a root, in the order of the paths. A path is stored as a name and the directory that holds it; each
/// directory is stored once.
#[derive(Debug, Default)]
pub struct Entries {
    /// The key of the rules that the root was walked by; `None` where no rules apply.
    of: Option<u128>,
    directories: Vec<HostPath>,
    names: Names,
    rows: Vec<Row>,
    /// Narrowed copies made for one service, for others to share.
    narrowed: Mutex<Vec<(u128, Weak<Entries>)>>,
    differences: Mutex<Vec<Differences>>,
}

/// The table that this one was compared with, and the paths at which they differ.
type Differences = (Weak<Entries>, Arc<[HostPath]>);

#[derive(Debug)]
struct Row {
    directory: u32,
    entry: Entry,
}

/// A table while it is filled.
#[derive(Debug, Default)]
pub(super) struct EntriesBuilder {
    entries: Entries,
    /// The directory of the last path and those above it, as indices.
    open: Vec<u32>,
}

impl EntriesBuilder {
    /// An empty table for a root that is walked by the rules with the key `of`.
    pub fn by(of: Option<u128>) -> Self {
        let entries = Entries {
            of,
            ..Entries::default()
        };
        Self {
            entries,
            open: Vec::new(),
        }
    }

    /// Makes room for this many more paths.
    pub fn reserve(&mut self, paths: usize) {
        self.entries.rows.reserve_exact(paths);
    }

    /// Adds a path, which must sort after all that are in the table.
    pub fn push(&mut self, path: &HostPath, entry: Entry) {
        let (directory, name) = path.parts();
        let directories = &mut self.entries.directories;
        while let Some(last) = self.open.last() {
            let last = &directories[*last as usize];
            if last.as_path() == directory || path.below(last).is_some() {
                break;
            }
            self.open.pop();
        }
        let known = self.open.last().copied();
        let known = known.filter(|known| directories[*known as usize].as_path() == directory);
        let directory = known.unwrap_or_else(|| {
            // More than 2^32 directories would not fit into memory either.
            let number = u32::try_from(directories.len()).unwrap_or(u32::MAX);
            directories.extend(HostPath::new(directory));
            self.open.push(number);
            number
        });
        self.entries.names.push(name);
        self.entries.rows.push(Row { directory, entry });
    }

    /// Adds another table, which must sort after this one and have other directories.
    pub fn append(&mut self, others: Entries) {
        let entries = &mut self.entries;
        let before = u32::try_from(entries.directories.len()).unwrap_or(u32::MAX);
        entries.directories.extend(others.directories);
        entries.names.append(&others.names);
        let rows = others.rows.into_iter();
        entries.rows.extend(rows.map(|row| Row {
            directory: before.saturating_add(row.directory),
            ..row
        }));
    }

    /// The finished table.
    pub fn done(mut self) -> Entries {
        self.entries.directories.shrink_to_fit();
        self.entries.names.shrink_to_fit();
        self.entries.rows.shrink_to_fit();
        self.entries
    }
}

impl Entries {
    /// The number of paths.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The key of the rules that its root was walked by.
    pub(super) fn of(&self) -> Option<u128> {
        self.of
    }

    /// The entry at `path`; `None` when there is none.
    pub fn get(&self, path: &HostPath) -> Option<&Entry> {
        let at = self.first_from(path);
        let row = self.rows.get(at)?;
        self.order(at, path).is_eq().then_some(&row.entry)
    }

    /// All paths with their entries, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (HostPath, &Entry)> {
        self.range(0..self.rows.len())
    }

    /// `root` and everything below it, sorted.
    pub fn below(&self, root: &HostPath) -> impl Iterator<Item = (HostPath, &Entry)> {
        let first = self.first_from(root);
        let within = |row: &Row| {
            let directory = &self.directories[row.directory as usize];
            directory.below(root).is_some()
        };
        let itself = self.rows.get(first).is_some() && self.order(first, root).is_eq();
        let others = first + usize::from(itself);
        let rest = self.rows.get(others..).unwrap_or_default();
        // Nothing lies below a file, and most paths are files.
        let more = match rest.first() {
            Some(next) if within(next) => rest.partition_point(within),
            _ => 0,
        };
        self.range(first..others + more)
    }

    /// All paths whose entries satisfy `is`.
    pub fn whose(&self, is: impl Fn(&Entry) -> bool) -> impl Iterator<Item = (HostPath, &Entry)> {
        let rows = self.rows.iter().enumerate();
        let rows = rows.filter(move |(_, row)| is(&row.entry));
        rows.map(|(at, row)| (self.path(at), &row.entry))
    }

    fn range(&self, rows: Range<usize>) -> impl Iterator<Item = (HostPath, &Entry)> {
        rows.map(|at| (self.path(at), &self.rows[at].entry))
    }

    fn path(&self, at: usize) -> HostPath {
        self.directory(at).child(self.names.get(at))
    }

    fn directory(&self, at: usize) -> &HostPath {
        &self.directories[self.rows[at].directory as usize]
    }

    /// The index of the first row that does not sort before `path`.
    fn first_from(&self, path: &HostPath) -> usize {
        let (mut from, mut to) = (0, self.rows.len());
        while from < to {
            let middle = usize::midpoint(from, to);
            if self.order(middle, path).is_lt() {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        from
    }

    /// How the row at `at` sorts against `path`.
    fn order(&self, at: usize, path: &HostPath) -> Ordering {
        self.directory(at).cmp_child(self.names.get(at), path)
    }

    /// This table with only the paths that `keep` keeps. `key` stands for the rule that `keep` follows: all who ask with the same key
    /// share one table.
    pub fn narrowed(self: &Arc<Self>, key: u128, keep: impl Fn(&HostPath) -> bool) -> Arc<Self> {
        let mut known = lock(&self.narrowed);
        known.retain(|(_, entries)| entries.strong_count() > 0);
        let same = known.iter().find(|(of, _)| *of == key);
        if let Some(entries) = same.and_then(|(_, entries)| entries.upgrade()) {
            return entries;
        }
        let mut builder = EntriesBuilder::by(None);
        for (path, entry) in self.iter().filter(|(path, _)| keep(path)) {
            builder.push(&path, entry.clone());
        }
        let narrowed = builder.done();
        let narrowed = if narrowed.rows.len() == self.rows.len() {
            Arc::clone(self)
        } else {
            Arc::new(narrowed)
        };
        known.push((key, Arc::downgrade(&narrowed)));
        narrowed
    }

    /// The paths at which `before` differs from this table, computed once for all who come from the same table.
    pub fn differences(&self, before: &Arc<Self>) -> Arc<[HostPath]> {
        let mut known = lock(&self.differences);
        known.retain(|(of, _)| of.strong_count() > 0);
        let same = known
            .iter()
            .find(|(of, _)| std::ptr::eq(of.as_ptr(), Arc::as_ptr(before)));
        if let Some((_, differences)) = same {
            return Arc::clone(differences);
        }
        let differences: Arc<[HostPath]> = self.differ_from(before).into();
        known.push((Arc::downgrade(before), Arc::clone(&differences)));
        differences
    }

    fn differ_from(&self, before: &Self) -> Vec<HostPath> {
        let mut differ = Vec::new();
        let (mut now, mut then) = (0, 0);
        while now < self.rows.len() && then < before.rows.len() {
            let order = if self.directory(now) == before.directory(then)
                && self.names.get(now) == before.names.get(then)
            {
                Ordering::Equal
            } else {
                self.order(now, &before.path(then))
            };
            match order {
                Ordering::Less => differ.push(self.path(now)),
                Ordering::Greater => differ.push(before.path(then)),
                Ordering::Equal if self.rows[now].entry != before.rows[then].entry => {
                    differ.push(self.path(now));
                }
                Ordering::Equal => {}
            }
            now += usize::from(order.is_le());
            then += usize::from(order.is_ge());
        }
        differ.extend((now..self.rows.len()).map(|at| self.path(at)));
        differ.extend((then..before.rows.len()).map(|at| before.path(at)));
        differ
    }
}

/// A panic cannot leave such a cache half written.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FromIterator<(HostPath, Entry)> for Entries {
    fn from_iter<I: IntoIterator<Item = (HostPath, Entry)>>(entries: I) -> Self {
        let sorted: std::collections::BTreeMap<_, _> = entries.into_iter().collect();
        let mut builder = EntriesBuilder::default();
        for (path, entry) in sorted {
            builder.push(&path, entry);
        }
        builder.done()
    }
}
