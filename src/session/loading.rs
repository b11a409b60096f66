//! Reads and checks the project, and finds its engine; what is wrong is said on standard error, as there is no session yet.

use std::sync::Arc;

use crate::cli::ExitCode;
use crate::compose::{self, Project};
use crate::docker::DockerCli;
use crate::engine::Docker;
use crate::harmless;
use crate::nearest::nearest;
use crate::report::Refusal;

/// A project that was read, and the engine it runs on.
pub struct Loading {
    /// How Docker is called.
    pub cli: DockerCli,
    /// The checked project.
    pub project: Arc<Project>,
    /// Docker.
    pub engine: Arc<Docker>,
}

impl Loading {
    /// Reads and checks the project, then finds the engine; what is wrong is said on standard error.
    pub async fn of(cli: &DockerCli) -> Result<Self, ExitCode> {
        let (cli, project) = load(cli).await?;
        match Docker::connect(&cli, &project.name).await {
            Ok(engine) => {
                engine.know_mounts(&project);
                Ok(Self {
                    cli,
                    project,
                    engine: Arc::new(engine),
                })
            }
            Err(error) => {
                complain(&format!("error: {error}"));
                Err(ExitCode::Docker)
            }
        }
    }
}

/// Reads and checks the project; warnings and problems are said on standard error.
pub async fn load(cli: &DockerCli) -> Result<(DockerCli, Arc<Project>), ExitCode> {
    let color = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    match compose::load(cli).await {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                complain(&warning.render(color));
            }
            let cli = DockerCli {
                files: loaded.files,
                ..cli.clone()
            };
            Ok((cli, Arc::new(loaded.project)))
        }
        Err(error) => {
            complain(&error.render(color));
            Err(exit_code(&error))
        }
    }
}

/// How a call ends whose project could not be read.
pub fn exit_code(error: &compose::LoadError) -> ExitCode {
    use compose::LoadError;
    match error {
        LoadError::Problems { .. }
        | LoadError::Compose { .. }
        | LoadError::NoFile(_)
        | LoadError::NotAFile(_) => ExitCode::Problems,
        LoadError::NoDocker { .. }
        | LoadError::NoComposePlugin(_)
        | LoadError::ComposeFails(_)
        | LoadError::ComposeTooOld { .. } => ExitCode::Docker,
    }
}

/// Says something on standard error, before or beside the reporter.
#[expect(
    clippy::print_stderr,
    reason = "what goes wrong before there is a session has no other way out"
)]
pub fn complain(text: &str) {
    eprintln!("{}", harmless::painted(text.trim_end()));
}

/// What to say of a name that is no service's.
pub fn no_such_service(project: &Project, name: &str) -> String {
    let known = project.services.iter().map(|service| service.name.as_str());
    let refusal = Refusal::NoSuchService {
        name: name.to_owned(),
        near: nearest(name, known).map(str::to_owned),
    };
    refusal.to_string()
}
