//! How containers end: what the engine's events say about it, and whether this tool caused it. Reports nothing itself.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ContainerId;
use super::client::Docker;

/// The events that a verb causes arrive with its answer or up to this much later.
const SOON: Duration = Duration::from_secs(1);
/// The kernel's event that memory ran out comes at most this long before the end it causes.
const LATELY: Duration = Duration::from_secs(5);

/// A container's end that this session did not cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The service whose container ended.
    pub service: String,
    /// The container that ended.
    pub id: ContainerId,
    /// Compose's short name, for people: `web-1`.
    pub name: String,
    /// Its exit code, by a shell's rules: 128 + signal.
    pub code: i64,
    /// Whether somebody asked the engine to end it: `docker stop`, `docker kill`.
    pub requested: bool,
    /// Whether it ran out of memory.
    pub out_of_memory: bool,
    /// How long it ran; `None` when its start was not seen.
    pub lived: Option<Duration>,
}

/// What the events said about one container since its last start.
#[derive(Clone, Copy, Debug, Default)]
struct Life {
    started: Option<Instant>,
    requested: bool,
    out_of_memory: Option<Instant>,
}

/// The containers that events were about.
#[derive(Debug, Default)]
pub(super) struct Lives(HashMap<ContainerId, Life>);

/// An event, as far as it says something about a container's end.
pub(super) struct Heard<'a> {
    pub(super) action: &'a str,
    pub(super) id: &'a ContainerId,
    pub(super) service: &'a str,
    /// The signal of a `kill`; `None` for other events.
    pub(super) signal: Option<&'a str>,
}

impl Lives {
    /// Records an event. For an end that is to be reported, returns whether it was requested and whether memory ran out.
    pub(super) fn hear(
        &mut self,
        heard: &Heard<'_>,
        ours: &OwnEnds,
        now: Instant,
    ) -> Option<(bool, bool)> {
        let life = self.0.entry(heard.id.clone()).or_default();
        match heard.action {
            "start" => {
                *life = Life {
                    started: Some(now),
                    ..Life::default()
                }
            }
            "kill" => life.requested |= heard.signal.is_some_and(asks_to_end),
            "stop" => life.requested = true,
            "oom" => life.out_of_memory = Some(now),
            "destroy" => drop(self.0.remove(heard.id)),
            "die" => {
                let Life {
                    started,
                    requested,
                    out_of_memory,
                } = *life;
                let lately = |at| now.saturating_duration_since(at) < LATELY;
                return (!ours.brought_about(heard, requested, started, now))
                    .then_some((requested, out_of_memory.is_some_and(lately)));
            }
            _ => {}
        }
        None
    }
}

impl Lives {
    /// How long a container has been running; `None` when its start was not seen.
    pub(super) fn lived(&self, id: &ContainerId, now: Instant) -> Option<Duration> {
        let started = self.0.get(id)?.started?;
        Some(now.saturating_duration_since(started))
    }
}

/// Whether the signal asks a process to end. `HUP` or `USR1` ask for something else, so dying of one is unintended.
fn asks_to_end(signal: &str) -> bool {
    const INT: u32 = 2;
    const QUIT: u32 = 3;
    const KILL: u32 = 9;
    const TERM: u32 = 15;
    matches!(
        crate::helper::signal_number(signal),
        Some(INT | QUIT | KILL | TERM)
    )
}

/// Our own verbs that end containers, while they run and a moment longer.
#[derive(Debug, Default)]
pub(super) struct OwnEnds(Mutex<Vec<Verb>>);

#[derive(Debug)]
struct Verb {
    whose: Whose,
    began: Instant,
    ended: Option<Instant>,
}

/// Which containers a verb ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// A single container.
    Container(ContainerId),
    /// All containers of these services (of all when empty), and any others that Compose stops during the verb.
    Services(Vec<String>),
}

impl OwnEnds {
    fn verbs(&self) -> MutexGuard<'_, Vec<Verb>> {
        // A panic while the lock was held cannot have left this half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, whose: Whose, now: Instant) {
        let mut verbs = self.verbs();
        verbs.retain(|verb| {
            verb.ended
                .is_none_or(|ended| now.saturating_duration_since(ended) < SOON)
        });
        verbs.push(Verb {
            whose,
            began: now,
            ended: None,
        });
    }

    fn end(&self, whose: &Whose, now: Instant) {
        let mut verbs = self.verbs();
        let under_way = |verb: &&mut Verb| verb.ended.is_none() && verb.whose == *whose;
        if let Some(verb) = verbs.iter_mut().find(under_way) {
            verb.ended = Some(now);
        }
    }

    /// Whether one of the verbs caused a container's end. If it was started after the verb, the end belongs to the new run.
    fn brought_about(
        &self,
        heard: &Heard<'_>,
        requested: bool,
        started: Option<Instant>,
        now: Instant,
    ) -> bool {
        self.verbs().iter().any(|verb| {
            let is_its = match &verb.whose {
                Whose::Container(id) => id == heard.id,
                Whose::Services(services) => {
                    requested
                        || services.is_empty()
                        || services.iter().any(|service| service == heard.service)
                }
            };
            is_its
                && verb
                    .ended
                    .is_none_or(|ended| now.saturating_duration_since(ended) < SOON)
                && started.is_none_or(|started| started < verb.began)
        })
    }
}

/// While this exists, the ends of these containers are ours and not reported.
pub(super) struct Ending<'docker> {
    docker: &'docker Docker,
    whose: Whose,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.docker.inner.own_ends.end(&self.whose, Instant::now());
    }
}

impl Docker {
    /// Announces a verb that ends containers.
    pub(super) fn ending(&self, whose: Whose) -> Ending<'_> {
        self.inner.own_ends.begin(whose.clone(), Instant::now());
        Ending {
            docker: self,
            whose,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hears events of `web-1` of service `web`, a second apart.
    #[derive(Default)]
    struct Story {
        lives: Lives,
        ours: OwnEnds,
        now: Option<Instant>,
    }

    impl Story {
        fn tick(&mut self) -> Instant {
            let now = self.now.get_or_insert_with(Instant::now);
            *now += Duration::from_secs(1);
            *now
        }

        fn hear(&mut self, action: &str) -> Option<(bool, bool)> {
            let now = self.tick();
            let (action, signal) = match action.split_once(' ') {
                Some((action, signal)) => (action, Some(signal)),
                None => (action, None),
            };
            let heard = Heard {
                action,
                id: &ContainerId("web-1".into()),
                service: "web",
                signal,
            };
            self.lives.hear(&heard, &self.ours, now)
        }

        fn hear_all(&mut self, actions: &[&str]) -> Option<(bool, bool)> {
            actions.iter().filter_map(|action| self.hear(action)).last()
        }
    }

    fn services(names: &[&str]) -> Whose {
        Whose::Services(names.iter().map(ToString::to_string).collect())
    }

    fn container(id: &str) -> Whose {
        Whose::Container(ContainerId(id.into()))
    }

    #[test]
    fn an_end_is_told_with_what_is_known_of_it() {
        for (actions, told) in [
            (&["start", "die"][..], (false, false)),
            (&["die"], (false, false)),
            (&["start", "oom", "die"], (false, true)),
            (&["oom", "start", "die"], (false, false)),
            (
                &["start", "oom", "x", "x", "x", "x", "x", "die"],
                (false, false),
            ),
            (&["start", "kill 15", "die"], (true, false)),
            (&["start", "kill 9", "stop", "die"], (true, false)),
            (&["start", "stop", "die"], (true, false)),
            // A signal that asks for something else, and the last run's.
            (&["start", "kill 1", "die"], (false, false)),
            (&["start", "kill 15", "die", "start", "die"], (false, false)),
        ] {
            assert_eq!(
                Story::default().hear_all(actions),
                Some(told),
                "{actions:?}"
            );
        }
        assert_eq!(
            Story::default().hear_all(&["start", "kill 15", "stop"]),
            None
        );
    }

    #[test]
    fn what_a_verb_of_ours_ends_is_not_told() {
        for (whose, others, told) in [
            (container("web-1"), false, false),
            (container("web-2"), false, true),
            (services(&[]), false, false),
            (services(&["db", "web"]), false, false),
            (services(&["db"]), false, true),
            // Compose stops who depends on what is recreated; who crashes meanwhile is not asked.
            (services(&["db"]), true, false),
            (container("web-2"), true, true),
        ] {
            let mut story = Story::default();
            story.hear("start");
            let now = story.tick();
            story.ours.begin(whose.clone(), now);
            if others {
                story.hear("kill 15");
            }
            let heard = story.hear("die");
            assert_eq!(heard.is_some(), told, "{whose:?} {others}");
        }
    }

    #[test]
    fn what_was_started_since_and_what_comes_later_is_told() {
        let mut story = Story::default();
        story.hear("start");
        let now = story.tick();
        let whose = container("web-1");
        story.ours.begin(whose.clone(), now);
        assert_eq!(story.hear_all(&["kill 15", "die"]), None);
        // The new run ends at once, while the restart is still under way.
        assert_eq!(story.hear_all(&["start", "die"]), Some((false, false)));
        story.hear("start");
        let now = story.tick();
        story.ours.end(&whose, now);
        assert_eq!(story.hear("die"), Some((false, false)));
        let now = story.tick();
        story.ours.begin(whose, now);
        assert_eq!(story.ours.verbs().len(), 1);
    }

    #[test]
    fn the_events_of_a_verb_may_come_a_moment_after_it() {
        let mut story = Story::default();
        story.hear("start");
        let now = story.tick();
        let whose = services(&["web"]);
        story.ours.begin(whose.clone(), now);
        story.ours.end(&whose, now + SOON / 2);
        assert_eq!(story.hear("die"), None);
        story.hear("x");
        assert_eq!(story.hear("die"), Some((false, false)));
    }
}
