//! Connections to the engine: dials, keeps idle ones for the next request, and carries bollard's requests and our own within limits. Knows no verb of the API.

mod bounds;
mod meter;
mod refusal;

pub use bounds::{MIB, SHORT, size};
pub use refusal::{No, cut, refusal};

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
use tokio::time::{Instant, timeout};

use self::bounds::{Limits, REFUSAL, limits};
use self::meter::{Exceeded, Meter, Metered};
use super::EngineError;
use super::context::Endpoint;
use crate::children;
use crate::docker::DockerCli;
use crate::harmless;

/// A request's body. It has bollard's own type, so that one connection serves both.
pub type Body = Either<Full<Bytes>, StreamBody<ByteStream>>;

/// A streamed request body. An error in it cuts the connection, so that the engine never takes half a body for a whole one.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Frame<Bytes>>> + Send>>;

/// The longest time for dialling; for a remote engine a `docker` and perhaps an `ssh` are started.
const DIAL: Duration = Duration::from_secs(5);
const DIAL_REMOTE: Duration = Duration::from_secs(30);

/// How many bytes, and for how long, a `docker` that cannot dial may write.
const LONGEST_WORDS: u64 = 4 * 1024;
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How many idle connections are kept; more than that many requests at once are rare.
const IDLE: usize = 8;

/// Makes and keeps the connections to one engine.
pub struct Transport {
    endpoint: Endpoint,
    cli: DockerCli,
    idle: Mutex<Vec<Connection>>,
}

/// One connection: HTTP's sender for it, and the meter of what it may still bring.
struct Connection {
    sender: SendRequest<Body>,
    meter: Arc<Meter>,
}

/// Why a request failed; a request that was not sent is returned.
struct Unsent {
    why: String,
    request: Option<Request<Body>>,
}

impl Connection {
    /// Sends a request and waits for the answer's head. The body is read within the limits too, or breaks off.
    async fn send(
        &mut self,
        request: Request<Body>,
        limits: Limits,
    ) -> Result<Response<Incoming>, Unsent> {
        let sent = Instant::now();
        let mut until_head = limits;
        // If the head may take long, the limit for the whole answer begins only after it.
        until_head.whole = limits.head.and(limits.whole);
        self.meter.begin(until_head, sent);
        let answer = self.sender.try_send_request(request);
        let answer = match limits.head {
            None => answer.await,
            Some(limit) => timeout(limit, answer).await.map_err(|_| Unsent {
                why: format!("no answer within {} s", limit.as_secs()),
                request: None,
            })?,
        };
        let response = answer.map_err(|mut error| Unsent {
            request: error.take_message(),
            why: words(&error.into_error()),
        })?;
        if !refusal::is_yes(response.status()) {
            self.meter.begin(REFUSAL, Instant::now());
        } else if limits.head.is_none() {
            self.meter.begin(limits, Instant::now());
        }
        Ok(response)
    }
}

impl Transport {
    /// The engine's address.
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

    /// Sends one request. A refusal is an error; the body of any other answer is limited by what was asked.
    pub(super) async fn send(
        self: &Arc<Self>,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, No> {
        let mut request = origin_form(request)?;
        let limits = limits(request.method(), request.uri().path());
        let response = loop {
            let (mut connection, fresh) = match self.take_idle() {
                Some(connection) => (connection, false),
                None => (self.dial().await?, true),
            };
            match connection.send(request, limits).await {
                Ok(response) => {
                    self.keep_when_idle(connection);
                    break response;
                }
                // The engine may have closed an idle connection meanwhile: the request was not sent, so another connection takes it.
                Err(Unsent {
                    request: Some(unsent),
                    ..
                }) if !fresh => request = unsent,
                Err(Unsent { why, .. }) => return Err(self.unreachable(&why).into()),
            }
        };
        if refusal::is_yes(response.status()) {
            Ok(response)
        } else {
            Err(refusal::read(response).await)
        }
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(connection) = idle.pop() {
            if connection.sender.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps the connection once its answer has been read to the end; one that was dropped midway, or exceeded a limit, is closed.
    fn keep_when_idle(self: &Arc<Self>, mut connection: Connection) {
        let transport = Arc::downgrade(self);
        tokio::spawn(async move {
            if connection.sender.ready().await.is_ok()
                && let Some(transport) = transport.upgrade()
            {
                connection.meter.rest();
                let mut idle = transport
                    .idle
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                idle.retain(|connection| connection.sender.is_ready());
                if idle.len() < IDLE {
                    idle.push(connection);
                }
            }
        });
    }

    async fn dial(&self) -> Result<Connection, EngineError> {
        let limit = match self.endpoint {
            Endpoint::Dial(_) => DIAL_REMOTE,
            _ => DIAL,
        };
        timeout(limit, self.dial_unlimited())
            .await
            .unwrap_or_else(|_| {
                Err(self.unreachable(&format!("no answer within {} s", limit.as_secs())))
            })
    }

    async fn dial_unlimited(&self) -> Result<Connection, EngineError> {
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
                /// All instances of the pipe are busy; one will be free in a moment.
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

    /// Dials with `docker [the user's global flags] system dial-stdio`: the CLI knows ssh, TLS and every kind of context.
    async fn dial_stdio(&self) -> Result<Connection, EngineError> {
        let started = self
            .cli
            .docker(["system", "dial-stdio"].map(OsString::from))
            .and_then(|mut command| {
                command
                    .stdin(std::process::Stdio::piped())
                    .stdout(std::process::Stdio::piped())
                    .stderr(std::process::Stdio::piped());
                // Ctrl-C must not reach it: we still stop containers over this connection.
                children::start(command)
            });
        let program = self.cli.program.to_string_lossy();
        let mut started = started
            .map_err(|error| self.unreachable(&format!("cannot start `{program}`: {error}")))?;
        let child = &mut started.child;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(self.unreachable("`docker system dial-stdio` has no pipes"));
        };
        let mut connection = self.handshake(tokio::io::join(stdout, stdin)).await?;
        let mut stderr = stderr.take(LONGEST_WORDS);
        // The CLI dials only now: a first request shows whether it could, and its stderr why not.
        let ping = origin_form(request(Method::GET, "/_ping", empty())?)?;
        let limits = limits(ping.method(), ping.uri().path());
        match connection.send(ping, limits).await {
            Ok(answer) => {
                let _ = answer.into_body().collect().await;
                if connection.sender.ready().await.is_err() {
                    return Err(self.unreachable("the connection closed at once"));
                }
            }
            Err(Unsent { why, .. }) => {
                let mut said = Vec::new();
                let _ = timeout(LAST_WORDS, stderr.read_to_end(&mut said)).await;
                let said = String::from_utf8_lossy(&said).trim().to_owned();
                let why = if said.is_empty() { why } else { said };
                return Err(self.unreachable(&why));
            }
        }
        let mut stderr = stderr.into_inner();
        tokio::spawn(async move {
            // Owned by this task: dropping it ends the process group.
            let mut started = started;
            let mut sink = tokio::io::sink();
            let _ = tokio::io::copy(&mut stderr, &mut sink).await;
            let _ = started.child.wait().await;
        });
        Ok(connection)
    }

    async fn handshake<S>(&self, stream: S) -> Result<Connection, EngineError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let meter = Meter::new();
        let stream = Metered::new(stream, Arc::clone(&meter));
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.unreachable(&words(&error)))?;
        // Its error arrives through the sender too; it ends when sender and body are dropped.
        tokio::spawn(connection.with_upgrades());
        Ok(Connection { sender, meter })
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

/// A request for our own verbs.
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

/// The empty body of a request.
pub fn empty() -> Body {
    Either::Left(Full::new(Bytes::new()))
}

/// Escapes every byte that is not unreserved in a URL: names in containers are bytes, not text.
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

/// In HTTP/1.1 the request line has only the path, and the host is in a header.
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

/// An error as a sentence: usual errors in our own words, others with their causes on one line.
pub fn words(error: &(dyn std::error::Error + 'static)) -> String {
    if let Some(exceeded) = Exceeded::behind(error) {
        return exceeded.to_string();
    }
    if broke_off(error) {
        return "the connection to the Docker engine broke off".to_owned();
    }
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

/// Whether the connection broke off: the error may be nested at any depth, depending on where hyper noticed.
fn broke_off(error: &(dyn std::error::Error + 'static)) -> bool {
    use io::ErrorKind;
    let mut chain = Some(error);
    while let Some(error) = chain {
        // These wrap an error that is not among their causes.
        match error.downcast_ref() {
            Some(bollard::errors::Error::IOError { err }) => return broke_off(err),
            Some(bollard::errors::Error::HyperResponseError { err }) => return broke_off(err),
            _ => {}
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            let kind = error.kind();
            let broken = [
                ErrorKind::UnexpectedEof,
                ErrorKind::ConnectionReset,
                ErrorKind::ConnectionAborted,
                ErrorKind::BrokenPipe,
            ];
            if broken.contains(&kind) {
                return true;
            }
            if let Some(inner) = error.get_ref()
                && broke_off(inner)
            {
                return true;
            }
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>()
            && (error.is_incomplete_message() || error.is_closed() || error.is_canceled())
        {
            return true;
        }
        chain = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_reached_is_named_without_what_its_name_holds() {
        use crate::harmless::everywhere::{HOSTILE, assert_harmless};
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
    fn a_connection_that_broke_off_is_said_in_a_sentence() {
        let said = "the connection to the Docker engine broke off";
        let eof = || {
            io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "unexpected EOF during chunk size line",
            )
        };
        assert_eq!(words(&eof()), said);
        assert_eq!(words(&io::Error::other(eof())), said);
        assert_eq!(words(&bollard::errors::Error::IOError { err: eof() }), said);
        assert_eq!(words(&io::Error::other("no such thing")), "no such thing");
    }

    #[test]
    fn any_name_can_stand_in_a_request() {
        assert_eq!(escaped(b"/a b/\xff\n%+"), "/a%20b/%FF%0A%25%2B");
    }
}
