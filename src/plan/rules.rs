//! One service's rules, made ready once for many batches. Pure.

use std::path::Path;

use crate::compose::block::{FallBackOn, Matching, Sync, Unmatched, Work};
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
    /// Two syncs may bring different files to one place.
    crossing: bool,
    build_files: Vec<HostPath>,
    /// The files the model was read from: an edit of one is configuration (E7), not a change of the image's context.
    configuration: Vec<HostPath>,
}

/// One place that a host path goes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Target<'a> {
    /// In the container.
    pub to: ContainerPath,
    /// The sync that says so.
    pub sync: &'a Sync,
}

/// Where a host path goes: to one place nearly always.
#[derive(Clone, Debug, PartialEq)]
pub struct Targets<'a> {
    first: Target<'a>,
    more: Vec<Target<'a>>,
}

impl<'a> Targets<'a> {
    /// All of them, in the order of the list.
    pub fn iter(&self) -> impl Iterator<Item = &Target<'a>> {
        std::iter::once(&self.first).chain(&self.more)
    }
}

impl<'a> IntoIterator for Targets<'a> {
    type Item = Target<'a>;
    type IntoIter = std::iter::Chain<std::iter::Once<Target<'a>>, std::vec::IntoIter<Target<'a>>>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self.first).chain(self.more)
    }
}

/// What the rules say of a host path.
#[derive(Clone, Debug, PartialEq)]
pub enum Mapping<'a> {
    /// It is synced: by the first sync that holds it (C4), or by every one (F1).
    To(Targets<'a>),
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
        let crossing = block.syncs.iter().enumerate().any(|(index, one)| {
            let others = &block.syncs[..index];
            others
                .iter()
                .any(|other| is_crossing(one, other) || is_crossing(other, one))
        });
        Some(Self {
            service: service.name.clone(),
            block,
            filters,
            crossing,
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

    /// What follows the files, in order.
    pub fn works(&self) -> &[Work] {
        &self.block.works
    }

    /// Whether two syncs may bring different files to one place.
    pub fn are_crossing(&self) -> bool {
        self.crossing
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
        self.asks_for_rebuild(path).is_none() && matches!(self.mapping(path), Mapping::To(_))
    }

    /// F1: whether `path` is copied into the container of the rebuild that it asks for.
    pub fn follows_rebuild(&self, path: &HostPath) -> bool {
        self.block.matching == Matching::All
            && self.asks_for_rebuild(path).is_some()
            && matches!(self.mapping(path), Mapping::To(_))
    }

    /// The places `path` goes to; none when it is not synced.
    pub fn targets(&self, path: &HostPath) -> impl Iterator<Item = Target<'_>> {
        match self.mapping(path) {
            Mapping::To(targets) => Some(targets),
            _ => None,
        }
        .into_iter()
        .flatten()
    }

    /// What the rules say of `path`.
    pub fn mapping(&self, path: &HostPath) -> Mapping<'_> {
        let mut ignored = None;
        let mut targets: Option<Targets<'_>> = None;
        for (sync, filter) in self.block.syncs.iter().zip(&self.filters) {
            let Some(relative) = path.below(&sync.local) else {
                continue;
            };
            if !filter.includes(sync, relative) {
                continue;
            }
            match filter.ignores(sync, relative) {
                None => {
                    let to = target(sync, relative);
                    match &mut targets {
                        None => {
                            targets = Some(Targets {
                                first: Target { to, sync },
                                more: Vec::new(),
                            });
                        }
                        Some(targets) if targets.iter().any(|target| target.to == to) => {}
                        Some(targets) => targets.more.push(Target { to, sync }),
                    }
                    if self.block.matching == Matching::First {
                        break;
                    }
                }
                Some(why) => ignored = ignored.or(Some(why)),
            }
        }
        if let Some(targets) = targets {
            return Mapping::To(targets);
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

/// Whether `inner` brings what `outer` may bring another file for. Parts of one tree, each at its place, do not.
fn is_crossing(inner: &Sync, outer: &Sync) -> bool {
    if !inner.remote.is_within(&outer.remote) {
        return false;
    }
    let same_place = inner.local.below(&outer.local);
    same_place.is_none_or(|below| outer.remote.join(below) != inner.remote)
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
