//! `down`: Compose's own, with the user's flags. Knows nothing of services and steps.

use crate::cli::{Down, ExitCode, Reason, Shutdown};
use crate::docker::DockerCli;
use crate::harmless;
use crate::report::Refusal;
use crate::session::complain;

/// Runs `docker compose down` to its end.
pub async fn run(docker: &DockerCli, down: &Down) -> ExitCode {
    let args = std::iter::once("down".into())
        .chain(down.flags.iter().cloned())
        .chain(down.services.iter().map(Into::into));
    // Before the child starts, so that nobody can ask in vain.
    let mut shutdown = match Shutdown::listen() {
        Ok(shutdown) => shutdown,
        Err(error) => {
            complain(&Refusal::NoSignals(error.to_string()).to_string());
            return ExitCode::Docker;
        }
    };
    let started = docker.compose(args).and_then(|mut command| command.spawn());
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            complain(&format!(
                "error: `{}` cannot be run: {error}\nhint: install the Docker CLI, or put it on PATH",
                harmless::value(&docker.program.to_string_lossy())
            ));
            return ExitCode::Docker;
        }
    };
    let mut told = None;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            reason = shutdown.next() => {
                told = Some(reason);
                pass_on(reason, &child);
            }
        }
    };
    match status {
        _ if told.is_some() => ExitCode::Interrupted,
        Ok(status) if status.success() => ExitCode::Ok,
        _ => ExitCode::Docker,
    }
}

/// Ctrl-C reaches the whole process group by itself; everything else reached us alone.
#[cfg_attr(
    not(unix),
    expect(unused_variables, reason = "Windows has nothing but Ctrl-C")
)]
fn pass_on(reason: Reason, child: &tokio::process::Child) {
    #[cfg(unix)]
    if reason != Reason::Interrupt
        && let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok())
        && let Some(pid) = rustix::process::Pid::from_raw(pid)
    {
        // It may have ended in the meantime.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
    }
}
