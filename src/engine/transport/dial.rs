//! Dials the engine: its socket or pipe, or through the `docker` CLI. Sends no request but one ping.

use std::ffi::OsString;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Method;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::timeout;

use crate::children;
use crate::engine::EngineError;
use crate::engine::context::Endpoint;
use crate::harmless;

use super::bounds::limits;
use super::meter::{Meter, Metered};
use super::{Connection, Transport, Unsent, empty, origin_form, request, words};

/// The longest time for dialling; for a remote engine a `docker` and perhaps an `ssh` are started.
const DIAL: Duration = Duration::from_secs(5);

const DIAL_REMOTE: Duration = Duration::from_secs(30);

/// How many bytes, and for how long, a `docker` that cannot dial may write.
const LONGEST_WORDS: u64 = 4 * 1024;

const LAST_WORDS: Duration = Duration::from_secs(1);

impl Transport {
    pub(super) async fn dial(&self) -> Result<Connection, EngineError> {
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

    pub(in crate::engine) fn unreachable(&self, why: &str) -> EngineError {
        EngineError::Unreachable(format!(
            "cannot talk to the Docker engine at `{}`: {}",
            harmless::value(&self.endpoint.to_string()),
            harmless::quoted(why)
        ))
    }

    pub(super) fn no_socket(&self, error: &io::Error) -> EngineError {
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
