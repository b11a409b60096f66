//! One stream of the engine's, an attachment or a log, split into messages as it arrives. Shows nothing.

use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::engine::EngineError;
use crate::engine::transport::words;

use super::frames::{Frames, From};
use super::seam::Piece;

/// A stream of output as it arrives.
pub(super) struct Body {
    incoming: Incoming,
    pub(super) frames: Frames,
}

impl Body {
    pub(super) fn new(incoming: Incoming, from: From, tty: bool) -> Self {
        Self {
            incoming,
            frames: Frames::new(from, tty),
        }
    }

    /// Waits for more; `false` at its end.
    pub(super) async fn more(&mut self) -> Result<bool, EngineError> {
        match self.incoming.frame().await {
            None => Ok(false),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.frames.feed(&data);
                }
                Ok(true)
            }
            Some(Err(error)) => Err(EngineError::Unreachable(words(&error))),
        }
    }

    /// All complete messages that have arrived.
    pub(super) fn pieces(&mut self) -> Vec<Piece> {
        std::iter::from_fn(|| self.frames.next())
            .map(|message| (message.stream, message.text))
            .collect()
    }
}
