//! One update on its way, as data: what each container is brought, and how far that came.

use std::collections::HashMap;
use std::time::Duration;

use crate::compose::block::OnFailure;
use crate::compose::{Mount, MountKind};
use crate::engine::{
    Applied, Body, Container, ContainerId, Delta, EngineError, Fingerprint, Outgoing, Restarted,
    State as Doing,
};
use crate::paths::{ContainerPath, HostPath};
use crate::plan::{Copy, DueStep, LeftOut, LiveUpdate};
use crate::report::Failure;
use crate::watch::{Change, Held};

use super::action::Occasion;

/// The contents of one batch.
#[derive(Debug, Default)]
pub struct Loaded {
    contents: HashMap<HostPath, (Body, Fingerprint)>,
}

impl Loaded {
    /// The content of a copy that could be read.
    pub fn get(&self, from: &HostPath) -> Option<&(Body, Fingerprint)> {
        self.contents.get(from)
    }

    /// Whether a copy was read already: one file for several places is read once.
    pub fn has(&self, from: &HostPath) -> bool {
        self.contents.contains_key(from)
    }

    /// Takes in what was read of a file.
    pub fn insert(&mut self, from: HostPath, body: Body, fingerprint: Fingerprint) {
        self.contents.insert(from, (body, fingerprint));
    }
}

/// A file that could not be read after all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is gone again, or another thing stands there: its own event brings the next look.
    Changed,
    /// It may not be read; the system's own words.
    Refused(String),
}

/// An update of some of a service's containers.
#[derive(Debug)]
pub struct Update {
    /// On what occasion.
    pub occasion: Occasion,
    /// What it is for.
    pub purpose: Purpose,
    /// What each container is brought.
    pub parts: Vec<Part>,
    /// The files' contents, once they are read.
    pub loaded: Loaded,
    /// Changed files that are not applied anywhere.
    pub left_out: Vec<LeftOut>,
    /// Whether it was to change files in a container, whatever was there already.
    pub touches: bool,
}

/// What an update is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To bring what is owed.
    Owed,
    /// To fill a tmpfs that a start has emptied: files alone.
    Refill,
}

/// What one container is brought, and how far that came.
#[derive(Debug)]
pub struct Part {
    /// As last seen.
    pub container: Container,
    /// Its plan.
    pub plan: LiveUpdate,
    /// How many copies the container sees through its bind mount (E6).
    pub live: usize,
    /// What the plan comes from.
    pub changes: Vec<Change>,
    /// What its commands and restart wait for.
    pub held: Option<Held>,
    /// What is brought to it, and taken away.
    pub delta: Delta,
    /// What follows when it was started.
    pub rest: Delta,
    /// Commands and the last step wait for files that changed while they were read.
    pub awaits_whole_files: bool,
    /// What is done when all containers have their files, in order, until one fails.
    pub steps: Vec<DueStep>,
    /// How far it came.
    pub landed: Landed,
}

/// A step that had its turn.
#[derive(Clone, Debug)]
pub struct Turn {
    /// What it was.
    pub due: DueStep,
    /// How long that took.
    pub took: Duration,
    /// What came of it; of a restart also how it went.
    pub came: Result<Option<Restarted>, StepFailure>,
}

/// What came of a step that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct StepFailure {
    /// What happened.
    pub what: Failure,
    /// What it asks for.
    pub on_failure: OnFailure,
}

/// How far one container came. What is not in here was not done and stays owed.
#[derive(Debug)]
pub struct Landed {
    /// The files; `Ok(None)` when there were none to bring.
    pub files: Result<Option<Applied>, EngineError>,
    /// Deletes wait until the container runs: tar cannot delete (trap 8). One that was revived may have ended again.
    pub deletes_wait: bool,
    /// It is to be started (E2).
    pub starts: bool,
    /// It was started, and what came of the rest of its files; or it could not be.
    pub started: Option<Result<Result<Option<Applied>, EngineError>, EngineError>>,
    /// It had exited and was started again.
    pub revived: bool,
    /// The steps that had their turn, in order. All but the last of these ended well, and all after them are owed.
    pub turns: Vec<Turn>,
    /// Time for files.
    pub copy: Option<Duration>,
}

impl Default for Landed {
    fn default() -> Self {
        Self {
            files: Ok(None),
            deletes_wait: false,
            starts: false,
            started: None,
            revived: false,
            turns: Vec::new(),
            copy: None,
        }
    }
}

impl Landed {
    /// What came of the files, where some were brought.
    pub fn applied(&self) -> Option<&Applied> {
        self.files.as_ref().ok().and_then(Option::as_ref)
    }

    /// Files that were not there, or changed while they were read.
    pub fn unread(&self) -> &[ContainerPath] {
        self.applied().map_or(&[], |applied| &applied.unread)
    }

    /// Files that stood there already.
    pub fn same(&self) -> &[ContainerPath] {
        self.applied().map_or(&[], |applied| &applied.same)
    }

    /// The engine said no: half of the files may be there.
    pub fn is_refused(&self) -> bool {
        matches!(
            self.files,
            Err(EngineError::Refused(_) | EngineError::InVain(_))
        )
    }
}

impl Landed {
    fn went_well(&self) -> impl Iterator<Item = (&DueStep, Option<&Restarted>)> {
        let turns = self.turns.iter();
        turns.filter_map(|turn| Some((&turn.due, turn.came.as_ref().ok()?.as_ref())))
    }

    /// Whether the step with that index ended well.
    pub(super) fn has_done(&self, index: usize) -> bool {
        self.went_well().any(|(due, _)| due.index == index)
    }

    /// The step that failed, and how.
    pub(super) fn failed(&self) -> Option<(&DueStep, &StepFailure)> {
        let mut turns = self.turns.iter();
        turns.find_map(|turn| Some((&turn.due, turn.came.as_ref().err()?)))
    }

    /// How many commands ended well.
    pub(super) fn ran(&self) -> usize {
        let well = self.went_well();
        well.filter(|(due, _)| !due.work.is_last()).count()
    }

    /// The last step that was done, and how a restart went.
    pub(super) fn last_done(&self) -> Option<(&DueStep, Option<&Restarted>)> {
        self.went_well().find(|(due, _)| due.work.is_last())
    }

    /// Time for the last step, or for the commands before it; `None` where there were none.
    pub(super) fn time(&self, is_last: bool) -> Option<Duration> {
        let turns = self.turns.iter();
        let of = turns.filter(|turn| turn.due.work.is_last() == is_last);
        of.map(|turn| turn.took).reduce(|one, more| one + more)
    }
}

impl Update {
    /// All that is to be read, whichever container it goes to.
    pub fn copies(&self) -> impl Iterator<Item = &Copy> {
        self.parts.iter().flat_map(|part| &part.plan.copies)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = ContainerId> {
        self.parts.iter().map(|part| part.container.id.clone())
    }

    pub(super) fn containers(&self) -> Vec<Container> {
        let parts = self.parts.iter();
        parts.map(|part| part.container.clone()).collect()
    }
}

impl Part {
    /// A container with its plan; nothing is brought yet.
    pub(super) fn new(container: Container, plan: LiveUpdate, changes: Vec<Change>) -> Self {
        Self {
            container,
            plan,
            live: 0,
            changes,
            held: None,
            delta: Delta::default(),
            rest: Delta::default(),
            awaits_whole_files: false,
            steps: Vec::new(),
            landed: Landed::default(),
        }
    }

    /// Divides what is brought by what the container does: one that does not run gets what can be written meanwhile, and the
    /// rest when it was started.
    pub(super) fn divide(&mut self, whole: Delta) {
        match self.container.state {
            Doing::Running | Doing::Gone => self.delta = whole,
            Doing::Created | Doing::Paused | Doing::Stopped => {
                self.landed.deletes_wait = true;
                self.delta = self.puts(&whole);
            }
            Doing::Exited { .. } | Doing::Restarting => {
                self.landed.starts = true;
                self.delta = self.puts(&whole);
                self.rest = self.the_rest(&whole);
            }
        }
    }

    /// What is written while the container does not run, and what makes room for it. Its memory is there only when it runs.
    fn puts(&self, whole: &Delta) -> Delta {
        let (remove, remove_dirs) = removes(whole, true);
        let put = whole.put.iter();
        Delta {
            put: put.filter(|put| !self.is_in_memory(put)).cloned().collect(),
            remove,
            remove_dirs,
        }
    }

    /// The rest: what stands where something was written is that, and so is what a link leads to.
    fn the_rest(&self, whole: &Delta) -> Delta {
        let (remove, remove_dirs) = removes(whole, false);
        let put = whole.put.iter();
        Delta {
            put: put.filter(|put| self.is_in_memory(put)).cloned().collect(),
            remove,
            remove_dirs,
        }
    }

    fn is_in_memory(&self, put: &Outgoing) -> bool {
        self.container.state != Doing::Paused
            && Mount::over(&self.container.mounts, &put.to)
                .is_some_and(|mount| mount.kind == MountKind::Tmpfs)
    }
}

fn removes(delta: &Delta, written: bool) -> (Vec<ContainerPath>, Vec<ContainerPath>) {
    let put: std::collections::HashSet<&ContainerPath> =
        delta.put.iter().map(|put| &put.to).collect();
    let goes_with_them = delta.goes_with_what_is_put();
    let some = |paths: &[ContainerPath]| {
        let some = paths
            .iter()
            .filter(|path| (put.contains(path) || goes_with_them(path)) == written);
        some.cloned().collect()
    };
    (some(&delta.remove), some(&delta.remove_dirs))
}
