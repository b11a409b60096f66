//! Orders: whom each concerns, and what it is answered.

use std::collections::BTreeSet;

use crate::control::{Answer, Asked, Condition, Order, Pause, Reply, Which};
use crate::plan::Because;
use crate::report::Notice;

use super::{Effect, Effects, Known, Message, Name, Router, notice};

impl Router {
    pub(super) fn asked(&mut self, asked: Asked) -> Effects {
        let Asked { order, reply } = asked;
        let mut effects = Effects::new();
        let answer = match order {
            Order::Rebuild(which) => self.each(&which, &mut effects, |_, _| {
                Message::Rebuild(Because::Asked)
            }),
            Order::Apply(which) => self.each(&which, &mut effects, |_, _| Message::ApplyNow),
            Order::Verify(which) => self.each(&which, &mut effects, |_, _| Message::Verify),
            Order::Pause(which, pause) => self.pause(&which, pause, &mut effects),
            Order::Status(which) => self.status(&which),
            Order::Help => {
                effects.push(notice(None, Notice::Keys));
                Answer::default()
            }
            Order::Quit => {
                effects.push(Effect::End);
                Answer::default()
            }
        };
        if let Some(reply) = reply {
            // Before anything is done, so that the answer is there before its outcome.
            effects.insert(0, Effect::Reply(reply, answer));
        }
        effects
    }

    /// Those of `which` hear what `message` makes for them.
    fn each(
        &mut self,
        which: &Which,
        effects: &mut Effects,
        message: impl Fn(&Name, &mut Known) -> Message,
    ) -> Answer {
        for (name, known) in &mut self.services {
            if which.is(name) {
                let message = message(name, known);
                known.tell(name, message, effects);
            }
        }
        self.answer(which, |_| Reply::Accepted)
    }

    fn pause(&mut self, which: &Which, pause: Pause, effects: &mut Effects) -> Answer {
        let all = *which == Which::All;
        let of_all = pause.after(self.paused);
        let said = |paused| {
            if paused {
                Notice::Paused
            } else {
                Notice::GoesOn
            }
        };
        if all {
            self.paused = of_all;
            effects.push(notice(None, said(of_all)));
        }
        for (name, known) in &mut self.services {
            if which.is(name) {
                known.paused = if all {
                    of_all
                } else {
                    pause.after(known.paused)
                };
                if !all {
                    effects.push(notice(Some(name), said(known.paused)));
                }
                known.tell(name, Message::Pause(known.paused), effects);
            }
        }
        self.answer(which, |_| Reply::Accepted)
    }

    fn status(&self, which: &Which) -> Answer {
        self.answer(which, |known| {
            Reply::Is(Condition {
                paused: known.paused,
                begins: known.waits.is_some(),
            })
        })
    }

    /// One reply for each service that is live-updated, or that was named.
    fn answer(&self, which: &Which, reply: impl Fn(&Known) -> Reply) -> Answer {
        let names: BTreeSet<&str> = match which {
            Which::All => self.services.keys().map(|name| &**name).collect(),
            Which::Only(names) => names.iter().map(String::as_str).collect(),
        };
        let reply = |name: &str| match self.services.get(name) {
            Some(known) => reply(known),
            None if self.project.service(name).is_some() => Reply::LeftAlone,
            None => Reply::Unknown,
        };
        Answer {
            services: names
                .into_iter()
                .map(|name| (name.to_owned(), reply(name)))
                .collect(),
        }
    }
}

impl Which {
    fn is(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

impl Pause {
    fn after(self, paused: bool) -> bool {
        match self {
            Self::Begin => true,
            Self::End => false,
            Self::Switch => !paused,
        }
    }
}
