//! What follows the files of an update: commands and a last step, one kind beside the other. Whoever holds back, owes or counts
//! them knows no kind.

use std::fmt;

use crate::compose::block::{Action, Restart, RestartKind, Run, Step};
use crate::harmless;

use super::words::{DueBecause, LiveUpdate};
use super::{Debts, Rules};

/// What one step of a block does once the files are there.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// A command.
    Run(Run),
    /// The last step.
    Restart(Restart),
}

/// Work whose turn it is.
#[derive(Clone, Debug, PartialEq)]
pub struct DueStep {
    /// Its place among the block's [works](Rules::works): what is owed is known by it.
    pub index: usize,
    /// What is done.
    pub work: Work,
    /// Why now.
    pub because: DueBecause,
}

impl Work {
    /// The step of the block that says so.
    pub fn step(&self) -> &Step {
        match self {
            Self::Run(run) => &run.step,
            Self::Restart(restart) => &restart.step,
        }
    }

    /// What is done, in a word or as it was written.
    pub fn text(&self) -> String {
        match self {
            Self::Run(run) => run.command.text(),
            Self::Restart(restart) => restart.kind.to_string(),
        }
    }

    /// Whether a container that has just begun with its files needs it no more.
    pub fn is_done_by_a_start(&self) -> bool {
        match self {
            Self::Run(_) => false,
            Self::Restart(_) => true,
        }
    }

    /// Whether the process begins anew by it, and takes its time for that.
    pub fn starts_anew(&self) -> bool {
        match self {
            Self::Run(_) => false,
            Self::Restart(restart) => !matches!(restart.kind, RestartKind::Signal { .. }),
        }
    }

    /// Whether it is the same, wherever it stands in the block (E7). A last step is owed, whichever it is now.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Run(one), Self::Run(other)) => {
                let step = other.step.clone();
                Run {
                    step,
                    ..one.clone()
                } == *other
            }
            (Self::Restart(_), Self::Restart(_)) => true,
            _ => false,
        }
    }

    /// Why it is due, if it is: by its triggers, and what came before it.
    fn due(&self, update: &LiveUpdate) -> Option<DueBecause> {
        match self {
            Self::Run(run) if run.trigger.is_empty() => {
                update.touches_container().then_some(DueBecause::Always)
            }
            Self::Run(run) => run.trigger.iter().find_map(|rule| {
                let path = update.synced().find(|path| rule.matches(path))?;
                Some(DueBecause::Trigger {
                    path: path.clone(),
                    rule: rule.to_string(),
                })
            }),
            Self::Restart(restart) if restart.trigger.is_empty() => {
                let any = update.touches_container() || !update.steps.is_empty();
                any.then_some(DueBecause::Always)
            }
            Self::Restart(restart) => {
                let mut paths = update.synced().chain(&update.noticed);
                paths.find_map(|path| {
                    let rule = restart.trigger.iter().find(|rule| rule.matches(path))?;
                    Some(DueBecause::Trigger {
                        path: path.clone(),
                        rule: rule.to_string(),
                    })
                })
            }
        }
    }
}

/// C3.4: without trigger always, with triggers when a changed synced file matches one; and what is owed (C7).
pub(super) fn add_steps(rules: &Rules, debts: &Debts, update: &mut LiveUpdate) {
    for (index, work) in rules.works().iter().enumerate() {
        let owed = || debts.owed.contains(&index).then_some(DueBecause::Owed);
        let Some(because) = work.due(update).or_else(owed) else {
            continue;
        };
        let mut work = work.clone();
        if let Work::Restart(restart) = &mut work
            && let Some(step) = restarting_rule(rules, update)
        {
            restart.step = step;
        }
        update.steps.push(DueStep {
            index,
            work,
            because,
        });
    }
}

/// Of several watch rules that restart, the one that holds a changed file.
fn restarting_rule(rules: &Rules, update: &LiveUpdate) -> Option<Step> {
    let copies = update.copies.iter().map(|copy| &copy.step);
    let mut syncs = copies.chain(update.removes.iter().map(|remove| &remove.step));
    let sync = syncs.find(|step| step.action == Some(Action::SyncRestart));
    sync.or_else(|| {
        let only = &rules.block().watch_only;
        let mut paths = update.synced().chain(&update.noticed);
        let entry = paths.find_map(|path| only.iter().find(|entry| entry.rule.matches(path)))?;
        Some(&entry.step)
    })
    .filter(|step| step.action.is_some())
    .cloned()
}

impl LiveUpdate {
    /// The commands that are due, each with why.
    pub fn runs(&self) -> impl Iterator<Item = (&Run, &DueBecause)> {
        self.steps.iter().filter_map(|due| match &due.work {
            Work::Run(run) => Some((run, &due.because)),
            Work::Restart(_) => None,
        })
    }

    /// The last step, if it is due.
    pub fn restart(&self) -> Option<&Restart> {
        self.steps.iter().find_map(|due| match &due.work {
            Work::Run(_) => None,
            Work::Restart(restart) => Some(restart),
        })
    }
}

impl fmt::Display for DueStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.work {
            Work::Run(run) => {
                write!(f, "run {} ({}, ", run.command, run.step)?;
                match &self.because {
                    // Who wrote a watch rule wrote no trigger.
                    DueBecause::Trigger { path, rule } if run.step.action.is_some() => {
                        write!(f, "{path} matches `{}`", harmless::value(rule))?;
                    }
                    because => because.fmt(f)?,
                }
                f.write_str(")")
            }
            Work::Restart(restart) => write!(f, "{} ({})", restart.kind, restart.step),
        }
    }
}
