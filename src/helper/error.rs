//! What can go wrong between host and helper.

use crate::harmless::value;
use crate::protocol::{Code, Malformed};
use std::io;
use std::path::PathBuf;

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection is over: the helper, its exec or its container ended. The link is of no use any more.
    #[error("the connection to the helper in the container broke: {}", value(&.0.to_string()))]
    Connection(#[from] io::Error),
    /// What answered is not a helper; mostly the engine's words on why it could not start one.
    #[error("the helper did not start in the container: {}", value(.text))]
    NotAHelper {
        /// What came instead of an answer.
        text: String,
    },
    /// Another version's helper answered.
    #[error(
        "the helper in the container speaks version {theirs} of the protocol, this tool version {ours}"
    )]
    Version {
        /// The helper's version.
        theirs: u32,
        /// Our version.
        ours: u32,
    },
    /// The helper said something that makes no sense, or what we had to say is too long for one frame.
    #[error("the helper in the container and this tool do not understand each other")]
    Malformed,
    /// It did not answer in time: it was stopped, or something stands in its place that has no end.
    #[error("{}", stuck(*.silent))]
    Stuck {
        /// Nothing at all was heard; otherwise it went on and on.
        silent: bool,
    },
    /// An earlier operation on this link was broken off half-way: only a new link helps.
    #[error("an earlier exchange with the helper in the container was broken off")]
    OutOfStep,
    /// A file of the host cannot be read. Nothing was changed in the container.
    #[error("cannot read `{}`: {}", value(&.path.to_string_lossy()), value(&.source.to_string()))]
    Read {
        /// Its path on the host.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file of the host became shorter, or another one, while it was read. Nothing was changed in the container.
    #[error("`{}` changed while it was read", value(&.path.to_string_lossy()))]
    Changed {
        /// Its path on the host.
        path: PathBuf,
    },
    /// The helper refused.
    #[error("{}", refusal(.path, .text))]
    Refused {
        /// What kind of refusal.
        code: Code,
        /// The kernel's number; 0 when it was not the kernel.
        errno: u32,
        /// A part of the batch is in force all the same.
        partly: bool,
        /// The path in the container, or empty.
        path: Vec<u8>,
        /// The reason in words.
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
