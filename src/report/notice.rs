//! What is worth knowing and asks for nothing, each a variant with its data; the words of each are here. Pure.

use std::fmt;
use std::sync::Arc;

use crate::engine::Via;
use crate::harmless::value;
use crate::paths::{ContainerPath, HostPath};
use crate::plan::{Because, LeftOut};
use crate::watch::{self, Held};

use super::backlog::Dropped;
use super::shown::{count, listed};
use super::waits::when;

/// One remark.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// What the keys of the session do.
    Keys,
    /// Changes wait for the user, and there is no terminal for a key.
    ManualWithoutKeys {
        /// The services in manual mode.
        services: Vec<String>,
        /// What the user does to apply what waits.
        how_to_apply: Arc<str>,
    },
    /// Changes are held back from now on.
    Paused,
    /// Changes are applied again.
    GoesOn,
    /// The session ends, and its containers with it.
    Stopping,
    /// The helper's directory could not be taken away.
    HelperStays {
        /// The containers that still have it.
        containers: Vec<String>,
    },
    /// Whoever cannot be asked for `BuildKit`.
    WithoutBuildKit,
    /// The engine was away.
    EngineIsBack,
    /// The system lost events of files.
    EventsLost {
        /// In the watcher's words.
        why: String,
    },
    /// About the watching itself.
    Watching(watch::Notice),
    /// The model was read again, and something in it is another now.
    ConfigurationRead,
    /// What compose's reader warns of, as it prints itself.
    ConfigurationWarning(String),
    /// Containers are made anew after an edit that Compose would not do it for.
    Recreating {
        /// What was edited: `secrets.key`.
        edited: Vec<String>,
    },
    /// A service could not be started under the helper; in the engine's words.
    Unsupervised(String),
    /// Something of a container's output is missing.
    LogGap {
        /// The container's short name.
        container: String,
        /// Why, in the engine's words.
        why: String,
    },
    /// Output that nobody read.
    OutputDropped(Dropped),
    /// A changed path that the plan leaves out.
    LeftOut(LeftOut),
    /// Changed paths that no update can bring.
    Unbrought {
        /// One of them.
        first: HostPath,
        /// How many more there are.
        more: usize,
        /// Why the first is not brought.
        why: Unbrought,
    },
    /// A process that ignores the signal it is stopped by.
    StopIgnored {
        /// The signal.
        signal: String,
        /// What would help.
        remedy: StopRemedy,
    },
    /// The way that updates of these containers take.
    Ways {
        /// Their short names, sorted.
        containers: Vec<String>,
        /// The way.
        via: Via,
    },
    /// A container that somebody has stopped is left so.
    LeftStopped {
        /// Its service.
        service: String,
        /// Its short name.
        container: String,
    },
    /// A lock of git's that nobody seems to hold any more.
    StaleGitLock(Option<HostPath>),
    /// Commands and restarts wait.
    StepsWait(Held),
    /// A rebuild waits.
    RebuildWaits {
        /// For the end of this.
        held: Held,
        /// Why it is built.
        because: Because,
    },
    /// Something takes long, and is waited for.
    Slow(Slow),
    /// `verify` has found paths that are another in a container than on disk.
    Drifted {
        /// How many.
        paths: usize,
    },
}

/// Why no update brings a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unbrought {
    /// Only a build would, and nothing can be built.
    OnlyByABuild,
    /// Another file or directory is mounted over its place.
    Hidden {
        /// Where the mount is.
        mount: ContainerPath,
    },
}

/// What would help a process that ignores its stop signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopRemedy {
    /// `restart_process` has a signal of its own.
    AnotherSignal,
    /// `restart_process` uses the container's.
    ItsOwnSignal,
    /// The container is restarted, and has an init already.
    StopSignal,
    /// The container is restarted, and has no init.
    Init,
}

/// What takes long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slow {
    /// A container takes its files.
    Files(String),
    /// A container restarts.
    Restart(String),
    /// The helper in a container answers.
    Helper(String),
    /// A container is compared with the disk.
    Comparison(String),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys => f.write_str("keys: r rebuild, u apply what waits, p pause, v verify, q quit, ? help"),
            Self::ManualWithoutKeys { services, how_to_apply } => write!(
                f,
                "{} in `trigger_mode: manual`, and there is no terminal for the key `u`: apply what waits with {how_to_apply}",
                quoted(services),
            ),
            Self::Paused => f.write_str("paused: changes wait (p goes on)"),
            Self::GoesOn => f.write_str("going on"),
            Self::Stopping => f.write_str("stopping the containers (again: at once)"),
            Self::HelperStays { containers } => write!(
                f,
                "`/.liveupdate` stays in {}: the helper there was killed in the middle of an update; the next session takes it away, or it goes with its container",
                listed(containers),
            ),
            Self::WithoutBuildKit => f.write_str(
                "the engine is Podman, which has no BuildKit: images are built with `DOCKER_BUILDKIT=0` (set it to 1 to have BuildKit all the same)",
            ),
            Self::EngineIsBack => f.write_str("the engine is back; looking at everything again"),
            Self::EventsLost { why } => write!(f, "{}; comparing the trees", value(why)),
            Self::Watching(notice) => notice.fmt(f),
            Self::ConfigurationRead => f.write_str("the configuration was read again"),
            Self::ConfigurationWarning(rendered) => f.write_str(&rendered.replace('\n', "\n  ")),
            Self::Recreating { edited } => write!(f, "recreating: {} edited", were(edited)),
            Self::Unsupervised(why) => f.write_str(why),
            Self::LogGap { container, why } => write!(f, "{}: {why}", value(container)),
            Self::OutputDropped(dropped) => dropped.fmt(f),
            Self::LeftOut(left_out) => write!(f, "left out {left_out}"),
            Self::Unbrought { first, more, why } => match more {
                0 => write!(f, "left out: `{first}`; {why}"),
                more => write!(f, "left out: `{first}` and {more} more; {why}"),
            },
            Self::StopIgnored { signal, remedy } => write!(
                f,
                "the process ignored {} until it was killed, which takes the whole grace period each time; {remedy}",
                value(signal),
            ),
            Self::Ways { containers, via } => {
                let but = match via {
                    Via::Helper => "",
                    // What this way cannot promise belongs to it.
                    Via::EngineApi(_) => {
                        "; that way cannot rule out that a process in the container turns a path elsewhere in that very moment (SECURITY.md)"
                    }
                };
                write!(f, "updates of {} go through {via}{but}", listed(containers))
            }
            Self::LeftStopped { service, container } => write!(
                f,
                "{} was stopped by somebody: it gets its files and is left stopped until it is started (`docker compose start {}`)",
                value(container),
                value(service),
            ),
            Self::StaleGitLock(lock) => {
                if let Some(lock) = lock {
                    write!(f, "`{lock}`")?;
                }
                f.write_str(" is there, but nothing was written for a while: it is not waited for (remove it if no git is at work)")
            }
            Self::StepsWait(held) => write!(f, "what it asks for is done {}", when(*held)),
            Self::RebuildWaits { held, because } => write!(f, "rebuilt {}: {because}", when(*held)),
            Self::Slow(slow) => slow.fmt(f),
            Self::Drifted { paths: 1 } => f.write_str("1 path has drifted; repairing it"),
            Self::Drifted { paths } => write!(f, "{paths} paths have drifted; repairing them"),
        }
    }
}

impl fmt::Display for Unbrought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnlyByABuild => {
                f.write_str("no sync covers it, and the service has only an `image:`")
            }
            Self::Hidden { mount } => write!(f, "another one is mounted at `{mount}`"),
        }
    }
}

impl fmt::Display for StopRemedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AnotherSignal => {
                "handle it, or give `restart_process` another `signal` or a shorter `timeout`"
            }
            Self::ItsOwnSignal => {
                "handle it, or give `restart_process` a `signal` that it heeds, or a shorter `timeout`"
            }
            Self::StopSignal => "set `stop_signal`, or use `restart_process`",
            Self::Init => "set `init: true` or `stop_signal`, or use `restart_process`",
        })
    }
}

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(name) => write!(
                f,
                "{} has not taken its files yet; it is waited for a while",
                value(name)
            ),
            Self::Restart(name) => write!(
                f,
                "{} is not restarted yet; it is waited for a while",
                value(name)
            ),
            Self::Helper(name) => write!(
                f,
                "the helper in {} does not answer; it is waited for a while",
                value(name)
            ),
            Self::Comparison(name) => {
                write!(f, "{} is still being compared with the disk", value(name))
            }
        }
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = usize::try_from(self.lines()).unwrap_or(usize::MAX);
        write!(
            f,
            "{} of the output of {} {} dropped here: nobody read what came before",
            count(lines, "line", "lines"),
            self.whose().map(value).collect::<Vec<_>>().join(", "),
            if lines == 1 { "was" } else { "were" },
        )
    }
}

/// `configs.a, secrets.b were`.
pub(super) fn were(edited: &[String]) -> String {
    let verb = if edited.len() == 1 { "was" } else { "were" };
    format!("{} {verb}", listed(edited))
}

fn quoted(names: &[String]) -> String {
    let names: Vec<String> = names
        .iter()
        .map(|name| format!("`{}`", value(name)))
        .collect();
    names.join(", ")
}
