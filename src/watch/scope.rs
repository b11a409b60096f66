//! What is watched for one service, and why the rest is not (`spec.md` C2, B7, B9, D1, D3). Pure: it is given the ignore files'
//! text, and never looks at a watched path itself.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::compose::filter::{Filter, LeftOut};
use crate::dockerignore::DockerIgnore;
use crate::paths::HostPath;

use super::editors;
use super::entries::Entries;
use super::ignored::IgnoredBy;
use super::last_seen::LastSeen;
use super::touch::{Stage, Touch};

mod build;
#[cfg(test)]
mod tests;

/// The roots and rules of what is watched for one service.
#[derive(Debug, Default)]
pub struct Scope {
    roots: Vec<Root>,
    always: BTreeSet<HostPath>,
    /// Files that this session itself writes to.
    own_output: Vec<HostPath>,
    last_seen: LastSeen,
    key: OnceLock<u128>,
}

/// The answer for one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is watched.
    Watched {
        /// The watched root it lies in.
        root: HostPath,
    },
    /// It lies in no watched root.
    Outside,
    /// It lies in a watched root, but a rule leaves it out.
    Ignored(IgnoredBy),
}

/// A file or directory that is watched with everything in it.
#[derive(Clone, Debug)]
struct Root {
    path: HostPath,
    ignore: Option<Arc<IgnoreFile>>,
    /// The service's own block filter; for a base service's context (D1), that one's filter too.
    filters: Vec<BlockFilter>,
}

#[derive(Debug)]
struct IgnoreFile {
    file: HostPath,
    /// The directory that its patterns are relative to.
    base: HostPath,
    rules: DockerIgnore,
}

#[derive(Clone, Debug)]
struct BlockFilter {
    service: String,
    filter: Filter,
}

impl Scope {
    /// Leaves out the files that the session's own output goes to: each write would be a change to report, without end.
    #[must_use]
    pub fn without_own_output(mut self, files: Vec<HostPath>) -> Self {
        self.own_output = files;
        self.key = OnceLock::new();
        self
    }

    /// Whether `path` is watched, and if not, why.
    pub fn verdict(&self, path: &HostPath) -> Verdict {
        if self.always.contains(path) {
            let around = self
                .roots
                .iter()
                .find(|root| path.below(&root.path).is_some());
            let root = around.map_or_else(|| path.clone(), |root| root.path.clone());
            return Verdict::Watched { root };
        }
        if self.own_output.contains(path) {
            return Verdict::Ignored(IgnoredBy::OwnOutput);
        }
        let mut ignored = None;
        for root in &self.roots {
            let Some(relative) = path.below(&root.path) else {
                continue;
            };
            match root.left_out(relative, path) {
                None => {
                    return Verdict::Watched {
                        root: root.path.clone(),
                    };
                }
                Some(why) => ignored = ignored.or(Some(why)),
            }
        }
        ignored.map_or(Verdict::Outside, Verdict::Ignored)
    }

    /// Whether `path` is watched.
    pub fn watches(&self, path: &HostPath) -> bool {
        matches!(self.verdict(path), Verdict::Watched { .. })
    }

    /// Whether `touch` concerns this service. A renewed directory does when something below it may be watched.
    pub fn hears(&self, touch: &Touch) -> bool {
        self.watches(&touch.path)
            || (touch.stage == Stage::Renewed && self.keeps_directory(&touch.path))
    }

    /// Whether a walk has to enter the directory `path`: something below it may be watched.
    pub fn keeps_directory(&self, path: &HostPath) -> bool {
        self.roots.iter().any(|root| root.keeps_directory(path))
    }

    /// Each watched root with its rules. Two roots with the same key are treated the same by all scopes.
    pub(super) fn each_root(&self) -> impl Iterator<Item = Watching<'_>> {
        let own_output = self.own_output.as_slice();
        let roots = self.roots.iter();
        roots.map(move |root| Watching { root, own_output })
    }

    /// Whether everything is watched that a walk by these rules has found.
    pub fn watches_all_of(&self, entries: &Entries) -> bool {
        let of = entries.of();
        of.is_some() && self.each_root().any(|root| Some(root.key()) == of)
    }

    /// Scopes with the same key watch the same; what is remembered of the sources is not part of it.
    pub fn key(&self) -> u128 {
        *self.key.get_or_init(|| {
            let roots: Vec<u128> = self.each_root().map(|root| root.key()).collect();
            hash(&(roots, &self.always))
        })
    }

    /// The watched files and directories, existing or not.
    pub fn roots(&self) -> impl Iterator<Item = &HostPath> {
        self.roots.iter().map(|root| &root.path)
    }

    /// Dockerfiles and ignore files: watched even if an ignore rule leaves them out, because they ask for a rebuild (C3).
    pub fn always(&self) -> impl Iterator<Item = &HostPath> {
        self.always.iter()
    }

    /// Replaces `before`, and keeps what that one knew about the sources that both have.
    pub fn remember(&self, before: &Self) {
        self.last_seen.remember(&before.last_seen);
    }

    /// What is known about the roots and sync sources.
    pub(super) fn last_seen(&self) -> &LastSeen {
        &self.last_seen
    }
}

/// One root, and what is watched in it whatever the others' rules are.
pub(super) struct Watching<'a> {
    root: &'a Root,
    own_output: &'a [HostPath],
}

impl Watching<'_> {
    pub(super) fn root(&self) -> &HostPath {
        &self.root.path
    }

    pub(super) fn watches(&self, path: &HostPath) -> bool {
        let relative = path.below(&self.root.path);
        relative.is_some_and(|relative| self.root.left_out(relative, path).is_none())
            && !self.own_output.contains(path)
    }

    pub(super) fn keeps_directory(&self, path: &HostPath) -> bool {
        self.root.keeps_directory(path)
    }

    /// Roots with the same key watch the same: everything that matters is part of it.
    pub(super) fn key(&self) -> u128 {
        let Root {
            path,
            ignore,
            filters,
        } = self.root;
        // Whose filters they are is only for messages.
        let filters: Vec<&Filter> = filters.iter().map(|it| &it.filter).collect();
        hash(&(path, ignore, filters, self.own_output))
    }
}

fn hash(all: &impl std::fmt::Debug) -> u128 {
    xxhash_rust::xxh3::xxh3_128(format!("{all:?}").as_bytes())
}

/// Whether a component of the clean path `relative` is `name`. Called for each path of a tree.
pub(super) fn has_part(relative: &Path, name: &[u8]) -> bool {
    let is_separator = |byte: &u8| std::path::is_separator(char::from(*byte));
    let bytes = relative.as_os_str().as_encoded_bytes();
    bytes.split(is_separator).any(|part| part == name)
}

/// Git's own files: the `.git` directory, or the file of that name in a worktree or submodule.
fn is_git(relative: &Path) -> bool {
    has_part(relative, b".git")
}

impl Root {
    /// Whether something below the directory `path` may be watched.
    fn keeps_directory(&self, path: &HostPath) -> bool {
        path.below(&self.path).is_some_and(|relative| {
            !is_git(relative)
                && editors::directory(relative).is_none()
                && !self.ignore.as_ref().is_some_and(|ignore| {
                    path.below(&ignore.base)
                        .is_some_and(|relative| ignore.rules.can_skip_directory(relative))
                })
                && !self
                    .filters
                    .iter()
                    .any(|filter| filter.filter.can_skip_directory(path))
        })
    }

    /// The rule that leaves out `path`, which lies at `relative` in this root.
    fn left_out(&self, relative: &Path, path: &HostPath) -> Option<IgnoredBy> {
        if is_git(relative) {
            return Some(IgnoredBy::Git);
        }
        if let Some(ignore) = &self.ignore
            && let Some(relative) = path.below(&ignore.base)
            && let Some(decision) = ignore.rules.verdict(relative)
            && decision.ignored
        {
            return Some(IgnoredBy::IgnoreFile {
                file: ignore.file.clone(),
                line: decision.line,
                pattern: decision.pattern.to_owned(),
            });
        }
        if let Some(why) = self.filters.iter().find_map(|filter| filter.left_out(path)) {
            return Some(why);
        }
        editors::temporary(relative).map(|pattern| IgnoredBy::Editor { pattern })
    }
}

impl BlockFilter {
    fn left_out(&self, path: &HostPath) -> Option<IgnoredBy> {
        let service = self.service.clone();
        Some(match self.filter.verdict(path)? {
            LeftOut::Ignored { place, pattern } => IgnoredBy::BlockIgnore {
                service,
                place,
                pattern: pattern.to_owned(),
            },
            LeftOut::NotAmong => IgnoredBy::Only { service },
        })
    }
}
