//! The paths that a batch removes. There may be ten thousand, and the helper is to stay small: a directory that many paths
//! have in common is kept once, the names lie one behind the other.

use std::cmp::Ordering;

/// A set of paths.
#[derive(Default)]
pub struct Removes {
    /// Each with a slash at its end.
    directories: Vec<Vec<u8>>,
    names: Vec<u8>,
    entries: Vec<Entry>,
    sorted: bool,
}

/// One path.
#[derive(Clone, Copy)]
struct Entry {
    /// Index into `Removes::directories`.
    directory: u32,
    /// Where the name begins in `Removes::names`, and how long it is.
    name: u32,
    length: u16,
}

impl Removes {
    /// Adds a path. Fails when the set is too large to count.
    pub fn insert(&mut self, path: &[u8]) -> Option<()> {
        let (directory, name) = split(path);
        if self.directories.last().is_none_or(|last| last != directory) {
            self.directories.push(directory.to_vec());
        }
        self.entries.push(Entry {
            directory: u32::try_from(self.directories.len() - 1).ok()?,
            name: u32::try_from(self.names.len()).ok()?,
            length: u16::try_from(name.len()).ok()?,
        });
        self.names.extend_from_slice(name);
        self.sorted = false;
        Some(())
    }

    /// Takes a path out: it is to be there after all.
    pub fn forget(&mut self, path: &[u8]) {
        self.sort();
        while let Some(index) = self.find(path) {
            self.entries.remove(index);
        }
    }

    /// Takes out all that is below a path.
    pub fn forget_below(&mut self, path: &[u8]) {
        let below = crate::path::join(path, b"");
        let directories = &self.directories;
        // What is below a path has a directory that begins with it.
        self.entries
            .retain(|entry| !directories[entry.directory as usize].starts_with(&below));
    }

    pub fn contains(&mut self, path: &[u8]) -> bool {
        self.sort();
        self.find(path).is_some()
    }

    /// Every path, what is below a directory before the directory.
    pub fn in_order(&mut self) -> impl Iterator<Item = Vec<u8>> {
        self.sort();
        self.entries.iter().map(|entry| self.parts(*entry).concat())
    }

    fn sort(&mut self) {
        if !self.sorted {
            let mut entries = std::mem::take(&mut self.entries);
            entries.sort_unstable_by(|one, other| self.compare(*other, *one));
            self.entries = entries;
            self.sorted = true;
        }
    }

    fn find(&self, path: &[u8]) -> Option<usize> {
        let (directory, name) = split(path);
        self.entries
            .binary_search_by(|entry| compare([directory, name], self.parts(*entry)))
            .ok()
    }

    fn compare(&self, one: Entry, other: Entry) -> Ordering {
        compare(self.parts(one), self.parts(other))
    }

    fn parts(&self, entry: Entry) -> [&[u8]; 2] {
        let (start, length) = (entry.name as usize, usize::from(entry.length));
        [
            &self.directories[entry.directory as usize],
            &self.names[start..start + length],
        ]
    }
}

/// A path's directory, with its slash, and its name.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let slash = path.iter().rposition(|byte| *byte == b'/');
    path.split_at(slash.map_or(0, |slash| slash + 1))
}

/// As the whole paths compare.
fn compare(one: [&[u8]; 2], other: [&[u8]; 2]) -> Ordering {
    if one[0] == other[0] {
        one[1].cmp(other[1])
    } else {
        one.into_iter().flatten().cmp(other.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::Removes;

    fn in_order(removes: &mut Removes) -> Vec<String> {
        let paths = removes.in_order();
        paths.map(|path| String::from_utf8(path).unwrap()).collect()
    }

    #[test]
    fn paths_come_from_the_bottom_up_and_can_be_taken_out() {
        let mut removes = Removes::default();
        for path in ["/a", "/a/b", "/a/b/c", "/ab", "/a/b", "/z"] {
            removes.insert(path.as_bytes()).unwrap();
        }
        assert!(removes.contains(b"/a/b") && !removes.contains(b"/a/c"));
        removes.forget(b"/a/b");
        removes.forget(b"/never");
        assert!(!removes.contains(b"/a/b"));
        removes.insert(b"/a/d").unwrap();
        let order = in_order(&mut removes);
        assert_eq!(order, ["/z", "/ab", "/a/d", "/a/b/c", "/a"]);
        removes.forget_below(b"/a");
        let order = in_order(&mut removes);
        assert_eq!(order, ["/z", "/ab", "/a"]);
    }
}
