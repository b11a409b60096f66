//! [`Docker`]: the real [`Engine`]. Holds the connections and hands each verb to the room that does it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters as query;
use hyper::body::Incoming;
use hyper::{Method, Response};

use super::context::{Surroundings, endpoint};
use super::hands::Helpers;
use super::supervise::Runs;
use super::transport::{self, Body, Transport};
use super::{
    Applied, Container, ContainerId, Delta, Ended, Engine, EngineError, Exec, Fingerprint,
    Restarted, Stream,
};
use crate::docker::DockerCli;
use crate::paths::ContainerPath;

/// How long a short verb may take; those that may take longer (uploads, execs, restarts, streams) have their own measure.
const SHORT: Duration = Duration::from_secs(60);

/// One Compose project on one Docker engine. Cheap to clone; all clones share connections.
#[derive(Clone)]
pub struct Docker {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) api: bollard::Docker,
    pub(super) transport: Arc<Transport>,
    pub(super) cli: DockerCli,
    pub(super) project: String,
    /// Two `compose up` of one project at once trip over each other.
    pub(super) recreating: tokio::sync::Mutex<()>,
    /// Services that run something else under `up`.
    pub(super) runs: std::sync::Mutex<Runs>,
    /// The helpers in the containers.
    pub(super) helpers: Helpers,
}

impl fmt::Debug for Docker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Docker")
            .field("project", &self.inner.project)
            .finish_non_exhaustive()
    }
}

impl Docker {
    /// Connects to the engine that the CLI would use, and asks for its version: an error here says what to do about it.
    pub async fn connect(cli: &DockerCli, project_name: &str) -> Result<Docker, EngineError> {
        let endpoint = endpoint(&cli.global_flags, &Surroundings::real())?;
        let transport = Transport::new(endpoint, cli.clone());
        let carrier = Arc::clone(&transport);
        let api = bollard::Docker::connect_with_custom_transport(
            move |request: bollard::BollardRequest| {
                let carrier = Arc::clone(&carrier);
                async move {
                    carrier
                        .send(request)
                        .await
                        .map_err(|error| bollard::errors::Error::IOError {
                            err: std::io::Error::other(error),
                        })
                }
            },
            Some("http://docker"),
            SHORT.as_secs(),
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
                runs: std::sync::Mutex::default(),
                helpers: Helpers::default(),
            }),
        })
    }

    /// Where the engine is, as a name for it: two engines never share one.
    pub fn place(&self) -> String {
        self.inner.transport.endpoint().to_string()
    }

    /// A request of our own below the negotiated API version, for what bollard wraps too tightly (archives, events, logs).
    pub(super) async fn ask(
        &self,
        method: Method,
        target: &str,
        body: Body,
        about: &ContainerId,
    ) -> Result<Response<Incoming>, EngineError> {
        let version = self.inner.api.client_version();
        let target = format!(
            "/v{}.{}{target}",
            version.major_version, version.minor_version
        );
        let request = transport::request(method, &target, body)?;
        transport::checked(self.inner.transport.send(request).await?, about).await
    }
}

/// bollard's errors in our kinds.
pub(super) fn refused(error: bollard::errors::Error, id: &ContainerId) -> EngineError {
    match error {
        bollard::errors::Error::DockerResponseServerError {
            status_code,
            message,
        } => transport::refusal(status_code, &message, id),
        bollard::errors::Error::RequestTimeoutError => EngineError::Unreachable(format!(
            "the Docker engine did not answer within {} s",
            SHORT.as_secs()
        )),
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
        // Only the engine can give a process more rights than its container has.
        if exec.privileged {
            return self.exec(&container.id, exec, output).await;
        }
        self.run_command(container, exec, output).await
    }

    async fn restart(
        &self,
        container: &Container,
        grace: Option<Duration>,
    ) -> Result<Restarted, EngineError> {
        self.restart_container(&container.id, grace).await
    }

    async fn restart_process(
        &self,
        container: &Container,
        signal: Option<&str>,
        grace: Option<Duration>,
    ) -> Result<Restarted, EngineError> {
        self.restart_under_helper(container, signal, grace).await
    }

    async fn release(&self, container: &Container) {
        self.release_process(container).await;
    }

    async fn warm_up(&self, container: &Container) {
        self.warm_up_helper(container).await;
    }

    async fn signal(&self, container: &Container, name: &str) -> Result<(), EngineError> {
        let options = query::KillContainerOptions {
            signal: format!("SIG{}", name.strip_prefix("SIG").unwrap_or(name)),
        };
        self.inner
            .api
            .kill_container(&container.id.0, Some(options))
            .await
            .map_err(|error| refused(error, &container.id))
    }

    async fn start(&self, container: &Container) -> Result<(), EngineError> {
        self.start_container(container).await
    }

    async fn fingerprints(
        &self,
        container: &Container,
        roots: &[ContainerPath],
    ) -> Result<BTreeMap<ContainerPath, Fingerprint>, EngineError> {
        self.fingerprints_of(container, roots).await
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
        self.compose_recreate(services, output).await
    }
}
