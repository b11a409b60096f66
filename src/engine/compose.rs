//! The verbs that only `docker compose` has: build, create, start, recreate, stop, down. Of its output only warnings are understood.

use std::ffi::OsString;
use std::sync::PoisonError;
use std::time::Duration;

use super::client::Docker;
use super::command::{Lines, cannot_start, stream};
use super::ends::Whose;
use super::{Engine, EngineError, State, screen};

/// How many of Compose's warnings are remembered, so as not to be repeated.
const MOST_WARNINGS: usize = 1000;

/// Which containers are recreated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anew {
    /// Those whose image or definition changed.
    Changed,
    /// All: something they share is gone. Compose does not notice that when the compose file names it by its container.
    All,
}

impl Docker {
    /// The first start: creates and starts services and what they depend on, without waiting for them to be healthy.
    pub async fn up(
        &self,
        services: &[String],
        flags: &[OsString],
        output: Lines<'_>,
    ) -> Result<(), EngineError> {
        let _alone = self.inner.recreating.lock().await;
        let _ours = self.ending(Whose::Services(services.to_vec()));
        self.write_override(&mut *output).await?;
        let mut words: Vec<OsString> = flags.to_vec();
        if self.any_supervised(services) {
            let mut first = words.clone();
            first.extend(services.iter().map(Into::into));
            self.compose(&["up", "--no-start"], &first, &mut *output)
                .await?;
            self.put_helpers(services).await?;
            // `up --no-start` did these; repeating them would recreate the containers without the helper.
            words.retain(|flag| flag != "--force-recreate" && flag != "--build");
        }
        words.extend(services.iter().map(Into::into));
        let started = self.compose(&["up", "-d"], &words, &mut *output).await;
        if started.is_err() && self.give_up_on(services, &mut *output).await {
            self.write_override(&mut *output).await?;
            return self.compose(&["up", "-d"], &words, output).await;
        }
        started
    }

    /// Stops services as Ctrl-C in `docker compose up` does; all of them when `services` is empty.
    pub async fn stop(
        &self,
        services: &[String],
        grace: Option<Duration>,
        output: Lines<'_>,
    ) -> Result<(), EngineError> {
        let grace = grace.map(|grace| format!("--timeout={}", grace.as_secs()));
        let words: Vec<String> = grace.into_iter().chain(services.iter().cloned()).collect();
        self.compose(&["stop"], &words, output).await
    }

    /// Kills services at once, as the second Ctrl-C in `docker compose up` does.
    pub async fn kill(&self, services: &[String]) -> Result<(), EngineError> {
        self.compose(&["kill"], services, &mut |_| {}).await
    }

    /// `docker compose down` with the user's own flags.
    pub async fn down(&self, args: &[OsString], output: Lines<'_>) -> Result<(), EngineError> {
        let _alone = self.inner.recreating.lock().await;
        self.compose(&["down"], args, output).await
    }

    pub(super) async fn compose_build(
        &self,
        services: &[String],
        output: Lines<'_>,
    ) -> Result<(), EngineError> {
        if self.takes_images_for_contexts(services) {
            let _alone = self.inner.recreating.lock().await;
            self.write_override(&mut *output).await?;
        }
        self.compose(&["build"], services, output).await
    }

    /// C11: replaces the containers whose image changed, keeping their number.
    pub(super) async fn compose_recreate(
        &self,
        services: &[String],
        anew: Anew,
        output: Lines<'_>,
    ) -> Result<(), EngineError> {
        let _alone = self.inner.recreating.lock().await;
        let _ours = self.ending(Whose::Services(services.to_vec()));
        let mut words: Vec<OsString> = Vec::new();
        if anew == Anew::All {
            words.push("--force-recreate".into());
        }
        for service in services {
            // Without this, a service that was scaled by hand would shrink to the compose file's number.
            let now = self.find(service).await?.len();
            if now > 0 {
                words.extend(scale_flag(service, now));
            }
        }
        words.extend(services.iter().map(OsString::from));
        if let Err(error) = self.make_anew(services, &words, &mut *output).await {
            if !self.give_up_on(services, &mut *output).await {
                return Err(error);
            }
            return self.make_anew(services, &words, output).await;
        }
        Ok(())
    }

    async fn make_anew(
        &self,
        services: &[String],
        words: &[OsString],
        output: Lines<'_>,
    ) -> Result<(), EngineError> {
        self.write_override(&mut *output).await?;
        if !self.any_supervised(services) {
            return self
                .compose(&["up", "-d", "--no-deps", "--no-build"], words, output)
                .await;
        }
        self.compose(
            &["up", "--no-start", "--no-deps", "--no-build"],
            words,
            output,
        )
        .await?;
        self.put_helpers(services).await?;
        for service in services {
            for container in self.find(service).await? {
                // A container whose image came out the same is not recreated, and may have ended meanwhile.
                if matches!(container.state, State::Created | State::Exited { .. }) {
                    self.start(&container).await?;
                }
            }
        }
        Ok(())
    }

    async fn compose(
        &self,
        verb: &[&str],
        words: &[impl Into<OsString> + Clone],
        output: Lines<'_>,
    ) -> Result<(), EngineError> {
        let lent = self.inner.screen.is_lent();
        // We parse the output: forced colours are meant for our own, and Compose has no plain progress with them.
        let looks: &[&str] = if lent {
            &[]
        } else {
            &["--ansi", "never", "--progress", "plain"]
        };
        let args = looks
            .iter()
            .chain(verb)
            .map(OsString::from)
            .chain(words.iter().cloned().map(Into::into));
        let what = format!("`docker compose {}`", verb.first().unwrap_or(&""));
        let mut cli = self.runs().cli(&self.inner.cli);
        if self.inner.screen.has_warned() {
            cli.global_flags
                .extend(["--log-level".into(), "error".into()]);
        }
        let mut command = cli
            .compose(args)
            .map_err(|error| cannot_start(&what, &error))?;
        if matches!(verb.first(), Some(&("build" | "up"))) && self.builds_without_buildkit().await {
            command.env("DOCKER_BUILDKIT", "0");
        }
        if lent {
            return screen::show(command, &what).await;
        }
        let mut hear = |line: &str| match warning(line) {
            Some(warning) if self.is_new(&warning) => output(&format!("warning: {warning}")),
            Some(_) => {}
            None => output(line),
        };
        stream(command, &what, &mut hear).await
    }

    /// Whether a warning was not shown before: every command of Compose reads the same files and warns of the same things.
    fn is_new(&self, warning: &str) -> bool {
        let told = self.inner.told_warnings.lock();
        let mut told = told.unwrap_or_else(PoisonError::into_inner);
        told.len() == MOST_WARNINGS || told.insert(warning.to_owned())
    }
}

/// The warning in this line of Compose's log, if it is one.
fn warning(line: &str) -> Option<String> {
    let rest = line.strip_prefix("time=")?;
    let (_, message) = rest.split_once(" level=warning msg=")?;
    // It is quoted as in Go, which differs from JSON only for rare characters.
    Some(serde_json::from_str(message).unwrap_or_else(|_| message.to_owned()))
}

/// The flags by which `docker compose up` learns how many containers a service has.
pub fn scale_flag(service: &str, count: usize) -> [OsString; 2] {
    ["--scale".into(), format!("{service}={count}").into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_told_from_what_else_compose_says() {
        let line = r#"time="2026-11-27T07:36:16Z" level=warning msg="/p/compose.yaml: the attribute `version` is obsolete, \"it\" will be ignored""#;
        let said = r#"/p/compose.yaml: the attribute `version` is obsolete, "it" will be ignored"#;
        assert_eq!(warning(line).as_deref(), Some(said));
        assert_eq!(warning(" Container web-1  Started"), None);
        assert_eq!(warning("#8 0.1 time=x level=warning msg=y"), None);
    }
}
