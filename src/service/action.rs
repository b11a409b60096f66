//! What is to be done for one service, as data, and what came of it. Each action prints itself, so that a test reads them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::engine::{Container, ContainerId, End, EngineError, Fingerprints, Wanted};
use crate::paths::HostPath;
use crate::plan::Because;
use crate::report::{Event, Outcome, Took};
use crate::watch::git::Writes;
use crate::watch::{Change, Entries, Inode, Looks, Scope};

use super::compare::{About, Comparison};
use super::news::Looking;
use super::rebuild::Rebuild;
use super::update::{Loaded, Unread, Update};

/// How long an update waits for a batch that nobody has to wait for.
pub(super) const AT_ONCE: Duration = Duration::ZERO;

/// What made the service look at itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A change: it revives what has exited (E2).
    Change,
    /// The containers themselves: one that exited stays so until the next change.
    Containers,
}

/// On what occasion a service is brought in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occasion {
    /// When the first event of it was heard.
    pub begun: Instant,
    /// From then until its batch was closed.
    pub wait: Duration,
    /// What made it.
    pub trigger: Trigger,
    /// The user asked for it: nothing is held back.
    pub by_hand: bool,
    /// A build failed or is owed: only what can be put into the containers that are there is done.
    pub in_place: bool,
    /// How often it was tried before, because the containers were not what they had been.
    pub round: u32,
}

impl Occasion {
    /// A change, the batch of which was closed after `wait`.
    pub fn change(begun: Instant, wait: Duration) -> Self {
        Self {
            begun,
            wait,
            trigger: Trigger::Change,
            by_hand: false,
            in_place: false,
            round: 0,
        }
    }

    /// The time it has taken until `now`.
    pub(super) fn took(&self, now: Instant) -> Took {
        Took {
            wait: self.wait,
            total: now.saturating_duration_since(self.begun),
            ..Took::default()
        }
    }

    /// Something that happened to the containers.
    pub fn containers(begun: Instant) -> Self {
        Self {
            trigger: Trigger::Containers,
            ..Self::change(begun, AT_ONCE)
        }
    }
}

/// What is to be done next.
#[derive(Debug)]
#[must_use]
pub enum Action {
    /// Tell the listeners.
    Say(Event),
    /// Tell what came of an update of these containers; an end soon after it is held against it.
    Conclude(Outcome, Vec<ContainerId>),
    /// Tell `verify` which deletions are owed.
    TellDeletions,
    /// Tell the other services that these files changed, which may have names there.
    TellOtherNames(Arc<BTreeSet<Inode>>),
    /// Tell how a process ended whose container goes on without it.
    TellEnd(End),
    /// Ask the engine for the service's containers.
    Find(Find),
    /// Close what is open to containers that are gone.
    Forget(Vec<ContainerId>),
    /// Ask new containers what they hold.
    Admit(Vec<Admission>),
    /// Ask known containers what they hold.
    Compare(Vec<(Container, About)>, Comparing),
    /// Make ready what updates of these running containers will need.
    WarmUp(Vec<Container>),
    /// Look at the disk.
    Look(Looking),
    /// Look at everything that is watched; events were lost, as was heard then.
    Scan(Arc<Looks>, Instant),
    /// Ask whether git is writing the working tree.
    AskGit(Costly),
    /// Read the files of an update.
    Read(Update),
    /// Bring the files.
    Copy(Update),
    /// Ask what stands in the way of files that were refused; by part.
    Locate(Update, Vec<Wanted>),
    /// Start the containers that had exited, and bring the rest of the files.
    Start(Update),
    /// Run the commands and the last step, and let go of the containers.
    Finish(Update),
    /// An update is over before its commands: let go of its containers.
    Release(Vec<Container>),
    /// Processes that were restarted just now may crash at once.
    ListenForCrashes(Vec<Container>),
    /// Read the ignore files that the builder is about to read.
    ReadIgnoreFiles(Rebuild),
    /// Build the images.
    Build(Rebuild),
    /// Ask which image the build has made, and what runs.
    Identify(Rebuild),
    /// Make the containers anew.
    Recreate(Option<Rebuild>),
    /// Go on with this when everything before it is done.
    Continue(Step),
}

/// A listing of the containers.
#[derive(Debug)]
pub struct Find {
    /// What made it.
    pub begun: Instant,
    /// The rebuild that has just made them.
    pub rebuilt: Option<Rebuild>,
}

/// A new container, and what it has to be asked.
#[derive(Debug)]
pub struct Admission {
    /// As found.
    pub container: Container,
    /// What it is owed whatever it holds.
    pub owed: BTreeSet<HostPath>,
    /// What it is asked.
    pub about: Vec<About>,
}

/// What known containers are compared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparing {
    /// The user asked, at that time.
    Verify(Instant),
    /// New rules put files elsewhere (E7).
    Moved,
}

/// What waits while git writes the working tree.
#[derive(Debug)]
pub enum Costly {
    /// Commands and restarts.
    Update(Update),
    /// A rebuild.
    Rebuild(Because, Occasion),
}

/// What comes after other actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Bring the containers in step.
    Reconcile(Occasion),
    /// The same, after a failure; unless the listing failed again.
    Retry(Occasion),
    /// Bring in step what a look at the containers, begun then, found to be owed.
    Wake(Instant),
    /// What a reload brought could not be started: a build is owed where there is no container.
    StartFailed,
}

/// What came of an action.
#[derive(Debug)]
#[must_use]
pub enum Done {
    /// [`Action::Find`].
    Found(Find, Result<Vec<Container>, EngineError>),
    /// [`Action::Admit`]: each with its answers, in the order of the questions.
    Admitted(Vec<(Admission, Vec<Result<Comparison, EngineError>>)>),
    /// [`Action::Compare`].
    Compared(
        Vec<(Container, About, Result<Comparison, EngineError>)>,
        Comparing,
    ),
    /// [`Action::Look`]: what was found, and which files hold what they held.
    Looked(Looking, Vec<Change>, BTreeSet<HostPath>),
    /// [`Action::Scan`]: what was seen.
    Scanned(Scanned),
    /// [`Action::AskGit`].
    GitSaid(Costly, Writes),
    /// [`Action::Read`].
    Read(Update, Loaded, Vec<(HostPath, Unread)>),
    /// [`Action::Copy`].
    Copied(Update),
    /// [`Action::Locate`]: what stands there, by part.
    Located(Update, Vec<Fingerprints>),
    /// [`Action::Start`].
    Started(Update),
    /// [`Action::Finish`].
    Finished(Update),
    /// [`Action::ReadIgnoreFiles`]; `None` where one cannot be read: the last good one stays in force.
    IgnoreFilesRead(Rebuild, Option<Scope>),
    /// [`Action::Build`].
    Built(Rebuild, Build),
    /// [`Action::Identify`].
    Identified(Rebuild, Option<String>, Vec<Container>),
    /// [`Action::Recreate`]: how long it took.
    Recreated(Option<Rebuild>, Result<(), EngineError>, Duration),
    /// [`Action::Continue`].
    Reached(Step),
}

/// A look at everything.
#[derive(Debug)]
pub struct Scanned {
    /// When it was heard that events were lost.
    pub begun: Instant,
    /// When the look began.
    pub since: Instant,
    /// What was seen, root by root.
    pub seen: Vec<Arc<Entries>>,
}

/// A build that has ended.
#[derive(Debug)]
pub struct Build {
    /// When it began, by the clock that files are stamped with.
    pub began: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// How it ended.
    pub result: Result<(), EngineError>,
}
