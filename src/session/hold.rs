//! Commands, restarts and rebuilds wait until a burst is over. What waits stands in the ledgers as owed, so that nothing is
//! lost, whatever happens meanwhile; here is only when to look again.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::compose::block::RestartKind;
use crate::engine::{Engine, State};
use crate::paths::HostPath;
use crate::plan::{Because, LiveUpdate};
use crate::report::{Later, LaterRestart, Notice};
use crate::update::Landed;
use crate::watch::git::{Git, Writes};
use crate::watch::{Calm, Held};

use super::settle::{Part, Why};
use super::worker::Worker;

/// While git writes, it is looked at so often.
const LOOK_AT_GIT: Duration = Duration::from_millis(20);
/// A rebase that goes on for longer gets its commands and restarts meanwhile.
const LONGEST_GIT: Duration = Duration::from_secs(60);

/// What one worker holds back.
#[derive(Debug, Default)]
pub(super) struct Hold {
    calm: Calm,
    git: Git,
    waiting: Option<Waiting>,
    /// Why what is done now had to wait.
    over: Option<Held>,
}

#[derive(Debug)]
struct Waiting {
    /// The first change whose commands or restart wait.
    begun: Instant,
    since: Instant,
    why: Why,
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
    pub(super) fn begin(&mut self, now: Instant) -> Option<(Instant, Why)> {
        let waiting = self.waiting.as_mut()?;
        waiting.until.take_if(|until| *until <= now)?;
        Some((waiting.begun, waiting.why))
    }

    /// What was due was settled, unless it has to wait once more.
    pub(super) fn end(&mut self) {
        self.waiting.take_if(|waiting| waiting.until.is_none());
    }

    /// Other directories are watched from now on.
    pub(super) fn forget_git(&mut self) {
        self.git.forget();
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
    pub(super) fn restarted(&mut self, parts: &[Part], landed: &[Landed], ended: Instant) {
        let took = parts.iter().zip(landed).filter_map(|(part, landed)| {
            let restart = part.update.restart.as_ref()?;
            let starts = !matches!(restart.kind, RestartKind::Signal { .. });
            landed.restart.filter(|_| starts)
        });
        if let Some(begun) = took.max().and_then(|took| ended.checked_sub(took)) {
            self.calm.restarted(begun, ended);
        }
    }
}

impl<E: Engine> Worker<E> {
    /// Takes note of a batch's news; its paths were touched between the two times.
    pub(super) fn note_burst(
        &mut self,
        news: &BTreeSet<HostPath>,
        span: Option<(Instant, Instant)>,
    ) {
        // The user's own quiet time is over when a batch is there.
        if let Some((first, last)) = span
            && self.rules.block().debounce.is_none()
        {
            self.hold.calm.batch(news.iter(), first, last);
        }
    }

    /// What holds back commands, restarts and rebuilds now; they are looked at again when that may be over.
    fn held(&mut self, begun: Instant, why: Why) -> Option<Held> {
        if self.apply_now {
            return None;
        }
        let now = Instant::now();
        let since = self.hold.waiting.as_ref().map_or(now, |it| it.since);
        let git_may = now.saturating_duration_since(since) < LONGEST_GIT;
        let (held, until) = if git_may && self.git_writes(now) {
            (Held::Git, now + LOOK_AT_GIT)
        } else {
            self.hold.calm.held(now)?
        };
        let waiting = self.hold.waiting.get_or_insert(Waiting {
            begun,
            since: now,
            why,
            held,
            until: None,
            said: false,
        });
        if why == Why::Change {
            waiting.why = why;
        }
        (waiting.held, waiting.until) = (held, Some(until));
        Some(held)
    }

    fn git_writes(&mut self, now: Instant) -> bool {
        match self
            .hold
            .git
            .writes(self.scope.roots(), self.last_touch, now)
        {
            Writes::No => false,
            Writes::Yes => true,
            Writes::NotAwaited(lock) => {
                let notice = Notice::StaleGitLock(HostPath::new(lock));
                self.reporter.notice(Some(&self.service.name), notice);
                false
            }
        }
    }

    /// Marks `parts` when it is not the time of their commands and restarts, and drops those that ask for nothing else; what
    /// waits is owed.
    pub(super) fn hold_back(&mut self, parts: &mut Vec<Part>, begun: Instant, why: Why) {
        let costs = |part: &Part| {
            let ledger = self.ledgers.get(&part.id);
            has_steps(&part.update) || ledger.is_some_and(|it| is_down(&it.container.state))
        };
        if !parts.iter().any(costs) {
            return;
        }
        let Some(held) = self.held(begun, why) else {
            self.hold.acts();
            return;
        };
        for part in &mut *parts {
            let Some(ledger) = self.ledgers.get_mut(&part.id) else {
                continue;
            };
            let update = &mut part.update;
            if is_down(&ledger.container.state) {
                // Its files wait with its start: half of them would only have it end again.
                *update = LiveUpdate::default();
                continue;
            }
            part.held = Some(held);
            if update.touches_container() {
                // Which of them it really asks for is known when its files are there.
                continue;
            }
            let standing = &mut ledger.standing;
            let runs = update.runs.iter().map(|due| due.index);
            standing.owed_runs.extend(runs);
            standing.owed_restart |= update.restart.is_some();
            for path in &update.noticed {
                ledger.owed.remove(path);
            }
        }
        parts.retain(|part| part.update.touches_container());
        let say = parts.is_empty();
        self.say_held(say.then_some(Notice::StepsWait(held)));
    }

    /// Whether a rebuild has to wait: a burst's rebuilds would be many.
    pub(super) fn rebuild_waits(&mut self, because: &Because, begun: Instant, why: Why) -> bool {
        // What answers a failure has been tried already.
        if because.is_failure() {
            return false;
        }
        let Some(held) = self.held(begun, why) else {
            return false;
        };
        let because = because.clone();
        self.say_held(Some(Notice::RebuildWaits { held, because }));
        true
    }

    /// Said once for each wait, unless the line of an update says it.
    fn say_held(&mut self, what: Option<Notice>) {
        let Some(waiting) = &mut self.hold.waiting else {
            return;
        };
        if !std::mem::replace(&mut waiting.said, true)
            && let Some(what) = what
        {
            self.reporter.notice(Some(&self.service.name), what);
        }
    }
}

fn has_steps(update: &LiveUpdate) -> bool {
    !update.runs.is_empty() || update.restart.is_some()
}

/// A change starts it again.
fn is_down(state: &State) -> bool {
    matches!(state, State::Exited { .. } | State::Restarting)
}

/// What of an update waits, and for what.
pub(super) fn later(update: &LiveUpdate, held: Held) -> Option<Later> {
    if !has_steps(update) {
        return None;
    }
    let restart = update.restart.as_ref().map(|restart| match &restart.kind {
        RestartKind::Container { .. } | RestartKind::Process { .. } => LaterRestart::Restart,
        RestartKind::Signal { name } => LaterRestart::Signal(name.clone()),
    });
    Some(Later::Steps {
        runs: update.runs.len(),
        restart,
        held,
    })
}
