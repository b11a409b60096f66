//! The engine as a test looks at it: a request for each look, where a `docker` process would take fifty times the processor,
//! which the tests beside it need. Knows nothing of the product.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::tree::{self, Tree};

/// What every object of a Compose project is labelled with.
const PROJECT: &str = "com.docker.compose.project";

/// In place of a status: no answer came.
const NONE: u16 = 599;

/// What the engine says.
struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Answer {
    fn is_good(&self) -> bool {
        self.status < 400
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The engine's complaint.
    fn complaint(&self) -> String {
        let told = self.json()["message"].as_str().map(str::to_owned);
        told.unwrap_or_else(|| String::from_utf8_lossy(&self.body).into_owned())
    }
}

/// Where the engine of the environment listens.
enum Endpoint {
    Unix(PathBuf),
    Tcp(String),
}

fn endpoint() -> &'static Endpoint {
    static FOUND: OnceLock<Endpoint> = OnceLock::new();
    FOUND.get_or_init(|| {
        let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| {
            let format = "{{.Endpoints.docker.Host}}";
            let context = Command::new("docker")
                .args(["context", "inspect", "--format", format])
                .output()
                .unwrap();
            String::from_utf8(context.stdout).unwrap().trim().to_owned()
        });
        match host.split_once("://") {
            Some(("unix", path)) => Endpoint::Unix(path.into()),
            Some(("tcp", address)) => Endpoint::Tcp(address.to_owned()),
            _ => panic!("these tests need an engine on a socket of this machine, not on `{host}`"),
        }
    })
}

/// Several requests at once; the answers in their order. Works within a test's own runtime as well.
fn ask_all(requests: &[(&str, String, Option<Value>)]) -> Vec<Answer> {
    let work = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap()
            .block_on(futures_util::future::join_all(requests.iter().map(
                async |(method, path, body)| {
                    // Also asked where a test that has failed already tidies up: no panic.
                    let answer = exchange(method, path, body.as_ref()).await;
                    answer.unwrap_or_else(|error| Answer {
                        status: NONE,
                        body: error.to_string().into_bytes(),
                    })
                },
            )))
    };
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

fn ask(method: &str, path: String, body: Option<Value>) -> Answer {
    ask_all(&[(method, path, body)]).remove(0)
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

trait Connection: AsyncRead + AsyncWrite + Unpin {}
impl<C: AsyncRead + AsyncWrite + Unpin> Connection for C {}

async fn connect() -> Result<Box<dyn Connection>> {
    Ok(match endpoint() {
        Endpoint::Unix(socket) => Box::new(UnixStream::connect(socket).await?),
        Endpoint::Tcp(address) => Box::new(TcpStream::connect(address).await?),
    })
}

async fn exchange(method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(connect().await?)).await?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "engine")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let answer = async move {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        // An archive of what changes meanwhile breaks off; whoever asked for it looks again.
        let mut body = response.into_body();
        let mut bytes = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            if let Some(data) = frame.data_ref() {
                bytes.extend_from_slice(data);
            }
        }
        Ok(Answer {
            status,
            body: bytes,
        })
    };
    // The connection's own error is the answer's as well.
    tokio::join!(answer, connection).0
}

/// A query's value, with everything escaped that could be mistaken.
fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_./".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// Fields of a container, as `docker inspect -f` shows them: `{{.State.Status}} {{.State.ExitCode}}`; empty when there is none.
pub fn inspect(container: &str, format: &str) -> String {
    let answer = ask("GET", format!("/containers/{container}/json"), None);
    if !answer.is_good() {
        return String::new();
    }
    let container = answer.json();
    let mut shown = String::new();
    let mut rest = format;
    while let Some((before, field)) = rest.split_once("{{") {
        let (field, after) = field.split_once("}}").unwrap();
        shown.push_str(before);
        let value = container.pointer(&field.replace('.', "/"));
        shown.push_str(&as_go_prints(
            value.unwrap_or_else(|| panic!("there is no field {field}")),
        ));
        rest = after;
    }
    shown + rest
}

fn as_go_prints(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(as_go_prints).collect();
            format!("[{}]", values.join(" "))
        }
        other => other.to_string(),
    }
}

/// What stands at `path` in a container, running or not.
pub fn tree(container: &str, path: &str) -> Option<Tree> {
    loop {
        let path = format!("/containers/{container}/archive?path={}", escaped(path));
        let answer = ask("GET", path, None);
        if !answer.is_good() {
            return None;
        }
        // What changes while it is archived makes a torn archive: no state to look at.
        if let Ok(tree) = tree::of_archive(&answer.body) {
            return Some(tree);
        }
    }
}

/// What a shell in the container says, as root; what it complains of when it fails.
pub fn sh(container: &str, script: &str) -> String {
    let order = json!({
        "AttachStdout": true, "AttachStderr": true, "User": "0", "Cmd": ["sh", "-c", script],
    });
    let made = ask("POST", format!("/containers/{container}/exec"), Some(order));
    if !made.is_good() {
        return made.complaint();
    }
    let id = made.json()["Id"].as_str().unwrap().to_owned();
    let said = ask("POST", format!("/exec/{id}/start"), Some(json!({})));
    if !said.is_good() {
        return said.complaint();
    }
    let [mut text, errors] = streams(&said.body);
    let ended = ask("GET", format!("/exec/{id}/json"), None).json();
    if ended["ExitCode"] != 0 {
        text.extend(errors);
    }
    String::from_utf8_lossy(&text).trim_end().to_owned()
}

/// Standard output and standard error out of the engine's frames: a stream, three zeros, a length, the bytes.
fn streams(mut framed: &[u8]) -> [Vec<u8>; 2] {
    let mut streams = [Vec::new(), Vec::new()];
    while let Some((head, rest)) = framed.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let (bytes, rest) = rest.split_at(length.min(rest.len()));
        streams[usize::from(head[0] == 2)].extend_from_slice(bytes);
        framed = rest;
    }
    streams
}

/// What the engine has of a Compose project.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Containers,
    Networks,
    Volumes,
    Images,
}

/// The names or IDs of what the engine has of a project. By label, not by compose file: that may be broken by now.
pub fn of_project(project: &str, kind: Kind) -> std::result::Result<Vec<String>, String> {
    let filters = escaped(&json!({"label": [format!("{PROJECT}={project}")]}).to_string());
    let (path, list, name) = match kind {
        Kind::Containers => (
            format!("/containers/json?all=1&filters={filters}"),
            "",
            "Id",
        ),
        Kind::Networks => (format!("/networks?filters={filters}"), "", "Id"),
        Kind::Volumes => (format!("/volumes?filters={filters}"), "/Volumes", "Name"),
        Kind::Images => (format!("/images/json?filters={filters}"), "", "Id"),
    };
    let answer = ask("GET", path, None);
    if !answer.is_good() {
        return Err(answer.complaint());
    }
    let answer = answer.json();
    let objects = answer.pointer(list).and_then(Value::as_array);
    let names = objects.into_iter().flatten().map(|object| &object[name]);
    Ok(names
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect())
}

/// Removes all that the engine has of a project.
pub fn remove_project(project: &str) {
    for (kind, path, query) in [
        (Kind::Containers, "containers", "?force=1&v=1"),
        (Kind::Networks, "networks", ""),
        (Kind::Volumes, "volumes", "?force=1"),
        (Kind::Images, "images", "?force=1"),
    ] {
        let found = of_project(project, kind).unwrap_or_default();
        let removals = found
            .iter()
            .map(|name| ("DELETE", format!("/{path}/{name}{query}"), None));
        ask_all(&removals.collect::<Vec<_>>());
    }
}
