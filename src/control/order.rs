//! Orders and answers, as data.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::oneshot;

use crate::cli::{Key, Reason};

/// What a session is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Build and recreate.
    Rebuild(Which),
    /// Apply the changes that wait.
    Apply(Which),
    /// Hold changes back, or go on.
    Pause(Which, Pause),
    /// Compare the containers with the disk, and repair what drifted.
    Verify(Which),
    /// Say what there is.
    Status(Which),
    /// Say what the keys do.
    Help,
    /// End the session.
    Quit,
}

/// The services that an order is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// All that are live-updated.
    #[default]
    All,
    /// Those of these names.
    Only(BTreeSet<String>),
}

/// What becomes of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// They wait.
    Begin,
    /// They are applied, as are those that waited.
    End,
    /// The one where it was the other.
    Switch,
}

/// An order, and who waits for the answer.
#[derive(Debug)]
pub struct Asked {
    /// What is to be done.
    pub order: Order,
    /// `None` for who does not listen, such as a key.
    pub reply: Option<oneshot::Sender<Answer>>,
}

/// What became of an order, by service; of those that were named, each has its place here. What comes of what was accepted
/// is an event of the session, as ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// One for each service.
    pub services: BTreeMap<String, Reply>,
}

/// What became of an order for one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It is being done, after what the service is at.
    Accepted,
    /// To [`Order::Status`].
    Is(Condition),
    /// There is such a service, and it is not live-updated.
    LeftAlone,
    /// There is no such service.
    Unknown,
    /// The session has not begun yet, or is ending.
    NotNow,
}

/// How a service is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Its changes wait for the user.
    pub paused: bool,
    /// It has just come into the project, and what it holds is being looked at.
    pub begins: bool,
}

impl Order {
    /// The services that it is about.
    fn which(&self) -> Option<&Which> {
        match self {
            Self::Rebuild(which)
            | Self::Apply(which)
            | Self::Pause(which, _)
            | Self::Verify(which)
            | Self::Status(which) => Some(which),
            Self::Help | Self::Quit => None,
        }
    }
}

impl Asked {
    /// It is not done; `all` are the services there are.
    pub(super) fn not_now(self, all: &[String]) {
        let names: Vec<String> = match self.order.which() {
            Some(Which::All) => all.to_vec(),
            Some(Which::Only(names)) => names.iter().cloned().collect(),
            None => Vec::new(),
        };
        let services = names.into_iter().map(|name| {
            let is_known = all.contains(&name);
            let reply = if is_known {
                Reply::NotNow
            } else {
                Reply::Unknown
            };
            (name, reply)
        });
        if let Some(reply) = self.reply {
            // Whoever asked may not listen any more.
            let _ = reply.send(Answer {
                services: services.collect(),
            });
        }
    }
}

impl From<Order> for Asked {
    /// By somebody who does not listen.
    fn from(order: Order) -> Self {
        Self { order, reply: None }
    }
}

impl From<Key> for Order {
    fn from(key: Key) -> Self {
        match key {
            Key::Rebuild => Self::Rebuild(Which::All),
            Key::Apply => Self::Apply(Which::All),
            Key::Pause => Self::Pause(Which::All, Pause::Switch),
            Key::Verify => Self::Verify(Which::All),
            Key::Quit => Self::Quit,
            Key::Help => Self::Help,
        }
    }
}

impl From<Reason> for Order {
    /// Whoever wants the session to end has the same end, for now.
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Interrupt | Reason::Terminate | Reason::HangUp | Reason::CliGone => Self::Quit,
        }
    }
}
