//! What an engine with one container would answer.

use serde_json::{Value, json};

use crate::liar::{Act, Asked};

/// The container.
pub const ID: &str = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";

/// How an answer is told from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One JSON value.
    Json,
    /// Nothing but a status.
    Bare,
    /// A tar stream.
    Archive,
    /// A tar stream is taken.
    Upload,
    /// Frames, for as long as it likes: a log, or what is attached.
    Logs,
    /// Lines of JSON, for as long as it likes.
    Events,
    /// An upgraded connection with frames.
    Command,
}

/// What kind of answer belongs to a request.
pub fn kind(asked: &Asked) -> Kind {
    let parts: Vec<&str> = asked.path.split('/').skip(1).collect();
    match (asked.method.as_str(), parts.as_slice()) {
        ("GET", ["containers", _, "archive"]) => Kind::Archive,
        ("PUT", ["containers", _, "archive"]) => Kind::Upload,
        ("GET", ["containers", _, "logs"]) | ("POST", ["containers", _, "attach"]) => Kind::Logs,
        ("GET", ["events"]) => Kind::Events,
        ("POST", ["exec", _, "start"]) => Kind::Command,
        ("POST", ["containers", _, "kill" | "restart" | "start"]) => Kind::Bare,
        _ => Kind::Json,
    }
}

/// The answer of an honest engine.
pub fn honest(asked: &Asked) -> Vec<Act> {
    match kind(asked) {
        Kind::Json => vec![Act::Say(json_answer(&value(asked))), Act::Next],
        Kind::Bare => vec![
            Act::Say(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
            Act::Next,
        ],
        Kind::Archive => vec![Act::Say(sized("application/x-tar", &archive())), Act::Next],
        Kind::Upload => vec![Act::TakeBody, Act::Say(sized("text/plain", b"")), Act::Next],
        Kind::Logs => vec![
            Act::Say(head("200 OK", "Content-Type: application/octet-stream\r\n")),
            Act::Say(frame(1, b"2026-01-02T03:04:05.000000006Z hello\n")),
        ],
        Kind::Events => vec![
            Act::Say(head("200 OK", "Content-Type: application/json\r\n")),
            Act::Say(event()),
            Act::Wait,
        ],
        Kind::Command => vec![
            Act::Say(upgraded()),
            Act::Say(frame(1, b"81a4 0 0 /\n")),
            Act::Say(frame(2, b"a word\n")),
        ],
    }
}

/// The head of an answer that ends with its connection, or has its length in `fields`.
pub fn head(status: &str, fields: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{fields}\r\n").into_bytes()
}

/// The head of an answer that gives the connection away.
pub fn upgraded() -> Vec<u8> {
    head(
        "101 UPGRADED",
        "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/vnd.docker.raw-stream\r\n",
    )
}

/// An answer with its length.
pub fn sized(kind: &str, body: &[u8]) -> Vec<u8> {
    let fields = format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
    [head("200 OK", &fields), body.to_vec()].concat()
}

/// An answer of JSON.
pub fn json_answer(value: &Value) -> Vec<u8> {
    sized("application/json", value.to_string().as_bytes())
}

/// A frame of output.
pub fn frame(stream: u8, text: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    [&[stream, 0, 0, 0], &length[..], text].concat()
}

/// An event with its line end.
pub fn event() -> Vec<u8> {
    let event = json!({
        "Type": "container",
        "Action": "start",
        "Actor": { "ID": ID, "Attributes": {
            "com.docker.compose.service": "web",
            "com.docker.compose.oneoff": "False",
        } },
        "timeNano": 1_767_323_045_000_000_006_i64,
    });
    format!("{event}\n").into_bytes()
}

/// A folder with two files.
pub fn archive() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in [("app/", ""), ("app/a", "hello"), ("app/b", "world")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        header.set_uid(1000);
        header.set_gid(1000);
        if name.ends_with('/') {
            header.set_entry_type(tar::EntryType::Directory);
        }
        builder
            .append_data(&mut header, name, content.as_bytes())
            .unwrap();
    }
    builder.into_inner().unwrap()
}

/// What an honest engine says of things.
pub fn value(asked: &Asked) -> Value {
    let parts: Vec<&str> = asked.path.split('/').skip(1).collect();
    match parts.as_slice() {
        ["version"] => json!({ "Version": "28.5.2", "ApiVersion": "1.48" }),
        ["containers", "json"] => json!([{ "Id": ID, "Names": ["/p-web-1"] }]),
        ["containers", _, "json"] => json!({
            "Id": ID,
            "Name": "/p-web-1",
            "Image": "sha256:aa",
            "State": { "Status": "running", "Running": true, "ExitCode": 0 },
            "Config": {
                "Labels": {
                    "com.docker.compose.service": "web",
                    "com.docker.compose.container-number": "1",
                },
                "Tty": false,
                "User": "1000",
                "StopTimeout": 1,
            },
            "HostConfig": { "ReadonlyRootfs": false, "Tmpfs": { "/run": "rw" } },
            "Mounts": [{ "Type": "bind", "Source": "/s", "Destination": "/d", "RW": true }],
            "NetworkSettings": { "Ports": { "80/tcp": [{ "HostIp": "::", "HostPort": "8080" }] } },
        }),
        ["images", ..] => json!({ "Id": "sha256:aa", "Architecture": "amd64", "Config": {} }),
        ["exec", ..] => json!({ "ID": "e", "Running": false, "ExitCode": 0 }),
        _ => json!({ "Id": "e" }),
    }
}
