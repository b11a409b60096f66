//! The first build and start: what is built together at once, and whose failure is whose.

use std::ffi::OsString;
use std::sync::Arc;

use crate::cli::{ExitCode, Up};
use crate::engine::{Compose, Container, Lent, State, scale_flag};
use crate::report::{Notice, Problem, Reporter, Silence};

use super::{Begun, First};
use crate::service::stages::{self, Target};
use crate::session::builder::Builder;

impl<E: Compose> First<E> {
    /// Compose shows by itself what it does, where somebody looks, and we are silent until it is done.
    fn screen(&self) -> Option<(Lent, Silence)> {
        let silence = self.has_screen.then(|| self.reporter.silence())?;
        Some((self.engine.lend_screen()?, silence))
    }

    pub(super) async fn build_and_start(&self) -> Result<Begun, ExitCode> {
        let mut begun = Begun::default();
        let mut builds = self.project.services.iter();
        if builds.any(|service| self.chosen(service) && service.build.is_some())
            && self.engine.builds_without_buildkit().await
        {
            self.reporter.notice(None, Notice::WithoutBuildKit);
        }
        if self.up.build {
            self.build(&mut begun).await;
        }
        let all: Vec<String> = self
            .project
            .services
            .iter()
            .filter(|service| self.chosen(service))
            .map(|service| service.name.clone())
            .collect();
        let good: Vec<String> = all
            .iter()
            .filter(|name| !begun.failed.contains(*name))
            .cloned()
            .collect();
        // Without a failure the user's own choice goes to Compose as it is.
        let named = if begun.failed.is_empty() {
            self.up.services.clone()
        } else {
            good.clone()
        };
        if good.is_empty() {
            return Ok(begun);
        }
        let screen = self.screen();
        let reporter = self.reporter.clone();
        let started = self
            .engine
            .up(&named, &self.flags(), &mut show(&reporter))
            .await;
        drop(screen);
        if let Err(error) = started {
            self.reporter.problem(None, Problem::NotStarted(error));
            for name in good {
                let runs = self
                    .engine
                    .containers(&name)
                    .await
                    .is_ok_and(|containers| containers.iter().any(was_started));
                if !runs {
                    begun.failed.insert(name);
                }
            }
        }
        Ok(begun)
    }

    pub(super) fn builder(&self) -> Builder<E> {
        let dir = self.project.dir.clone();
        Builder::new(Arc::clone(&self.engine), self.cli.clone(), dir)
    }

    /// What is built together at once; where that fails, one by one, so that one service's failure is its own (E3, C13).
    async fn build(&self, begun: &mut Begun) {
        let project = &self.project;
        let services = project
            .services
            .iter()
            .filter(|service| self.chosen(service));
        let builder = self.builder();
        for go in stages::goes(project, services) {
            let together = go.iter().all(|target| target.custom.is_none()) && {
                let _screen = self.screen();
                let mut show = show(&self.reporter);
                builder.build_together(&go, &mut show).await.is_ok()
            };
            for target in &go {
                if !together {
                    self.build_one(&builder, target, begun).await;
                }
                for name in target.along.iter().chain([&target.service]) {
                    self.note_image(name, begun).await;
                }
            }
        }
    }

    /// One image by itself; when it fails, those that Compose builds along with it are none the worse for it.
    async fn build_one(&self, builder: &Builder<E>, target: &Target, begun: &mut Begun) {
        let reporter = &self.reporter;
        let project = &self.project;
        let name = &target.service;
        let now = std::time::Instant::now();
        let one = std::slice::from_ref(target);
        // The user's own command is not Compose's.
        let _screen = target.custom.is_none().then(|| self.screen());
        let bases = project.service(name).map_or(&[][..], |it| &it.bases);
        let failed_base = bases.iter().find(|base| begun.failed.contains(*base));
        let problem = if let Some(base) = failed_base {
            Problem::BaseNotBuilt { base: base.clone() }
        } else if let Err(error) = builder.build(one, now, None, &mut show(reporter)).await {
            Problem::NotBuilt(error)
        } else {
            return;
        };
        reporter.problem(Some(name), problem);
        begun.failed.insert(name.clone());
        let wanted = target
            .along
            .iter()
            .filter_map(|along| project.service(along))
            .filter(|service| self.chosen(service));
        for base in stages::goes(project, wanted).concat() {
            if begun.failed.contains(&base.service) {
                continue;
            }
            let one = std::slice::from_ref(&base);
            if let Err(error) = builder.build(one, now, None, &mut show(reporter)).await {
                reporter.problem(Some(&base.service), Problem::NotBuilt(error));
                begun.failed.insert(base.service.clone());
            }
        }
    }

    /// What a good build made.
    async fn note_image(&self, name: &str, begun: &mut Begun) {
        let Some(service) = self.project.service(name) else {
            return;
        };
        if begun.failed.contains(name) {
            return;
        }
        if let Ok(Some(id)) = self.engine.image_id(&service.image).await {
            begun.built.insert(name.to_owned(), id);
        }
    }

    /// The flags of the first `docker compose up`.
    fn flags(&self) -> Vec<OsString> {
        let mut flags = self.up.start_flags.clone();
        flags.extend(lasting_flags(&self.up));
        flags
    }
}

/// What holds for every `docker compose up` of the session, not only for the first.
pub fn lasting_flags(up: &Up) -> Vec<OsString> {
    let mut flags: Vec<OsString> = Vec::new();
    if up.no_deps {
        flags.push("--no-deps".into());
    }
    if !up.build {
        flags.push("--no-build".into());
    }
    if let Some(pull) = &up.pull {
        flags.extend(["--pull".into(), pull.into()]);
    }
    for scale in &up.scale {
        flags.extend(scale_flag(&scale.service, scale.count as usize));
    }
    flags
}

/// One that could only be made waits for the next change to be started, as if there were none.
fn was_started(container: &Container) -> bool {
    !matches!(container.state, State::Created | State::Gone)
}

fn show(reporter: &Reporter) -> impl FnMut(&str) + Send + '_ {
    move |line| reporter.build(None, line)
}
