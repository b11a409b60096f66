//! What was before an attachment: read from the container's log, and joined with what arrives meanwhile.

use std::time::Duration;

use hyper::body::Bytes;
use tokio::time::timeout;

use crate::engine::client::Docker;
use crate::engine::{EngineError, Stream};

use super::body::Body;
use super::seam::{Before, Joined};
use super::seen::Seen;
use super::{Ended, Follower, ReceiverGone, Sender};

/// A line may arrive this much earlier or later over the attachment than its time in the log.
const SETTLES: Duration = Duration::from_millis(5);
/// The most bytes that are held while the log is read. If more arrives, the earlier output is left out and that is reported, so
/// that the container does not have to wait for us.
const HELD: usize = 8 * 1024 * 1024;

impl Follower {
    /// Shows what was before this attachment, or between it and the previous one.
    pub(super) async fn catch_up(
        &mut self,
        docker: &Docker,
        body: &mut Body,
        seen: &Seen,
        late: bool,
        sender: &Sender,
    ) -> Ended {
        let is_first = self.begun.is_none();
        let mut log = match self.open_log(docker, false).await {
            Ok(log) => log,
            // It began while the attachment was being made.
            Err(EngineError::Refused(_)) if !late => return Ok(Ok(())),
            Err(EngineError::Refused(_)) => {
                self.say_gap(without_log(is_first).to_owned(), sender)
                    .await?;
                return Ok(Ok(()));
            }
            Err(error) => return Ok(Err(error)),
        };
        let mut before = Before::default();
        let mut attached = Vec::new();
        let mut held = 0;
        let mut overflowed = false;
        let mut ended = false;
        while !ended && !overflowed {
            tokio::select! {
                more = log.more() => match more {
                    Ok(more) => ended = !more,
                    Err(error) => return Ok(Err(error)),
                },
                more = body.more() => match more {
                    Ok(true) => {}
                    // It has stopped already: the log has everything, and the next attachment continues.
                    Ok(false) => return self.read_to_end(log, before, sender).await,
                    Err(error) => return Ok(Err(error)),
                },
            }
            let came = body.pieces();
            held += came.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
            attached.extend(came);
            overflowed = held > HELD;
            self.hold(&mut log, ended, &mut before, is_first, sender)
                .await?;
        }
        while held <= HELD
            && let Ok(more) = timeout(SETTLES, body.more()).await
        {
            match more {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return Ok(Err(error)),
            }
            let came = body.pieces();
            held += came.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
            attached.extend(came);
        }
        let is_cut = seen
            .host
            .log
            .keeps()
            .is_some_and(|keeps| before.read() > keeps);
        let shown = (!is_first).then_some(&self.shown);
        let joined = before.join(shown, &attached);
        if overflowed {
            let gap = "it writes more than can be read of its log: some of what it wrote before this is not shown";
            self.say_gap(gap.to_owned(), sender).await?;
        } else {
            self.show_joined(joined, is_cut, late, sender).await?;
        }
        self.show(attached, sender).await?;
        Ok(Ok(()))
    }

    /// Shows what the log has of before, and says where something may be missing. `is_cut`: the log may have lost its beginning.
    async fn show_joined(
        &mut self,
        joined: Joined,
        is_cut: bool,
        late: bool,
        sender: &Sender,
    ) -> Result<(), ReceiverGone> {
        // A run that has only just begun was not shown before.
        let found = joined.found || !self.broke;
        if is_cut && (late || !found) {
            let gap = "its log keeps little: some of what it wrote before this may be missing";
            self.say_gap(gap.to_owned(), sender).await?;
        } else if !found {
            let gap = "the connection to it broke: some of what it wrote meanwhile may be missing, or shown twice";
            self.say_gap(gap.to_owned(), sender).await?;
        }
        self.show(joined.pieces, sender).await?;
        if joined.is_vague {
            let gap =
                "it writes the same again and again: how often before this is not quite known";
            self.say_gap(gap.to_owned(), sender).await?;
        }
        Ok(())
    }

    /// Keeps what arrived of the log for the join; what exceeds the limit is shown at once.
    async fn hold(
        &mut self,
        log: &mut Body,
        ended: bool,
        before: &mut Before,
        is_first: bool,
        sender: &Sender,
    ) -> Result<(), ReceiverGone> {
        let mut early: Vec<(Stream, Bytes)> = Vec::new();
        while let Some(message) = log.frames.next_of(ended) {
            if !self.position.is_repeated(&message) {
                early.extend(before.add(message.stream, message.text));
            }
        }
        // After a break it may have been shown already. Then it is not found later, and that is reported.
        if is_first {
            self.show(early, sender).await
        } else {
            Ok(())
        }
    }

    /// The attachment ended before the log was read: everything there is, is in the log.
    async fn read_to_end(&mut self, mut log: Body, mut before: Before, sender: &Sender) -> Ended {
        let is_first = self.begun.is_none();
        loop {
            let ended = match log.more().await {
                Ok(more) => !more,
                Err(error) => return Ok(Err(error)),
            };
            self.hold(&mut log, ended, &mut before, is_first, sender)
                .await?;
            if ended {
                let shown = (!is_first).then_some(&self.shown);
                let Joined { pieces, .. } = before.join(shown, &[]);
                self.show(pieces, sender).await?;
                return Ok(Ok(()));
            }
        }
    }
}

/// What is said where the log cannot be read.
fn without_log(is_first: bool) -> &'static str {
    if is_first {
        "its log cannot be read: what it wrote before this moment is not shown"
    } else {
        "its log cannot be read: what it wrote while nobody was attached is not shown"
    }
}
