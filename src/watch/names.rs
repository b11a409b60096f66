//! Many file names in one piece of memory. No I/O.

use std::ffi::OsStr;

/// File names, numbered in the order they were added.
#[cfg(unix)]
#[derive(Debug, Default)]
pub(super) struct Names {
    bytes: Vec<u8>,
    /// The end of each name, as an offset in bytes.
    ends: Vec<u32>,
}

#[cfg(unix)]
impl Names {
    pub fn push(&mut self, name: &OsStr) {
        self.bytes.extend_from_slice(name.as_encoded_bytes());
        // Names of more than 4 GiB would belong to more paths than fit into memory.
        let end = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.ends.push(end);
    }

    pub fn get(&self, at: usize) -> &OsStr {
        use std::os::unix::ffi::OsStrExt as _;
        let begin = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        let name = &self.bytes[begin as usize..self.ends[at] as usize];
        OsStr::from_bytes(name)
    }

    pub fn append(&mut self, others: &Self) {
        let before = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&others.bytes);
        let ends = others.ends.iter();
        self.ends
            .extend(ends.map(|end| before.saturating_add(*end)));
    }

    pub fn shrink_to_fit(&mut self) {
        self.bytes.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

/// On other systems, an `OsStr` cannot be made from a piece of memory.
#[cfg(not(unix))]
#[derive(Debug, Default)]
pub(super) struct Names {
    names: Vec<Box<OsStr>>,
}

#[cfg(not(unix))]
impl Names {
    pub fn push(&mut self, name: &OsStr) {
        self.names.push(name.into());
    }

    pub fn get(&self, at: usize) -> &OsStr {
        &self.names[at]
    }

    pub fn append(&mut self, others: &Self) {
        self.names.extend_from_slice(&others.names);
    }

    pub fn shrink_to_fit(&mut self) {
        self.names.shrink_to_fit();
    }
}
