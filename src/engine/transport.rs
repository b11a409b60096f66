//! Connections to the engine: dials, keeps idle ones for the next request, carries bollard's requests and our own. Knows no verb of the API.

use std::ffi::OsString;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::context::Endpoint;
use super::{ContainerId, EngineError};
use crate::docker::DockerCli;
use crate::harmless;

/// A request's body; bollard's own type, so that one connection serves both.
pub type Body = Either<Full<Bytes>, StreamBody<ByteStream>>;

/// A streamed request body: its error cuts the connection, so that the engine never takes half a body for a whole one.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Frame<Bytes>>> + Send>>;

/// How long a dial may take; a remote one starts a `docker` and perhaps an `ssh`.
const DIAL: Duration = Duration::from_secs(5);
const DIAL_REMOTE: Duration = Duration::from_secs(30);

/// Idle connections kept; more than that many requests at once are rare.
const IDLE: usize = 8;

/// The way to one engine.
pub struct Transport {
    endpoint: Endpoint,
    cli: DockerCli,
    idle: Mutex<Vec<SendRequest<Body>>>,
}

impl Transport {
    /// Where it leads.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) fn new(endpoint: Endpoint, cli: DockerCli) -> Arc<Self> {
        Arc::new(Self {
            endpoint,
            cli,
            idle: Mutex::default(),
        })
    }

    /// Sends one request; the answer's body may go on for ever.
    pub(super) async fn send(
        self: &Arc<Self>,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, EngineError> {
        let mut request = origin_form(request)?;
        loop {
            let (mut sender, fresh) = match self.take_idle() {
                Some(sender) => (sender, false),
                None => (self.dial().await?, true),
            };
            match sender.try_send_request(request).await {
                Ok(response) => {
                    self.keep_when_idle(sender);
                    return Ok(response);
                }
                // An idle connection may have been closed by the engine meanwhile: the request was not sent, another one takes it.
                Err(mut refused) => match refused.take_message() {
                    Some(unsent) if !fresh => request = unsent,
                    _ => return Err(self.unreachable(&words(&refused.into_error()))),
                },
            }
        }
    }

    fn take_idle(&self) -> Option<SendRequest<Body>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(sender) = idle.pop() {
            if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    /// Puts the connection back once its answer has been read to the end; one that was dropped midway just closes.
    fn keep_when_idle(self: &Arc<Self>, mut sender: SendRequest<Body>) {
        let transport = Arc::downgrade(self);
        tokio::spawn(async move {
            if sender.ready().await.is_ok()
                && let Some(transport) = transport.upgrade()
            {
                let mut idle = transport
                    .idle
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                idle.retain(SendRequest::is_ready);
                if idle.len() < IDLE {
                    idle.push(sender);
                }
            }
        });
    }

    async fn dial(&self) -> Result<SendRequest<Body>, EngineError> {
        let limit = match self.endpoint {
            Endpoint::Dial(_) => DIAL_REMOTE,
            _ => DIAL,
        };
        tokio::time::timeout(limit, self.dial_unlimited())
            .await
            .unwrap_or_else(|_| {
                Err(self.unreachable(&format!("no answer within {} s", limit.as_secs())))
            })
    }

    async fn dial_unlimited(&self) -> Result<SendRequest<Body>, EngineError> {
        match &self.endpoint {
            #[cfg(unix)]
            Endpoint::Unix(path) => {
                let socket = tokio::net::UnixStream::connect(path)
                    .await
                    .map_err(|error| self.no_socket(&error))?;
                self.handshake(socket).await
            }
            #[cfg(windows)]
            Endpoint::Pipe(name) => {
                /// All instances of the pipe are busy: one is free in a moment.
                const ERROR_PIPE_BUSY: i32 = 231;
                let pipe = loop {
                    match tokio::net::windows::named_pipe::ClientOptions::new().open(name) {
                        Ok(pipe) => break pipe,
                        Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY) => {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                        Err(error) => return Err(self.no_socket(&error)),
                    }
                };
                self.handshake(pipe).await
            }
            _ => self.dial_stdio().await,
        }
    }

    /// `docker [the user's global flags] system dial-stdio`: the CLI knows ssh, TLS and every context there will ever be.
    async fn dial_stdio(&self) -> Result<SendRequest<Body>, EngineError> {
        let mut command = self
            .cli
            .docker(["system", "dial-stdio"].map(OsString::from));
        command
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .kill_on_drop(true);
        // Ctrl-C is for us: we still have containers to stop over this connection.
        #[cfg(unix)]
        command.process_group(0);
        let program = self.cli.program.to_string_lossy().into_owned();
        let mut child = command
            .spawn()
            .map_err(|error| self.unreachable(&format!("cannot start `{program}`: {error}")))?;
        let (Some(stdin), Some(stdout), Some(mut stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(self.unreachable("`docker system dial-stdio` has no pipes"));
        };
        let mut sender = self.handshake(tokio::io::join(stdout, stdin)).await?;
        // The CLI dials only now; a first request tells whether it could, and its stderr why not.
        let ping = request(Method::GET, "/_ping", empty());
        let answer = match ping {
            Ok(ping) => sender.send_request(origin_form(ping)?).await,
            Err(error) => return Err(error),
        };
        match answer {
            Ok(answer) => {
                let _ = answer.into_body().collect().await;
                if sender.ready().await.is_err() {
                    return Err(self.unreachable("the connection closed at once"));
                }
            }
            Err(error) => {
                let mut said = Vec::new();
                let _ = tokio::time::timeout(Duration::from_secs(1), stderr.read_to_end(&mut said))
                    .await;
                let said = String::from_utf8_lossy(&said).trim().to_owned();
                let why = if said.is_empty() { words(&error) } else { said };
                return Err(self.unreachable(&why));
            }
        }
        tokio::spawn(async move {
            let mut sink = tokio::io::sink();
            let _ = tokio::io::copy(&mut stderr, &mut sink).await;
            let _ = child.wait().await;
        });
        Ok(sender)
    }

    async fn handshake<S>(&self, stream: S) -> Result<SendRequest<Body>, EngineError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.unreachable(&words(&error)))?;
        // Its error reaches us through the sender; it ends when the sender and the body are gone.
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
    }

    pub(super) fn unreachable(&self, why: &str) -> EngineError {
        EngineError::Unreachable(format!(
            "cannot talk to the Docker engine at `{}`: {}",
            harmless::value(&self.endpoint.to_string()),
            harmless::quoted(why)
        ))
    }

    fn no_socket(&self, error: &io::Error) -> EngineError {
        let hint = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                if cfg!(target_os = "linux") {
                    "start the engine (`sudo systemctl start docker`, or Docker Desktop), or choose another one with `docker context use` or DOCKER_HOST"
                } else {
                    "start Docker Desktop, or choose another engine with `docker context use` or DOCKER_HOST"
                }
            }
            io::ErrorKind::PermissionDenied => {
                "add yourself to the group that owns the socket (`sudo usermod -aG docker $USER`, then log in again), or use a rootless engine"
            }
            _ => "see whether `docker version` reaches it",
        };
        let why = match error.kind() {
            io::ErrorKind::NotFound => "there is no such socket".to_owned(),
            io::ErrorKind::ConnectionRefused => "nobody listens on the socket".to_owned(),
            io::ErrorKind::PermissionDenied => "no permission on the socket".to_owned(),
            _ => error.to_string(),
        };
        let EngineError::Unreachable(text) = self.unreachable(&why) else {
            return EngineError::Unreachable(why);
        };
        EngineError::Unreachable(format!("{text}\nhint: {hint}"))
    }
}

/// A request as our own verbs make them.
pub fn request(method: Method, target: &str, body: Body) -> Result<Request<Body>, EngineError> {
    Request::builder()
        .method(method)
        .uri(target)
        .body(body)
        .map_err(|error| no_request(target, &error))
}

fn no_request(target: &str, error: &dyn std::error::Error) -> EngineError {
    let target = harmless::value(target);
    EngineError::Refused(format!("`{target}` is no request: {error}"))
}

/// No body.
pub fn empty() -> Body {
    Either::Left(Full::new(Bytes::new()))
}

/// The engine's words for a no.
#[derive(serde::Deserialize)]
struct Said {
    message: String,
}

/// The answer if it says yes, else the engine's words as an error; `id` is the container that was asked about.
pub async fn checked(
    response: Response<Incoming>,
    id: &ContainerId,
) -> Result<Response<Incoming>, EngineError> {
    let status = response.status();
    if status.is_success() || status.is_informational() {
        return Ok(response);
    }
    let body = response
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let message = serde_json::from_slice(&body).map_or_else(
        |_| String::from_utf8_lossy(&body).trim().to_owned(),
        |said: Said| said.message,
    );
    Err(refusal(status.as_u16(), &message, id))
}

/// The kind of a refusal: what callers act on.
pub fn refusal(status: u16, message: &str, id: &ContainerId) -> EngineError {
    // A container that is just being removed answers in many ways, a 500 about its layer among them.
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

/// Every byte that is not unreserved in a URL, escaped: names in containers are bytes, not text.
pub fn escaped(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// HTTP/1.1 to an origin has the path alone in the request line and the host in a header.
fn origin_form(request: Request<Body>) -> Result<Request<Body>, EngineError> {
    let (mut parts, body) = request.into_parts();
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", hyper::http::uri::PathAndQuery::as_str);
    parts.uri = target
        .parse::<Uri>()
        .map_err(|error| no_request(target, &error))?;
    parts
        .headers
        .entry(HOST)
        .or_insert(HeaderValue::from_static("docker"));
    Ok(Request::from_parts(parts, body))
}

/// An error with its causes on one line: hyper's own text alone is "connection error".
pub fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    harmless::value(&text).into_owned()
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
    fn an_engine_s_words_and_its_address_are_quoted() {
        use crate::harmless::everywhere::{HOSTILE, assert_harmless};
        let id = ContainerId("c".repeat(64));
        for status in [400, 404, 409, 500] {
            assert_harmless(&refusal(status, HOSTILE, &id).to_string());
        }
        let endpoint = Endpoint::Dial(HOSTILE.to_owned());
        let transport = Transport::new(endpoint, DockerCli::default());
        assert_harmless(&transport.unreachable(HOSTILE).to_string());
        let error = transport.no_socket(&io::Error::other(HOSTILE)).to_string();
        assert_harmless(&error.replacen("\nhint: see whether", "", 1));
        assert_harmless(&words(&io::Error::other(HOSTILE)));
        let refused = request(Method::GET, HOSTILE, empty()).err().unwrap();
        assert_harmless(&refused.to_string());
    }

    #[test]
    fn any_name_can_stand_in_a_request() {
        assert_eq!(escaped(b"/a b/\xff\n%+"), "/a%20b/%FF%0A%25%2B");
    }
}
