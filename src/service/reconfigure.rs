//! E7 for one service: new rules and a new scope, and what they mean for what is known and owed.

use std::sync::Arc;
use std::time::Instant;

use crate::paths::HostPath;
use crate::plan::Rules;
use crate::watch::{Looks, Quiet, Scope};

use super::action::{Action, Comparing};
use super::compare::{About, synced};
use super::{Configuration, LiveService, find};

impl LiveService {
    /// New rules are in force from here on; what they make of the files that are there is found out by comparison.
    pub(super) fn reconfigure(
        &mut self,
        config: Configuration,
        looks: Arc<Looks>,
        now: Instant,
    ) -> Vec<Action> {
        self.seen.set_quiet(Quiet {
            debounce: config.rules.block().debounce,
        });
        let scope = Arc::clone(&config.scope);
        let before = std::mem::replace(&mut self.config, config);
        self.narrow(scope, &before.scope);
        self.carry_over(&before.rules);
        let mut actions = self.owe_what_moved(&before.rules);
        self.seen.heard(now);
        actions.push(Action::Scan(looks, now));
        actions.push(find(now));
        actions
    }

    /// What is no longer watched is neither copied nor deleted.
    pub(super) fn narrow(&mut self, scope: Arc<Scope>, before: &Scope) {
        self.seen.disk.narrow(&scope);
        self.replicas.keep_owed(|path| scope.watches(path));
        scope.remember(before);
        self.config.scope = scope;
    }

    /// C7: a step that is owed stays so under its new number; one that is not there any more is owed to nobody.
    fn carry_over(&mut self, before: &Rules) {
        let (old, new) = (before.works(), self.config.rules.works());
        let now = |index: &usize| {
            let work = old.get(*index)?;
            new.iter().position(|one| one.is_same(work))
        };
        for ledger in self.replicas.iter_mut() {
            let owed = &mut ledger.debts.owed;
            *owed = owed.iter().filter_map(now).collect();
        }
    }

    /// A path that goes elsewhere than before has to be there: unless a container holds it already, it is owed.
    fn owe_what_moved(&mut self, before: &Rules) -> Vec<Action> {
        let rules = &self.config.rules;
        let moved: Vec<HostPath> = synced(rules, &self.seen.disk)
            .map(|(path, _)| path)
            .filter(|path| {
                let goes_there = |to| before.targets(path).any(|old| old.to == to);
                !rules.targets(path).all(|target| goes_there(target.to))
            })
            .collect();
        if moved.is_empty() {
            return Vec::new();
        }
        self.seen.disk.moved(moved.iter());
        // How the image is built is no content of the container, wherever the file lies (C3.2).
        let rules = &self.config.rules;
        let moved = moved.into_iter();
        let moved = moved.filter(|path| rules.asks_for_rebuild(path).is_none());
        let moved = About::Paths(moved.collect());
        let asked = self.replicas.containers().cloned();
        let asked = asked.map(|container| (container, moved.clone())).collect();
        vec![Action::Compare(asked, Comparing::Moved)]
    }
}
