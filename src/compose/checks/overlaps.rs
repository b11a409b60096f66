//! Steps that take each other's place: what the list says twice, or says where it can never come to pass. Pure.

use crate::compose::block::Sync;
use crate::compose::finding::{Findings, Spot};
use crate::compose::reader::{Placed, ReadBlock};
use crate::compose::steps::Read;

/// Warns of steps that another one makes useless.
pub fn check(read: &ReadBlock, found: &mut Findings) {
    for (index, placed) in read.steps.iter().enumerate() {
        let earlier = &read.steps[..index];
        match &placed.read {
            Read::Sync(sync, at) => {
                covered_by_fall_back(sync, at, earlier, found);
                shadowed(sync, at, earlier, found);
            }
            Read::Run(run, _) => {
                let twin = earlier.iter().find(|other| match &other.read {
                    Read::Run(other, _) => {
                        other.command == run.command && other.trigger == run.trigger
                    }
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

/// C3.2 before C3.4: what falls back never syncs.
fn covered_by_fall_back(sync: &Sync, at: &Spot, earlier: &[Placed], found: &mut Findings) {
    for placed in earlier {
        let Read::FallBackOn(files) = &placed.read else {
            continue;
        };
        let whole = files.iter().find(|(file, _)| {
            file.rule
                .path()
                .is_some_and(|path| sync.local.below(path).is_some())
        });
        if let Some((file, _)) = whole {
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

/// C4: the first sync that holds the file decides.
fn shadowed(sync: &Sync, at: &Spot, earlier: &[Placed], found: &mut Findings) {
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
        return;
    }
}
