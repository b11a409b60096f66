//! The engine's refusals: their text, read within limits, and their kind. Sends nothing.

use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Response, StatusCode};

use super::super::{ContainerId, EngineError};
use crate::harmless;

/// How many bytes of the engine's text are shown.
const LONGEST: usize = 4 * 1024;

/// Why a request has no answer.
pub enum No {
    /// The engine refused.
    Said {
        /// The HTTP status.
        status: u16,
        /// The engine's message, cut to the limit; empty when it sent none.
        message: String,
    },
    /// No answer arrived.
    Failed(EngineError),
}

impl No {
    /// As an error about that container.
    pub fn about(self, id: &ContainerId) -> EngineError {
        match self {
            Self::Said { status, message } => refusal(status, &message, id),
            Self::Failed(error) => error,
        }
    }
}

impl From<EngineError> for No {
    fn from(error: EngineError) -> Self {
        Self::Failed(error)
    }
}

/// Whether the status is a success.
pub fn is_yes(status: StatusCode) -> bool {
    status.is_success() || status.is_informational() || status == StatusCode::NOT_MODIFIED
}

/// The body of a refusal.
#[derive(serde::Deserialize)]
struct Said {
    message: String,
}

/// Reads the refusal's text, as far as its limits allow: a status without a text is a refusal too.
pub async fn read(response: Response<Incoming>) -> No {
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut said = BytesMut::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Some(data) = frame.data_ref() {
            said.extend_from_slice(data);
        }
    }
    let message = serde_json::from_slice(&said).map_or_else(
        |_| String::from_utf8_lossy(&said).trim().to_owned(),
        |said: Said| said.message,
    );
    let message = cut(message, LONGEST);
    No::Said { status, message }
}

/// The text, cut to `longest` bytes.
pub fn cut(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        let mut ends = (0..=longest).rev();
        let end = ends.find(|&end| text.is_char_boundary(end));
        text.truncate(end.unwrap_or(0));
        text.push_str(" ..");
    }
    text
}

/// The kind of a refusal, which callers act on.
pub fn refusal(status: u16, message: &str, id: &ContainerId) -> EngineError {
    // A container that is being removed answers in many ways, a 500 about its layer among them.
    let words = ["marked for removal", "removal of container", "RWLayer"];
    let going = words.iter().any(|words| message.contains(words));
    match status {
        404 if message.contains("No such container") || message.contains("No such exec") => {
            EngineError::Gone(id.clone())
        }
        409 | 500 if going => EngineError::Gone(id.clone()),
        409 => EngineError::NotRunning(id.clone()),
        _ if message.is_empty() => {
            EngineError::Refused(format!("the engine answered {status} without a word"))
        }
        _ => EngineError::Refused(harmless::quoted(message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_sorted_by_what_callers_do_about_them() {
        let id = ContainerId("c".repeat(64));
        let kind = |status, message| refusal(status, message, &id);
        assert!(matches!(
            kind(404, "No such container: ccc"),
            EngineError::Gone(_)
        ));
        assert!(matches!(
            kind(409, "container ccc is not running"),
            EngineError::NotRunning(_)
        ));
        assert!(matches!(
            kind(
                409,
                "can not get logs from container which is dead or marked for removal"
            ),
            EngineError::Gone(_)
        ));
        assert!(matches!(
            kind(404, "Could not find the file /x in container ccc"),
            EngineError::Refused(_)
        ));
    }

    #[test]
    fn an_engine_s_words_are_quoted() {
        use crate::harmless::everywhere::{HOSTILE, assert_harmless};
        let id = ContainerId("c".repeat(64));
        for status in [400, 404, 409, 500] {
            assert_harmless(&refusal(status, HOSTILE, &id).to_string());
        }
    }

    #[test]
    fn long_words_are_cut_between_two_characters() {
        assert_eq!(cut("äöü".into(), 6), "äöü");
        assert_eq!(cut("äöü".into(), 5), "äö ..");
    }
}
