//! E7: what a configuration that was read anew asks for; one that cannot be taken over is said, and the last good one stays.

use std::sync::Arc;

use crate::compose::{LoadError, Project, Service, edited};
use crate::paths::HostPath;
use crate::plan::Because;
use crate::report::{Notice, Problem};
use crate::watch::Scope;

use super::super::arrange::runs_under;
use super::super::bring_up::Concerned;
use super::super::reload::{
    Changed, Model, Reading, TakenOver, ToTakeOver, Watched, files_of, files_of_builds,
};
use super::{Effect, Effects, Known, Message, Router, notice, problem};
use crate::service::Configuration;

impl Router {
    /// The model was read; where nothing differs, nothing is done.
    pub(super) fn read(&mut self, reading: Reading) -> Effects {
        let Some((changed, read)) = reading.found else {
            self.reload.end();
            return Effects::new();
        };
        self.reload.found();
        match read.model {
            Ok(model) => self.loaded(changed, model, read.configurations),
            Err(error) => self.refused(changed, &error),
        }
    }

    fn refused(&mut self, changed: Changed, error: &LoadError) -> Effects {
        let text = error.render(false);
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let words = text.replace('\n', "\n  ");
        let wrong = Problem::BadConfiguration(words);
        self.keep_the_last(changed, error.sources().to_vec(), wrong)
    }

    fn loaded(
        &mut self,
        changed: Changed,
        model: Model,
        configurations: Result<Vec<Configuration>, String>,
    ) -> Effects {
        let Model { project, warnings } = model;
        let warnings = warnings.into_iter().map(Notice::ConfigurationWarning);
        let mut effects: Effects = warnings.map(|warning| notice(None, warning)).collect();
        let before = Arc::clone(&self.project);
        if project.name != before.name {
            let (old, new) = (before.name.clone(), project.name.clone());
            let wrong = Problem::ProjectRenamed { old, new };
            effects.extend(self.keep_the_last(changed, project.sources.clone(), wrong));
            return effects;
        }
        let is_another = project != before;
        if !changed.watching && !is_another {
            if changed.model {
                effects.push(notice(None, Notice::ConfigurationRead));
            }
            self.reload.end();
            return effects;
        }
        match configurations {
            Ok(configurations) => {
                let says_so = changed.model || is_another;
                effects.extend(self.adopt(&project, configurations, says_so));
            }
            Err(bad) => {
                let bad = bad.strip_prefix("error: ").unwrap_or(&bad).to_owned();
                let builds = files_of_builds(&project);
                let files = project.sources.iter().cloned().chain(builds).collect();
                let wrong = Problem::BadConfiguration(bad);
                effects.extend(self.keep_the_last(changed, files, wrong));
            }
        }
        effects
    }

    /// One of `files` will put it right; what else was heard is taken over with it.
    fn keep_the_last(&mut self, changed: Changed, files: Vec<HostPath>, wrong: Problem) -> Effects {
        self.reload.fail(changed, files.clone(), wrong);
        let scopes = self.services.values();
        let scopes = scopes.map(|known| Arc::clone(&known.scope)).collect();
        let also = self.project.sources.iter().cloned().chain(files).collect();
        vec![Effect::Watch(scopes, also)]
    }

    /// The project is in force. Who is new hears nothing before it has a worker, and loses nothing until then.
    fn adopt(
        &mut self,
        project: &Arc<Project>,
        configurations: Vec<Configuration>,
        says_so: bool,
    ) -> Effects {
        let before = std::mem::replace(&mut self.project, Arc::clone(project));
        let scopes: Vec<Arc<Scope>> = configurations
            .iter()
            .map(|configuration| Arc::clone(&configuration.scope))
            .collect();
        self.files = files_of(project, scopes.iter());
        let is_kept = |name: &str| configurations.iter().any(|it| it.service.name == name);
        let mut effects = vec![Effect::Adopt(Arc::clone(project))];
        self.services.retain(|name, _| {
            let is_kept = is_kept(name);
            if !is_kept {
                effects.push(Effect::Dismiss(Arc::clone(name)));
            }
            is_kept
        });
        let mut all = Vec::new();
        for configuration in configurations {
            let scope = Arc::clone(&configuration.scope);
            let known = self.services.get_mut(configuration.service.name.as_str());
            all.push((configuration, known.is_none()));
            if let Some(known) = known {
                known.scope = scope;
                continue;
            }
            let known = Known {
                scope,
                paused: self.paused,
                waits: Some(Vec::new()),
            };
            let name = all.last().map(|(new, _)| new.service.name.as_str().into());
            self.services.extend(name.map(|name| (name, known)));
        }
        effects.push(Effect::TakeOver(Box::new(ToTakeOver {
            configurations: all,
            scopes,
            files: project.sources.clone(),
            before,
            says_so,
        })));
        effects
    }

    /// What was read is not in force; what would put it right is watched, and now it is said.
    pub(super) fn watched(&mut self, watched: Watched) -> Effects {
        self.reload.end();
        let mut effects = said_of(watched);
        effects.extend(self.reload.wrong().map(|wrong| problem(None, wrong)));
        effects
    }

    /// Each worker gets what concerns it, after what it is watched by.
    pub(super) fn taken_over(&mut self, taken: TakenOver) -> Effects {
        self.reload.end();
        let mut effects = said_of(taken.watched);
        for (configuration, seen) in taken.configurations {
            let Some((name, known)) = self.find(&configuration.service.name) else {
                continue;
            };
            let Some(seen) = seen else {
                let looks = Arc::clone(&taken.looks);
                let message = Message::Configure(Box::new(configuration), looks);
                effects.push(Effect::Tell(name, message));
                continue;
            };
            let paused = known.paused.then_some(Message::Pause(true));
            let waits = known.waits.take().into_iter().flatten();
            effects.push(Effect::Hire(Box::new(configuration), Box::new(seen)));
            let hears = paused.into_iter().chain(waits);
            effects.extend(hears.map(|message| Effect::Tell(Arc::clone(&name), message)));
        }
        if taken.says_so {
            effects.push(notice(None, Notice::ConfigurationRead));
        }
        // Compose would have to delete them; nobody but the user may.
        let volumes = edited::volumes(&taken.before, &self.project).into_iter();
        effects.extend(volumes.map(|volume| problem(None, Problem::VolumeEdited { volume })));
        self.bring_up(&taken.before, &mut effects);
        effects
    }

    /// As `docker compose up` does: what changed is recreated, what did not, an edited block among it, is left alone. What
    /// is stopped stays so.
    fn bring_up(&mut self, before: &Project, effects: &mut Effects) {
        let mut concerned = Vec::new();
        let project = Arc::clone(&self.project);
        for service in &project.services {
            let old = before.service(&service.name);
            if !self.is_chosen(service) || old.is_some_and(|old| is_same(old, service)) {
                continue;
            }
            let rebuilds = service.build.is_some()
                && old.is_some_and(|old| old.definition.image != service.definition.image);
            let stale = old.map_or_else(Vec::new, |old| {
                let handed = &service.definition.handed;
                handed.edited_since(&old.definition.handed)
            });
            if rebuilds && self.services.contains_key(service.name.as_str()) {
                // Compose's own `up` takes the image that is there.
                let message = Message::Rebuild(Because::Configuration);
                self.tell(&service.name, message, effects);
                // An image that comes out the same makes no container anew.
                if stale.is_empty() {
                    continue;
                }
            }
            let same_scale = |old: &Service| old.definition.scale() == service.definition.scale();
            let mut scaled = self.up.scale.iter();
            concerned.push(Concerned {
                name: service.name.clone(),
                is_new: old.is_none(),
                stale,
                keeps_scale: old.is_some_and(same_scale)
                    && scaled.all(|scale| scale.service != service.name),
            });
        }
        if !concerned.is_empty() {
            effects.push(Effect::BringUp(concerned));
        }
    }
}

fn said_of(watched: Watched) -> Effects {
    match watched {
        Ok(notices) => notices
            .into_iter()
            .map(|about| notice(None, Notice::Watching(about)))
            .collect(),
        Err(why) => vec![problem(None, Problem::Watching(why))],
    }
}

/// Whether its image and containers are made as before.
fn is_same(old: &Service, new: &Service) -> bool {
    let helper = |service: &Service| service.block.as_ref().map(|block| block.helper);
    old.definition == new.definition
        && runs_under(old) == runs_under(new)
        && helper(old) == helper(new)
}
