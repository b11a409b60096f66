//! Big files are copied into the helper's directory through the Engine API, at half the cost of the helper's own stream. The helper
//! moves them into place from there, with the rest of their batch.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::Helper;
use super::links::Standing;
use super::questions::Update;
use crate::compose::Mount;
use crate::engine::{Body, Container, Delta, EngineError, Outgoing, There};
use crate::paths::ContainerPath;

/// Smaller files arrive sooner over the helper's stream.
const BIG: u64 = 8 << 20;

/// The files that were sent ahead, with the names of their content in the helper's directory.
type Ahead = BTreeMap<ContainerPath, String>;

impl Helper<'_> {
    /// Sends the big files of an update ahead, if they need not cross a file system later. What could not be sent goes over the stream;
    /// a full disk is an error, and nothing is left on it.
    pub(super) async fn send_ahead(
        &self,
        container: &Container,
        delta: &Delta,
    ) -> Result<Ahead, EngineError> {
        let is_mounted = |path| Mount::over(&container.mounts, path).is_some();
        let big = delta.put.iter().filter(|put| is_big(put));
        let big: Vec<&Outgoing> = big.filter(|put| !is_mounted(&put.to)).collect();
        if big.is_empty() || container.read_only {
            return Ok(Ahead::new());
        }
        let Some(Standing { home, process }) = self.0.standing(container).await else {
            return Ok(Ahead::new());
        };
        if is_mounted(&home) {
            return Ok(Ahead::new());
        }
        let mut ahead = Ahead::new();
        let mut sent = Delta::default();
        let place = |name: &str| home.join(Path::new(name));
        for put in big {
            let name = new_name(process);
            sent.put.push(Outgoing {
                to: place(&name),
                mode: 0o600,
                modified: SystemTime::now(),
                body: put.body.clone(),
                in_place: false,
                there: There::No,
            });
            ahead.insert(put.to.clone(), name);
        }
        match self.0.put(container, &sent).await {
            Ok(through) => {
                let closed = through.closed.iter().map(|(path, _)| path);
                let not_there: Vec<ContainerPath> =
                    through.unread.iter().chain(closed).cloned().collect();
                ahead.retain(|_, name| !not_there.contains(&place(name)));
                self.take_back(container, not_there).await;
                Ok(ahead)
            }
            Err(error) => {
                let all = sent.put.into_iter().map(|put| put.to).collect();
                self.take_back(container, all).await;
                match error {
                    full @ EngineError::InVain(_) => Err(full),
                    _ => Ok(Ahead::new()),
                }
            }
        }
    }

    /// Removes what was sent in vain, or half of it. If the helper is gone, its successor removes it.
    async fn take_back(&self, container: &Container, sent: Vec<ContainerPath>) {
        if sent.is_empty() {
            return;
        }
        let delta = Delta {
            remove: sent,
            ..Delta::default()
        };
        let mut back = Update::new(&delta, false);
        let question = self.ask(container, &mut back, |back, link| Box::pin(back.ask(link)));
        let _ = question.await;
    }
}

fn is_big(put: &Outgoing) -> bool {
    matches!(put.body, Body::File { len, .. } if len >= BIG)
}

/// A name by which the helper recognises its own file, and its successor one that was left behind.
fn new_name(process: u32) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("content-{process}-ahead{count}")
}
