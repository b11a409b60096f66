//! Which code does which command. Knows nothing of the command line's spelling.

mod check;
mod convert;
mod down;
mod explain;
mod git;
mod output;
mod plan;
mod schema;
mod subject;
mod verify;

use crate::cli::{Command, ExitCode, Format, Invocation};
use crate::session;

use output::say;

/// Does what was asked for, and says how it ended.
pub async fn run(invocation: Invocation) -> ExitCode {
    let docker = &invocation.docker;
    match invocation.command {
        Command::Up(ref up) => session::up(&invocation, up).await,
        Command::Check { format } => check::run(docker, format).await,
        Command::Explain { files, format } => explain::run(docker, files, format).await,
        Command::Plan { changes, format } => plan::run(docker, changes, format).await,
        Command::Verify {
            services,
            fix,
            format,
        } => verify::run(docker, &services, fix, format).await,
        Command::Down(down) => down::run(docker, &down).await,
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
