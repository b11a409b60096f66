//! Which paths events are wanted for: all services' scopes together, single files, and the directories that lead to them. Pure.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use crate::paths::HostPath;
use crate::watch::scope::Scope;

/// The scopes and files of one configuration.
#[derive(Debug)]
pub(super) struct Interest {
    pub(super) scopes: Vec<Arc<Scope>>,
    /// One of each group of scopes that watch the same, so that a path is checked once and not once per service.
    distinct: Vec<Arc<Scope>>,
    files: HashSet<HostPath>,
    /// The roots, the single files and every directory above one of them. Watching the name in the directory above finds a root
    /// again that was moved away, does not exist yet, or lies behind a link.
    leads: BTreeSet<HostPath>,
}

impl Interest {
    pub(super) fn new(scopes: Vec<Arc<Scope>>, extra_files: Vec<HostPath>) -> Self {
        let mut files: HashSet<HostPath> = extra_files.into_iter().collect();
        files.extend(scopes.iter().flat_map(|scope| scope.always()).cloned());
        let mut leads = BTreeSet::new();
        let roots = scopes.iter().flat_map(|scope| scope.roots());
        for end in roots.chain(&files) {
            let mut lead = Some(end.clone());
            while let Some(path) = lead {
                lead = path.parent();
                if !leads.insert(path) {
                    break;
                }
            }
        }
        let mut keys = HashSet::new();
        let distinct = scopes.iter().filter(|scope| keys.insert(scope.key()));
        Self {
            distinct: distinct.cloned().collect(),
            scopes,
            files,
            leads,
        }
    }

    /// Whether a change of `path` is to be reported.
    pub(super) fn watches(&self, path: &HostPath) -> bool {
        self.files.contains(path) || self.distinct.iter().any(|scope| scope.watches(path))
    }

    /// Whether something below the directory `path` may be watched.
    pub(super) fn keeps(&self, path: &HostPath) -> bool {
        self.distinct
            .iter()
            .any(|scope| scope.keeps_directory(path))
    }

    /// Whether nobody watches the directory `path` itself, only what is below it.
    pub(super) fn is_passed_through(&self, path: &HostPath) -> bool {
        let mut scopes = self.distinct.iter();
        scopes.any(|scope| scope.keeps_directory(path) && !scope.watches(path))
    }

    /// Whether `path` is, or leads to, a root or a single file.
    pub(super) fn leads(&self, path: &HostPath) -> bool {
        self.leads.contains(path)
    }

    /// Whether `path`, when it is a directory, has to be watched.
    pub(super) fn enters(&self, path: &HostPath) -> bool {
        self.leads(path) || self.keeps(path)
    }

    /// The entries of `directory` that lead on towards a root or single file.
    pub(super) fn leads_in<'a>(
        &'a self,
        directory: &'a HostPath,
    ) -> impl Iterator<Item = &'a HostPath> {
        self.leads
            .range(directory.clone()..)
            .skip(1)
            .take_while(|lead| lead.below(directory).is_some())
            .filter(|lead| lead.parent().as_ref() == Some(directory))
    }

    /// Whether a root or single file lies directly in `directory`.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn holds_an_end(&self, directory: &HostPath) -> bool {
        self.roots()
            .chain(&self.files)
            .any(|end| end.parent().as_ref() == Some(directory))
    }

    /// Where all the leading directories start: the roots of the file systems.
    pub(super) fn beginnings(&self) -> Vec<HostPath> {
        let no_parent = |lead: &&HostPath| lead.parent().is_none();
        self.leads.iter().filter(no_parent).cloned().collect()
    }

    /// The watched roots of all scopes.
    pub(super) fn roots(&self) -> impl Iterator<Item = &HostPath> {
        self.distinct.iter().flat_map(|scope| scope.roots())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directories_above_a_file_lead_to_it() {
        let path = |path: &str| HostPath::new(path).unwrap();
        let interest = Interest::new(Vec::new(), vec![path("/a/b/c"), path("/a-b")]);
        let leads: Vec<String> = interest.leads.iter().map(HostPath::to_string).collect();
        assert_eq!(leads, ["/", "/a", "/a/b", "/a/b/c", "/a-b"]);
        assert_eq!(
            interest.leads_in(&path("/")).collect::<Vec<_>>(),
            [&path("/a"), &path("/a-b")]
        );
        assert_eq!(interest.beginnings(), [path("/")]);
        assert!(interest.watches(&path("/a/b/c")) && !interest.watches(&path("/a/b")));
    }
}
