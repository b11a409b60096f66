//! Restarts containers (C9) and finds out whether the process had to be killed. Knows nothing of services.

use std::time::Duration;

use bollard::query_parameters::{InspectContainerOptions, RestartContainerOptions};
use tokio::time::timeout;

use super::client::{Docker, refused};
use super::ends::Whose;
use super::events::Feed;
use super::{ContainerId, EngineError, Restarted};

/// The engine's grace period when none was configured.
const GRACE: Duration = Duration::from_secs(10);
/// The longest wait, whatever the service says; to the engine a negative grace period means no end.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// The time allowed beyond the grace period: killing what is left, and taking down and setting up mounts and networks.
const REST: Duration = Duration::from_secs(120);

/// The events of a restart arrive with its answer or up to this much later.
const SOON: Duration = Duration::from_secs(1);

impl Docker {
    pub(super) async fn restart_container(
        &self,
        id: &ContainerId,
        grace: Option<Duration>,
    ) -> Result<Restarted, EngineError> {
        let _ours = self.ending(Whose::Container(id.clone()));
        // The engine reports each signal it sends: a `KILL` during a restart means that the first signal was ignored.
        let feed = Feed::of_container(self, id, &["kill", "start"]);
        let (feed, own) = tokio::join!(feed, self.grace_to_expect(id, grace));
        let (mut feed, limit) = (feed?, own?.min(LONGEST) + REST);
        let options = RestartContainerOptions {
            t: grace.map(|grace| {
                let whole = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
                i32::try_from(whole).unwrap_or(i32::MAX)
            }),
            ..RestartContainerOptions::default()
        };
        let restart = self.inner.api.restart_container(&id.0, Some(options));
        let restarted = timeout(limit, restart).await.map_err(|_| {
            EngineError::Unreachable(format!(
                "the Docker engine did not restart container {id} within {} s",
                limit.as_secs()
            ))
        })?;
        restarted.map_err(|error| refused(error, id))?;
        let asked_for = grace.is_some_and(|grace| grace.is_zero());
        let mut killed = false;
        let story = async {
            while let Ok(Some(event)) = feed.next().await {
                match event.action.as_str() {
                    "kill" => killed |= event.attribute("signal") == Some("9"),
                    "start" => break,
                    _ => {}
                }
            }
        };
        let _ = timeout(SOON, story).await;
        Ok(Restarted {
            killed: killed && !asked_for,
            whole_container: true,
        })
    }

    /// How long the engine will wait for the process: the given grace period, or the container's own.
    async fn grace_to_expect(
        &self,
        id: &ContainerId,
        told: Option<Duration>,
    ) -> Result<Duration, EngineError> {
        if let Some(told) = told {
            return Ok(told);
        }
        let seen = self
            .inner
            .api
            .inspect_container(&id.0, None::<InspectContainerOptions>);
        let seen = seen.await.map_err(|error| refused(error, id))?;
        let own = seen.config.and_then(|config| config.stop_timeout);
        Ok(own.map_or(GRACE, |seconds| {
            u64::try_from(seconds).map_or(LONGEST, Duration::from_secs)
        }))
    }
}
