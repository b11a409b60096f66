//! Finds steps that repeat each other, or that an earlier step keeps from ever having an effect. Pure.

use crate::compose::block::{Does, FallBackOn, Matching, Sync, Work};
use crate::compose::disk::{FileKind, Files};
use crate::compose::finding::{Findings, YamlPath};
use crate::compose::reader::{Placed, ReadBlock};
use crate::compose::steps::Read;
use crate::paths::ContainerPath;

/// Warns of steps that another step makes useless, and of two steps that write to one path.
pub fn check(read: &ReadBlock, disk: &dyn Files, found: &mut Findings) {
    for (index, placed) in read.steps.iter().enumerate() {
        let earlier = &read.steps[..index];
        match &placed.read {
            Read::Sync(sync, at) => {
                let shadowed = if read.block.matching == Matching::All {
                    covered_by_rebuild(sync, at, &read.steps, found);
                    false
                } else {
                    covered_by_fall_back(sync, at, earlier, found);
                    shadowed(sync, at, earlier, found)
                };
                if !shadowed {
                    meets_another(sync, at, earlier, disk, found);
                }
            }
            Read::Work(work, _) => {
                let twin = earlier.iter().find(|other| match &other.read {
                    Read::Work(other, _) => is_twin(other, work),
                    _ => false,
                });
                if let Some(twin) = twin {
                    found.warning(
                        &placed.at,
                        format!("the same `run` stands in {}", twin.step),
                        Some("it runs twice with every update: take one out".into()),
                    );
                }
            }
            _ => {}
        }
    }
}

/// Whether two commands are one, whatever their options.
fn is_twin(one: &Work, other: &Work) -> bool {
    match (&one.does, &other.does) {
        (Does::Run(run), Does::Run(same)) => {
            run.command == same.command && one.trigger == other.trigger
        }
        _ => false,
    }
}

/// C3.2 before C3.4: what falls back never syncs.
fn covered_by_fall_back(sync: &Sync, at: &YamlPath, earlier: &[Placed], found: &mut Findings) {
    for placed in earlier {
        let Read::FallBackOn(files) = &placed.read else {
            continue;
        };
        if let Some(file) = whole(files, sync) {
            found.warning(
                at,
                format!(
                    "this sync never applies: `fall_back_on` in {} asks for a rebuild on every change in `{}`",
                    placed.step, file.rule
                ),
                Some("name fewer files in `fall_back_on`, or take the sync out".into()),
            );
        }
    }
}

/// The first of `files` that holds the sync's source completely.
fn whole<'a>(files: &'a [(FallBackOn, YamlPath)], sync: &Sync) -> Option<&'a FallBackOn> {
    let holds = |file: &FallBackOn| {
        !file.rule.is_filtered()
            && file
                .rule
                .path()
                .is_some_and(|path| sync.local.below(path).is_some())
    };
    files.iter().map(|(file, _)| file).find(|file| holds(file))
}

/// F1: a file of both is copied into the container of its rebuild, and only then.
fn covered_by_rebuild(sync: &Sync, at: &YamlPath, steps: &[Placed], found: &mut Findings) {
    for placed in steps {
        let Read::FallBackOn(files) = &placed.read else {
            continue;
        };
        if let Some(file) = whole(files, sync) {
            found.warning(
                at,
                format!(
                    "this sync never applies by itself: {} asks for a rebuild on every change in `{}`, and what is synced comes after it",
                    placed.step, file.rule
                ),
                Some("name fewer files for the rebuild, or take the sync out".into()),
            );
        }
    }
}

/// Two sources for one path in the container, or a file where the other sync has a directory.
fn meets_another(
    sync: &Sync,
    at: &YamlPath,
    earlier: &[Placed],
    disk: &dyn Files,
    found: &mut Findings,
) {
    let is_file = |sync: &Sync| disk.kind(&sync.local) == Some(FileKind::File);
    // A file whose target ends in `/` goes into that directory under its own name.
    let place = |sync: &Sync| match sync.local.as_path().file_name() {
        Some(name) if sync.into_directory && is_file(sync) => sync.remote.join(name.as_ref()),
        _ => sync.remote.clone(),
    };
    let mine = place(sync);
    for placed in earlier {
        let Read::Sync(other, _) = &placed.read else {
            continue;
        };
        let theirs = place(other);
        let step = &placed.step;
        let below =
            |inner: &ContainerPath, outer: &ContainerPath| inner.is_within(outer) && inner != outer;
        let (file, directory) = match (is_file(sync), is_file(other)) {
            (true, false) if theirs.is_within(&mine) => (sync, &theirs),
            (false, true) if mine.is_within(&theirs) => (other, &mine),
            (true, true) if below(&theirs, &mine) => (sync, &theirs),
            (true, true) if below(&mine, &theirs) => (other, &mine),
            _ if mine == theirs && sync.local != other.local => {
                found.warning(
                    at,
                    format!("the target `{mine}` is that of {step} too"),
                    Some(format!(
                        "where both have a file of one name, that of {step} is kept: give each a target of its own"
                    )),
                );
                return;
            }
            _ => continue,
        };
        let name = file.local.as_path().file_name().unwrap_or_default();
        found.warning(
            at,
            format!(
                "`{}` is a file and goes to `{}`, where {step} and this sync need a directory (`{directory}`): one of the two cannot be put there",
                file.local, file.remote
            ),
            Some(format!(
                "a target names the file itself: write `{}`",
                file.remote.join(name.as_ref())
            )),
        );
        return;
    }
}

/// C4: the first sync that holds the file decides.
fn shadowed(sync: &Sync, at: &YamlPath, earlier: &[Placed], found: &mut Findings) -> bool {
    for placed in earlier {
        let Read::Sync(first, _) = &placed.read else {
            continue;
        };
        let takes_all = first.ignore.is_empty() && first.include.is_empty();
        if !takes_all || sync.local.below(&first.local).is_none() {
            continue;
        }
        if sync.local == first.local && sync.remote == first.remote {
            found.warning(
                at,
                format!("the same sync stands in {}", placed.step),
                Some("take one out".into()),
            );
        } else {
            found.warning(
                at,
                format!(
                    "this sync never gets a file: {} already takes all of `{}`",
                    placed.step, first.local
                ),
                Some("the first sync that holds a file decides: put the narrower one first".into()),
            );
        }
        return true;
    }
    false
}
