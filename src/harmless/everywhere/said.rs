//! Each remark, problem and failure, and what waits, with hostile text in every field.

use std::time::Duration;

use crate::compose::block::Command;
use crate::engine::{EngineError, Via};
use crate::paths::HostPath;
use crate::plan::follow::Move;
use crate::report::{
    Dropped, Failure, Failures, HowToGoOn, LastDone, Later, Notice, Obstacle, Problem, Rest,
    RunEnd, RunFailed, Slow, StopRemedy, Unbrought, Waits,
};
use crate::watch::{self, Held};

use super::events::{becauses, last_steps, left_out, step};
use super::{host, hostile, there, words};

fn error() -> EngineError {
    EngineError::Refused(words())
}

pub(super) fn notices() -> Vec<Notice> {
    let (service, container) = (hostile(), hostile());
    let mut all = vec![
        Notice::Keys,
        Notice::ManualWithoutKeys {
            services: vec![hostile(), hostile()],
            how_to_apply: "`u`".into(),
        },
        Notice::Paused,
        Notice::GoesOn,
        Notice::Stopping,
        Notice::HelperStays {
            containers: vec![hostile()],
        },
        Notice::WithoutBuildKit,
        Notice::EngineIsBack,
        Notice::EventsLost { why: hostile() },
        Notice::Watching(watch::Notice::MissingRoot(host())),
        Notice::ConfigurationRead,
        Notice::ConfigurationWarning(words()),
        Notice::Recreating {
            edited: vec![hostile()],
        },
        Notice::Unsupervised(words()),
        Notice::LogGap {
            container: hostile(),
            why: words(),
        },
        Notice::OutputDropped(Dropped::of(&hostile(), 2)),
        Notice::LeftStopped { service, container },
        Notice::StaleGitLock(HostPath::new("/p/.git/index.lock")),
        Notice::StaleGitLock(None),
        Notice::StepsWait(Held::Git),
        Notice::Drifted { paths: 1 },
        Notice::Drifted { paths: 2 },
    ];
    all.extend(left_out().into_iter().map(Notice::LeftOut));
    let because = becauses().into_iter();
    all.extend(because.map(|because| Notice::RebuildWaits {
        held: Held::Burst,
        because,
    }));
    let hidden = Unbrought::Hidden { mount: there() };
    all.extend(
        [Unbrought::OnlyByABuild, hidden].map(|why| Notice::Unbrought {
            first: host(),
            more: 1,
            why,
        }),
    );
    let remedies = [
        StopRemedy::AnotherSignal,
        StopRemedy::ItsOwnSignal,
        StopRemedy::StopSignal,
        StopRemedy::Init,
    ];
    all.extend(remedies.map(|remedy| Notice::StopIgnored {
        signal: hostile(),
        remedy,
    }));
    all.extend(
        [Via::Helper, Via::EngineApi(words())].map(|via| Notice::Ways {
            containers: vec![hostile()],
            via,
        }),
    );
    let slow = [
        Slow::Files(hostile()),
        Slow::Restart(hostile()),
        Slow::Helper(hostile()),
        Slow::Comparison(hostile()),
    ];
    all.extend(slow.map(Notice::Slow));
    all.iter().for_each(has_its_place);
    all
}

/// A new remark must be listed above.
fn has_its_place(notice: &Notice) {
    match notice {
        Notice::Keys
        | Notice::ManualWithoutKeys { .. }
        | Notice::Paused
        | Notice::GoesOn
        | Notice::Stopping
        | Notice::HelperStays { .. }
        | Notice::WithoutBuildKit
        | Notice::EngineIsBack
        | Notice::EventsLost { .. }
        | Notice::Watching(_)
        | Notice::ConfigurationRead
        | Notice::ConfigurationWarning(_)
        | Notice::Recreating { .. }
        | Notice::Unsupervised(_)
        | Notice::LogGap { .. }
        | Notice::OutputDropped(_)
        | Notice::LeftOut(_)
        | Notice::Unbrought { .. }
        | Notice::StopIgnored { .. }
        | Notice::Ways { .. }
        | Notice::LeftStopped { .. }
        | Notice::StaleGitLock(_)
        | Notice::StepsWait(_)
        | Notice::RebuildWaits { .. }
        | Notice::Slow(_)
        | Notice::Drifted { .. } => {}
    }
}

pub(super) fn problems() -> Vec<Problem> {
    let container = hostile;
    let mut all = vec![
        Problem::WatchingStopped,
        Problem::Watching(words()),
        Problem::EngineAway { why: words() },
        Problem::NotStopped(error()),
        Problem::NotBuilt(error()),
        Problem::BaseNotBuilt { base: hostile() },
        Problem::NotStarted(error()),
        Problem::NotRecreated {
            error: error(),
            old_runs: true,
        },
        Problem::ContainersUnknown(error()),
        Problem::NotBroughtUp(error()),
        Problem::EditNotStarted {
            error: error(),
            forced: vec![hostile()],
        },
        Problem::EditWithoutContainers {
            service: hostile(),
            edited: vec![hostile(), hostile()],
        },
        Problem::BadConfiguration(words()),
        Problem::ProjectRenamed {
            old: hostile(),
            new: hostile(),
        },
        Problem::VolumeEdited { volume: hostile() },
        Problem::NotCompared {
            container: container(),
            error: error(),
        },
        Problem::NotVerified {
            container: container(),
            error: error(),
        },
        Problem::Unreadable {
            path: host(),
            why: hostile(),
        },
    ];
    all.extend(becauses().into_iter().map(Problem::OnlyAnImage));
    let obstacles = [Obstacle::Directory, Obstacle::File(there())];
    all.extend(obstacles.map(|obstacle| Problem::Misplaced {
        from: host(),
        to: there(),
        container: container(),
        obstacle,
    }));
    for problem in &all {
        match problem {
            Problem::WatchingStopped
            | Problem::Watching(_)
            | Problem::EngineAway { .. }
            | Problem::NotStopped(_)
            | Problem::OnlyAnImage(_)
            | Problem::NotBuilt(_)
            | Problem::BaseNotBuilt { .. }
            | Problem::NotStarted(_)
            | Problem::NotRecreated { .. }
            | Problem::ContainersUnknown(_)
            | Problem::NotBroughtUp(_)
            | Problem::EditNotStarted { .. }
            | Problem::EditWithoutContainers { .. }
            | Problem::BadConfiguration(_)
            | Problem::ProjectRenamed { .. }
            | Problem::VolumeEdited { .. }
            | Problem::NotCompared { .. }
            | Problem::NotVerified { .. }
            | Problem::Misplaced { .. }
            | Problem::Unreadable { .. } => {}
        }
    }
    all
}

/// Each failure on its own, so that each one's hint is shown, and all together.
pub(super) fn failures() -> Vec<Failures> {
    let container = hostile;
    let mut all = vec![
        Failure::Closed {
            container: container(),
            path: there(),
            why: words(),
        },
        Failure::MoreClosed {
            container: container(),
            more: 2,
        },
        Failure::Refused {
            container: container(),
            why: words(),
        },
        Failure::InVain {
            container: container(),
            why: words(),
        },
        Failure::TriedAgain {
            container: container(),
            why: words(),
        },
        Failure::LastStep(error()),
        Failure::Build {
            error: error(),
            old_runs: false,
        },
    ];
    all.extend(
        [Move::Restarted, Move::Recreated].map(|needs| Failure::Follow {
            service: hostile(),
            needs,
            error: error(),
        }),
    );
    let ends = [
        RunEnd::Exit(1),
        RunEnd::TimedOut(Duration::from_secs(1)),
        RunEnd::NotRun(error()),
    ];
    all.extend(ends.map(|end| {
        Failure::Run(RunFailed {
            step: step(),
            command: Command::Shell(hostile()),
            container: container(),
            end,
        })
    }));
    for failure in &all {
        match failure {
            Failure::Closed { .. }
            | Failure::MoreClosed { .. }
            | Failure::Refused { .. }
            | Failure::InVain { .. }
            | Failure::TriedAgain { .. }
            | Failure::Run(_)
            | Failure::LastStep(_)
            | Failure::Build { .. }
            | Failure::Follow { .. } => {}
        }
    }
    let together = Failures(all.clone());
    let each = all.into_iter().map(|failure| Failures(vec![failure]));
    each.chain([together]).collect()
}

pub(super) fn waits() -> Vec<Waits> {
    let rests = [Rest::Paused, Rest::Stopped, Rest::Ended, Rest::NeverStarted];
    let mut all = vec![
        Waits::NoContainer,
        Waits::StillWritten(there()),
        Waits::ForTheUser {
            changes: 1,
            how: HowToGoOn::Resume,
        },
        Waits::ForTheUser {
            changes: 2,
            how: HowToGoOn::Apply("`u`".into()),
        },
    ];
    all.extend(rests.map(|rest| Waits::NotRunning {
        container: hostile(),
        rest,
    }));
    all.extend(becauses().into_iter().map(Waits::Stopped));
    for waits in &all {
        match waits {
            Waits::NoContainer
            | Waits::NotRunning { .. }
            | Waits::Stopped(_)
            | Waits::StillWritten(_)
            | Waits::ForTheUser { .. } => {}
        }
    }
    all
}

/// What was done last and what waits, by the number of an update.
pub(super) fn last_done(number: usize) -> (LastDone, Later) {
    let all = last_steps();
    let step = all[number % all.len()].clone();
    let later = match number % 4 {
        0 => Later::StillWritten(there()),
        last => Later::Steps {
            runs: 1,
            last: (last > 1).then(|| step.clone()),
            held: Held::Burst,
        },
    };
    let whole_container = number.is_multiple_of(2);
    let done = LastDone {
        step,
        whole_container,
    };
    (done, later)
}
