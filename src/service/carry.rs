//! One update on its way: what follows when its files were read, brought, and its containers started.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::engine::{EngineError, Fingerprints, State};
use crate::paths::{ContainerPath, HostPath};
use crate::plan::rules::Mapping;
use crate::plan::{Plan, Rules};
use crate::report::{Event, Notice, Problem};
use crate::watch::Change;

use super::action::{Action, Costly, Trigger};
use super::ledger::{Doubt, Ledger};
use super::reconcile::look_again;
use super::update::{Loaded, Part, Purpose, Unread, Update};
use super::{LiveService, view};

impl LiveService {
    /// The files of an update were read: each container is brought what it does not have.
    pub(super) fn read(
        &mut self,
        mut update: Update,
        loaded: Loaded,
        unread: &[(HostPath, Unread)],
        now: Instant,
    ) -> Vec<Action> {
        update.loaded = loaded;
        if update.purpose == Purpose::Refill {
            // What cannot be read is said with its own change.
            return self.copy(update);
        }
        let mut actions = self.drop_unread(unread);
        let parts = std::mem::take(&mut update.parts);
        for part in parts {
            update
                .parts
                .extend(self.what_it_lacks(part, &update.loaded, unread));
        }
        if update.parts.is_empty() {
            actions.extend(self.all_was_there(&update, now));
        } else if !update.occasion.by_hand && update.is_costly() {
            actions.push(Action::AskGit(Costly::Update(update)));
        } else {
            if update.is_costly() {
                self.hold.acts();
            }
            actions.extend(self.copy(update));
        }
        actions
    }

    /// What vanished while it was read has an event of its own on the way; what may not be read is said.
    fn drop_unread(&mut self, unread: &[(HostPath, Unread)]) -> Vec<Action> {
        let mut actions = Vec::new();
        for (path, why) in unread {
            for ledger in self.replicas.iter_mut() {
                ledger.owed.remove(path);
            }
            if let Unread::Refused(why) = why {
                let (path, why) = (path.clone(), why.clone());
                actions.push(self.problem(Problem::Unreadable { path, why }));
            }
        }
        actions
    }

    /// The part less what the container is known to have already; `None` when nothing is left of it.
    fn what_it_lacks(
        &mut self,
        mut part: Part,
        loaded: &Loaded,
        unread: &[(HostPath, Unread)],
    ) -> Option<Part> {
        let rules = &self.config.rules;
        let ledger = self.replicas.get_mut(&part.container.id)?;
        let known = part.changes.len();
        part.changes
            .retain(|change| unread.iter().all(|(path, _)| path != change.path()));
        let (there, lacking): (Vec<Change>, Vec<Change>) = std::mem::take(&mut part.changes)
            .into_iter()
            .partition(|change| has_already(rules, ledger, change, loaded));
        for change in there {
            ledger.owed.remove(change.path());
        }
        part.changes = lacking;
        // Whatever its trigger says: as a container that ended, it is revived by the next change (E2).
        let revives = !part.changes.is_empty() && std::mem::take(&mut ledger.crashed);
        if revives {
            let works = rules.works().iter().enumerate();
            let restart = works.filter(|(_, work)| work.is_done_by_a_start());
            ledger.debts.owed.extend(restart.map(|(index, _)| index));
        }
        if part.changes.len() < known || revives {
            let view = view(&self.config, &self.seen, &self.images);
            let Some(less) = view.narrowed(&part.changes, &ledger.debts) else {
                for change in &part.changes {
                    ledger.owed.remove(change.path());
                }
                return None;
            };
            part.plan = less;
        }
        let copies = part.plan.copies.iter();
        part.live = copies.filter(|copy| ledger.sees_live(copy)).count();
        Some(part)
    }

    /// The files are brought.
    pub(super) fn copy(&mut self, mut update: Update) -> Vec<Action> {
        let mut actions = Vec::new();
        // A plan that failed, and is only tried again, was told.
        let is_news = update.occasion.trigger == Trigger::Change || self.said.failure.is_none();
        if update.purpose == Purpose::Owed && is_news {
            actions.extend(self.say_plan(&update));
        }
        let refills = update.purpose == Purpose::Refill;
        for part in &mut update.parts {
            let Some(ledger) = self.replicas.get(&part.container.id) else {
                continue;
            };
            let delta = ledger.delta(
                &part.plan,
                &update.loaded,
                // Nothing stands yet in what was emptied.
                |path| self.seen.disk.was_directory(path).filter(|_| !refills),
                |path| {
                    if refills {
                        Doubt::Another
                    } else {
                        self.seen.disk.doubt(path)
                    }
                },
            );
            part.awaits_whole_files = !refills && ledger.awaits_whole_files(&part.plan);
            part.divide(delta);
        }
        actions.push(Action::Copy(update));
        actions
    }

    /// The files were brought, or not.
    pub(super) fn copied(&mut self, update: Update, now: Instant) -> Vec<Action> {
        let is_refused = |part: &Part| matches!(part.landed.files, Err(EngineError::Refused(_)));
        if update.purpose == Purpose::Owed && update.parts.iter().any(is_refused) {
            let parts = update.parts.iter();
            let asked: Vec<_> = parts
                .map(|part| {
                    let refused = is_refused(part).then(|| self.doubtful_places(&part.plan));
                    refused.unwrap_or_default()
                })
                .collect();
            if asked.iter().any(|asked| !asked.is_empty()) {
                return vec![Action::Locate(update, asked)];
            }
        }
        self.go_on_with(update, now)
    }

    /// What stood there already is no part of the update any more; who had exited is started for what is left.
    pub(super) fn go_on_with(&mut self, mut update: Update, now: Instant) -> Vec<Action> {
        for part in &mut update.parts {
            self.take_out_the_same(part, &update.loaded);
        }
        let is_nothing = |part: &Part| part.plan.is_empty() && part.landed.files.is_ok();
        if update.purpose == Purpose::Owed && update.parts.iter().all(is_nothing) {
            self.hold.was_for();
            let mut actions = vec![Action::Release(update.containers())];
            actions.extend(self.all_was_there(&update, now));
            return actions;
        }
        if update.parts.iter().any(|part| part.landed.starts) {
            return vec![Action::Start(update)];
        }
        update.finish()
    }

    /// Writes down what stood there already, and leaves in the part what is left without that.
    fn take_out_the_same(&mut self, part: &mut Part, loaded: &Loaded) {
        // For nothing, or for what failed, it is not started.
        part.landed.starts &= part.landed.files.is_ok();
        if part.landed.same().is_empty() {
            return;
        }
        let same = part.landed.same();
        let copies = &part.plan.copies;
        let another: BTreeSet<&HostPath> = copies
            .iter()
            .filter(|copy| !same.contains(&copy.to))
            .map(|copy| &copy.from)
            .collect();
        let all: BTreeSet<&HostPath> = copies.iter().map(|copy| &copy.from).collect();
        let changes: Vec<Change> = part
            .changes
            .iter()
            .filter(|change| !all.contains(change.path()) || another.contains(change.path()))
            .cloned()
            .collect();
        let view = view(&self.config, &self.seen, &self.images);
        let Some(ledger) = self.replicas.get_mut(&part.container.id) else {
            return;
        };
        let left = view.narrowed(&changes, &ledger.debts);
        ledger.settle_same(&part.plan, loaded, part.landed.same());
        if left.is_none() {
            part.landed.starts = false;
            for change in &part.changes {
                ledger.owed.remove(change.path());
            }
        }
        part.plan = left.unwrap_or_default();
    }

    /// All is done that could be: it is written down, and said.
    pub(super) fn finished(&mut self, update: &Update, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        let restarted = update.parts.iter().filter(|part| {
            let done = part.landed.last_done();
            done.is_some_and(|(due, restarted)| {
                due.work.is_of_process() && restarted.is_some_and(|it| !it.whole_container)
            })
        });
        let restarted: Vec<_> = restarted.map(|part| part.container.clone()).collect();
        if !restarted.is_empty() {
            actions.push(Action::ListenForCrashes(restarted));
        }
        self.hold.restarted(&update.parts, now);
        actions.extend(self.write_down(update, now));
        actions
    }

    /// What cannot stand where its sync says was looked for.
    pub(super) fn located(
        &mut self,
        update: Update,
        found: &[Fingerprints],
        now: Instant,
    ) -> Vec<Action> {
        let mut actions = self.set_aside(&update, found);
        if actions.is_empty() {
            return self.go_on_with(update, now);
        }
        // What landed elsewhere meanwhile is found again by its content.
        for part in &update.parts {
            if let Some(ledger) = self.replicas.get_mut(&part.container.id) {
                ledger.forget();
            }
        }
        actions.push(Action::Release(update.containers()));
        actions.extend(look_again(update.occasion));
        actions
    }

    /// Every content was there already.
    fn all_was_there(&mut self, update: &Update, now: Instant) -> Vec<Action> {
        let said = update.touches.then(|| self.same(update.occasion, now));
        self.settled_with(update.occasion, said.into_iter().collect())
    }

    /// The plan of the fullest container, and what is left out of all.
    fn say_plan(&self, update: &Update) -> Vec<Action> {
        let left_out = update.left_out.iter();
        let mut actions: Vec<Action> = left_out
            .map(|left_out| self.notice(Notice::LeftOut(left_out.clone())))
            .collect();
        let size = |part: &&Part| part.plan.copies.len() + part.plan.removes.len();
        if let Some(fullest) = update.parts.iter().max_by_key(size) {
            actions.push(Action::Say(Event::Plan {
                service: self.name().to_owned(),
                plan: Plan::LiveUpdate(fullest.plan.clone()),
            }));
        }
        actions
    }
}

impl Update {
    /// Containers were started, and got the rest of their files.
    pub(super) fn started(mut self) -> Vec<Action> {
        for part in &mut self.parts {
            let landed = &mut part.landed;
            match landed.started.take() {
                None => {}
                Some(Err(error)) => landed.files = Err(error),
                Some(Ok(rest)) => {
                    landed.revived = true;
                    part.container.state = State::Running;
                    match rest {
                        Ok(gone) => {
                            if let Ok(applied) = &mut landed.files {
                                *applied = applied.take().or(gone);
                            }
                        }
                        // It ended again at once. The next change starts it once more, and only that: the deletes wait for it.
                        Err(EngineError::NotRunning(_)) => landed.deletes_wait = true,
                        Err(error) => landed.files = Err(error),
                    }
                }
            }
        }
        self.finish()
    }

    /// C10: commands start when every container has its files. C8: where files were refused, the answer is a rebuild, not
    /// commands on half of the files.
    fn finish(mut self) -> Vec<Action> {
        let refused = self.parts.iter().any(|part| part.landed.is_refused());
        for part in &mut self.parts {
            let landed = &part.landed;
            let half = part.awaits_whole_files && !landed.unread().is_empty();
            let waits = part.held.is_some() || refused || half || landed.deletes_wait;
            if waits || landed.files.is_err() || self.purpose == Purpose::Refill {
                continue;
            }
            // A container that was just started has begun with its files; only commands change that.
            let mut steps = part.plan.steps.iter();
            if landed.revived && steps.all(|due| due.work.is_done_by_a_start()) {
                continue;
            }
            part.steps.clone_from(&part.plan.steps);
        }
        vec![Action::Finish(self)]
    }
}

/// A change whose content is in the container already asks for nothing there.
fn has_already(rules: &Rules, ledger: &Ledger, change: &Change, loaded: &Loaded) -> bool {
    let (Change::Written(path, _), Mapping::To(targets)) = (change, rules.mapping(change.path()))
    else {
        return false;
    };
    loaded.get(path).is_some_and(|(_, fingerprint)| {
        let there = |to: &ContainerPath| ledger.has(to, fingerprint);
        targets.iter().all(|target| there(&target.to))
    })
}
