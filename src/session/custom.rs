//! D3: an image built by a command of the user's.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::compose::block::CustomBuild;
use crate::docker::DockerCli;
use crate::engine::EngineError;
use crate::paths::HostPath;

/// Runs the command in the project directory with `EXPECTED_REF` set, and checks that it made the image.
pub async fn build(
    cli: &DockerCli,
    build: &CustomBuild,
    dir: &HostPath,
    output: &mut (dyn FnMut(&str) + Send),
) -> Result<(), EngineError> {
    let failed = |error: std::io::Error| {
        EngineError::Refused(format!("custom build `{}`: {error}", build.command))
    };
    let mut command = shell(&build.command);
    let mut child = command
        .current_dir(dir.as_path())
        .env("EXPECTED_REF", &build.tag)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(EngineError::Refused(format!(
            "custom build `{}` has no output",
            build.command
        )));
    };
    let mut out = BufReader::new(out).lines();
    let mut err = BufReader::new(err).lines();
    let (mut out_open, mut err_open) = (true, true);
    while out_open || err_open {
        let line = tokio::select! {
            line = out.next_line(), if out_open => line.inspect(|line| { out_open = line.is_some(); }),
            line = err.next_line(), if err_open => line.inspect(|line| { err_open = line.is_some(); }),
        };
        match line {
            Ok(Some(line)) => output(&line),
            Ok(None) => {}
            Err(error) => {
                output(&format!("(its output cannot be shown: {error})"));
                break;
            }
        }
    }
    let status = child.wait().await.map_err(failed)?;
    if !status.success() {
        return Err(EngineError::Refused(format!(
            "custom build `{}` failed: {status}",
            build.command
        )));
    }
    let made = cli
        .docker(["image", "inspect", "--format", "{{.Id}}", &build.tag])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await
        .map_err(failed)?;
    if made.success() {
        Ok(())
    } else {
        Err(EngineError::Refused(format!(
            "custom build `{}` succeeded but there is no image `{tag}`; it has to tag what it builds with $EXPECTED_REF",
            build.command,
            tag = build.tag
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
    #[cfg(unix)]
    command.process_group(0);
    command
}
