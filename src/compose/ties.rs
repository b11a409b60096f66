//! Who depends on whom in a way that a restart breaks: shared namespaces, volumes, links, `depends_on` with `restart: true`.

use serde_yaml::Value;

use super::project::{Project, Service};
use super::yaml::{get, scalar_text};

/// One service depends on another in such a way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tie {
    /// The service that depends.
    pub service: String,
    /// The service it depends on.
    pub on: String,
    /// How it depends.
    pub kind: TieKind,
    /// The line of the compose file: `network_mode: service:db`.
    pub text: String,
}

/// The kinds, the tightest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TieKind {
    /// `network_mode: service:x`: the network ends with x's process.
    Network,
    /// `ipc: service:x`: the shared memory ends with x's process.
    Ipc,
    /// `pid: service:x`: its processes end with x's.
    Pid,
    /// `volumes_from: [x]`: it has x's volumes.
    Volumes,
    /// `links: [x]`: it knows x by name.
    Link,
    /// `depends_on: {x: {restart: true}}`.
    Restart,
}

impl TieKind {
    /// Whether both share a namespace, which ends with the first one's process.
    pub fn is_namespace(self) -> bool {
        matches!(self, Self::Network | Self::Ipc | Self::Pid)
    }
}

/// All ties of the project, each between two services of it.
pub fn ties(project: &Project) -> Vec<Tie> {
    project
        .services
        .iter()
        .flat_map(|service| of_service(project, service))
        .collect()
}

fn of_service(project: &Project, service: &Service) -> Vec<Tie> {
    let definition = &service.definition.container;
    let mut found = Vec::new();
    let mut add = |kind, on: Option<&str>, text: String| {
        if let Some(on) = on.filter(|on| *on != service.name)
            && project.service(on).is_some()
        {
            found.push(Tie {
                service: service.name.clone(),
                on: on.to_owned(),
                kind,
                text,
            });
        }
    };
    for (kind, key) in [
        (TieKind::Network, "network_mode"),
        (TieKind::Ipc, "ipc"),
        (TieKind::Pid, "pid"),
    ] {
        if let Some(mode) = get(definition, key).and_then(scalar_text) {
            add(kind, shared_with(project, &mode), format!("{key}: {mode}"));
        }
    }
    for from in texts(definition, "volumes_from") {
        let on = match from.strip_prefix("container:") {
            Some(container) => owner(project, first(container)),
            None => Some(first(&from)),
        };
        add(TieKind::Volumes, on, format!("volumes_from: {from}"));
    }
    for link in texts(definition, "links") {
        add(TieKind::Link, Some(first(&link)), format!("links: {link}"));
    }
    let needs = get(definition, "depends_on").and_then(Value::as_mapping);
    for (name, how) in needs.into_iter().flatten() {
        let restart = get(how, "restart").and_then(Value::as_bool) == Some(true);
        if let Some(name) = scalar_text(name).filter(|_| restart) {
            let text = format!("depends_on: {name} with restart: true");
            add(TieKind::Restart, Some(&name), text);
        }
    }
    found
}

/// The service of `service:x`, or the one whose container `container:NAME` names.
fn shared_with<'a>(project: &'a Project, mode: &'a str) -> Option<&'a str> {
    match mode.strip_prefix("container:") {
        Some(container) => owner(project, container),
        None => mode.strip_prefix("service:"),
    }
}

/// The service that has a container of that name.
fn owner<'a>(project: &'a Project, container: &str) -> Option<&'a str> {
    let names = |service: &Service| {
        let own = get(&service.definition.container, "container_name").and_then(scalar_text);
        if let Some(own) = own {
            return own == container;
        }
        let number = container
            .strip_prefix(&format!("{}-{}-", project.name, service.name))
            .or_else(|| container.strip_prefix(&format!("{}_{}_", project.name, service.name)));
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    let service = project.services.iter().find(|service| names(service))?;
    Some(&service.name)
}

fn first(text: &str) -> &str {
    text.split(':').next().unwrap_or(text)
}

fn texts(definition: &Value, key: &str) -> Vec<String> {
    let list = get(definition, key).and_then(Value::as_sequence);
    list.into_iter().flatten().filter_map(scalar_text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::project::Definition;
    use crate::paths::HostPath;

    /// The ties of `web`, in a project that has `db` as well.
    #[track_caller]
    fn web_is_tied(lines: &str, expected: &[(&str, TieKind, &str)]) {
        let service = |name: &str, lines: &str| Service {
            name: name.into(),
            definition: Definition {
                container: serde_yaml::from_str(lines).unwrap(),
                ..Definition::default()
            },
            ..Service::default()
        };
        let project = Project {
            name: "shop".into(),
            dir: HostPath::new("/p").unwrap(),
            sources: Vec::new(),
            services: vec![
                service("web", lines),
                service("db", "{}"),
                service("named", "container_name: its-own"),
            ],
        };
        let ties = ties(&project);
        let seen: Vec<(&str, TieKind, &str)> = ties
            .iter()
            .map(|tie| (tie.on.as_str(), tie.kind, tie.text.as_str()))
            .collect();
        assert_eq!(seen, expected, "{lines}");
        assert!(ties.iter().all(|tie| tie.service == "web"));
    }

    #[test]
    fn whoever_shares_links_or_restarts_with_another_is_tied_to_it() {
        use TieKind::{Ipc, Link, Network, Pid, Restart, Volumes};
        let text = "depends_on: db with restart: true";
        for (lines, expected) in [
            (
                "network_mode: service:db",
                Some((Network, "network_mode: service:db")),
            ),
            ("ipc: service:db", Some((Ipc, "ipc: service:db"))),
            ("pid: service:db", Some((Pid, "pid: service:db"))),
            ("volumes_from: [db]", Some((Volumes, "volumes_from: db"))),
            (
                "volumes_from: ['db:ro']",
                Some((Volumes, "volumes_from: db:ro")),
            ),
            ("links: [db]", Some((Link, "links: db"))),
            ("links: ['db:database']", Some((Link, "links: db:database"))),
            ("depends_on: {db: {restart: true}}", Some((Restart, text))),
            ("depends_on: {db: {condition: service_started}}", None),
            ("depends_on: {db: {restart: false}}", None),
            ("network_mode: host", None),
            ("network_mode: service:other", None),
            ("network_mode: service:web", None),
        ] {
            let expected: Vec<_> = expected
                .map(|(kind, text)| ("db", kind, text))
                .into_iter()
                .collect();
            web_is_tied(lines, &expected);
        }
    }

    #[test]
    fn a_container_s_name_ties_to_its_service() {
        use TieKind::{Ipc, Network, Pid, Volumes};
        for (lines, expected) in [
            (
                "network_mode: container:shop-db-1",
                vec![("db", Network, "network_mode: container:shop-db-1")],
            ),
            (
                "ipc: container:shop_db_1",
                vec![("db", Ipc, "ipc: container:shop_db_1")],
            ),
            (
                "pid: container:its-own",
                vec![("named", Pid, "pid: container:its-own")],
            ),
            (
                "volumes_from: ['container:shop-db-2:ro']",
                vec![("db", Volumes, "volumes_from: container:shop-db-2:ro")],
            ),
            ("network_mode: container:shop-named-1", vec![]),
            ("network_mode: container:shop-db-x", vec![]),
            ("network_mode: container:elsewhere", vec![]),
        ] {
            web_is_tied(lines, &expected);
        }
    }
}
