//! Restarts containers (C9) and finds out whether the process had to be killed. Knows nothing of services.

use std::time::Duration;

use bollard::query_parameters::RestartContainerOptions;
use tokio::time::timeout;

use super::client::{Docker, refused};
use super::events::Feed;
use super::{ContainerId, EngineError, Restarted};

/// The engine gives a container 10 s when nobody said otherwise; a service may say hours.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The events of a restart arrive with its answer or a moment later.
const SOON: Duration = Duration::from_secs(1);

impl Docker {
    pub(super) async fn restart_container(
        &self,
        id: &ContainerId,
        grace: Option<Duration>,
    ) -> Result<Restarted, EngineError> {
        // The engine tells of each signal it sends: a `KILL` in a restart means that the first one was ignored.
        let mut feed = Feed::of_container(self, id, &["kill", "start"]).await?;
        let options = RestartContainerOptions {
            t: grace.map(|grace| {
                let whole = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
                i32::try_from(whole).unwrap_or(i32::MAX)
            }),
            ..RestartContainerOptions::default()
        };
        self.inner
            .api
            .clone()
            .with_timeout(LONGEST)
            .restart_container(&id.0, Some(options))
            .await
            .map_err(|error| refused(error, id))?;
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
}
