//! [`Docker`]: the real [`Engine`]. Holds the connections and passes each verb on to the file that does it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters as query;
use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper::{Method, Response, StatusCode};
use tokio::sync::watch;

use super::binds::{Machine, Named};
use super::compose::Anew;
use super::context::{Surroundings, endpoint};
use super::ends::OwnEnds;
use super::moves::Moves;
use super::screen::Screen;
use super::supervise::Overrides;
use super::transport::{self, Body, No, Transport};
use super::ways::helper::Helpers;
use super::{
    Applied, Container, ContainerId, Delta, End, Ended, Engine, EngineError, Exec, Fingerprints,
    Restarted, Stream, Wanted,
};
use crate::docker::DockerCli;
use crate::paths::ContainerPath;

/// bollard's own limit on the wait for an answer, set so high that it never applies: the transport has one for each request.
const NEVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// One Compose project on one Docker engine. Cheap to clone; all clones share their connections.
#[derive(Clone)]
pub struct Docker {
    pub(super) inner: Arc<Inner>,
    pub(super) asks_once: bool,
}

pub(super) struct Inner {
    pub(super) api: bollard::Docker,
    pub(super) transport: Arc<Transport>,
    pub(super) cli: DockerCli,
    pub(super) project: String,
    /// Held while Compose recreates: two `compose up` of one project at once interfere with each other.
    pub(super) recreating: tokio::sync::Mutex<()>,
    /// The mounts of the compose model.
    pub(super) named: std::sync::Mutex<Named>,
    pub(super) machine: Machine,
    /// Services that run another command line under `up`.
    pub(super) runs: std::sync::Mutex<Overrides>,
    /// The helpers in the containers.
    pub(super) helpers: Helpers,
    /// Which services this session is restarting or recreating at this moment.
    pub(super) moves: watch::Sender<Moves>,
    /// Whether Compose has been lent the terminal.
    pub(super) screen: Screen,
    /// The warnings of Compose that were shown already.
    pub(super) told_warnings: std::sync::Mutex<BTreeSet<String>>,
    /// Whether the engine is Podman; empty until it was asked.
    pub(super) is_podman: tokio::sync::OnceCell<bool>,
    /// Which of the containers' ends this session causes.
    pub(super) own_ends: OwnEnds,
}

impl fmt::Debug for Docker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Docker")
            .field("project", &self.inner.project)
            .finish_non_exhaustive()
    }
}

impl Docker {
    /// Connects to the engine that the CLI would use and asks for its version. The error says what to do about it.
    pub async fn connect(cli: &DockerCli, project_name: &str) -> Result<Docker, EngineError> {
        let endpoint = endpoint(&cli.global_flags, &Surroundings::real())?;
        let machine = Machine::of(&endpoint).await;
        let transport = Transport::new(endpoint, cli.clone());
        let carrier = Arc::clone(&transport);
        let api = bollard::Docker::connect_with_custom_transport(
            move |request: bollard::BollardRequest| {
                let carrier = Arc::clone(&carrier);
                async move {
                    carrier.send(request).await.map_err(|no| match no {
                        No::Said { status, message } => {
                            bollard::errors::Error::DockerResponseServerError {
                                status_code: status,
                                message,
                            }
                        }
                        No::Failed(error) => bollard::errors::Error::IOError {
                            err: std::io::Error::other(error),
                        },
                    })
                }
            },
            Some("http://docker"),
            NEVER.as_secs(),
            bollard::API_DEFAULT_VERSION,
        )
        .map_err(|error| EngineError::Unreachable(transport::words(&error)))?;
        let api = api
            .negotiate_version()
            .await
            .map_err(|error| refused(error, &ContainerId(String::new())))?;
        Ok(Docker {
            inner: Arc::new(Inner {
                api,
                transport,
                cli: cli.clone(),
                project: project_name.to_owned(),
                recreating: tokio::sync::Mutex::default(),
                named: std::sync::Mutex::default(),
                machine,
                runs: std::sync::Mutex::default(),
                helpers: Helpers::default(),
                moves: watch::Sender::default(),
                screen: Screen::default(),
                told_warnings: std::sync::Mutex::default(),
                is_podman: tokio::sync::OnceCell::new(),
                own_ends: OwnEnds::default(),
            }),
            asks_once: false,
        })
    }

    /// For a caller that compares each container once and exits: it does without a helper where little is compared.
    #[must_use]
    pub fn asking_once(&self) -> Self {
        Self {
            asks_once: true,
            ..self.clone()
        }
    }

    /// The engine's address, as its name: two engines never have the same.
    pub fn place(&self) -> String {
        self.inner.transport.endpoint().to_string()
    }

    /// A request of our own to the negotiated API version, where bollard's wrapper is too narrow (archives, events, logs).
    pub(super) async fn ask(
        &self,
        method: Method,
        target: &str,
        body: Body,
        about: &ContainerId,
    ) -> Result<Response<Incoming>, EngineError> {
        let request = transport::request(method, &self.versioned(target), body)?;
        let response = self.inner.transport.send(request).await;
        let response = response.map_err(|no| no.about(about))?;
        if response.status().is_success() {
            Ok(response)
        } else {
            let status = response.status().as_u16();
            Err(transport::refusal(status, "", about))
        }
    }

    /// A request of our own with a short JSON answer.
    pub(super) async fn ask_json<T: serde::de::DeserializeOwned>(
        &self,
        target: &str,
        about: &ContainerId,
    ) -> Result<T, EngineError> {
        let response = self
            .ask(Method::GET, target, transport::empty(), about)
            .await?;
        let whole = response.into_body().collect().await;
        let whole = whole.map_err(|error| EngineError::Unreachable(transport::words(&error)))?;
        serde_json::from_slice(&whole.to_bytes()).map_err(|error| {
            EngineError::Unreachable(format!("the Docker engine's answer is unreadable: {error}"))
        })
    }

    /// A request after whose answer the connection is a two-way stream.
    pub(super) async fn upgraded(
        &self,
        target: &str,
        json: String,
        about: &ContainerId,
    ) -> Result<Upgraded, EngineError> {
        let body = Either::Left(Full::new(Bytes::from(json)));
        let mut request = transport::request(Method::POST, &self.versioned(target), body)?;
        for (name, value) in [
            (CONTENT_TYPE, "application/json"),
            (CONNECTION, "Upgrade"),
            (UPGRADE, "tcp"),
        ] {
            let value = HeaderValue::from_static(value);
            request.headers_mut().insert(name, value);
        }
        let response = self.inner.transport.send(request).await;
        let response = response.map_err(|no| no.about(about))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(EngineError::Refused(
                "the engine started a command without its output".to_owned(),
            ));
        }
        hyper::upgrade::on(response)
            .await
            .map_err(|error| EngineError::Unreachable(transport::words(&error)))
    }

    /// `target` with the negotiated API version in front.
    fn versioned(&self, target: &str) -> String {
        let version = self.inner.api.client_version();
        format!(
            "/v{}.{}{target}",
            version.major_version, version.minor_version
        )
    }
}

/// Sorts bollard's errors into our kinds.
pub(super) fn refused(error: bollard::errors::Error, id: &ContainerId) -> EngineError {
    match error {
        bollard::errors::Error::DockerResponseServerError {
            status_code,
            message,
        } => transport::refusal(status_code, &message, id),
        bollard::errors::Error::IOError { err } => match err.downcast::<EngineError>() {
            Ok(ours) => ours,
            Err(err) => EngineError::Unreachable(transport::words(&err)),
        },
        other => EngineError::Unreachable(transport::words(&other)),
    }
}

impl Engine for Docker {
    async fn containers(&self, service: &str) -> Result<Vec<Container>, EngineError> {
        self.find(service).await
    }

    async fn apply(&self, container: &Container, delta: &Delta) -> Result<Applied, EngineError> {
        self.apply_delta(container, delta).await
    }

    async fn run(
        &self,
        container: &Container,
        exec: &Exec,
        output: &mut (dyn FnMut(Stream, &[u8]) + Send),
    ) -> Result<Ended, EngineError> {
        self.run_command(container, exec, output).await
    }

    async fn restart(
        &self,
        container: &Container,
        grace: Option<Duration>,
    ) -> Result<Restarted, EngineError> {
        self.restart_in_turn(container, grace).await
    }

    async fn restart_process(
        &self,
        container: &Container,
        signal: Option<&str>,
        grace: Option<Duration>,
    ) -> Result<Restarted, EngineError> {
        self.restart_its_process(container, signal, grace).await
    }

    async fn crash(&self, container: &Container) -> Option<End> {
        self.crash_of(container).await
    }

    async fn release(&self, container: &Container) {
        self.release_process(container).await;
    }

    async fn warm_up(&self, container: &Container) {
        self.warm_up_helper(container).await;
    }

    async fn forget(&self, id: &ContainerId) {
        self.forget_helper(id).await;
    }

    async fn signal(&self, container: &Container, name: &str) -> Result<(), EngineError> {
        let options = query::KillContainerOptions {
            signal: format!("SIG{}", name.strip_prefix("SIG").unwrap_or(name)),
        };
        // The process may take its time to act on the signal, after the engine has answered.
        let _moving = self.moving(&container.service);
        self.inner
            .api
            .kill_container(&container.id.0, Some(options))
            .await
            .map_err(|error| refused(error, &container.id))
    }

    async fn start(&self, container: &Container) -> Result<(), EngineError> {
        let moving = self.moving(&container.service);
        moving.done(self.start_container(container).await)
    }

    async fn fingerprints(
        &self,
        container: &Container,
        wanted: &Wanted,
        roots: &[ContainerPath],
    ) -> Result<Fingerprints, EngineError> {
        self.fingerprints_of(container, wanted, roots).await
    }

    async fn image_id(&self, image: &str) -> Result<Option<String>, EngineError> {
        match self.inner.api.inspect_image(image).await {
            Ok(found) => Ok(found.id),
            Err(bollard::errors::Error::DockerResponseServerError {
                status_code: 404, ..
            }) => Ok(None),
            Err(error) => Err(refused(error, &ContainerId(String::new()))),
        }
    }

    async fn build(
        &self,
        services: &[String],
        output: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(), EngineError> {
        self.compose_build(services, output).await
    }

    async fn recreate(
        &self,
        services: &[String],
        output: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(), EngineError> {
        self.recreate_in_view(services, Anew::Changed, output).await
    }
}
