//! A supervised start that failed because of the helper: from then on the service runs without it. Starts nothing itself.

use bollard::models::ContainerStateStatusEnum;
use bollard::query_parameters as query;
use futures_util::StreamExt as _;

use super::super::client::Docker;
use super::super::{ContainerId, End};
use super::unkept::{AT_ONCE, failed_start, refused_start};
use super::{init, instead};

/// How many bytes at the end of a log are searched.
const MOST: usize = 16 << 10;
const LINES: &str = "10";

/// Whether the helper caused a container's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Supervision {
    /// No: the process ended for its own reasons.
    Fine,
    /// Yes, the process cannot run under it: a message for people. The service's next `recreate` makes it run without.
    Failed(String),
    /// Yes, but that was reported, and the container is about to be replaced.
    Known,
}

impl Docker {
    /// Whether a container ended because its process was to run under the helper.
    pub async fn supervision_of(&self, end: &End) -> Supervision {
        if end.requested || end.lived.is_none_or(|lived| lived > AT_ONCE) {
            return Supervision::Fine;
        }
        let (is_meant, is_given_up) = {
            let runs = self.runs();
            let mut all = runs.services.iter();
            let run = all.find(|run| run.service == end.service && run.supervised);
            (run.is_some(), runs.given_up.contains(&end.service))
        };
        if !is_meant || !self.runs_under_helper(&end.id).await {
            return Supervision::Fine;
        }
        if is_given_up {
            return Supervision::Known;
        }
        // The helper was removed from the container: the next start copies it there again.
        if !self.has_init(&end.id).await {
            return Supervision::Fine;
        }
        match failed_start(end.code, &self.last_words(&end.id).await) {
            Some(why) if self.runs().given_up.insert(end.service.clone()) => {
                Supervision::Failed(instead(&why))
            }
            Some(_) => Supervision::Known,
            None => Supervision::Fine,
        }
    }

    /// After a failed start: gives up the helper for those services (of all when empty) whose containers it kept from starting, and
    /// reports that. Returns whether there were any, so that another start may succeed.
    pub(in crate::engine) async fn give_up_on(
        &self,
        services: &[String],
        output: &mut (dyn FnMut(&str) + Send),
    ) -> bool {
        let names: Vec<String> = {
            let runs = self.runs();
            let kept = runs.services.iter().filter(|run| runs.keeps(run));
            kept.map(|run| run.service.clone())
                .filter(|name| services.is_empty() || services.contains(name))
                .collect()
        };
        let mut any = false;
        for name in names {
            for container in self.find(&name).await.unwrap_or_default() {
                if let Some(why) = self.why_it_did_not_start(&container.id).await {
                    self.runs().given_up.insert(name.clone());
                    self.say_once(&name, &why, &mut *output);
                    any = true;
                }
            }
        }
        any
    }

    async fn why_it_did_not_start(&self, id: &ContainerId) -> Option<String> {
        let seen = self.inner.api.inspect_container(&id.0, None).await.ok()?;
        let state = seen.state?;
        if !self.has_init(id).await {
            return None;
        }
        if let Some(why) = state.error.as_deref().and_then(refused_start) {
            return Some(why);
        }
        if state.status != Some(ContainerStateStatusEnum::EXITED) {
            return None;
        }
        failed_start(state.exit_code?, &self.last_words(id).await)
    }

    /// Whether the helper is where the container's process needs it; `true` if that cannot be found out.
    async fn has_init(&self, id: &ContainerId) -> bool {
        match self.inspect(id.clone()).await {
            Ok(container) => self.has(&container, &init()).await.unwrap_or(true),
            Err(_) => true,
        }
    }

    /// The end of a container's log.
    async fn last_words(&self, id: &ContainerId) -> String {
        let options = query::LogsOptions {
            stdout: true,
            stderr: true,
            tail: LINES.to_owned(),
            ..query::LogsOptions::default()
        };
        let mut log = self.inner.api.logs(&id.0, Some(options));
        let mut bytes = Vec::new();
        while bytes.len() < MOST
            && let Some(Ok(piece)) = log.next().await
        {
            bytes.extend_from_slice(&piece.into_bytes());
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
