//! A path that patterns are compared with, and what they all need of it. Knows nothing of patterns.

/// One path below the context, with `/` between its components.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub path: &'a [u8],
    /// The offset of the last component.
    name_at: usize,
    pub has_line_feed: bool,
}

impl<'a> Subject<'a> {
    pub fn new(path: &'a [u8]) -> Self {
        Self {
            path,
            name_at: path
                .iter()
                .rposition(|&byte| byte == b'/')
                .map_or(0, |slash| slash + 1),
            has_line_feed: path.contains(&b'\n'),
        }
    }

    /// The last component.
    pub fn name(&self) -> &'a [u8] {
        &self.path[self.name_at..]
    }
}
