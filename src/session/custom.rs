//! D3: an image built by a command of the user's.

use crate::children::{self, Limits};
use crate::compose::block::CustomBuild;
use crate::docker::DockerCli;
use crate::engine::{EngineError, stream};
use crate::harmless;
use crate::paths::HostPath;

/// Runs the command in the project directory with `EXPECTED_REF` set, and checks that it made the image.
pub async fn build(
    cli: &DockerCli,
    build: &CustomBuild,
    dir: &HostPath,
    output: &mut (dyn FnMut(&str) + Send),
) -> Result<(), EngineError> {
    let mut command = shell(&build.command);
    command
        .current_dir(dir.as_path())
        .env("EXPECTED_REF", &build.tag);
    let what = format!("custom build `{}`", harmless::value(&build.command));
    stream(command, &what, output).await?;
    let ask = cli.docker(["image", "inspect", "--format", "{{.Id}}", &build.tag]);
    let asked = async { children::output(ask?, Limits::NONE).await };
    let made = asked
        .await
        .map_err(|error| EngineError::Refused(format!("{what}: {error}")))?;
    if made.status.success() {
        Ok(())
    } else {
        Err(EngineError::Refused(format!(
            "{what} succeeded but there is no image `{}`; it has to tag what it builds with $EXPECTED_REF",
            harmless::value(&build.tag)
        )))
    }
}

fn shell(text: &str) -> tokio::process::Command {
    let (program, flag) = if cfg!(windows) {
        ("cmd", "/C")
    } else {
        ("/bin/sh", "-c")
    };
    let mut command = tokio::process::Command::new(program);
    command.arg(flag).arg(text);
    command
}
