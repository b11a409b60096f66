//! What is there: the first look with what changed since laid over it, both sorted, and neither copied. Pure.

use std::iter::Peekable;

use crate::paths::HostPath;
use crate::watch::Entry;

/// What is known of some paths, sorted; `None`: it is gone.
type Known<'a> = Box<dyn Iterator<Item = (HostPath, Option<&'a Entry>)> + 'a>;

/// What is there, sorted, each path once.
pub(super) struct Present<'a>(Vec<Peekable<Known<'a>>>);

impl<'a> Present<'a> {
    /// By what changed `since` the first look and, where that says nothing, by the look: the first of its tables counts.
    pub fn of(
        since: impl Iterator<Item = (&'a HostPath, Option<&'a Entry>)> + 'a,
        first: impl Iterator<Item = impl Iterator<Item = (HostPath, &'a Entry)> + 'a>,
    ) -> Self {
        let since = since.map(|(path, entry)| (path.clone(), entry));
        let mut all: Vec<Known<'a>> = vec![Box::new(since)];
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
            let heads = heads.filter_map(|(at, known)| Some((at, &known.peek()?.0)));
            // Of two for one path the first counts.
            let (at, _) = heads.min_by(|(_, one), (_, other)| one.cmp(other))?;
            let (path, entry) = self.0[at].next()?;
            for known in &mut self.0[at + 1..] {
                while known.next_if(|(other, _)| *other == path).is_some() {}
            }
            if let Some(entry) = entry {
                return Some((path, entry));
            }
        }
    }
}
