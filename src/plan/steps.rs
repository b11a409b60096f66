//! What follows the files of an update: which works are due, and why. What each kind of work is says `compose::block`.

use std::fmt;

use crate::compose::PathRule;
use crate::compose::block::{Action, Step, Work};
use crate::harmless;
use crate::paths::HostPath;

use super::words::{DueBecause, LiveUpdate};
use super::{Debts, Rules};

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

/// Why `work` is due, if it is: by its triggers, and what came before it.
fn due(work: &Work, update: &LiveUpdate) -> Option<DueBecause> {
    if work.trigger.is_empty() {
        let any = update.touches_container() || (work.is_last() && !update.steps.is_empty());
        return any.then_some(DueBecause::Always);
    }
    let because = |(path, rule): (&HostPath, &PathRule)| DueBecause::Trigger {
        path: path.clone(),
        rule: rule.to_string(),
    };
    if work.is_last() {
        let mut paths = update.synced().chain(&update.noticed);
        let found = paths.find_map(|path| {
            let rule = work.trigger.iter().find(|rule| rule.matches(path))?;
            Some((path, rule))
        });
        return found.map(because);
    }
    let found = work.trigger.iter().find_map(|rule| {
        let path = update.synced().find(|path| rule.matches(path))?;
        Some((path, rule))
    });
    found.map(because)
}

/// C3.4: without trigger always, with triggers when a changed synced file matches one; and what is owed (C7).
pub(super) fn add_steps(rules: &Rules, debts: &Debts, update: &mut LiveUpdate) {
    for (index, work) in rules.works().iter().enumerate() {
        let owed = || debts.owed.contains(&index).then_some(DueBecause::Owed);
        let Some(because) = due(work, update).or_else(owed) else {
            continue;
        };
        let mut work = work.clone();
        if work.is_last()
            && let Some(step) = restarting_rule(rules, update)
        {
            work.step = step;
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
    pub fn commands(&self) -> impl Iterator<Item = &DueStep> {
        self.steps.iter().filter(|due| !due.work.is_last())
    }

    /// The last step, if it is due.
    pub fn last(&self) -> Option<&Work> {
        let mut works = self.steps.iter().map(|due| &due.work);
        works.find(|work| work.is_last())
    }
}

impl fmt::Display for DueStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (work, step) = (&self.work, &self.work.step);
        if work.is_last() {
            return write!(f, "{work} ({step})");
        }
        write!(f, "{work} ({step}, ")?;
        match &self.because {
            // Who wrote a watch rule wrote no trigger.
            DueBecause::Trigger { path, rule } if step.action.is_some() => {
                write!(f, "{path} matches `{}`", harmless::value(rule))?;
            }
            because => because.fmt(f)?,
        }
        f.write_str(")")
    }
}
