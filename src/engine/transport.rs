//! Connections to the engine: dials, keeps idle ones for the next request, and carries bollard's requests and our own within limits. Knows no verb of the API.

mod bounds;
mod dial;
mod meter;
mod refusal;

pub use bounds::{MIB, SHORT, size};
pub use refusal::{No, cut, refusal};

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::Stream;
use http_body_util::{Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{HOST, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use tokio::time::{Instant, timeout};

use self::bounds::{Limits, REFUSAL, limits};
use self::meter::{Exceeded, Meter};
use super::EngineError;
use super::context::Endpoint;
use crate::docker::DockerCli;
use crate::harmless;

/// A request's body. It has bollard's own type, so that one connection serves both.
pub type Body = Either<Full<Bytes>, StreamBody<ByteStream>>;

/// A streamed request body. An error in it cuts the connection, so that the engine never takes half a body for a whole one.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Frame<Bytes>>> + Send>>;

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
