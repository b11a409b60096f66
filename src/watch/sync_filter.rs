//! The `ignore` and `include` of one sync. Pure; relative to the sync's source.

use std::path::Path;

use crate::compose::block::Sync;

use super::filter::{Bad, LeftOut, Lists};
use super::why::{BadIgnore, Place, Why};

/// The `ignore` and `include` of one sync, compiled.
#[derive(Clone, Debug, Default)]
pub struct SyncFilter {
    lists: Lists,
}

impl SyncFilter {
    /// Compiles the two lists of `sync`. Fails with every pattern that cannot be read.
    pub fn of(sync: &Sync) -> Result<Self, Vec<BadIgnore>> {
        let lists = Lists::new(&sync.ignore, &sync.include).map_err(|Bad { ignore, only }| {
            let place = |place: Place| {
                move |bad| BadIgnore {
                    place: place.clone(),
                    bad,
                }
            };
            let ignore = ignore
                .into_iter()
                .map(place(Place::SyncIgnore(sync.step.clone())));
            let include = only
                .into_iter()
                .map(place(Place::SyncInclude(sync.step.clone())));
            ignore.chain(include).collect::<Vec<_>>()
        })?;
        Ok(Self { lists })
    }

    /// Why the path, relative to the sync's source, is not part of the sync; `None` when it is.
    pub fn verdict(&self, relative: &Path) -> Option<Why> {
        Some(match self.lists.verdict(relative)? {
            LeftOut::Ignored { place, pattern } => Why::SyncIgnore { place, pattern },
            LeftOut::NotAmong => Why::SyncInclude,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::block::Step;
    use crate::paths::{ContainerPath, HostPath};

    #[test]
    fn a_syncs_own_lists_are_relative_to_its_source() {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        let mut sync = Sync {
            step: Step::new(1),
            local: HostPath::new("/p/static").unwrap(),
            remote: ContainerPath::new("/app").unwrap(),
            into_directory: false,
            ignore: texts(&["**/*.map"]),
            include: texts(&["js", "!js/old"]),
            in_place: false,
            initial: false,
        };
        let filter = SyncFilter::of(&sync).unwrap();
        let says = |name: &str| filter.verdict(Path::new(name)).map(|why| why.to_string());
        assert_eq!(says("js/a.js"), None);
        assert_eq!(says(""), None);
        assert_eq!(
            says("js/a.map").unwrap(),
            "pattern 1 of the sync's `ignore`: `**/*.map`"
        );
        for name in ["js/old/a.js", "css/a.css"] {
            assert_eq!(
                says(name).unwrap(),
                "the sync's `include` does not name it",
                "{name}"
            );
        }
        sync.ignore = texts(&["a["]);
        assert_eq!(SyncFilter::of(&sync).unwrap_err().len(), 1);
    }
}
