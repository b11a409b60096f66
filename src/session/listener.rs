//! Hears the engine's events as they come, before the loop has time for them: who stops what, and what the follower has to know.

use std::sync::Arc;
use std::time::Instant;

use futures_util::{Stream, StreamExt as _};
use tokio::sync::{mpsc, watch};

use crate::engine::{EngineEvent, Moves};

use super::follow::Heard;
use super::stops::Stops;

/// Hands the events on as they are. It ends with whoever listens.
pub(super) fn listen(
    mut events: impl Stream<Item = EngineEvent> + Send + Unpin + 'static,
    stops: Arc<Stops>,
    moves: watch::Receiver<Moves>,
    follower: mpsc::UnboundedSender<Heard>,
) -> mpsc::UnboundedReceiver<EngineEvent> {
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let closed = sender.clone();
        let hear = async {
            while let Some(event) = events.next().await {
                if let Some(heard) = hear(&event, &stops, &moves) {
                    // It lives as long as the session.
                    let _ = follower.send(heard);
                }
                if sender.send(event).is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = closed.closed() => {}
            () = hear => {}
        }
    });
    receiver
}

fn hear(event: &EngineEvent, stops: &Stops, moves: &watch::Receiver<Moves>) -> Option<Heard> {
    let now = Instant::now();
    match event {
        EngineEvent::Container {
            service,
            id,
            action,
            signal,
            ..
        } => {
            let ours = moves.borrow().is_ours(service, now);
            Some(Heard::Container {
                service: service.clone(),
                id: id.clone(),
                said: stops.hear(id, action, signal.as_deref(), ours, now),
            })
        }
        EngineEvent::Ended(_) => None,
        EngineEvent::Reconnected => Some(Heard::EngineIsBack),
        EngineEvent::Lost(_) => {
            stops.hear_of_loss(now);
            None
        }
    }
}
