//! One service's own queue. A loop: an event comes in, the service says what is to be done, it is done, and what came of it is
//! told to the service. A slow command or build here never delays another service (C13).

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use crate::engine::{ContainerId, Engine};
use crate::report::Reporter;
use crate::service::{self, Action, Configuration, LiveService};

pub use crate::service::Message;

use crate::watch::{Inode, Looks, Stage, Touch, look};

use super::builder::Builder;
use super::ends::Ends;
use super::execute::Hands;
use super::seen::Seen;
use super::stops::Stops;
use super::unpaid::Unpaid;

/// Files with several names that changed for one service.
#[derive(Debug)]
pub struct Linked {
    /// Whose names of them were told.
    pub service: String,
    /// Which.
    pub inodes: Arc<BTreeSet<Inode>>,
}

/// One service's worker.
pub struct Worker<E> {
    service: LiveService,
    hands: Hands<E>,
    inbox: mpsc::UnboundedReceiver<Message>,
    /// Events were lost: by what the trees are compared.
    rescan_by: Option<Arc<Looks>>,
}

/// What a worker starts from.
pub struct Start<E> {
    /// Docker.
    pub engine: Arc<E>,
    /// Builds, one at a time where they must be.
    pub builder: Arc<Builder<E>>,
    /// Who is told.
    pub reporter: Reporter,
    /// Who tells of the containers' ends.
    pub ends: Arc<Ends>,
    /// What the user does to apply what waits, such as a key.
    pub how_to_apply: Arc<str>,
    /// Who tells the other services of files that they may have another name of.
    pub linked: mpsc::UnboundedSender<Linked>,
    /// Where it is told what stays owed.
    pub unpaid: Unpaid,
    /// The service.
    pub configuration: Configuration,
    /// The disk as it was when the first build began.
    pub seen: Seen,
    /// The image of the first build, if it was built now.
    pub built: Option<String>,
    /// The first build failed (E3).
    pub build_failed: bool,
    /// Containers that were there before.
    pub preexisting: BTreeSet<ContainerId>,
    /// What somebody stops on purpose.
    pub stops: Arc<Stops>,
}

impl<E: Engine> Worker<E> {
    /// A worker, and the way to talk to it.
    pub fn new(start: Start<E>) -> (Self, mpsc::UnboundedSender<Message>) {
        let (sender, inbox) = mpsc::unbounded_channel();
        let service = service::Start {
            config: start.configuration,
            disk: start.seen.disk,
            built: start.built,
            build_failed: start.build_failed,
            preexisting: start.preexisting,
            how_to_apply: start.how_to_apply,
        };
        let hands = Hands::new(
            start.engine,
            start.builder,
            start.reporter,
            start.ends,
            start.stops,
            start.linked,
            start.unpaid,
            start.seen.contents,
        );
        let worker = Self {
            service: LiveService::new(service, Instant::now()),
            hands,
            inbox,
            rescan_by: None,
        };
        (worker, sender)
    }

    /// Works until the session drops its end of the queue; `in_step` hears when the containers that are there have been
    /// brought in step.
    pub async fn work(mut self, in_step: oneshot::Sender<()>) {
        self.hear(Message::Containers).await;
        // A session that is ending does not listen.
        let _ = in_step.send(());
        loop {
            let due = self.service.due();
            tokio::select! {
                // The queue first: what is in it already belongs to the batch.
                biased;
                message = self.inbox.recv() => match message {
                    Some(message) => self.hear(message).await,
                    None => return,
                },
                () = sleep_until(due), if due.is_some() => {}
                crash = self.hands.crashed() => self.hear(Message::Crashed(crash)).await,
            }
            // What queued up during an update is one batch with what comes next, not one update each.
            while let Ok(message) = self.inbox.try_recv() {
                self.hear(message).await;
            }
            if let Some(looks) = self.rescan_by.take() {
                let actions = self.service.on(Message::Rescan(looks), Instant::now());
                self.act(actions).await;
            }
            while let Some(actions) = self.service.on_time(Instant::now()) {
                self.act(actions).await;
            }
        }
    }

    async fn hear(&mut self, message: Message) {
        match message {
            Message::Touched(touch) if is_no_news(&self.service, &touch) => return,
            // The latest sees what the others would.
            Message::Rescan(looks) => {
                self.rescan_by = Some(looks);
                return;
            }
            // One that waits has begun before this, which comes with its own.
            Message::Configure(..) => self.rescan_by = None,
            _ => {}
        }
        let actions = self.service.on(message, Instant::now());
        // Nothing is done for a touch alone.
        if !actions.is_empty() {
            self.act(actions).await;
        }
    }

    /// Does what is to be done, and whatever follows from that, in order.
    async fn act(&mut self, actions: Vec<Action>) {
        let mut queue = VecDeque::from(actions);
        while let Some(action) = queue.pop_front() {
            if let Some(done) = self.hands.execute(action, &self.service).await {
                let next = self.service.record(done, Instant::now());
                next.into_iter()
                    .rev()
                    .for_each(|action| queue.push_front(action));
            }
        }
        self.service.rest();
        self.hands.rest(&self.service);
    }
}

/// An indexer or a backup sets times and attributes of everything: of what is as it was nothing more is done than to see that.
fn is_no_news(service: &LiveService, touch: &Touch) -> bool {
    touch.stage == Stage::Attributes
        && !service.waits_for_a_look(&touch.path)
        && service
            .entry(&touch.path)
            .is_some_and(|entry| look::still_is(&touch.path, entry))
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
