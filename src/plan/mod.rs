//! Decides what one batch of changes asks of one service (`spec.md` C3, C4). No files, no engine, no clock, no terminal.

pub mod follow;
pub mod rules;
mod words;

pub use rules::Rules;
pub use words::{
    Because, Copy, Due, DueBecause, Idle, LeftOut, LiveUpdate, Plan, Remove, Standing, Why,
};

use crate::compose::block::{Restart, Run, Unmatched};
use crate::watch::{Change, Kind};

use rules::Mapping;

/// The plan for `batch`: changes that are watched for this service, in the order of the batch.
pub fn plan(rules: &Rules, batch: &[Change], standing: &Standing) -> Plan {
    if batch.is_empty() && !standing.is_owed_anything() {
        return Plan::Nothing(Idle::NothingChanged);
    }
    if let Some(because) = batch
        .iter()
        .find_map(|change| rules.asks_for_rebuild(change.path()))
    {
        return Plan::Rebuild(because);
    }
    let mut update = LiveUpdate::default();
    for change in batch {
        if let Some(because) = place(rules, change, &mut update) {
            return Plan::Rebuild(because);
        }
    }
    add_runs(rules, standing, &mut update);
    add_restart(rules, standing, &mut update);
    if update.is_empty() {
        return Plan::Nothing(match update.left_out.first() {
            Some(left_out) => Idle::LeftOut(left_out.clone()),
            None => Idle::NothingChanged,
        });
    }
    Plan::LiveUpdate(update)
}

/// Puts one change where the first sync that holds it says; the answer is the rebuild it asks for instead.
fn place(rules: &Rules, change: &Change, update: &mut LiveUpdate) -> Option<Because> {
    let path = change.path();
    match rules.mapping(path) {
        Mapping::To { to, sync } => match change {
            Change::Removed(path) => update.removes.push(Remove {
                path: path.clone(),
                to,
                step: sync.step.clone(),
            }),
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
                    update.copies.push(Copy {
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
                    });
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

fn is_directory(change: &Change) -> bool {
    matches!(change, Change::Written(_, entry) if entry.kind == Kind::Directory)
}

/// C3.4: without trigger always, with triggers when a changed synced file matches one; and what is owed (C7).
fn add_runs(rules: &Rules, standing: &Standing, update: &mut LiveUpdate) {
    let applies = update.touches_container();
    let due: Vec<Due> = rules
        .runs()
        .iter()
        .enumerate()
        .filter_map(|(index, run)| {
            let because = due_because(update, run, applies).or_else(|| {
                standing
                    .owed_runs
                    .contains(&index)
                    .then_some(DueBecause::Owed)
            })?;
            Some(Due {
                index,
                run: run.clone(),
                because,
            })
        })
        .collect();
    update.runs = due;
}

fn due_because(update: &LiveUpdate, run: &Run, applies: bool) -> Option<DueBecause> {
    if run.trigger.is_empty() {
        return applies.then_some(DueBecause::Always);
    }
    run.trigger.iter().find_map(|rule| {
        update
            .synced()
            .find(|path| rule.matches(path))
            .map(|path| DueBecause::Trigger {
                path: path.clone(),
                rule: rule.to_string(),
            })
    })
}

fn add_restart(rules: &Rules, standing: &Standing, update: &mut LiveUpdate) {
    let Some(restart) = rules.restart() else {
        return;
    };
    let triggered = if restart.trigger.is_empty() {
        update.touches_container() || !update.runs.is_empty()
    } else {
        triggers(update, restart)
    };
    if triggered || standing.owed_restart {
        update.restart = Some(restart.clone());
    }
}

fn triggers(update: &LiveUpdate, restart: &Restart) -> bool {
    update
        .synced()
        .chain(&update.noticed)
        .any(|path| restart.trigger.iter().any(|rule| rule.matches(path)))
}

#[cfg(test)]
mod tests;
