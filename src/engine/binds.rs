//! Whose files a mount carries. The compose model has paths of this machine; the engine has paths of the machine it runs on, which
//! may be a virtual machine with this machine's directories mounted at other paths. What may be the user's own file is never
//! written through a mount. Looks at the disk only.

use std::collections::BTreeMap;
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use super::context::Endpoint;
use crate::compose::{Mount, MountKind, Project};
use crate::paths::{ContainerPath, HostPath};

/// Where an engine runs, as far as its address tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Machine {
    /// On this machine, in a virtual machine on it, or unknown.
    Ours,
    /// Certainly on another machine.
    Another,
}

/// How long to look up a host name; after that it counts as unknown.
const PATIENCE: Duration = Duration::from_secs(2);

impl Machine {
    /// `Another` only for an address that is certainly not one of this machine's.
    pub async fn of(endpoint: &Endpoint) -> Self {
        let Endpoint::Dial(words) = endpoint else {
            return Self::Ours;
        };
        let Some(host) = host_of(words).filter(|host| !leads_back(host)) else {
            return Self::Ours;
        };
        let looking = tokio::net::lookup_host((host, 0));
        match tokio::time::timeout(PATIENCE, looking).await {
            Ok(Ok(found)) => {
                let found: Vec<IpAddr> = found.map(|address| address.ip()).collect();
                if found.is_empty() || found.iter().any(|address| is_ours(*address)) {
                    Self::Ours
                } else {
                    Self::Another
                }
            }
            Ok(Err(_)) | Err(_) => Self::Ours,
        }
    }
}

/// The host of `tcp://host:2376` or `ssh://user@host`, also when a context's name precedes it.
fn host_of(words: &str) -> Option<&str> {
    let (scheme, rest) = words.rsplit(", ").next()?.split_once("://")?;
    if !["tcp", "ssh", "http", "https"].contains(&scheme) {
        return None;
    }
    let authority = rest.split('/').next()?;
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(six) => six.split(']').next()?,
        None => host.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

/// Whether the name is one by which virtual machines and containers reach their own host, whatever its address.
fn leads_back(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    ["localhost", "internal"]
        .iter()
        .any(|end| host == *end || host.ends_with(&format!(".{end}")))
}

/// Only a socket on an address of this machine can be bound.
fn is_ours(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified() || UdpSocket::bind((address, 0)).is_ok()
}

/// The mounts of the compose model, whose sources are paths of this machine.
#[derive(Debug, Default)]
pub(super) struct Named {
    dir: Option<HostPath>,
    services: BTreeMap<String, Vec<Mount>>,
}

impl Named {
    pub fn of(project: &Project) -> Self {
        let services = project.services.iter();
        Self {
            dir: Some(project.dir.clone()),
            services: services
                .map(|service| (service.name.clone(), service.mounts.clone()))
                .collect(),
        }
    }

    /// The source that the compose files give for the mount at `target`.
    pub fn source(&self, service: &str, target: &ContainerPath) -> Option<InModel<'_>> {
        let mounts = self.services.get(service)?;
        let mount = mounts.iter().find(|mount| mount.target == *target)?;
        let MountKind::Bind(path) = &mount.kind else {
            return None;
        };
        let dir = self.dir.as_ref();
        Some(InModel {
            path,
            is_projects: dir.is_some_and(|dir| path.below(dir).is_some()),
        })
    }

    /// Whether this machine has that path, as far as the user may see.
    pub fn is_here(path: &HostPath) -> bool {
        let missing = |error: std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
        !path.as_path().symlink_metadata().is_err_and(missing)
    }
}

/// The source of a bind mount in the compose files.
#[derive(Clone, Copy, Debug)]
pub(super) struct InModel<'a> {
    pub path: &'a HostPath,
    pub is_projects: bool,
}

/// What kind of mount it is, for a bind mount whose source the engine calls `source`.
pub(super) fn kind(
    source: &str,
    named: Option<InModel<'_>>,
    machine: Machine,
    is_here: impl Fn(&HostPath) -> bool,
) -> MountKind {
    let (unseen, far) = (
        MountKind::Unseen(source.to_owned()),
        MountKind::Far(source.to_owned()),
    );
    if let Some(InModel { path, is_projects }) = named {
        // An engine on this machine that has another path for it was given that directory from here.
        let is_far = machine == Machine::Another && path.verbatim() == source && !is_projects;
        return match (is_here(path), is_far) {
            (true, _) => MountKind::Bind(path.clone()),
            (false, true) => far,
            (false, false) => unseen,
        };
    }
    let shared = shared(source);
    let is_shared = shared != Shared::No;
    let translated = match shared {
        Shared::As(path) => Some(path),
        Shared::Somehow | Shared::No => None,
    };
    let mut paths = HostPath::new(source).into_iter().chain(translated);
    match paths.find(|path| is_here(path)) {
        Some(here) => MountKind::Bind(here),
        None if machine == Machine::Another && !is_shared => far,
        None => unseen,
    }
}

/// The directory that a volume is made of, if any: `driver_opts: {type: none, o: bind, device: /srv/data}`.
pub(super) fn device(options: &BTreeMap<String, String>) -> Option<&str> {
    let option = |name: &str| options.get(name).map_or("", String::as_str);
    let bound = option("o")
        .split(',')
        .any(|option| matches!(option.trim(), "bind" | "rbind"));
    (bound || option("type") == "bind").then(|| option("device"))
}

/// The paths at which virtual machines mount files of their host, and which files those are.
const SHARES: [(&str, What); 15] = [
    // Docker Desktop.
    ("/host_mnt", What::Root),
    ("/run/desktop/mnt/host", What::Root),
    ("/run/host", What::Root),
    ("/mnt/host", What::Root),
    ("/host", What::Root),
    // OrbStack.
    ("/mnt/mac", What::Root),
    // minikube.
    ("/hosthome", What::Home),
    ("/minikube-host", What::Something),
    // Virtual machines that share directories under names that the user chooses.
    ("/vagrant", What::Something),
    ("/mnt/hgfs", What::Something),
    ("/media/psf", What::Something),
    // Directories that WSL's distributions share.
    ("/mnt/wsl", What::Something),
    // WSL, Rancher Desktop.
    ("/mnt", What::Drives),
    // Docker Toolbox, docker-machine.
    ("/", What::Drives),
    ("", What::Drives),
];

/// Which of the host's files are at such a path.
#[derive(Clone, Copy)]
enum What {
    /// The host's root, or its drives.
    Root,
    /// Its drives, named `c`, `d`.
    Drives,
    /// Its `/home`.
    Home,
    /// Some of its files; which ones cannot be told from the path.
    Something,
}

/// Which file of this machine a path in a virtual machine stands for.
#[derive(Debug, PartialEq, Eq)]
enum Shared {
    /// The file at this path.
    As(HostPath),
    /// A file of this machine, but its path here is unknown.
    Somehow,
    /// The path is not one at which files are shared.
    No,
}

fn shared(source: &str) -> Shared {
    let found = SHARES.iter().find_map(|(share, what)| {
        let rest = source.strip_prefix(share)?;
        let whole_name = rest.is_empty() || rest.starts_with('/');
        let path = match what {
            _ if !whole_name => return None,
            What::Something => None,
            What::Home => HostPath::new(format!("/home{rest}")),
            What::Root => on_drive(rest).or_else(|| HostPath::new(rest)),
            What::Drives => Some(on_drive(rest)?),
        };
        Some(path.map_or(Shared::Somehow, Shared::As))
    });
    found.unwrap_or(Shared::No)
}

/// The path as Windows or a WSL distribution calls it: `C:\Users` for `/c/Users`.
fn on_drive(path: &str) -> Option<HostPath> {
    let (drive, rest) = path.strip_prefix('/')?.split_at_checked(1)?;
    let is_drive = drive.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && (rest.is_empty() || rest.starts_with('/'));
    if !is_drive {
        return None;
    }
    HostPath::new(if cfg!(windows) {
        format!(
            r"{}:\{}",
            drive.to_ascii_uppercase(),
            rest.trim_start_matches('/')
        )
    } else {
        format!("/mnt/{drive}{rest}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine that has these paths.
    fn has(paths: &[&str]) -> impl Fn(&HostPath) -> bool {
        let paths: Vec<HostPath> = paths.iter().filter_map(HostPath::new).collect();
        move |path| paths.contains(path)
    }

    fn seen(source: &str, machine: Machine, paths: &[&str]) -> String {
        match kind(source, None, machine, has(paths)) {
            MountKind::Bind(path) => path.verbatim().replace('\\', "/"),
            MountKind::Unseen(_) => "unseen".into(),
            MountKind::Far(_) => "far".into(),
            other => format!("{other:?}"),
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_of_the_host_is_known_by_whatever_name_its_engine_gives_it() {
        for machine in [Machine::Ours, Machine::Another] {
            for (source, here) in [
                ("/home/me/shop/src", "/home/me/shop/src"),
                ("/host_mnt/Users/me/shop/src", "/Users/me/shop/src"),
                ("/host_mnt/c/Users/me/shop", "/mnt/c/Users/me/shop"),
                ("/run/desktop/mnt/host/c/shop/src", "/mnt/c/shop/src"),
                ("/run/desktop/mnt/host/Users/me/shop", "/Users/me/shop"),
                ("/mnt/host/d/shop", "/mnt/d/shop"),
                ("/host/Users/me/shop", "/Users/me/shop"),
                ("/mnt/c/shop", "/mnt/c/shop"),
                ("/c/Users/me", "/mnt/c/Users/me"),
                ("//c/Users/me", "/mnt/c/Users/me"),
                ("/mnt/mac/Users/me/shop", "/Users/me/shop"),
                ("/hosthome/me/shop", "/home/me/shop"),
            ] {
                assert_eq!(seen(source, machine, &[here]), here, "{source}");
            }
        }
    }

    #[cfg(windows)]
    #[test]
    fn a_file_of_the_host_is_known_by_whatever_name_its_engine_gives_it() {
        for source in [
            r"C:\Users\me",
            "/host_mnt/c/Users/me",
            "/run/desktop/mnt/host/c/Users/me",
            "/mnt/c/Users/me",
            "/c/Users/me",
            "//c/Users/me",
        ] {
            let here = seen(source, Machine::Ours, &[r"C:\Users\me"]);
            assert_eq!(here, "C:/Users/me", "{source}");
        }
    }

    #[test]
    fn through_a_bind_mount_only_what_is_another_machines_for_sure_may_be_written() {
        for share in [
            "/run/desktop/mnt/host/wsl/docker-desktop-bind-mounts/Ubuntu/0123",
            "/host_mnt/Users/me/gone",
            "/vagrant/src",
            "/mnt/hgfs/shop",
            "/minikube-host/me",
            "/c/Users/me",
        ] {
            assert_eq!(seen(share, Machine::Another, &[]), "unseen", "{share}");
            assert_eq!(seen(share, Machine::Ours, &[]), "unseen", "{share}");
        }
        assert_eq!(seen("/srv/shop", Machine::Ours, &[]), "unseen");
        assert_eq!(seen("/srv/shop", Machine::Another, &[]), "far");
        assert_eq!(seen("/hostile", Machine::Another, &[]), "far");
        assert_eq!(seen("/mnt/data", Machine::Another, &[]), "far");
    }

    #[cfg(unix)]
    #[test]
    fn the_compose_files_path_comes_before_the_engines_name() {
        let named = HostPath::new("/home/me/shop/src").unwrap();
        let with = |source, machine, here: &[&str], is_projects| {
            let named = InModel {
                path: &named,
                is_projects,
            };
            kind(source, Some(named), machine, has(here))
        };
        let mine = MountKind::Bind(named.clone());
        let there = ["/home/me/shop/src"];
        for source in ["/home/me/shop/src", "/whatever/a/machine/calls/it", "x"] {
            for machine in [Machine::Ours, Machine::Another] {
                assert_eq!(with(source, machine, &there, false), mine);
            }
            // The engine has it, and this machine does not see it.
            let unseen = MountKind::Unseen(source.into());
            assert_eq!(with(source, Machine::Ours, &[], false), unseen);
            assert_eq!(with(source, Machine::Another, &[], true), unseen);
        }
        let lima = "/lima/home/me/shop/src";
        let unseen = MountKind::Unseen(lima.into());
        assert_eq!(with(lima, Machine::Another, &[], false), unseen);
        let far = MountKind::Far("/home/me/shop/src".into());
        assert_eq!(with("/home/me/shop/src", Machine::Another, &[], false), far);
    }

    #[test]
    fn a_volume_that_is_made_of_a_directory_is_known_by_its_options() {
        let device = |options: &[(&str, &str)]| {
            let options = options.iter();
            let options = options.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            device(&options.collect()).map(str::to_owned)
        };
        let bound = [("type", "none"), ("o", "bind"), ("device", "/home/me/src")];
        assert_eq!(device(&bound).as_deref(), Some("/home/me/src"));
        let read_only = [("o", "ro,rbind"), ("device", "/home/me/src")];
        assert_eq!(device(&read_only).as_deref(), Some("/home/me/src"));
        let network = [
            ("type", "nfs"),
            ("o", "addr=10.0.0.1,rw"),
            ("device", ":/x"),
        ];
        assert_eq!(device(&network), None);
        assert_eq!(device(&[("type", "tmpfs"), ("device", "tmpfs")]), None);
        assert_eq!(device(&[]), None);
    }

    #[tokio::test]
    async fn another_machine_is_one_that_is_known_to_be_another() {
        let of = |words: &str| {
            let endpoint = Endpoint::Dial(words.into());
            async move { Machine::of(&endpoint).await }
        };
        for words in [
            "tcp://127.0.0.1:2375",
            "tcp://[::1]:2376",
            "tcp://localhost:2375",
            "ssh://me@localhost",
            "context `x`, ssh://me@127.0.0.1:2222/run/docker.sock",
            "tcp://host.docker.internal:2375",
            "tcp://0.0.0.0:2375",
            "ssh://a-name-of-the-users-ssh-configuration.invalid",
            "unix://@abstract",
            "fd://",
        ] {
            assert_eq!(of(words).await, Machine::Ours, "{words}");
        }
        let unix = Endpoint::Unix("/var/run/docker.sock".into());
        assert_eq!(Machine::of(&unix).await, Machine::Ours);
        // Addresses for documentation: nobody has them.
        for words in [
            "tcp://192.0.2.1:2376",
            "ssh://me@[2001:db8::1]:22",
            "context `far`, ssh://192.0.2.1",
        ] {
            assert_eq!(of(words).await, Machine::Another, "{words}");
        }
    }
}
