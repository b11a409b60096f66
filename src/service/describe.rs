//! Actions print themselves, for tests and whoever looks for a fault.

use std::fmt;

use crate::engine::Container;
use crate::report::{self, Event};

use super::action::{Action, Find, Step};
use super::compare::About;
use super::update::{Part, Update};

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Say(event) => write!(f, "say: {}", report::plain(event)),
            Self::Conclude(outcome, _) => {
                let event = Event::Outcome(outcome.clone());
                write!(f, "conclude: {}", report::plain(&event))
            }
            Self::TellDeletions => f.write_str("tell the deletions that are owed"),
            Self::TellOtherNames(files) => write!(f, "tell the others of {} files", files.len()),
            Self::TellEnd(end) => write!(f, "tell that {} ended", end.name),
            Self::Find(Find { rebuilt: None, .. }) => f.write_str("find the containers"),
            Self::Find(_) => f.write_str("find the new containers"),
            Self::Forget(ids) => write!(f, "forget {}", list(ids.iter().map(|id| &id.0))),
            Self::Admit(all) => f.write_str(&list(all.iter().map(|new| {
                let asked = list(new.about.iter());
                let (name, owed) = (&new.container.name, new.owed.len());
                format!("admit {name}: owed {owed}; ask about [{asked}]")
            }))),
            Self::Compare(asked, _) => {
                f.write_str(&list(asked.iter().map(|(container, about)| {
                    format!("compare {}: {about}", container.name)
                })))
            }
            Self::WarmUp(containers) => write!(f, "warm up {}", names(containers)),
            Self::Look(looking) => write!(f, "look at {}", looking.asked.len()),
            Self::Scan(..) => f.write_str("look at everything"),
            Self::AskGit(_) => f.write_str("ask whether git writes"),
            Self::Read(update) => write!(f, "read {}", update.copies().count()),
            Self::Copy(update) => update.write_copies(f),
            Self::Locate(update, _) => write!(f, "locate what is in the way in {}", update.names()),
            Self::Start(update) => write!(f, "start {}", update.names_of_exited()),
            Self::Finish(update) => update.write_steps(f),
            Self::Release(containers) => write!(f, "release {}", names(containers)),
            Self::ListenForCrashes(containers) => {
                write!(f, "listen for a crash of {}", names(containers))
            }
            Self::ReadIgnoreFiles(_) => f.write_str("read the ignore files"),
            Self::Build(rebuild) => write!(f, "build: {}", rebuild.because),
            Self::Identify(_) => f.write_str("identify the image"),
            Self::Recreate(_) => f.write_str("recreate"),
            Self::Continue(step) => write!(f, "then {step}"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reconcile(occasion) if occasion.in_place => "update in place",
            Self::Reconcile(_) => "reconcile",
            Self::Retry(_) => "reconcile again",
            Self::Wake(_) => "reconcile who is owed something",
            Self::StartFailed => "owe a build where there is no container",
        })
    }
}

fn names(containers: &[Container]) -> String {
    list(containers.iter().map(|container| &container.name))
}

/// `a, b, c`.
fn list(words: impl Iterator<Item = impl fmt::Display>) -> String {
    let words: Vec<String> = words.map(|word| word.to_string()).collect();
    words.join(", ")
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::Gone => f.write_str("what is gone"),
            Self::Paths(paths) => write!(f, "{} paths", paths.len()),
        }
    }
}

impl Update {
    fn names(&self) -> String {
        list(self.parts.iter().map(|part| &part.container.name))
    }

    fn names_of_exited(&self) -> String {
        let parts = self.parts.iter().filter(|part| part.landed.starts);
        list(parts.map(|part| &part.container.name))
    }

    fn write_copies(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |part: &Part| {
            let (name, delta) = (&part.container.name, &part.delta);
            let removes = delta.remove.len() + delta.remove_dirs.len();
            format!("copy to {name}: put {}, remove {removes}", delta.put.len())
        };
        f.write_str(&list(self.parts.iter().map(part)))
    }

    fn write_steps(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |part: &Part| {
            let steps = part.steps.iter().map(|due| format!(", {}", due.work));
            format!(
                "finish {}{}",
                part.container.name,
                steps.collect::<String>()
            )
        };
        f.write_str(&list(self.parts.iter().map(part)))
    }
}
