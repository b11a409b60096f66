//! Puts a [`Scope`] together from a service's configuration and the ignore files' text. Looks at nothing by itself.

use std::sync::Arc;

use crate::compose::block::Origin;
use crate::compose::filter::{Bad, Filter};
use crate::compose::{Block, Build, Project, Service};
use crate::dockerignore::DockerIgnore;
use crate::paths::HostPath;
use crate::plain_file::IfAny;
use crate::watch::ignored::{BadIgnore, PatternList};
use crate::watch::last_seen::LastSeen;

use super::{BlockFilter, IgnoreFile, Root, Scope};

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
