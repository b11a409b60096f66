//! `up`, from first start to Ctrl-C. The only one who knows all stages; what it decides is who hears of what.
//!
//! | file | what it does |
//! |---|---|
//! | `loading` | reads the project, finds the engine |
//! | `configuration` | what of it each worker needs |
//! | `first` | builds and starts: from a project to a running session |
//! | `route` | the loop: hears, and does what the router says |
//! | `router` | touches, engine events and orders: whom each concerns |
//! | `worker` | one service's own queue: touches to batches |
//! | `settle` | a batch to plans, plans to the containers |
//! | `hold` | commands, restarts and rebuilds wait for the end of a burst |
//! | `leave_out` | what no update can bring |
//! | `books` | what each container has after that, and what it is still owed |
//! | `telling` | what is said of a settling |
//! | `configure` | new rules for a running worker (E7) |
//! | `containers` | containers come and go: what each is owed |
//! | `again` | when what the engine did not take is tried again |
//! | `rebuild`, `order`, `builder`, `custom` | the full way |
//! | `listener` | the engine's events, as they come |
//! | `follow` | who depends on a container follows it |
//! | `stops` | what somebody stops on purpose |
//! | `compare` | a container against the disk, by content |
//! | `disk` | what the disk held when it was last looked at |
//! | `news` | what of a look is news: not what is the same |
//! | `told` | what the system told of a path before it was looked at |
//! | `contents` | what is in the files that rules name |
//! | `linked` | which watched paths are names of one file |
//! | `ends` | how containers end, and after which update |
//! | `lock` | one session per project |
//! | `unpaid` | deletions still owed, told to `verify` |
//! | `logs` | the containers' output |
//! | `reload` | compose files, env files, ignore files changed (E7) |
//! | `bring_up` | Compose starts what an edit concerns |

mod arrange;
mod bring_up;
pub mod builder;
mod contents;
mod custom;
pub mod ends;
mod execute;
mod first;
pub mod follow;
mod listener;
mod loading;
mod lock;
pub mod logs;
mod reload;
mod route;
mod router;
mod seen;
pub mod stops;
pub mod unpaid;
pub mod worker;

pub use first::First;
pub use loading::{Loading, complain, exit_code, load, no_such_service};
pub use reload::ReadModel;
pub use route::run;
pub use seen::{Seen, scan};

use std::sync::Arc;
use std::time::Duration;

use crate::cli::{ExitCode, Format, Invocation, Keys, Shutdown, Up};
use crate::compose;
use crate::control::Sources;
use crate::engine::has_screen;
use crate::report::{self, Refusal};

use lock::{NotAlone, SessionLock};
use unpaid::Unpaid;

/// Builds, starts, follows logs, watches, updates, until told to end.
pub async fn up(invocation: &Invocation, up: &Up) -> ExitCode {
    let mut shutdown = match Shutdown::listen() {
        Ok(shutdown) => shutdown,
        Err(error) => {
            complain(&Refusal::NoSignals(error.to_string()).to_string());
            return ExitCode::Docker;
        }
    };
    let loading = tokio::select! {
        loading = Loading::of(&invocation.docker) => loading,
        _ = shutdown.next() => return ExitCode::Interrupted,
    };
    let loading = match loading {
        Ok(loading) => loading,
        Err(code) => return code,
    };
    let unknown: Vec<String> = up
        .services
        .iter()
        .filter(|name| loading.project.service(name).is_none())
        .map(|name| no_such_service(&loading.project, name))
        .collect();
    if !unknown.is_empty() {
        complain(&unknown.join("\n"));
        return ExitCode::Problems;
    }
    let alone = match alone(&loading) {
        Ok(alone) => alone,
        Err(code) => return code,
    };
    run_alone(loading, alone, up, shutdown).await
}

/// The lock that keeps a second session of the project out; `None` where nobody can say whether there is one.
fn alone(loading: &Loading) -> Result<Option<SessionLock>, ExitCode> {
    match SessionLock::of(&loading.project.name, &loading.engine.place()) {
        Ok(alone) => Ok(Some(alone)),
        Err(NotAlone::Another(process)) => {
            let project = loading.project.name.clone();
            complain(&Refusal::AnotherSession { project, process }.to_string());
            Err(ExitCode::Problems)
        }
        // A folder that cannot be written is no reason to refuse to work.
        Err(NotAlone::Unknown(error)) => {
            complain(&Refusal::PerhapsAnother(error.to_string()).to_string());
            Ok(None)
        }
    }
}

async fn run_alone(
    loading: Loading,
    alone: Option<SessionLock>,
    up: &Up,
    shutdown: Shutdown,
) -> ExitCode {
    let format = match up.format {
        Format::Text => report::Format::Text,
        Format::Json => report::Format::Json,
    };
    let (reporter, printing) = report::Reporter::start(format);
    let has_screen = up.format == Format::Text && has_screen();
    let keys = if up.format == Format::Text {
        Keys::listen()
    } else {
        Keys::none()
    };
    let unpaid = Unpaid::default();
    let writer = alone.as_ref().map(|alone| {
        let (folder, name) = alone.files();
        tokio::spawn(unpaid.clone().write(folder, name))
    });
    let cli = loading.cli.clone();
    let model: ReadModel = Arc::new(move || {
        let cli = cli.clone();
        Box::pin(async move { compose::load(&cli).await })
    });
    let first = First {
        project: loading.project,
        engine: loading.engine,
        cli: loading.cli,
        model,
        up: up.clone(),
        reporter,
        how_to_apply: keys.how_to_apply().into(),
        has_screen,
        unpaid,
    };
    let near = tokio::spawn(a_near_timer());
    // On the runtime's own threads: each hop of a file event to another one costs more than what is done there.
    let code = match tokio::spawn(run(first, Sources::of(keys, shutdown))).await {
        Ok(code) => code,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    };
    near.abort();
    if let Some(writer) = writer {
        writer.abort();
        // Nothing is written any more when what was written goes with the lock.
        let _ = writer.await;
    }
    drop(alone);
    // Every line that was said is shown before the prompt comes back, if anybody reads.
    printing.ended().await;
    code
}

/// Keeps a timer that ends before any limit of an exchange does. Setting one that ends before all others wakes the thread that
/// waits for them, which costs an update more than all else about its limits; this one ticks every four seconds.
async fn a_near_timer() {
    // Shorter than the shortest limit, which is [`crate::update::SLOW`].
    let mut tick = tokio::time::interval(Duration::from_secs(4));
    loop {
        tick.tick().await;
    }
}
