//! Decides what one batch of changes asks of one service (`spec.md` C3, C4). No files, no engine, no clock, no terminal.

pub mod follow;
pub mod rules;
mod steps;
mod words;

pub use rules::Rules;
pub use steps::DueStep;
pub use words::{Because, Copy, Debts, DueBecause, Idle, LeftOut, LiveUpdate, Plan, Remove, Why};

use std::collections::HashMap;

use crate::compose::block::{Step, Unmatched};
use crate::paths::{ContainerPath, HostPath};
use crate::watch::{Change, Entry, Kind};

use rules::{Mapping, Target};
use steps::add_steps;

/// The plan for `batch`: changes that are watched for this service, in the order of the batch.
pub fn plan(rules: &Rules, batch: &[Change], debts: &Debts) -> Plan {
    if batch.is_empty() && !debts.is_owed_anything() {
        return Plan::Nothing(Idle::NothingChanged);
    }
    if let Some(because) = batch
        .iter()
        .find_map(|change| rules.asks_for_rebuild(change.path()))
    {
        return Plan::Rebuild(because);
    }
    in_place(rules, batch, debts)
}

/// The plan for changes whose build, where they asked for one, is done (F1): what their syncs bring into its container.
pub fn in_place(rules: &Rules, batch: &[Change], debts: &Debts) -> Plan {
    let mut update = LiveUpdate::default();
    for change in batch {
        if let Some(because) = place(rules, change, &mut update) {
            return Plan::Rebuild(because);
        }
    }
    if rules.are_crossing() {
        keep_one_for_each_place(&mut update);
    }
    add_steps(rules, debts, &mut update);
    if update.is_empty() {
        return Plan::Nothing(match update.left_out.first() {
            Some(left_out) => Idle::LeftOut(left_out.clone()),
            None => Idle::NothingChanged,
        });
    }
    Plan::LiveUpdate(update)
}

/// Puts one change where the syncs say; the answer is the rebuild it asks for instead.
fn place(rules: &Rules, change: &Change, update: &mut LiveUpdate) -> Option<Because> {
    let path = change.path();
    match rules.mapping(path) {
        Mapping::To(targets) => match change {
            Change::Removed(path) => {
                update
                    .removes
                    .extend(targets.into_iter().map(|target| Remove {
                        path: path.clone(),
                        to: target.to,
                        step: target.sync.step.clone(),
                    }));
            }
            Change::Written(path, entry) => match &entry.kind {
                Kind::Special => update.left_out.push(LeftOut {
                    path: path.clone(),
                    why: Why::Special,
                }),
                Kind::Unreadable { why } => {
                    update.left_out.push(LeftOut {
                        path: path.clone(),
                        why: Why::Unreadable(why.clone()),
                    });
                }
                Kind::File { .. } | Kind::Directory | Kind::Link { .. } => {
                    let copies = targets.into_iter().map(|target| copy(path, entry, target));
                    update.copies.extend(copies);
                }
            },
        },
        Mapping::LeftOut(why) => update.left_out.push(LeftOut {
            path: path.clone(),
            why,
        }),
        Mapping::WatchOnly(_) => update.noticed.push(path.clone()),
        Mapping::Configuration => update.left_out.push(LeftOut {
            path: path.clone(),
            why: Why::Configuration,
        }),
        Mapping::SyncParent => {}
        // A new, empty directory asks for nothing: what will be in it does. Otherwise every `mkdir` would be a rebuild.
        Mapping::None if is_directory(change) => {}
        Mapping::None => match rules.unmatched() {
            Unmatched::Rebuild => return Some(Because::NoSyncCovers { path: path.clone() }),
            Unmatched::Ignore => update.left_out.push(LeftOut {
                path: path.clone(),
                why: Why::Unmatched,
            }),
        },
    }
    None
}

fn copy(path: &HostPath, entry: &Entry, Target { to, sync }: Target<'_>) -> Copy {
    Copy {
        from: path.clone(),
        depth: rules::depth(sync, path),
        // `remote_path` ending in `/` speaks of a single file; a directory is what it is synced to.
        to: if *path == sync.local && entry.kind == Kind::Directory {
            sync.remote.clone()
        } else {
            to
        },
        entry: entry.clone(),
        step: sync.step.clone(),
        in_place: sync.in_place,
    }
}

/// Of several files for one place the one of the earlier step goes there; a directory is made once.
fn keep_one_for_each_place(update: &mut LiveUpdate) {
    let mut taken: HashMap<ContainerPath, Step> = HashMap::new();
    for copy in &update.copies {
        let first = taken
            .entry(copy.to.clone())
            .or_insert_with(|| copy.step.clone());
        if copy.step < *first {
            first.clone_from(&copy.step);
        }
    }
    let copies = std::mem::take(&mut update.copies);
    for copy in copies {
        match taken.get(&copy.to) {
            Some(first) if *first != copy.step => {
                // Two directories there are one.
                if copy.entry.kind == Kind::Directory {
                    update.noticed.push(copy.from);
                    continue;
                }
                let (path, step) = (copy.from, first.clone());
                update.left_out.push(LeftOut {
                    path,
                    why: Why::TakenBy { step, to: copy.to },
                });
            }
            _ => update.copies.push(copy),
        }
    }
    update.removes.retain(|remove| match taken.get(&remove.to) {
        Some(step) => {
            let (path, step) = (remove.path.clone(), step.clone());
            let to = remove.to.clone();
            update.left_out.push(LeftOut {
                path,
                why: Why::TakenBy { step, to },
            });
            false
        }
        None => true,
    });
}

fn is_directory(change: &Change) -> bool {
    matches!(change, Change::Written(_, entry) if entry.kind == Kind::Directory)
}

#[cfg(test)]
mod tests;
