//! E7 for one service: new rules and a new scope, and what they mean for what is known and owed.

use std::sync::Arc;
use std::time::Instant;

use crate::compose::block::Run;
use crate::engine::Engine;
use crate::paths::HostPath;
use crate::plan::Rules;
use crate::watch::{Entry, Looks, Quiet, Scope};

use super::compare::compare;
use super::configuration::scope_of;
use super::worker::{Configuration, Worker};

impl<E: Engine> Worker<E> {
    /// New rules are in force from here on; what they make of the files that are there is found out by comparison.
    pub(super) async fn configure(&mut self, configuration: Configuration, looks: Arc<Looks>) {
        let Configuration {
            project,
            service,
            rules,
            scope,
            targets,
            can_build,
        } = configuration;
        let now = Instant::now();
        self.gatherer.set_quiet(Quiet {
            debounce: rules.block().debounce,
        });
        let before = std::mem::replace(&mut self.rules, rules);
        (self.project, self.service) = (project, service);
        (self.targets, self.can_build) = (targets, can_build);
        self.narrow(scope);
        self.carry_over(&before);
        self.owe_what_moved(&before).await;
        // One that waits has begun before this.
        self.rescan_by = None;
        self.rescan(&looks, now).await;
        self.look_at_containers(now).await;
    }

    /// The ignore files as they are now, which the builder is about to read: what it leaves out of the image must not come
    /// into the new container by another way (C2).
    pub(super) fn read_ignore_files(&mut self) {
        // One that cannot be read is said by the reload; the last good one stays in force until then.
        if let Ok(scope) = scope_of(&self.project, &self.service) {
            self.narrow(Arc::new(scope));
        }
    }

    /// What is no longer watched is neither copied nor deleted.
    fn narrow(&mut self, scope: Arc<Scope>) {
        self.disk.retain(|path| scope.watches(path));
        for ledger in self.ledgers.values_mut() {
            ledger.owed.retain(|path| scope.watches(path));
        }
        scope.remember(&self.scope);
        self.hold.forget_git();
        self.scope = scope;
    }

    /// C7: a command that is owed stays so under its new number; one that is not there any more is owed to nobody.
    fn carry_over(&mut self, before: &Rules) {
        let (old, new) = (before.runs(), self.rules.runs());
        let now = |index: &usize| {
            let run = old.get(*index)?;
            new.iter().position(|one| is_same(one, run))
        };
        for ledger in self.ledgers.values_mut() {
            let standing = &mut ledger.standing;
            standing.owed_runs = standing.owed_runs.iter().filter_map(now).collect();
            standing.owed_restart &= self.rules.restart().is_some();
        }
    }

    /// A path that goes elsewhere than before has to be there: unless a container holds it already, it is owed.
    async fn owe_what_moved(&mut self, before: &Rules) {
        let moved: Vec<(HostPath, Entry)> = self
            .disk
            .present()
            .filter(|(path, _)| {
                let goes_there = |to| before.targets(path).any(|old| old.to == to);
                !self.rules.targets(path).all(|target| goes_there(target.to))
            })
            .map(|(path, entry)| (path.clone(), entry.clone()))
            .collect();
        if moved.is_empty() {
            return;
        }
        self.disk.moved(moved.iter().map(|(path, _)| path));
        for ledger in self.ledgers.values_mut() {
            let present = moved.iter().map(|(path, entry)| (path, entry));
            match compare(
                &*self.engine,
                &self.rules,
                present,
                &ledger.container,
                &self.reporter,
            )
            .await
            {
                Ok(comparison) => comparison.note_in(ledger),
                // Not known to be there is brought.
                Err(_) => ledger
                    .owed
                    .extend(moved.iter().map(|(path, _)| path.clone())),
            }
        }
    }
}

/// Whether it is the same command, wherever it stands in the block.
fn is_same(one: &Run, other: &Run) -> bool {
    let moved = Run {
        step: other.step.clone(),
        ..one.clone()
    };
    moved == *other
}
