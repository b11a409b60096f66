//! What is watched for one service, and why the rest is not (`spec.md` C2, B7, B9, D1, D3). Pure: it is given the ignore files'
//! text, and never looks at a watched path itself.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::compose::block::Origin;
use crate::compose::filter::{Bad, Filter, LeftOut};
use crate::compose::{Block, Build, Project, Service};
use crate::dockerignore::DockerIgnore;
use crate::paths::HostPath;
use crate::plain_file::IfAny;

use super::editors;
use super::entries::Entries;
use super::ignored::{BadIgnore, IgnoredBy, PatternList};
use super::last_seen::LastSeen;
use super::touch::{Stage, Touch};

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
    /// What is watched for `service`. Fails with all patterns and ignore files that cannot be read.
    ///
    /// `read_ignore_file` gives an ignore file's text, `None` when there is no such file: [`crate::plain_file::read_if_any`].
    pub fn of(
        project: &Project,
        service: &Service,
        read_ignore_file: impl Fn(&HostPath) -> IfAny,
    ) -> Result<Self, Vec<BadIgnore>> {
        let Some(block) = &service.block else {
            return Ok(Self::default());
        };
        let mut builder = ScopeBuilder {
            read: &read_ignore_file,
            own: (&service.name, block),
            scope: Self::default(),
            bad: Vec::new(),
        };
        if !block.watch.is_empty() || block.origin == Origin::DevelopWatch {
            builder.own_paths(service, block);
        } else {
            builder.image(service, None);
            for name in &service.bases {
                if let Some(base) = project.service(name) {
                    builder.image(
                        base,
                        base.block.as_ref().map(|block| (name.as_str(), block)),
                    );
                }
            }
            if service.build.is_none() && block.custom_build.is_none() {
                for sync in &block.syncs {
                    builder.root(sync.local.clone(), None, None);
                }
            }
        }
        let locals = block.syncs.iter().map(|sync| sync.local.clone());
        let roots = builder.scope.roots.iter().map(|root| root.path.clone());
        builder.scope.last_seen = LastSeen::new(roots.chain(locals));
        if builder.bad.is_empty() {
            Ok(builder.scope)
        } else {
            Err(builder.bad)
        }
    }

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

/// A service's name and block.
type Named<'a> = (&'a str, &'a Block);

/// A scope while it is put together.
struct ScopeBuilder<'a> {
    read: &'a dyn Fn(&HostPath) -> IfAny,
    /// The service's name and block.
    own: Named<'a>,
    scope: Scope,
    bad: Vec<BadIgnore>,
}

impl ScopeBuilder<'_> {
    /// The roots that `service`'s image is built from: the contexts, or the deps of a custom build in their place (D3).
    fn image(&mut self, service: &Service, base: Option<Named<'_>>) {
        let custom = service
            .block
            .as_ref()
            .and_then(|block| block.custom_build.as_ref());
        if let Some(custom) = custom {
            for dep in &custom.deps {
                self.directory_with_own_ignore_file(dep, base);
            }
        } else if let Some(build) = &service.build {
            self.scope.always.extend(build.dockerfile.clone());
            let ignore = self.ignore_file(&build.context, build.ignore_files());
            self.root(build.context.clone(), ignore, base);
            for context in &build.additional_contexts {
                self.directory_with_own_ignore_file(context, base);
            }
        }
    }

    /// The paths of the block's `watch`, or of Compose's rules, which replace the context. The context's ignore file still applies to
    /// what lies in it.
    fn own_paths(&mut self, service: &Service, block: &Block) {
        let ignore = service
            .build
            .as_ref()
            .and_then(|build: &Build| self.ignore_file(&build.context, build.ignore_files()));
        for path in &block.watch {
            self.root(path.clone(), ignore.clone(), None);
        }
    }

    fn directory_with_own_ignore_file(&mut self, path: &HostPath, base: Option<Named<'_>>) {
        let ignore = self.ignore_file(path, vec![path.join(".dockerignore")]);
        self.root(path.clone(), ignore, base);
    }

    fn root(&mut self, path: HostPath, ignore: Option<Arc<IgnoreFile>>, base: Option<Named<'_>>) {
        let filters: Vec<BlockFilter> = [Some(self.own), base]
            .into_iter()
            .flatten()
            .filter_map(|named| self.block_filter(named, &path))
            .collect();
        let file = |ignore: &Option<Arc<IgnoreFile>>| ignore.as_ref().map(|it| it.file.clone());
        let services = |filters: &[BlockFilter]| -> Vec<String> {
            filters.iter().map(|it| it.service.clone()).collect()
        };
        let known = self.scope.roots.iter().any(|root| {
            root.path == path
                && file(&root.ignore) == file(&ignore)
                && services(&root.filters) == services(&filters)
        });
        if !known {
            self.scope.roots.push(Root {
                path,
                ignore,
                filters,
            });
        }
    }

    fn ignore_file(&mut self, base: &HostPath, names: Vec<HostPath>) -> Option<Arc<IgnoreFile>> {
        self.scope.always.extend(names.iter().cloned());
        self.read_ignore_file(base, names)
    }

    /// The rules of the first of `names` that exists.
    fn read_ignore_file(
        &mut self,
        base: &HostPath,
        names: Vec<HostPath>,
    ) -> Option<Arc<IgnoreFile>> {
        let read = names.into_iter().find_map(|name| {
            let text = (self.read)(&name).transpose()?;
            Some((name, text))
        });
        let (file, text) = read?;
        let text = match text {
            Ok(text) => text,
            Err(odd) => {
                self.complain(BadIgnore::File { file, odd });
                return None;
            }
        };
        match DockerIgnore::parse(&text) {
            Ok(rules) => Some(Arc::new(IgnoreFile {
                file,
                base: base.clone(),
                rules,
            })),
            Err(bad) => {
                self.refuse(&PatternList::File(file), bad);
                None
            }
        }
    }

    fn block_filter(
        &mut self,
        (service, block): Named<'_>,
        root: &HostPath,
    ) -> Option<BlockFilter> {
        match Filter::new(block, root) {
            Ok(filter) => filter.map(|filter| BlockFilter {
                service: service.to_owned(),
                filter,
            }),
            Err(Bad { ignore, only }) => {
                self.refuse(&PatternList::BlockIgnore(service.to_owned()), ignore);
                self.refuse(&PatternList::BlockOnly(service.to_owned()), only);
                None
            }
        }
    }

    fn refuse(&mut self, list: &PatternList, bad: Vec<crate::dockerignore::BadPattern>) {
        for bad in bad {
            self.complain(BadIgnore::Pattern {
                list: list.clone(),
                bad,
            });
        }
    }

    fn complain(&mut self, bad: BadIgnore) {
        // Two base services may share an ignore file: its problems are reported once.
        if !self.bad.contains(&bad) {
            self.bad.push(bad);
        }
    }
}
