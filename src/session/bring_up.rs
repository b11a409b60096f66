//! What an edit of the configuration concerns is brought up as `docker compose up` would do it. Beside the loop, for it can take
//! long.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::engine::{Compose, Container, State, scale_flag};
use crate::report::{Notice, Problem, Reporter};

use super::worker::Message;

/// A service whose containers an edit concerns.
pub(super) struct Concerned {
    pub(super) name: String,
    pub(super) is_new: bool,
    /// What its containers have another content of than the compose file, and Compose would not make them anew for.
    pub(super) stale: Vec<String>,
    /// It has as many containers as somebody asked for by hand.
    pub(super) keeps_scale: bool,
}

/// Those of its workers hear when their containers could not be started.
pub(super) async fn bring_up<E: Compose>(
    engine: Arc<E>,
    reporter: Reporter,
    concerned: Vec<Concerned>,
    mut flags: Vec<OsString>,
    workers: BTreeMap<String, mpsc::UnboundedSender<Message>>,
) {
    let (mut changed, mut forced) = (Vec::new(), Vec::new());
    for service in concerned {
        let containers = match engine.containers(&service.name).await {
            Ok(containers) => containers,
            Err(error) => {
                reporter.problem(Some(&service.name), Problem::NotBroughtUp(error));
                continue;
            }
        };
        let runs = |container: &Container| container.state == State::Running;
        if !service.is_new && !containers.iter().any(runs) {
            if !service.stale.is_empty() && !containers.is_empty() {
                let problem = Problem::EditWithoutContainers {
                    service: service.name.clone(),
                    edited: service.stale,
                };
                reporter.problem(Some(&service.name), problem);
            }
            continue;
        }
        if service.keeps_scale {
            // Without this a service scaled by hand would shrink to what the compose file says.
            flags.extend(scale_flag(&service.name, containers.len()));
        }
        if service.stale.is_empty() {
            changed.push(service);
        } else {
            let edited = service.stale.clone();
            reporter.notice(Some(&service.name), Notice::Recreating { edited });
            forced.push(service);
        }
    }
    for (services, force) in [(changed, None), (forced, Some("--force-recreate"))] {
        if services.is_empty() {
            continue;
        }
        let names: Vec<String> = services.iter().map(|it| it.name.clone()).collect();
        let flags: Vec<OsString> = flags.iter().cloned().chain(force.map(Into::into)).collect();
        let mut show = |line: &str| reporter.build(None, line);
        if let Err(error) = engine.up(&names, &flags, &mut show).await {
            let forced = if force.is_some() { names } else { Vec::new() };
            reporter.problem(None, Problem::EditNotStarted { error, forced });
            for service in services {
                if let Some(worker) = workers.get(&service.name) {
                    // A session that is ending needs no word.
                    let _ = worker.send(Message::StartFailed);
                }
            }
        }
    }
}
