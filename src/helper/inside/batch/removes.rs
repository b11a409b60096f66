//! The paths that a batch removes: many at times, so they lie one behind the other in memory.

/// A set of paths.
#[derive(Default)]
pub struct Removes {
    bytes: Vec<u8>,
    /// Start and length of each path.
    spans: Vec<(u32, u32)>,
    sorted: bool,
}

impl Removes {
    /// Adds a path. Fails when the set is too large to count.
    pub fn insert(&mut self, path: &[u8]) -> Option<()> {
        let start = u32::try_from(self.bytes.len()).ok()?;
        self.spans.push((start, u32::try_from(path.len()).ok()?));
        self.bytes.extend_from_slice(path);
        self.sorted = false;
        Some(())
    }

    /// Takes a path out: it is to be there after all.
    pub fn forget(&mut self, path: &[u8]) {
        self.sort();
        while let Some(index) = self.find(path) {
            self.spans.remove(index);
        }
    }

    /// Takes out all that is below a path.
    pub fn forget_below(&mut self, path: &[u8]) {
        let below = crate::path::join(path, b"");
        let bytes = &self.bytes;
        self.spans
            .retain(|span| !slice(bytes, *span).starts_with(&below));
    }

    pub fn contains(&mut self, path: &[u8]) -> bool {
        self.sort();
        self.find(path).is_some()
    }

    /// Every path, what is below a directory before the directory.
    pub fn in_order(&mut self) -> impl Iterator<Item = &[u8]> {
        self.sort();
        self.spans.iter().map(|span| slice(&self.bytes, *span))
    }

    fn sort(&mut self) {
        if !self.sorted {
            let bytes = &self.bytes;
            self.spans
                .sort_unstable_by(|one, other| slice(bytes, *other).cmp(slice(bytes, *one)));
            self.sorted = true;
        }
    }

    fn find(&self, path: &[u8]) -> Option<usize> {
        self.spans
            .binary_search_by(|span| path.cmp(slice(&self.bytes, *span)))
            .ok()
    }
}

fn slice(bytes: &[u8], (start, length): (u32, u32)) -> &[u8] {
    &bytes[start as usize..start as usize + length as usize]
}

#[cfg(test)]
mod tests {
    use super::Removes;

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
        let order: Vec<_> = removes.in_order().map(String::from_utf8_lossy).collect();
        assert_eq!(order, ["/z", "/ab", "/a/d", "/a/b/c", "/a"]);
        removes.forget_below(b"/a");
        let order: Vec<_> = removes.in_order().map(String::from_utf8_lossy).collect();
        assert_eq!(order, ["/z", "/ab", "/a"]);
    }
}
