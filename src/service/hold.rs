//! Commands, restarts and rebuilds wait until a burst is over. What waits stands in the ledgers as owed, so that nothing is
//! lost, whatever happens meanwhile; here is only when to look again.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::engine::State;
use crate::paths::HostPath;
use crate::plan::LiveUpdate;
use crate::report::Notice;
use crate::watch::git::Writes;
use crate::watch::{Calm, Held};

use super::LiveService;
use super::action::{Action, Costly, Occasion, Trigger};
use super::update::{Part, Update};

/// While git writes, it is looked at so often.
const LOOK_AT_GIT: Duration = Duration::from_millis(20);
/// A rebase that goes on for longer gets its commands and restarts meanwhile.
const LONGEST_GIT: Duration = Duration::from_secs(60);

/// What one service holds back.
#[derive(Debug, Default)]
pub(super) struct Hold {
    calm: Calm,
    waiting: Option<Waiting>,
    /// Why what is done now had to wait.
    over: Option<Held>,
}

#[derive(Debug)]
struct Waiting {
    /// The first change whose commands or restart wait.
    begun: Instant,
    since: Instant,
    trigger: Trigger,
    held: Held,
    /// When to look again; `None` while that is done.
    until: Option<Instant>,
    said: bool,
}

impl Hold {
    /// When [`begin`](Self::begin) has to be asked; `None` when nothing waits.
    pub(super) fn due(&self) -> Option<Instant> {
        self.waiting.as_ref()?.until
    }

    /// What waits is due at `now`: since when it waits, and what it is for.
    pub(super) fn begin(&mut self, now: Instant) -> Option<(Instant, Trigger)> {
        let waiting = self.waiting.as_mut()?;
        waiting.until.take_if(|until| *until <= now)?;
        Some((waiting.begun, waiting.trigger))
    }

    /// What was due was settled, unless it has to wait once more.
    pub(super) fn end(&mut self) {
        self.waiting.take_if(|waiting| waiting.until.is_none());
    }

    /// Why what was done just now had waited, if it had.
    pub(super) fn was_for(&mut self) -> Option<Held> {
        self.over.take()
    }

    /// What was due is being done.
    pub(super) fn acts(&mut self) {
        self.over = self.waiting.take().map(|waiting| waiting.held);
        self.calm.acted();
    }

    /// Takes note of how long the containers took to restart.
    pub(super) fn restarted(&mut self, parts: &[Part], ended: Instant) {
        let took = parts.iter().filter_map(|part| {
            let mut steps = part.plan.steps.iter();
            let starts = steps.any(|due| due.work.starts_anew());
            part.landed.time(true).filter(|_| starts)
        });
        if let Some(begun) = took.max().and_then(|took| ended.checked_sub(took)) {
            self.calm.restarted(begun, ended);
        }
    }

    /// Takes note of a batch's news; its paths were touched between the two times.
    pub(super) fn note_burst(
        &mut self,
        news: &BTreeSet<HostPath>,
        span: Option<(Instant, Instant)>,
    ) {
        if let Some((first, last)) = span {
            self.calm.batch(news.iter(), first, last);
        }
    }

    /// What holds back now; it is looked at again when that may be over.
    fn holds(&mut self, occasion: Occasion, git: bool, now: Instant) -> Option<Held> {
        let (held, until) = if git && self.git_may(now) {
            (Held::Git, now + LOOK_AT_GIT)
        } else {
            self.calm.held(now)?
        };
        let waiting = self.waiting.get_or_insert(Waiting {
            begun: occasion.begun,
            since: now,
            trigger: occasion.trigger,
            held,
            until: None,
            said: false,
        });
        if occasion.trigger == Trigger::Change {
            waiting.trigger = occasion.trigger;
        }
        (waiting.held, waiting.until) = (held, Some(until));
        Some(held)
    }

    /// Whether git may hold back any longer.
    fn git_may(&self, now: Instant) -> bool {
        let since = self.waiting.as_ref().map_or(now, |waiting| waiting.since);
        now.saturating_duration_since(since) < LONGEST_GIT
    }

    /// Whether the wait is still to be said: once for each, unless the line of an update says it.
    fn is_to_be_said(&mut self) -> bool {
        let waiting = self.waiting.as_mut();
        waiting.is_some_and(|waiting| !std::mem::replace(&mut waiting.said, true))
    }
}

impl LiveService {
    /// What is costly is done now, or waits.
    pub(super) fn git_said(&mut self, costly: Costly, writes: Writes, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        let git = match writes {
            Writes::No => false,
            Writes::Yes => true,
            Writes::NotAwaited(lock) => {
                actions.push(self.notice(Notice::StaleGitLock(HostPath::new(lock))));
                false
            }
        };
        match costly {
            Costly::Update(update) => {
                if let Some(held) = self.hold.holds(update.occasion, git, now) {
                    actions.extend(self.hold_back(update, held));
                } else {
                    self.hold.acts();
                    actions.extend(self.copy(update));
                }
            }
            // A burst's rebuilds would be many.
            Costly::Rebuild(because, occasion) => match self.hold.holds(occasion, git, now) {
                Some(held) if self.hold.is_to_be_said() => {
                    actions.push(self.notice(Notice::RebuildWaits { held, because }));
                }
                Some(_) => {}
                None => actions.extend(self.rebuild(because, occasion, false)),
            },
        }
        actions
    }

    /// Marks the parts, for it is not the time of their commands and restarts, and drops those that ask for nothing else; what
    /// waits is owed.
    fn hold_back(&mut self, mut update: Update, held: Held) -> Vec<Action> {
        for part in &mut update.parts {
            let Some(ledger) = self.replicas.get_mut(&part.container.id) else {
                continue;
            };
            if is_down(&part.container.state) {
                // Its files wait with its start: half of them would only have it end again.
                part.plan = LiveUpdate::default();
                continue;
            }
            part.held = Some(held);
            if part.plan.touches_container() {
                // Which of them it really asks for is known when its files are there.
                continue;
            }
            let steps = part.plan.steps.iter().map(|due| due.index);
            ledger.debts.owed.extend(steps);
            for path in &part.plan.noticed {
                ledger.owed.remove(path);
            }
        }
        update.parts.retain(|part| part.plan.touches_container());
        let is_to_be_said = self.hold.is_to_be_said();
        if !update.parts.is_empty() {
            return self.copy(update);
        }
        let notice = is_to_be_said.then(|| self.notice(Notice::StepsWait(held)));
        self.settled_with(update.occasion, notice.into_iter().collect())
    }
}

impl Update {
    /// Whether it runs something, or starts a container: that is done when a burst is over.
    pub(super) fn is_costly(&self) -> bool {
        let costs = |part: &Part| !part.plan.steps.is_empty() || is_down(&part.container.state);
        self.parts.iter().any(costs)
    }
}

/// A change starts it again.
fn is_down(state: &State) -> bool {
    matches!(state, State::Exited { .. } | State::Restarting)
}
