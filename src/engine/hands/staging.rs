//! Big files go into the helper's directory through the Engine's API, which takes half the work of the helper's own stream;
//! the helper puts them in place from there, with the rest of their batch.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::super::client::Docker;
use super::super::{Body, Container, Delta, EngineError, Outgoing, There};
use super::Update;
use super::links::Standing;
use crate::compose::Mount;
use crate::helper::{Batch, Item};
use crate::paths::ContainerPath;

/// A smaller one is there sooner by the stream.
const BIG: u64 = 8 << 20;

/// An item of the batch, and what is sent for it.
struct Sent {
    index: usize,
    name: String,
    outgoing: Outgoing,
}

impl Docker {
    /// Sends the big files of an update ahead, where they will not have to cross a file system. What could not be sent goes by
    /// the stream; a full disk is an error, and nothing is left on it.
    pub(super) async fn send_ahead(
        &self,
        container: &Container,
        delta: &Delta,
        update: &mut Update,
    ) -> Result<(), EngineError> {
        let big: Vec<&Outgoing> = delta.put.iter().filter(|put| is_big(put)).collect();
        if big.is_empty() || container.read_only {
            return Ok(());
        }
        let Some(Standing { home, process }) = self.standing(container).await else {
            return Ok(());
        };
        if Mount::over(&container.mounts, &home).is_some() {
            return Ok(());
        }
        let sent: Vec<Sent> = big
            .into_iter()
            .filter(|put| Mount::over(&container.mounts, &put.to).is_none())
            .filter_map(|put| {
                let is_it = |item: &Item| item.to == put.to.as_bytes();
                let name = new_name(process);
                Some(Sent {
                    index: update.batch.put.iter().position(is_it)?,
                    outgoing: Outgoing {
                        to: home.join(std::path::Path::new(&name)),
                        mode: 0o600,
                        modified: SystemTime::now(),
                        body: put.body.clone(),
                        in_place: false,
                        there: There::No,
                    },
                    name,
                })
            })
            .collect();
        let ahead = Delta {
            put: sent.iter().map(|sent| sent.outgoing.clone()).collect(),
            ..Delta::default()
        };
        let all = || ahead.put.iter().map(|put| put.to.clone()).collect();
        match self.put(container, &ahead).await {
            Ok(through) => {
                let closed = through.closed.iter().map(|(path, _)| path);
                let not_there: Vec<ContainerPath> =
                    through.unread.iter().chain(closed).cloned().collect();
                for sent in sent {
                    if !not_there.contains(&sent.outgoing.to) {
                        update.batch.put[sent.index].send_ahead_as(sent.name.into_bytes());
                    }
                }
                self.take_back(container, not_there).await;
                Ok(())
            }
            Err(full @ EngineError::InVain(_)) => {
                self.take_back(container, all()).await;
                Err(full)
            }
            Err(_) => {
                self.take_back(container, all()).await;
                Ok(())
            }
        }
    }

    /// What was sent in vain, or half of it, is removed. A helper that is gone has left it to the next one.
    async fn take_back(&self, container: &Container, sent: Vec<ContainerPath>) {
        let remove: Vec<Vec<u8>> = sent.iter().map(|path| path.as_bytes().to_vec()).collect();
        if !remove.is_empty() {
            let mut back = Update::of(Batch {
                remove,
                put: Vec::new(),
            });
            let _ = self.ask_helper(container, &mut back).await;
        }
    }
}

fn is_big(put: &Outgoing) -> bool {
    matches!(put.body, Body::File { len, .. } if len >= BIG)
}

/// A name that the helper knows for its own, and that its successor clears away.
fn new_name(process: u32) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("content-{process}-ahead{count}")
}
