//! What stands in one watched root: a table that many services share, so it is compact, sorted and never changed. No I/O.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::paths::HostPath;

use super::change::Entry;
use super::names::Names;

#[cfg(test)]
mod tests;

/// What one look found in a root, in the order of the paths. A path is kept as the directory that holds it, which is kept once,
/// and a name.
#[derive(Debug, Default)]
pub struct Entries {
    /// By what rules the root was looked at; `None` where no rules say so.
    of: Option<u128>,
    directories: Vec<HostPath>,
    names: Names,
    rows: Vec<Row>,
    /// What was found out of this table for one service serves the others as well.
    narrowed: Mutex<Vec<(u128, Weak<Entries>)>>,
    differences: Mutex<Vec<Differences>>,
}

/// From which table, and where.
type Differences = (Weak<Entries>, Arc<[HostPath]>);

#[derive(Debug)]
struct Row {
    directory: u32,
    entry: Entry,
}

/// A table in the builder.
#[derive(Debug, Default)]
pub(super) struct EntriesBuilder {
    entries: Entries,
    /// The directory of the last path, and those above it.
    open: Vec<u32>,
}

impl EntriesBuilder {
    /// An empty table of a root that is looked at by the rules `of`.
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

    /// Makes room for so many paths more.
    pub fn reserve(&mut self, paths: usize) {
        self.entries.rows.reserve_exact(paths);
    }

    /// Adds a path; it has to sort after all that are there.
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
            // More than four thousand million do not fit into the memory either.
            let number = u32::try_from(directories.len()).unwrap_or(u32::MAX);
            directories.extend(HostPath::new(directory));
            self.open.push(number);
            number
        });
        self.entries.names.push(name);
        self.entries.rows.push(Row { directory, entry });
    }

    /// Adds all that another table has; it has to sort after all that is there, and lie in other directories.
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

    /// The table.
    pub fn done(mut self) -> Entries {
        self.entries.directories.shrink_to_fit();
        self.entries.names.shrink_to_fit();
        self.entries.rows.shrink_to_fit();
        self.entries
    }
}

impl Entries {
    /// How many paths it has.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// By what rules its root was looked at.
    pub(super) fn of(&self) -> Option<u128> {
        self.of
    }

    /// What stands at `path`.
    pub fn get(&self, path: &HostPath) -> Option<&Entry> {
        let at = self.first_from(path);
        let row = self.rows.get(at)?;
        self.order(at, path).is_eq().then_some(&row.entry)
    }

    /// Everything, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (HostPath, &Entry)> {
        self.range(0..self.rows.len())
    }

    /// What stands at and below `root`, sorted.
    pub fn below(&self, root: &HostPath) -> impl Iterator<Item = (HostPath, &Entry)> {
        let first = self.first_from(root);
        let within = |row: &Row| {
            let directory = &self.directories[row.directory as usize];
            directory.below(root).is_some()
        };
        let itself = self.rows.get(first).is_some() && self.order(first, root).is_eq();
        let others = first + usize::from(itself);
        let rest = self.rows.get(others..).unwrap_or_default();
        // Nothing lies below a file, and most paths are one.
        let more = match rest.first() {
            Some(next) if within(next) => rest.partition_point(within),
            _ => 0,
        };
        self.range(first..others + more)
    }

    /// Those that `is` says yes to.
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

    /// The first row that does not sort before `path`.
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

    /// How a row sorts against `path`.
    fn order(&self, at: usize, path: &HostPath) -> Ordering {
        self.directory(at).cmp_child(self.names.get(at), path)
    }

    /// The table with only those paths that `keep` keeps, whose `key` says by what rules: the same for all who ask by the same.
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

    /// The paths at which `before` says something else than this table: found out once for all who had the same before.
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

/// What was found out is whole whoever panicked.
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
