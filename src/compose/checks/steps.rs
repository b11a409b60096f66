//! Checks the steps of a block (B7): each against what is watched, what the service is built from, and the other steps.

use crate::compose::block::{Block, Does, FallBackOn, OnFailure, Sync, Work};
use crate::compose::disk::Files;
use crate::compose::finding::{Findings, YamlPath};
use crate::compose::reader::ReadBlock;
use crate::compose::resolve::Draft;
use crate::compose::rule::PathRule;
use crate::compose::steps::Read;
use crate::paths::HostPath;

use super::roots::{self, LeftOutBy, Root};

/// Checks every step of the block that `read` holds; `roots` is everything watched for its service.
pub(super) fn check(
    draft: &Draft,
    read: &ReadBlock,
    roots: &[Root],
    disk: &dyn Files,
    found: &mut Findings,
) {
    let block = &read.block;
    // A remote context was reported already: there are no local roots to compare with.
    let unknown_roots = draft.sourcing.remote_context.is_some()
        && block.custom_build.is_none()
        && block.watch.is_empty();
    let only_image =
        draft.service.build.is_none() && block.custom_build.is_none() && !unknown_roots;
    if only_image && read.steps.is_empty() && !found_any(found, &read.at) {
        found.error_on_key(
            &read.at,
            "an empty list rebuilds on every change, but the service has only `image`",
            Some("add a `sync`, give the service a `build`, or take the block out".into()),
        );
    }
    let surroundings = Surroundings {
        block,
        roots,
        disk,
        unknown_roots,
        only_image,
    };
    for placed in &read.steps {
        match &placed.read {
            Read::Sync(sync, at) => surroundings.sync(sync, at, found),
            Read::FallBackOn(files) => surroundings.fall_back_on(files, &placed.at, found),
            Read::Work(work, spots) => surroundings.work(work, spots, &placed.at, found),
            Read::InitialSync | Read::WatchOnly(..) => {}
        }
    }
}

/// What the steps of one block are checked against.
struct Surroundings<'a> {
    block: &'a Block,
    roots: &'a [Root],
    disk: &'a dyn Files,
    /// What is watched cannot be known: the context is on another machine.
    unknown_roots: bool,
    /// The service has an image that is not built here, so it cannot be rebuilt.
    only_image: bool,
}

impl Surroundings<'_> {
    fn sync(&self, sync: &Sync, at: &YamlPath, found: &mut Findings) {
        if (!self.only_image || !self.block.watch.is_empty())
            && !self.unknown_roots
            && !self.roots.iter().any(|root| root.holds(&sync.local))
        {
            outside("sync source", &sync.local, at, self.roots, found);
            return;
        }
        check_exists(sync, at, self.disk, found);
        check_excluded(sync, at, self.block, self.roots, found);
    }

    fn fall_back_on(
        &self,
        files: &[(FallBackOn, YamlPath)],
        step: &YamlPath,
        found: &mut Findings,
    ) {
        if self.only_image {
            found.error(
                step,
                "`fall_back_on` asks for a rebuild, but the service has only `image`",
                Some("take the step out, or give the service a `build`".into()),
            );
            return;
        }
        for (file, at) in files {
            let root = file.rule.root();
            let reached = self.roots.iter().any(|watched| watched.meets(root));
            if !reached && !self.unknown_roots {
                outside("the path", root, at, self.roots, found);
            }
        }
    }

    fn work(&self, work: &Work, spots: &[YamlPath], step: &YamlPath, found: &mut Findings) {
        if work.is_last() && !self.block.watch.is_empty() {
            for (trigger, at) in work.trigger.iter().zip(spots) {
                let root = trigger.root();
                if !self.roots.iter().any(|watched| watched.meets(root)) {
                    outside("the trigger", root, at, self.roots, found);
                }
            }
        } else {
            check_triggers(&work.trigger, spots, self.block, found);
        }
        let Does::Run(run) = &work.does else {
            return;
        };
        if self.only_image && run.on_failure == OnFailure::Rebuild {
            found.warning(
                step,
                "`on_failure: rebuild` cannot rebuild a service that has only `image`",
                Some("take `on_failure` out, or give the service a `build`".into()),
            );
        }
    }
}

fn check_exists(sync: &Sync, at: &YamlPath, disk: &dyn Files, found: &mut Findings) {
    if disk.kind(&sync.local).is_none() {
        found.warning(
            at,
            format!("sync source `{}` does not exist", sync.local),
            Some(
                "it is synced as soon as it is created; check the path if it should be there"
                    .into(),
            ),
        );
    }
}

/// B7: a trigger that no sync covers can never fire.
fn check_triggers(triggers: &[PathRule], spots: &[YamlPath], block: &Block, found: &mut Findings) {
    for (trigger, at) in triggers.iter().zip(spots) {
        let root = trigger.root();
        let covered = block
            .syncs
            .iter()
            .any(|sync| root.below(&sync.local).is_some() || (sync.local.below(root).is_some()));
        if !covered && !block.syncs.is_empty() {
            found.warning(
                at,
                format!("no `sync` covers the trigger `{trigger}`, so it never fires"),
                Some("only synced files trigger; add a `sync` that holds it".into()),
            );
        }
    }
}

fn left_out(sync: &Sync, by: &str) -> String {
    format!(
        "sync source `{}` is left out entirely by {by}, so nothing of it is ever synced",
        sync.local
    )
}

/// B7: a source that ignore rules leave out entirely can never sync.
fn check_excluded(sync: &Sync, at: &YamlPath, block: &Block, roots: &[Root], found: &mut Findings) {
    let mut reasons = Vec::new();
    for root in roots.iter().filter(|root| root.holds(&sync.local)) {
        if let Some(reason) = root.excludes(&sync.local) {
            reasons.push(reason);
        } else {
            reasons.clear();
            break;
        }
    }
    if reasons.is_empty() {
        let root = roots.iter().find(|root| root.holds(&sync.local));
        let root = root.map_or(&sync.local, |root| &root.path);
        match roots::left_out_by_lists(block, root, &sync.local) {
            Some(LeftOutBy::Ignore(reason)) => reasons.push(reason),
            Some(LeftOutBy::Only) => {
                found.warning(
                    at,
                    left_out(sync, "the block's `only`"),
                    Some("name it in `only`, or take `only` out".into()),
                );
                return;
            }
            None => {}
        }
    }
    if sync
        .ignore
        .iter()
        .any(|pattern| matches!(pattern.as_str(), "**" | "*"))
        && !sync.ignore.iter().any(|pattern| pattern.starts_with('!'))
    {
        reasons.push("the sync's own `ignore`".into());
    }
    if let Some(reason) = reasons.first() {
        found.warning(
            at,
            left_out(sync, reason),
            Some("take the pattern out, or keep what is needed with a `!` pattern".into()),
        );
    }
}

fn outside(what: &str, path: &HostPath, at: &YamlPath, roots: &[Root], found: &mut Findings) {
    let places: Vec<String> = roots.iter().map(Root::to_string).collect();
    let (message, reason) = match places.as_slice() {
        [only] => (format!("{what} `{path}` is outside {only}"), "that"),
        _ => (
            format!("{what} `{path}` is outside {}", places.join(" and ")),
            "those",
        ),
    };
    let hint = if roots.iter().any(|root| root.path.below(path).is_some()) {
        "it reaches further than what is watched: name a path within".to_owned()
    } else {
        format!(
            "only files of {reason} get into the image, so no change elsewhere is watched; widen `build.context`, or name a path within"
        )
    };
    found.error(at, message, Some(hint));
}

/// Whether something was reported about that block.
fn found_any(found: &Findings, at: &YamlPath) -> bool {
    found.list.iter().any(|it| it.at.path.starts_with(&at.path))
}
