//! Which containers somebody stops on purpose, by what the engine tells: a signal that ends a process, and the end. Of a crash
//! it tells the end alone. Knows no engine.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::engine::ContainerId;

/// `docker kill` may let a process clean up; what ends later than this has ended by itself.
const AFTER_A_SIGNAL: Duration = Duration::from_secs(60);
/// An engine that goes away stops its containers first. It is given so long for that.
const AFTER_THE_ENGINE: Duration = Duration::from_secs(15);
/// SIGINT, SIGQUIT, SIGKILL, SIGTERM. A service's own stop signal comes with a `stop`.
const ENDING: [&str; 4] = ["2", "3", "9", "15"];

/// What is known of the containers that somebody is stopping, or has stopped.
#[derive(Debug, Default)]
pub struct Stops {
    containers: Mutex<HashMap<ContainerId, Stage>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Asked(Instant),
    Stopped(Instant),
}

/// What an event says of its container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Somebody has begun to stop it, perhaps to start it again.
    Stopping,
    /// Somebody has stopped it.
    Stopped,
    /// It ended by itself.
    Ended,
    /// It was started, or is gone.
    Over,
    /// Nothing of that kind.
    Else,
}

impl Stops {
    /// Hears an event. What this session does itself (`ours`) is nobody's purpose.
    pub fn hear(
        &self,
        id: &ContainerId,
        action: &str,
        signal: Option<&str>,
        ours: bool,
        now: Instant,
    ) -> Said {
        let mut containers = self.containers();
        let stage = containers.get(id).copied();
        let stage = match (action, stage) {
            ("kill", None) if !ours && signal.is_some_and(|signal| ENDING.contains(&signal)) => {
                Stage::Asked(now)
            }
            ("kill", Some(Stage::Asked(_))) => Stage::Asked(now),
            ("stop", _) if !ours => Stage::Stopped(now),
            ("die", Some(Stage::Asked(then))) if now.duration_since(then) < AFTER_A_SIGNAL => {
                Stage::Stopped(now)
            }
            // Either may come first.
            ("die", Some(stopped @ Stage::Stopped(_))) => stopped,
            ("die", _) => {
                containers.remove(id);
                return Said::Ended;
            }
            ("start" | "destroy", _) => {
                containers.remove(id);
                return Said::Over;
            }
            _ => return Said::Else,
        };
        containers.insert(id.clone(), stage);
        match stage {
            Stage::Asked(_) => Said::Stopping,
            Stage::Stopped(_) => Said::Stopped,
        }
    }

    /// The engine went away: those whose stops it told of just before were stopped by itself.
    pub fn hear_of_loss(&self, now: Instant) {
        self.containers().retain(|_, stage| match stage {
            Stage::Asked(then) | Stage::Stopped(then) => {
                now.duration_since(*then) >= AFTER_THE_ENGINE
            }
        });
    }

    /// Whether somebody has stopped it and not started it since.
    pub fn has_stopped(&self, id: &ContainerId) -> bool {
        matches!(self.containers().get(id), Some(Stage::Stopped(_)))
    }

    fn containers(&self) -> MutexGuard<'_, HashMap<ContainerId, Stage>> {
        self.containers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last thing said after these events, a second apart; `kill 15` is a signal.
    #[track_caller]
    fn said(events: &[&str], expected: Said) {
        let stops = Stops::default();
        let id = ContainerId("x".into());
        let mut now = Instant::now();
        let mut last = Said::Else;
        for event in events {
            now += Duration::from_secs(1);
            let ours = event.starts_with("our ");
            let event = event.trim_start_matches("our ");
            let (action, signal) = match event.split_once(' ') {
                Some((action, signal)) => (action, Some(signal)),
                None => (event, None),
            };
            last = stops.hear(&id, action, signal, ours, now);
        }
        assert_eq!(last, expected, "{events:?}");
    }

    #[test]
    fn a_stop_on_purpose_is_told_from_a_crash() {
        use Said::{Ended, Over, Stopped, Stopping};
        for (events, expected) in [
            // `docker stop`, with a process that ends, and one that is killed.
            (&["kill 15", "die", "stop"][..], Stopped),
            (&["kill 15", "kill 9", "die", "stop"], Stopped),
            (&["kill 15", "stop", "die"], Stopped),
            // Another stop signal than the usual ones.
            (&["kill 28", "die", "stop"], Stopped),
            // `docker kill`.
            (&["kill 9", "die"], Stopped),
            (&["kill 15"], Stopping),
            // A crash, an end, too much memory.
            (&["die"], Ended),
            (&["oom", "die"], Ended),
            (&["kill 1", "die"], Ended),
            (&["kill 9", "die", "start", "die"], Ended),
            // `docker restart`.
            (&["kill 15", "die", "stop", "start"], Over),
            // This session's own restart, where the start failed; its own signal.
            (&["our kill 15", "our die", "our stop"], Said::Else),
            (&["our kill 15", "die"], Ended),
        ] {
            said(events, expected);
        }
    }

    #[test]
    fn what_a_leaving_engine_stops_is_nobody_s_purpose() {
        let stops = Stops::default();
        let now = Instant::now();
        for (name, ago) in [("long ago", 60), ("just now", 1)] {
            let id = ContainerId(name.into());
            let then = now + Duration::from_secs(60 - ago);
            stops.hear(&id, "kill", Some("15"), false, then);
            stops.hear(&id, "stop", None, false, then);
        }
        stops.hear_of_loss(now + Duration::from_secs(60));
        assert!(stops.has_stopped(&ContainerId("long ago".into())));
        assert!(!stops.has_stopped(&ContainerId("just now".into())));
    }
}
