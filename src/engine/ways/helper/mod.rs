//! The way through the helper in the container: atomic updates, commands, hashes, restarts of the process alone. If the helper cannot
//! be asked, it says why, and nothing of what was asked is done.

mod crashes;
mod executable;
mod links;
mod questions;
mod staging;
#[cfg(test)]
mod tests;

pub(in crate::engine) use executable::HIDDEN;
pub use executable::helper_forbidden;
pub(in crate::engine) use links::Helpers;

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::archive::FULL;
use super::archive::survey::Survey;
use super::{Fingerprints, No, Output, Taken, Way};
use crate::compose::Mount;
use crate::engine::client::Docker;
use crate::engine::{
    Applied, Container, Delta, Ended, EngineError, Exec, Restarted, State, Via, Wanted,
};
use crate::harmless;
use crate::helper::{self, Code, Error};
use crate::paths::ContainerPath;
use links::HelperLink;
use questions::Update;

/// A container's grace period when neither step nor service sets one: the engine's default.
const GRACE: Duration = Duration::from_secs(10);

/// A helper's answer, while it is awaited. Boxed, since a closure's own future cannot be declared `Send`.
type Answer<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// The way through the helper of a container.
pub(super) struct Helper<'a>(pub(super) &'a Docker);

impl Helper<'_> {
    /// Asks the helper, and if that one turns out to be gone, a new one. If the second one goes too, it is given up: what ended both
    /// would end the next.
    async fn ask<S: Send, T: Send>(
        &self,
        container: &Container,
        mut about: S,
        question: impl for<'a> Fn(&'a mut S, &'a mut HelperLink) -> Answer<'a, T> + Send,
    ) -> Taken<T> {
        // Its helper is frozen with it, and would answer only when it goes on.
        if container.state == State::Paused {
            return Err(No::NotThisWay("the container is paused".to_owned()));
        }
        let slot = self.0.slot(&container.id).await;
        let mut slot = slot.lock().await;
        let mut ends = String::new();
        for _ in 0..2 {
            let link = self.0.link(container, &mut slot).await;
            match question(&mut about, link.map_err(No::NotThisWay)?).await {
                Ok(answer) => return Ok(answer),
                Err(error) if is_forbidden(&error) => {
                    return Err(No::NotThisWay(format!("the helper may not: {error}")));
                }
                Err(error @ Error::Refused { .. }) => {
                    return Err(No::Failed(refusal(container, &error)));
                }
                // Whatever stops it or answers for it would do so again; the plain way needs no process in the container.
                Err(error @ Error::Stuck { .. }) => {
                    slot.refuse(error.to_string());
                    return Err(No::NotThisWay(error.to_string()));
                }
                // The helper was killed, its exec cut, or its container restarted.
                Err(error) => {
                    slot.link = None;
                    ends = error.to_string();
                }
            }
        }
        // A third one is started and asked nothing: it removes what the first two left.
        if self.0.link(container, &mut slot).await.is_ok()
            && let Some(link) = slot.link.take()
        {
            let _ = link.bye().await;
        }
        slot.refuse(ends.clone());
        Err(No::NotThisWay(ends))
    }
}

impl Way for Helper<'_> {
    async fn expected(&self, container: &Container) -> Result<Via, String> {
        if let Some(why) = self.0.why_not(container) {
            return Err(why);
        }
        let survey = &mut Survey::new(self.0, &container.id);
        let executable = self.0.executable_for(container, survey).await;
        executable.map(|_| Via::Helper)
    }

    /// C5, C6: everything is staged before anything is renamed into place. From here on the supervisor outlives its process.
    async fn apply(&self, container: &Container, delta: &Delta) -> Taken<Applied> {
        if container.state != State::Running {
            let why = format!("{} is not running", container.name);
            return Err(No::NotThisWay(why));
        }
        let service = std::slice::from_ref(&container.service);
        let mut update = Update::new(delta, self.0.any_supervised(service));
        update.how.ahead = self.send_ahead(container, delta).await?;
        self.ask(container, &mut update, |update, link| {
            Box::pin(update.ask(link))
        })
        .await
    }

    /// C7, unless the command needs something that only the engine can do.
    async fn run(&self, container: &Container, exec: &Exec, output: Output<'_>) -> Taken<Ended> {
        let own = |word: &str, containers: &str| match word {
            "" => containers.to_owned(),
            word => word.to_owned(),
        };
        let user = exec.user.as_ref().unwrap_or(&container.user);
        if exec.privileged {
            let why = "only the engine gives more rights than the container has";
            return Err(No::NotThisWay(why.to_owned()));
        }
        if !container.group_add.is_empty() && !is_root(user) {
            let why = "only the engine knows which groups it adds to a user";
            return Err(No::NotThisWay(why.to_owned()));
        }
        let exec = Exec {
            workdir: own(&exec.workdir, &container.workdir),
            user: Some(user.clone()),
            ..exec.clone()
        };
        let slot = self.0.slot(&container.id).await;
        let mut slot = slot.lock().await;
        // A helper that is gone before it was asked anything must not keep the command from running.
        let link = self.0.living_link(container, &mut slot).await;
        match link.map_err(No::NotThisWay)?.run(&exec, output).await {
            Ok(ended) => Ok(ended),
            // The command was not started.
            Err(error) if is_forbidden(&error) => Err(No::NotThisWay(error.to_string())),
            Err(Error::Refused { text, .. }) => Err(No::Failed(EngineError::Refused(
                harmless::value(&text).into_owned(),
            ))),
            // The command may have run in part: whether it is run again is for the session to decide (C7).
            Err(error) => {
                slot.link = None;
                let why = format!("the command was broken off: {error}");
                Err(No::Failed(EngineError::Refused(why)))
            }
        }
    }

    async fn fingerprints(
        &self,
        container: &Container,
        wanted: &Wanted,
        _: &[ContainerPath],
    ) -> Taken<Fingerprints> {
        self.ask(container, wanted, |wanted, link| {
            Box::pin(questions::fingerprints(link, wanted))
        })
        .await
    }

    /// The helper's answer ends the update.
    async fn restart_process(
        &self,
        container: &Container,
        signal: Option<&str>,
        grace: Option<Duration>,
    ) -> Taken<Restarted> {
        let name = signal.unwrap_or(&container.stop_signal);
        let signal = helper::signal_number(name).ok_or_else(|| {
            EngineError::Refused(format!("there is no signal `{}`", harmless::value(name)))
        })?;
        let own = || self.0.grace_of(container);
        let grace = grace.or_else(own).unwrap_or(GRACE);
        let asked = self.ask(container, (signal, grace), |(signal, grace), link| {
            Box::pin(questions::restart(link, *signal, *grace))
        });
        asked
            .await?
            .ok_or_else(|| No::NotThisWay("the process does not run under the helper".to_owned()))
    }
}

impl Docker {
    /// The update is over: if the process ended meanwhile and was not restarted, its container ends now.
    pub(in crate::engine) async fn release_process(&self, container: &Container) {
        if container.state == State::Paused
            || !self.any_supervised(std::slice::from_ref(&container.service))
        {
            return;
        }
        let slot = self.slot(&container.id).await;
        let mut slot = slot.lock().await;
        if let Some(link) = &mut slot.link
            && questions::release(link).await.is_err()
        {
            slot.link = None;
        }
    }
}

/// Whether `user`, in the engine's form, is root, whom the helper runs as.
fn is_root(user: &str) -> bool {
    let name = user.split(':').next().unwrap_or_default();
    matches!(name, "" | "0" | "root")
}

/// Whether the container forbids its root something that the engine itself may do: by dropped capabilities, a seccomp profile or a
/// user namespace.
fn is_forbidden(error: &Error) -> bool {
    const EPERM: u32 = 1;
    const EACCES: u32 = 13;
    const ENOSYS: u32 = 38;
    matches!(
        error,
        Error::Refused {
            code: Code::System,
            errno: EPERM | EACCES | ENOSYS,
            ..
        }
    )
}

/// The error for a refusal of the helper: whether a rebuild could help depends on the cause.
fn refusal(container: &Container, error: &Error) -> EngineError {
    const ENOSPC: u32 = 28;
    const EROFS: u32 = 30;
    const EDQUOT: u32 = 122;
    let Error::Refused {
        code: Code::System,
        errno,
        path,
        ..
    } = error
    else {
        return EngineError::Refused(error.to_string());
    };
    let mounted = ContainerPath::new(path.as_slice())
        .and_then(|path| Mount::over(&container.mounts, &path).cloned());
    match (*errno, mounted) {
        (ENOSPC | EDQUOT, _) => EngineError::InVain(format!("{error}{FULL}")),
        (EROFS, Some(mount)) => EngineError::InVain(format!(
            "{error}\nhint: `{}` is mounted read-only there",
            mount.target
        )),
        _ => EngineError::Refused(error.to_string()),
    }
}
