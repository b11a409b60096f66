//! One service's rules, made ready once for many batches. Pure.

use std::path::Path;

use crate::compose::block::{FallBackOn, Restart, Run, Sync, Unmatched};
use crate::compose::{Block, Project, Service};
use crate::dockerignore::DockerIgnore;
use crate::paths::{ContainerPath, HostPath};

use super::words::{Because, Why};

/// The rules of one service: its block, and the files that say how its images are built.
#[derive(Clone, Debug)]
pub struct Rules {
    service: String,
    block: Block,
    filters: Vec<SyncFilter>,
    build_files: Vec<HostPath>,
    /// The files the model was read from: an edit of one is configuration (E7), not a change of the image's context.
    configuration: Vec<HostPath>,
}

/// Where a host path goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Mapping<'a> {
    /// The first sync that holds it decides (C4).
    To {
        /// Its place in the container.
        to: ContainerPath,
        /// The sync.
        sync: &'a Sync,
    },
    /// Every sync that holds it leaves it out.
    LeftOut(Why),
    /// It is watched for a trigger alone.
    WatchOnly(&'a FallBackOn),
    /// A sync's source lies below it: what happens there is told by the paths below it.
    SyncParent,
    /// It is one of the project's own files: it is read again (E7), and no reason to build.
    Configuration,
    /// No sync covers it.
    None,
}

#[derive(Clone, Debug)]
struct SyncFilter {
    ignore: DockerIgnore,
    include: Option<DockerIgnore>,
}

impl SyncFilter {
    fn of(sync: &Sync) -> Self {
        // Bad patterns are refused when the block is read; what could not be read filters nothing.
        let patterns = |list: &[String]| {
            DockerIgnore::from_patterns(list.iter().map(String::as_str))
                .unwrap_or_else(|_| DockerIgnore::empty())
        };
        Self {
            ignore: patterns(&sync.ignore),
            include: (!sync.include.is_empty()).then(|| patterns(&sync.include)),
        }
    }

    /// What `ignore` leaves out asks for nothing at all (C2).
    fn ignores(&self, sync: &Sync, relative: &Path) -> Option<Why> {
        let decision = self.ignore.verdict(own_name(sync, relative))?;
        decision.ignored.then(|| Why::SyncIgnores {
            step: sync.step.clone(),
            pattern: decision.pattern.to_owned(),
        })
    }

    /// What `include` does not name is simply not in this sync.
    fn includes(&self, sync: &Sync, relative: &Path) -> bool {
        self.include
            .as_ref()
            .is_none_or(|include| include.ignores(own_name(sync, relative)))
    }
}

impl Rules {
    /// The rules of `service`; `None` when it has no block and is left alone (B2).
    pub fn of(project: &Project, service: &Service) -> Option<Self> {
        let block = service.block.clone()?;
        let builds = service
            .bases
            .iter()
            .filter_map(|base| project.service(base))
            .chain([service])
            .filter_map(|service| service.build.as_ref());
        let build_files = if block.custom_build.is_some() {
            Vec::new()
        } else {
            builds
                .flat_map(|build| {
                    build
                        .ignore_files()
                        .into_iter()
                        .chain(build.dockerfile.clone())
                })
                .collect()
        };
        let filters = block.syncs.iter().map(SyncFilter::of).collect();
        Some(Self {
            service: service.name.clone(),
            block,
            filters,
            build_files,
            configuration: project.sources.clone(),
        })
    }

    /// The service's name.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The block they come from.
    pub fn block(&self) -> &Block {
        &self.block
    }

    /// The commands, in order.
    pub fn runs(&self) -> &[Run] {
        &self.block.runs
    }

    /// The last step.
    pub fn restart(&self) -> Option<&Restart> {
        self.block.restart.as_ref()
    }

    /// What an uncovered file asks for.
    pub fn unmatched(&self) -> Unmatched {
        self.block.unmatched
    }

    /// C3.2: whether a change of `path` is a full rebuild whatever else it matches.
    pub fn asks_for_rebuild(&self, path: &HostPath) -> Option<Because> {
        if self.build_files.contains(path) {
            return Some(Because::BuildFile { path: path.clone() });
        }
        self.block
            .fall_back_on
            .iter()
            .find(|entry| entry.rule.matches(path))
            .map(|entry| Because::FallBackOn {
                path: path.clone(),
                rule: entry.rule.to_string(),
                step: entry.step.clone(),
            })
    }

    /// C3.2, C3.3: whether a change of the file `path` is a full rebuild.
    pub fn rebuilds(&self, path: &HostPath) -> bool {
        self.asks_for_rebuild(path).is_some()
            || (self.unmatched() == Unmatched::Rebuild && self.mapping(path) == Mapping::None)
    }

    /// Whether a change of the file `path` asks for something that its content alone decides, and no container's.
    pub fn decides_by_content(&self, path: &HostPath) -> bool {
        self.rebuilds(path) || matches!(self.mapping(path), Mapping::WatchOnly(_))
    }

    /// Where the files lie that the rules name: the files themselves, or a directory above them.
    pub fn named(&self) -> impl Iterator<Item = &HostPath> {
        let rules = self.block.fall_back_on.iter().chain(&self.block.watch_only);
        let deps = self.block.custom_build.iter().flat_map(|build| &build.deps);
        let deps = deps.filter(|dep| dep.as_path().is_file());
        self.build_files
            .iter()
            .chain(rules.map(|entry| entry.rule.root()))
            .chain(deps)
    }

    /// Whether a sync holds `path` and nothing makes it a full rebuild.
    pub fn syncs(&self, path: &HostPath) -> bool {
        self.asks_for_rebuild(path).is_none() && matches!(self.mapping(path), Mapping::To { .. })
    }

    /// C4: where `path` goes.
    pub fn mapping(&self, path: &HostPath) -> Mapping<'_> {
        let mut ignored = None;
        for (sync, filter) in self.block.syncs.iter().zip(&self.filters) {
            let Some(relative) = path.below(&sync.local) else {
                continue;
            };
            if !filter.includes(sync, relative) {
                continue;
            }
            match filter.ignores(sync, relative) {
                None => {
                    return Mapping::To {
                        to: target(sync, relative),
                        sync,
                    };
                }
                Some(why) => ignored = ignored.or(Some(why)),
            }
        }
        if let Some(entry) = self
            .block
            .watch_only
            .iter()
            .find(|entry| entry.rule.matches(path))
        {
            return Mapping::WatchOnly(entry);
        }
        match ignored {
            Some(why) => Mapping::LeftOut(why),
            None if self
                .block
                .syncs
                .iter()
                .any(|sync| sync.local.below(path).is_some()) =>
            {
                Mapping::SyncParent
            }
            None if self.configuration.contains(path) => Mapping::Configuration,
            None => Mapping::None,
        }
    }
}

/// A single file as source is relative to itself as its own name.
fn own_name<'a>(sync: &'a Sync, relative: &'a Path) -> &'a Path {
    match sync.local.as_path().file_name() {
        Some(name) if relative.as_os_str().is_empty() => Path::new(name),
        _ => relative,
    }
}

/// How many names `path` lies below the sync's source.
pub fn depth(sync: &Sync, path: &HostPath) -> usize {
    path.below(&sync.local)
        .map_or(0, |below| below.components().count())
}

/// The place of the file `relative` to the sync's source.
fn target(sync: &Sync, relative: &Path) -> ContainerPath {
    match sync.local.as_path().file_name() {
        Some(name) if relative.as_os_str().is_empty() && sync.into_directory => {
            sync.remote.join(Path::new(name))
        }
        _ => sync.remote.join(relative),
    }
}
