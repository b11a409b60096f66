//! A supervised start that failed because of the helper: from then on the service runs as it is. Starts nothing itself.

use bollard::models::ContainerStateStatusEnum;
use bollard::query_parameters as query;
use futures_util::StreamExt as _;

use super::super::client::Docker;
use super::super::{ContainerId, End};
use super::unkept::{AT_ONCE, failed_start, refused_start};
use super::{init, instead};

/// So much of a log's end is looked through.
const MOST: usize = 16 << 10;
const LINES: &str = "10";

/// What an end says of the helper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Supervision {
    /// Nothing: it is the process's own.
    Fine,
    /// The process cannot run under it: words for people. The service's next `recreate` has it run as it is.
    Failed(String),
    /// That is known, and the container is about to be replaced.
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
        // Somebody took it away: the next start brings it again.
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

    /// After a start that failed: gives up on those services (all when empty) whose containers the helper kept from starting,
    /// and says so. Whether there were any: then another start may do.
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

    /// Whether the helper stands where the container's process was to run under it; where that cannot be known, it does.
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
