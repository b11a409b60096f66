//! Where orders come from: keys, signals, and whoever has a [`Door`].

use tokio::sync::{mpsc, oneshot};

use super::order::{Answer, Asked, Order};
use crate::cli::{Keys, Shutdown};

/// All sources of a session's orders.
#[derive(Debug)]
pub struct Sources {
    keys: Option<Keys>,
    shutdown: Option<Shutdown>,
    asked: mpsc::UnboundedReceiver<Asked>,
    /// Open as long as we listen, whoever else has left.
    door: Door,
}

/// A way in for other code, or another program.
#[derive(Clone, Debug)]
pub struct Door(mpsc::UnboundedSender<Asked>);

impl Sources {
    /// The user's keys and signals, and the door.
    pub fn of(keys: Keys, shutdown: Shutdown) -> Self {
        Self {
            keys: Some(keys),
            shutdown: Some(shutdown),
            ..Self::door_alone()
        }
    }

    /// The door alone: nobody sits before a terminal.
    pub fn door_alone() -> Self {
        let (sender, asked) = mpsc::unbounded_channel();
        Self {
            keys: None,
            shutdown: None,
            asked,
            door: Door(sender),
        }
    }

    /// A way in.
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    /// Whether keys can come at all.
    pub fn have_keys(&self) -> bool {
        self.keys.as_ref().is_some_and(Keys::are_heard)
    }

    /// The next order. Safe to drop and call again, as in a `select!`.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            Some(asked) = self.asked.recv() => asked,
            order = key(&mut self.keys) => order.into(),
            order = end(&mut self.shutdown) => order.into(),
        }
    }

    /// The next request to end, before the session of these services has begun or while it ends: keys are not heard then, and
    /// other orders are answered with [not now](super::Reply::NotNow).
    pub async fn told_to_end(&mut self, services: &[String]) {
        loop {
            tokio::select! {
                Some(asked) = self.asked.recv() => {
                    let ends = asked.order == Order::Quit;
                    asked.not_now(services);
                    if ends {
                        return;
                    }
                }
                _ = end(&mut self.shutdown) => return,
            }
        }
    }
}

async fn key(keys: &mut Option<Keys>) -> Order {
    match keys {
        Some(keys) => keys.next().await.into(),
        None => std::future::pending().await,
    }
}

async fn end(shutdown: &mut Option<Shutdown>) -> Order {
    match shutdown {
        Some(shutdown) => shutdown.next().await.into(),
        None => std::future::pending().await,
    }
}

impl Door {
    /// Has it done, and waits for the answer; `None` when the session ends meanwhile.
    pub async fn ask(&self, order: Order) -> Option<Answer> {
        let (reply, answer) = oneshot::channel();
        let reply = Some(reply);
        self.0.send(Asked { order, reply }).ok()?;
        answer.await.ok()
    }

    /// Has it done.
    pub fn tell(&self, order: Order) {
        // A session that ends does what is asked of it no more.
        let _ = self.0.send(order.into());
    }
}
