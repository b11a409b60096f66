//! Which code does which command. Knows nothing of the command line's spelling.

mod check;
mod convert;
mod covered;
mod down;
mod explain;
mod git;
mod output;
mod plan;
mod schema;
mod subject;
mod verify;

use tokio::sync::oneshot;

use crate::children;
use crate::cli::{Command, ExitCode, Format, Invocation, Shutdown};
use crate::report::Refusal;
use crate::session::{self, complain};

use output::say;

/// Does what was asked for, and says how it ended. Whatever was started for it has ended by then.
pub async fn run(invocation: Invocation) -> ExitCode {
    let code = match invocation.command {
        // These two end in an orderly way.
        Command::Up(ref up) => session::up(&invocation, up).await,
        Command::Down(ref down) => down::run(&invocation.docker, down).await,
        _ => unless_told_to_end(invocation).await,
    };
    children::end_all();
    code
}

/// There is nothing to be put in order when a command that only looks is told to end.
async fn unless_told_to_end(invocation: Invocation) -> ExitCode {
    // Before anything starts, so that nobody can ask in vain.
    let mut shutdown = match Shutdown::listen() {
        Ok(shutdown) => shutdown,
        Err(error) => {
            complain(&Refusal::NoSignals(error.to_string()).to_string());
            return ExitCode::Docker;
        }
    };
    let (end, told) = oneshot::channel::<()>();
    let runtime = tokio::runtime::Handle::current();
    // On a thread of its own: a long walk through a tree must not keep the signal waiting.
    let asked = tokio::task::spawn_blocking(move || {
        runtime.block_on(async {
            tokio::select! {
                biased;
                _ = told => ExitCode::Interrupted,
                code = ask(invocation) => code,
            }
        })
    });
    tokio::select! {
        code = asked => code.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())),
        _ = shutdown.next() => {
            // Before its children end, of which it would complain. It may be past listening already.
            let _ = end.send(());
            ExitCode::Interrupted
        }
    }
}

async fn ask(invocation: Invocation) -> ExitCode {
    let docker = &invocation.docker;
    match invocation.command {
        Command::Up(_) | Command::Down(_) => ExitCode::Ok,
        Command::Check { format } => check::run(docker, format).await,
        Command::Explain { files, format } => explain::run(docker, files, format).await,
        Command::Plan { changes, format } => plan::run(docker, changes, format).await,
        Command::Verify {
            services,
            fix,
            format,
        } => verify::run(docker, &services, fix, format).await,
        Command::Version { short, format } => {
            say(&version(short, format));
            ExitCode::Ok
        }
        Command::Schema => schema::run(),
        Command::Convert { services } => convert::run(docker, &services).await,
    }
}

fn version(short: bool, format: Format) -> String {
    let version = env!("CARGO_PKG_VERSION");
    match (short, format) {
        (true, _) => version.to_owned(),
        (_, Format::Json) => serde_json::json!({ "version": version }).to_string(),
        (_, Format::Text) => format!("docker liveupdate version v{version}"),
    }
}
