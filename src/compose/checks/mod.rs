//! Checks read blocks against services, contexts and the disk (B7, B9, D3): what could never work, and what hardly was meant.

mod overlaps;
mod roots;
mod watch_rules;

use std::collections::BTreeSet;

use crate::dockerignore::DockerIgnore;
use crate::paths::HostPath;
use crate::plain_file::Odd;

use super::block::{Block, Does, OnFailure, Origin, Sync, Work};
use super::disk::Files;
use super::finding::{Findings, Seg, YamlPath};
use super::reader::ReadBlock;
use super::resolve::Draft;
use super::rule::PathRule;
use super::sources::Sources;
use super::steps::Read;
use roots::{LeftOutBy, Root, watched};

/// Checks every service of the project, and that there is something to do at all.
pub fn check(drafts: &mut [Draft], sources: &Sources, disk: &dyn Files, found: &mut Findings) {
    let mut bad_ignore_files = BTreeSet::new();
    for index in 0..drafts.len() {
        let draft = &drafts[index];
        check_build(draft, disk, found);
        check_ignore_file(draft, disk, &mut bad_ignore_files, found);
        if draft.renamed_develop {
            found.warning(
                &draft.at().key("x-develop"),
                "`x-develop` is no key of Compose's: the rules in it are used by nobody",
                Some("name it `develop`, or take it out".into()),
            );
        }
        let Some(read) = &draft.block else {
            continue;
        };
        if draft.shadowed_watch {
            let mut at = draft.at().key("develop");
            at.path.push(super::finding::Seg::Key("watch".into()));
            found.warning(
                &at,
                "`develop.watch` stands beside `x-live-update` and is not used here",
                Some("it still holds for `docker compose watch`".into()),
            );
        }
        check_custom_build(draft, read, disk, found);
        check_patterns(read, found);
        let roots = watched(drafts, index, disk);
        if read.block.origin == Origin::DevelopWatch {
            watch_rules::check(draft, read, disk, found);
            overlaps::check(read, disk, found);
        } else {
            check_steps(draft, read, &roots, disk, found);
            if !roots.is_empty() && draft.sourcing.remote_context.is_none() {
                roots::check_lists(read, &roots, disk, found);
            }
            overlaps::check(read, disk, found);
        }
        let tag = &draft.service.image.clone();
        if let Some(custom) = drafts[index]
            .block
            .as_mut()
            .and_then(|read| read.block.custom_build.as_mut())
            && custom.tag.is_empty()
        {
            custom.tag.clone_from(tag);
        }
    }
    if !drafts.iter().any(|draft| draft.block.is_some()) && !found.has_errors() {
        no_block(drafts, sources, found);
    }
}

/// A project in which nothing would ever be live-updated: the user sees the block to paste.
fn no_block(drafts: &[Draft], sources: &Sources, found: &mut Findings) {
    let built = drafts.iter().find(|draft| draft.service.build.is_some());
    let at = built
        .or(drafts.first())
        .map_or_else(YamlPath::root, |draft| YamlPath {
            service: None,
            ..draft.at()
        });
    let name = built.map_or("web", |draft| draft.service.name.as_str());
    let context = built
        .and_then(|draft| draft.service.build.as_ref())
        .and_then(|build| build.context.below(&sources.project_dir))
        .filter(|below| !below.as_os_str().is_empty())
        .map_or_else(|| ".".to_owned(), |below| format!("./{}", below.display()));
    found.error_with_example(
        &at,
        "no service has an `x-live-update` block or `develop.watch` rules, so there is nothing to update",
        "say for a service what goes where, for example:",
        &[
            "services:".to_owned(),
            format!("  {name}:"),
            "    x-live-update:".to_owned(),
            format!("      - sync: {context}/src:/app/src"),
            "      - restart_container".to_owned(),
        ],
    );
}

fn check_build(draft: &Draft, disk: &dyn Files, found: &mut Findings) {
    let custom = draft
        .block
        .as_ref()
        .is_some_and(|read| read.block.custom_build.is_some());
    if custom {
        return;
    }
    let at = draft.at().key("build");
    if let (Some(remote), Some(read)) = (&draft.sourcing.remote_context, &draft.block) {
        found.error_on_key(
            &read.at,
            format!("the build context `{remote}` is not on this machine, so no file of it can be watched or synced"),
            Some("build from a local checkout, or name what to watch in `custom_build: {command: .., deps: [..]}`".into()),
        );
    }
    let Some(build) = &draft.service.build else {
        return;
    };
    if let Some(dockerfile) = &build.dockerfile
        && let Err(error) = disk.read(dockerfile)
        && let Some(odd) = Odd::of(&error)
    {
        // Also without a block: the builder would not come back from it.
        found.error(
            &at.key("dockerfile"),
            format!("the Dockerfile `{dockerfile}` {odd}"),
            Some(odd.hint().to_owned()),
        );
        return;
    }
    let complaint = if disk.kind(&build.context).is_none() {
        (
            at.key("context"),
            format!("the build context `{}` does not exist", build.context),
            "check `build.context`; it is relative to the project directory".to_owned(),
        )
    } else if let Some(dockerfile) = build
        .dockerfile
        .as_ref()
        .filter(|dockerfile| disk.kind(dockerfile).is_none())
    {
        (
            at.key("dockerfile"),
            format!("the Dockerfile `{dockerfile}` does not exist"),
            "write it, or name another one in `build.dockerfile`, relative to the context"
                .to_owned(),
        )
    } else {
        return;
    };
    let (at, message, hint) = complaint;
    if draft.block.is_some() {
        found.error(&at, message, Some(hint));
    } else {
        // Its image may be there already; Compose will say so if it is not.
        found.warning(&at, message, Some(hint));
    }
}

fn check_ignore_file(
    draft: &Draft,
    disk: &dyn Files,
    seen: &mut BTreeSet<HostPath>,
    found: &mut Findings,
) {
    let Some(build) = &draft.service.build else {
        return;
    };
    let file = &build.ignore_file;
    if !seen.insert(file.clone()) {
        return;
    }
    let text = match disk.read(file) {
        Ok(text) => text,
        Err(error) => {
            if let Some(odd) = Odd::of(&error) {
                found.error(
                    &draft.at().key("build"),
                    format!("the ignore file `{file}` {odd}"),
                    Some(odd.hint().to_owned()),
                );
            }
            return;
        }
    };
    for bad in DockerIgnore::parse(&text).err().into_iter().flatten() {
        let (why, instead) = split_hint(&bad.to_string());
        found.error(
            &draft.at().key("build"),
            format!("line {} of `{file}` cannot be read: {why}", bad.line),
            instead.or_else(|| Some("the builder refuses it as well: put it right there".into())),
        );
    }
}

fn check_custom_build(draft: &Draft, read: &ReadBlock, disk: &dyn Files, found: &mut Findings) {
    let Some(custom) = &read.block.custom_build else {
        return;
    };
    let at = read.at.key("custom_build");
    if !custom.tag.is_empty() && custom.tag != draft.service.image {
        found.warning(
            &at.key("tag"),
            format!(
                "the image `{}` is built, but the service runs `{}`",
                custom.tag, draft.service.image
            ),
            Some(format!(
                "write `image: {}` for the service, or take `tag` out",
                custom.tag
            )),
        );
    }
    for (dep, at) in custom.deps.iter().zip(&read.deps) {
        if disk.kind(dep).is_none() {
            found.warning(
                at,
                format!("the dep `{dep}` does not exist"),
                Some("it is watched as soon as it is created".into()),
            );
        }
    }
}

/// Every list in `.dockerignore`'s syntax must be one that can be read.
fn check_patterns(read: &ReadBlock, found: &mut Findings) {
    let mut check = |key: &str, list: &[String], at: &YamlPath| {
        let patterns = DockerIgnore::from_patterns(list.iter().map(String::as_str));
        for bad in patterns.err().into_iter().flatten() {
            let (why, instead) = split_hint(&bad.to_string());
            found.error(
                at,
                format!("a pattern of `{key}` cannot be read: {why}"),
                instead,
            );
        }
    };
    check("ignore", &read.block.ignore, &read.at.key("ignore"));
    check("only", &read.block.only, &read.at.key("only"));
    for placed in &read.steps {
        if let Read::Sync(sync, at) = &placed.read {
            check("ignore", &sync.ignore, &beside(at, "ignore"));
            check("include", &sync.include, &beside(at, "include"));
        }
    }
}

/// The `key` of the same sync as the path at `at`.
fn beside(at: &YamlPath, key: &str) -> YamlPath {
    let mut spot = at.clone();
    match spot.path.last() {
        Some(Seg::Key(last)) if last == "local_path" || last == "path" => {
            spot.path.pop();
            spot.key(key)
        }
        _ => spot,
    }
}

/// A bad pattern says on its second line what to write instead.
fn split_hint(text: &str) -> (String, Option<String>) {
    match text.split_once('\n') {
        Some((why, instead)) => (why.to_owned(), Some(instead.to_owned())),
        None => (text.to_owned(), None),
    }
}

fn check_steps(
    draft: &Draft,
    read: &ReadBlock,
    roots: &[Root],
    disk: &dyn Files,
    found: &mut Findings,
) {
    let block = &read.block;
    // Said already: with a remote context there is nothing to compare with.
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
    for placed in &read.steps {
        match &placed.read {
            Read::Sync(sync, at) => {
                if (!only_image || !block.watch.is_empty())
                    && !unknown_roots
                    && !roots.iter().any(|root| root.holds(&sync.local))
                {
                    outside("sync source", &sync.local, at, roots, found);
                    continue;
                }
                check_exists(sync, at, disk, found);
                check_excluded(sync, at, block, roots, found);
            }
            Read::FallBackOn(files) => {
                if only_image {
                    found.error(
                        &placed.at,
                        "`fall_back_on` asks for a rebuild, but the service has only `image`",
                        Some("take the step out, or give the service a `build`".into()),
                    );
                    continue;
                }
                for (file, at) in files {
                    let root = file.rule.root();
                    let reached = roots.iter().any(|watched| watched.meets(root));
                    if !reached && !unknown_roots {
                        outside("the path", root, at, roots, found);
                    }
                }
            }
            Read::Work(work, spots) => {
                check_work_triggers(work, spots, block, roots, found);
                let Does::Run(run) = &work.does else {
                    continue;
                };
                if only_image && run.on_failure == OnFailure::Rebuild {
                    found.warning(
                        &placed.at,
                        "`on_failure: rebuild` cannot rebuild a service that has only `image`",
                        Some("take `on_failure` out, or give the service a `build`".into()),
                    );
                }
            }
            Read::InitialSync | Read::WatchOnly(..) => {}
        }
    }
}

/// A last step's triggers may also name what the block's own `watch` watches; all others name what is synced.
fn check_work_triggers(
    work: &Work,
    spots: &[YamlPath],
    block: &Block,
    roots: &[Root],
    found: &mut Findings,
) {
    if !work.is_last() || block.watch.is_empty() {
        check_triggers(&work.trigger, spots, block, found);
        return;
    }
    for (trigger, at) in work.trigger.iter().zip(spots) {
        let root = trigger.root();
        if !roots.iter().any(|watched| watched.meets(root)) {
            outside("the trigger", root, at, roots, found);
        }
    }
}

/// Whether something was already said about that block.
fn found_any(found: &Findings, at: &YamlPath) -> bool {
    found.list.iter().any(|it| it.at.path.starts_with(&at.path))
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
