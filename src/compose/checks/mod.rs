//! Checks blocks against services, contexts and the disk (B7, B9, D3): errors for what can never work, warnings for what was
//! hardly meant.

mod build;
mod overlaps;
mod roots;
mod steps;
mod watch_rules;

use std::collections::BTreeSet;

use crate::dockerignore::DockerIgnore;

use super::block::Origin;
use super::disk::Files;
use super::finding::{Findings, Seg, YamlPath};
use super::reader::ReadBlock;
use super::resolve::Draft;
use super::sources::Sources;
use super::steps::Read;
use roots::watched;

/// Checks every service of the project, and that at least one can be live-updated.
pub fn check(drafts: &mut [Draft], sources: &Sources, disk: &dyn Files, found: &mut Findings) {
    let mut bad_ignore_files = BTreeSet::new();
    for index in 0..drafts.len() {
        let draft = &drafts[index];
        build::check(draft, disk, found);
        build::check_ignore_file(draft, disk, &mut bad_ignore_files, found);
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
        build::check_custom(draft, read, disk, found);
        check_patterns(read, found);
        let roots = watched(drafts, index, disk);
        if read.block.origin == Origin::DevelopWatch {
            watch_rules::check(draft, read, disk, found);
            overlaps::check(read, disk, found);
        } else {
            steps::check(draft, read, &roots, disk, found);
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

/// No service can be live-updated: shows the user a block to paste.
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

/// Reports every pattern in `.dockerignore`'s syntax that cannot be read.
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

/// Splits the message of a bad pattern: its second line says what to write instead.
fn split_hint(text: &str) -> (String, Option<String>) {
    match text.split_once('\n') {
        Some((why, instead)) => (why.to_owned(), Some(instead.to_owned())),
        None => (text.to_owned(), None),
    }
}
