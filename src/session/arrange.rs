//! What the engine and the builder need to know of a project.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::compose::block::{HelperUse, Work};
use crate::compose::{Mount, Project, Service};
use crate::engine::{Compose, EntrypointOverride};
use crate::service::Configuration;
use crate::service::stages::contexts_as_images;

use super::builder::SharedBase;

/// Those whose images Compose builds in one go with images of others.
pub fn relatives<'a>(configurations: impl Iterator<Item = &'a Configuration>) -> Vec<SharedBase> {
    configurations
        .filter_map(|configuration| match configuration.targets.as_slice() {
            [target] if target.custom.is_none() => Some(SharedBase {
                target: target.clone(),
                rules: configuration.rules.clone(),
                scope: Arc::clone(&configuration.scope),
            }),
            _ => None,
        })
        .collect()
}

/// Tells the engine which services run something else under `up`, which may not have the helper, and which contexts of builds are
/// images that are built before.
pub fn arrange_runs<'a>(
    engine: &impl Compose,
    project: &Project,
    services: impl Iterator<Item = &'a Service>,
) {
    let mut runs = Vec::new();
    let all = project.services.iter();
    let contexts = all.map(|service| (service.name.clone(), contexts_as_images(project, service)));
    let contexts = contexts
        .filter(|(_, contexts)| !contexts.is_empty())
        .collect();
    let mut forbidden = BTreeSet::new();
    for service in services {
        let helper = service.block.as_ref().map(|block| block.helper);
        if helper == Some(HelperUse::Off) {
            forbidden.insert(service.name.clone());
        }
        runs.extend(runs_under(service));
    }
    engine.forbid_helper(forbidden);
    engine.take_images_for_contexts(contexts);
    engine.run_under(runs);
}

/// What `service` runs under `up` alone; `None` where that is what the compose file and the image say.
pub fn runs_under(service: &Service) -> Option<EntrypointOverride> {
    let block = service.block.as_ref()?;
    let by_process = block.works.iter().any(Work::is_of_process);
    // Nobody else's volume is a safe place for what is started as root; one is worth it where there is something to update.
    let needs_home = service.read_only
        && block.helper != HelperUse::Off
        && (by_process || service.mounts.iter().any(takes_updates));
    if !by_process && !needs_home && block.entrypoint.is_none() && block.command.is_none() {
        return None;
    }
    // As everywhere in Compose: who gives an entrypoint of its own forgets the command below it.
    let (entrypoint, command) = if block.entrypoint.is_some() {
        (block.entrypoint.clone(), block.command.clone())
    } else {
        (
            service.entrypoint.clone(),
            block.command.clone().or_else(|| service.command.clone()),
        )
    };
    Some(EntrypointOverride {
        service: service.name.clone(),
        image: service.image.clone(),
        entrypoint,
        command,
        supervised: by_process,
        needs_home,
        grace: service.stop_grace_period,
    })
}

/// A mount that a sync can write to.
fn takes_updates(mount: &Mount) -> bool {
    !mount.read_only && !mount.is_of_a_host()
}
