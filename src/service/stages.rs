//! What has to be built for a service or for several, and in which order (`spec.md` D2). Pure.

use std::collections::BTreeMap;

use crate::compose::block::CustomBuild;
use crate::compose::{Project, Service};

/// One image to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The service.
    pub service: String,
    /// Built by the user's own command (D3).
    pub custom: Option<CustomBuild>,
    /// What Compose builds in the same go, before it: `additional_contexts: {x: service:NAME}`.
    pub along: Vec<String>,
}

impl Target {
    /// `None` for a service that has nothing to build.
    fn of(service: &Service) -> Option<Self> {
        let custom = service
            .block
            .as_ref()
            .and_then(|block| block.custom_build.clone());
        let builds = custom.is_some() || service.build.is_some();
        builds.then(|| Self {
            along: if custom.is_some() {
                Vec::new()
            } else {
                service.bases_by_context.clone()
            },
            service: service.name.clone(),
            custom,
        })
    }

    /// Whether building both apart would build some image twice.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.service == other.service
            || self.along.contains(&other.service)
            || other.along.contains(&self.service)
            || self.along.iter().any(|name| other.along.contains(name))
    }
}

/// What is built for `services`: one `docker compose build` after the other, the base of a `FROM` in an earlier one than what
/// is built from it. What Compose builds on the way is not named.
pub fn goes<'a>(
    project: &'a Project,
    services: impl IntoIterator<Item = &'a Service>,
) -> Vec<Vec<Target>> {
    let mut wanted: Vec<&Service> = Vec::new();
    for service in services {
        let bases = service
            .bases
            .iter()
            .filter_map(|base| project.service(base));
        for service in bases.chain([service]) {
            if wanted.iter().all(|known| known.name != service.name) {
                wanted.push(service);
            }
        }
    }
    let mut goes: Vec<Vec<Target>> = Vec::new();
    for service in &wanted {
        let Some(target) = Target::of(service) else {
            continue;
        };
        if comes_along(project, service, &wanted) {
            continue;
        }
        let place = place(project, service);
        if goes.len() <= place {
            goes.resize_with(place + 1, Vec::new);
        }
        goes[place].push(target);
    }
    goes.retain(|go| !go.is_empty());
    goes
}

/// The contexts of `service` that are images which were built before it in a go of their own: `FROM` their name is something else
/// built that it needs. Compose would build them once more; as images they are taken as they are.
pub fn contexts_as_images(project: &Project, service: &Service) -> BTreeMap<String, String> {
    let Some(build) = &service.build else {
        return BTreeMap::new();
    };
    let goes = goes(project, [service]);
    let before = goes.split_last().map_or(&[][..], |(_, before)| before);
    let is_built = |name: &str| before.iter().flatten().any(|target| target.service == name);
    let contexts = build.service_contexts.iter();
    contexts
        .filter(|(_, base)| is_built(base))
        .filter_map(|(name, base)| Some((name.clone(), project.service(base)?.image.clone())))
        .collect()
}

/// The services whose images these are, in the order they are built in.
pub fn names(targets: &[Target]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in targets
        .iter()
        .flat_map(|target| target.along.iter().chain([&target.service]))
    {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// How many builds come before that of `service`.
fn place(project: &Project, service: &Service) -> usize {
    let bases = service.bases.iter().filter_map(|base| {
        let place = place(project, project.service(base)?);
        let along = service.bases_by_context.contains(base);
        Some(if along { place } else { place + 1 })
    });
    bases.max().unwrap_or(0)
}

/// Whether Compose builds it with another of `wanted`, and early enough for all that are built from it.
fn comes_along(project: &Project, service: &Service, wanted: &[&Service]) -> bool {
    let name = &service.name;
    let with = |other: &&&Service| other.bases_by_context.contains(name);
    let Some(first) = wanted
        .iter()
        .filter(with)
        .map(|other| place(project, other))
        .min()
    else {
        return false;
    };
    wanted
        .iter()
        .filter(|other| other.bases.contains(name) && !with(other))
        .all(|other| first < place(project, other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::Build;
    use crate::paths::HostPath;

    /// A service built from others: by `FROM` their image's name, and by a context.
    fn service(name: &str, from: &[&str], contexts: &[&str]) -> Service {
        let list =
            |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.into()).collect() };
        let context = HostPath::new("/p").unwrap();
        Service {
            name: name.into(),
            build: Some(Build {
                dockerfile: None,
                ignore_file: context.join(".dockerignore"),
                context,
                additional_contexts: Vec::new(),
                service_contexts: contexts
                    .iter()
                    .map(|&base| (format!("from-{base}"), base.into()))
                    .collect(),
            }),
            bases: list(&[from, contexts].concat()),
            bases_by_context: list(contexts),
            ..Service::default()
        }
    }

    fn project(services: &[Service]) -> Project {
        Project {
            name: "p".into(),
            dir: HostPath::new("/p").unwrap(),
            sources: Vec::new(),
            services: services.to_vec(),
        }
    }

    #[track_caller]
    fn builds(services: &[Service], asked: &[&str], expected: &[&[&str]]) {
        let project = project(services);
        let asked = asked.iter().filter_map(|name| project.service(name));
        let goes = goes(&project, asked);
        let names: Vec<Vec<&str>> = goes
            .iter()
            .map(|go| go.iter().map(|target| target.service.as_str()).collect())
            .collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn d2_a_base_reached_by_a_context_is_built_by_compose_in_the_same_go() {
        let services = [service("base", &[], &[]), service("web", &[], &["base"])];
        builds(&services, &["web"], &[&["web"]]);
        builds(&services, &["base", "web"], &[&["web"]]);
        builds(&services, &["base"], &[&["base"]]);
    }

    #[test]
    fn d2_a_base_reached_by_its_name_is_built_in_an_earlier_go() {
        let services = [service("base", &[], &[]), service("web", &["base"], &[])];
        builds(&services, &["web"], &[&["base"], &["web"]]);
        builds(&services, &["web", "base"], &[&["base"], &["web"]]);
    }

    #[test]
    fn d2_what_does_not_depend_on_each_other_is_one_go() {
        let services = [
            service("base", &[], &[]),
            service("api", &[], &["base"]),
            service("web", &[], &["base"]),
            service("db", &[], &[]),
        ];
        builds(&services, &["api", "web", "db"], &[&["api", "web", "db"]]);
    }

    #[test]
    fn d2_a_chain_of_both_kinds_builds_each_image_once() {
        let services = [
            service("base", &[], &[]),
            service("middle", &[], &["base"]),
            service("web", &["base", "middle"], &[]),
        ];
        builds(&services, &["web"], &[&["middle"], &["web"]]);
        let services = [
            service("base", &[], &[]),
            service("middle", &["base"], &[]),
            service("web", &["base"], &["middle"]),
        ];
        builds(&services, &["web"], &[&["base"], &["web"]]);
    }

    #[test]
    fn d2_a_base_reached_both_by_a_context_and_by_name_is_built_once() {
        let mut services = [
            service("base", &[], &[]),
            service("middle", &["base"], &[]),
            service("web", &["middle"], &["base"]),
        ];
        services[0].image = "p-base".into();
        builds(&services, &["web"], &[&["base"], &["middle"], &["web"]]);
        let as_images = |services: &[Service]| {
            let project = project(services);
            contexts_as_images(&project, &services[services.len() - 1])
        };
        let taken = as_images(&services).into_iter().collect::<Vec<_>>();
        assert_eq!(taken, [("from-base".into(), "p-base".into())]);
        // By contexts alone Compose builds it in the same go.
        let by_context = [service("base", &[], &[]), service("web", &[], &["base"])];
        assert!(as_images(&by_context).is_empty());
    }
}
