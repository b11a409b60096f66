//! What can go wrong between host and helper.

use crate::harmless::value;
use crate::protocol::{Code, Malformed};
use std::io;
use std::path::PathBuf;

/// Why an operation on a link failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection ended: the helper, its exec or its container did. The link cannot be used any more.
    #[error("the connection to the helper in the container broke: {}", value(&.0.to_string()))]
    Connection(#[from] io::Error),
    /// What answered is no helper; usually the engine's message on why it could not start one.
    #[error("the helper did not start in the container: {}", value(.text))]
    NotAHelper {
        /// The beginning of what came instead of an answer.
        text: String,
    },
    /// The helper is of another version.
    #[error(
        "the helper in the container speaks version {theirs} of the protocol, this tool version {ours}"
    )]
    Version {
        /// The version of the protocol that the helper speaks.
        theirs: u32,
        /// The version of the protocol that we speak.
        ours: u32,
    },
    /// The helper sent something invalid, or what we had to send is too long for one frame.
    #[error("the helper in the container and this tool do not understand each other")]
    Malformed,
    /// It did not answer in time: it was stopped, or something else answers without end.
    #[error("{}", stuck(*.silent))]
    Stuck {
        /// Whether nothing at all was heard; otherwise it kept sending.
        silent: bool,
    },
    /// An earlier operation on this link was abandoned half way: only a new link helps.
    #[error("an earlier exchange with the helper in the container was broken off")]
    OutOfStep,
    /// A file of the host cannot be read. Nothing was changed in the container.
    #[error("cannot read `{}`: {}", value(&.path.to_string_lossy()), value(&.source.to_string()))]
    Read {
        /// Its path on the host.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file of the host was shortened or replaced while it was read. Nothing was changed in the container.
    #[error("`{}` changed while it was read", value(&.path.to_string_lossy()))]
    Changed {
        /// Its path on the host.
        path: PathBuf,
    },
    /// The helper refused the operation.
    #[error("{}", refusal(.path, .text))]
    Refused {
        /// The kind of refusal.
        code: Code,
        /// The kernel's `errno`; 0 when the kernel did not refuse it.
        errno: u32,
        /// Whether a part of the batch took effect all the same.
        partly: bool,
        /// The path in the container; empty when it is about no path.
        path: Vec<u8>,
        /// The reason, for people.
        text: String,
    },
}

impl From<Malformed> for Error {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

fn stuck(silent: bool) -> &'static str {
    if silent {
        "the helper in the container does not answer"
    } else {
        "the helper in the container does not come to an end"
    }
}

fn refusal(path: &[u8], text: &str) -> String {
    if path.is_empty() && text.is_empty() {
        return "the helper in the container refused without a word".to_owned();
    }
    let text = value(text);
    if path.is_empty() {
        text.into_owned()
    } else {
        format!("`{}`: {text}", value(&String::from_utf8_lossy(path)))
    }
}
