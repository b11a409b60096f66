//! The limits of an answer's size and time, by what was asked. Pure: no connection, no clock.
//!
//! The engine is trusted, but something else may answer in its place: another end of a tunnel, a proxy, another program's socket.
//! Whatever it sends, we end with an error of our own and with bounded memory.

use std::time::Duration;

use hyper::Method;

/// The longest time for a short verb, its whole answer included.
pub const SHORT: Duration = Duration::from_secs(60);

/// The longest list of containers, in bytes: a thousand of them with long labels.
const LIST: u64 = 8 * MIB;

/// The longest description of one thing, in bytes. The kernel allows a process 2 MiB of environment and arguments, and little else
/// in it grows. Once parsed it may be a hundred times as large: an empty mount is three bytes here, and two hundred in memory.
const ONE: u64 = 2 * MIB;

/// The longest refusal, in bytes.
const NO: u64 = 64 * 1024;
const NO_WITHIN: Duration = Duration::from_secs(10);

/// An archive may take as long as its bytes need, but at least this many have to move per `step`, also over a slow line and while a disk
/// cache is written.
pub const STEP: u64 = 64 * 1024;
const STEP_WITHIN: Duration = Duration::from_secs(120);

pub const MIB: u64 = 1024 * 1024;

/// The limits of one exchange; `None` means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the request to the answer's head.
    pub head: Option<Duration>,
    /// From the request to the answer's end; when the head may take long, from the head on.
    pub whole: Option<Duration>,
    /// Until 64 KiB more, or all that is left, have moved in either direction.
    pub step: Option<Duration>,
    /// The most bytes of the answer's body.
    pub bytes: Option<u64>,
}

/// For an answer that is held in memory completely.
const SHORT_ANSWER: Limits = Limits {
    head: Some(SHORT),
    whole: Some(SHORT),
    step: None,
    bytes: Some(ONE),
};

/// For an answer that comes when a process has stopped, which may take hours: the caller has a limit of its own.
const PATIENT: Limits = Limits {
    head: None,
    ..SHORT_ANSWER
};

/// For an answer that goes on as long as somebody listens. The engine sends its head at once.
const STREAM: Limits = Limits {
    head: Some(SHORT),
    whole: None,
    step: None,
    bytes: None,
};

/// For archives in either direction.
const ARCHIVE: Limits = Limits {
    head: None,
    whole: None,
    step: Some(STEP_WITHIN),
    bytes: None,
};

/// For the rest of a refusal, whatever was asked.
pub const REFUSAL: Limits = Limits {
    head: None,
    whole: Some(NO_WITHIN),
    step: None,
    bytes: Some(NO),
};

/// The limits for the answer to a request.
pub fn limits(method: &Method, path: &str) -> Limits {
    let mut parts: Vec<&str> = path.split('/').skip(1).collect();
    if parts.first().is_some_and(|part| is_version(part)) {
        parts.remove(0);
    }
    match (method.as_str(), parts.as_slice()) {
        ("GET", ["events"] | ["containers", _, "logs"])
        | ("POST", ["exec", _, "start"] | ["containers", _, "attach"]) => STREAM,
        ("GET" | "PUT", ["containers", _, "archive"]) => ARCHIVE,
        ("POST", ["containers", _, "restart" | "stop" | "wait"]) => PATIENT,
        ("GET", ["containers", "json"]) => Limits {
            bytes: Some(LIST),
            ..SHORT_ANSWER
        },
        _ => SHORT_ANSWER,
    }
}

/// Whether it is an API version: `v1.48`.
fn is_version(part: &str) -> bool {
    let number = part.strip_prefix('v').unwrap_or_default();
    !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// A size for people: `8 MiB`, `64 KiB`.
pub fn size(bytes: u64) -> String {
    const GIB: u64 = 1024 * MIB;
    match bytes {
        GIB.. => format!("{} GiB", bytes / GIB),
        MIB.. => format!("{} MiB", bytes / MIB),
        1024.. => format!("{} KiB", bytes / 1024),
        _ => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Limits {
        let (method, path) = line.split_once(' ').unwrap();
        limits(&method.parse().unwrap(), path)
    }

    #[test]
    fn what_is_followed_has_no_end() {
        for line in [
            "GET /v1.48/events",
            "GET /v1.48/containers/0a1b/logs",
            "POST /v1.48/exec/0a1b/start",
            "POST /v1.48/containers/0a1b/attach",
            "GET /events",
        ] {
            assert_eq!(of(line), STREAM, "{line}");
        }
    }

    #[test]
    fn an_archive_may_be_of_any_size_but_not_stand_still() {
        for line in [
            "GET /v1.48/containers/0a1b/archive",
            "PUT /v1.48/containers/0a1b/archive",
        ] {
            assert_eq!(of(line), ARCHIVE, "{line}");
        }
    }

    #[test]
    fn a_process_stops_in_its_own_time() {
        for verb in ["restart", "stop", "wait"] {
            let line = format!("POST /v1.48/containers/0a1b/{verb}");
            assert_eq!(of(&line), PATIENT, "{line}");
        }
    }

    #[test]
    fn everything_else_is_short() {
        for line in [
            "GET /version",
            "GET /_ping",
            "GET /v1.48/containers/0a1b/json",
            "GET /v1.48/images/events/json",
            "GET /v1.48/images/sha256:0a/json",
            "POST /v1.48/containers/0a1b/exec",
            "POST /v1.48/containers/0a1b/kill",
            "POST /v1.48/containers/0a1b/start",
            "GET /v1.48/exec/0a1b/json",
            // A name of an image is the user's.
            "GET /v1.48/images/containers/logs/json",
            "DELETE /v1.48/containers/0a1b/archive",
            "GET ",
        ] {
            assert_eq!(of(line), SHORT_ANSWER, "{line}");
        }
        assert_eq!(of("GET /v1.48/containers/json").bytes, Some(8 * MIB));
    }

    #[test]
    fn sizes_are_told_in_their_own_unit() {
        assert_eq!(
            [size(2048 * MIB), size(8 * MIB), size(64 * 1024), size(7)],
            ["2 GiB", "8 MiB", "64 KiB", "7 bytes"]
        );
    }
}
