//! What a trial has beside files that change: each part can be asked for by its name. Knows no tool at work.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::ignored;
use super::operations::LINKED;
use crate::tools::docker::Docker;
use crate::tools::{Result, project::ComposeProject};

/// Something more than files and containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Files with several names.
    HardLinks,
    /// A directory that the image has as a link.
    ImageLinks,
    /// A service whose files are written again and again with what is in them: it must not be touched.
    Still,
    /// A service of `develop.watch` with two rules that hold the same files.
    Rules,
    /// An ignore file that is edited; takes names that the builder can read.
    Ignore,
    /// A service in the network of `web`'s container.
    Dependents,
}

/// By their names, in the order of the documentation.
pub const ALL: &[(&str, Part)] = &[
    ("hardlinks", Part::HardLinks),
    ("imagelinks", Part::ImageLinks),
    ("still", Part::Still),
    ("rules", Part::Rules),
    ("ignore", Part::Ignore),
    ("dependents", Part::Dependents),
];

impl FromStr for Part {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        let known = ALL.iter().find(|(known, _)| *known == name);
        known.map(|(_, part)| *part).ok_or_else(|| {
            let names: Vec<_> = ALL.iter().map(|(name, _)| *name).collect();
            format!("`{name}` is no part; they are: {}", names.join(", "))
        })
    }
}

/// The folder of the service that stays still, beside the project.
pub const STILL: &str = "still";
/// What its `run` leaves behind.
const RAN: &str = "ran";
const DOCKERFILE_OF_RULES: &str = "Rules";

/// A copy of synced folders in a service's containers.
pub struct Place {
    /// Which service.
    pub service: &'static str,
    /// The directory in the container that the folders lie in.
    pub below: &'static str,
    /// Which folders.
    pub folders: &'static [&'static str],
}

/// Where `web` has its files.
pub const WEB: Place = Place {
    service: "web",
    below: "app",
    folders: &super::operations::SYNCED,
};

const RULES: [Place; 2] = [
    Place {
        service: "rules",
        below: "app",
        folders: &["src"],
    },
    Place {
        service: "rules",
        below: "again",
        folders: &["src"],
    },
];

/// All that is compared.
pub fn places(parts: &[Part]) -> Vec<Place> {
    let mut places = vec![WEB];
    if parts.contains(&Part::Rules) {
        places.extend(RULES);
    }
    places
}

/// The services that the parts add to the compose file.
pub fn services(parts: &[Part]) -> String {
    let service = |part| match part {
        Part::HardLinks | Part::ImageLinks | Part::Ignore => String::new(),
        Part::Still => format!(
            "  still:\n    build: ../{STILL}\n    init: true\n    restart: always\n    \
             x-live-update: [{{sync: '../{STILL}/files:/app'}}, {{run: 'touch /{RAN}'}}, restart_container]\n"
        ),
        Part::Rules => {
            let patterns = ignored::PATTERNS;
            let rules = RULES.map(|place| {
                let below = place.below;
                format!("{{action: sync, path: ./src, target: /{below}/src, ignore: {patterns}}}")
            });
            format!(
                "  rules:\n    build: {{context: ., dockerfile: {DOCKERFILE_OF_RULES}}}\n    init: true\n    \
                 restart: always\n    develop: {{watch: [{}]}}\n",
                rules.join(", ")
            )
        }
        Part::Dependents => {
            "  friend:\n    image: busybox:1.37\n    init: true\n    restart: always\n    \
             command: [sleep, '86400']\n    network_mode: service:web\n"
                .to_owned()
        }
    };
    parts.iter().copied().map(service).collect()
}

/// What the Dockerfile of `web` does besides.
pub fn instructions(parts: &[Part]) -> String {
    if parts.contains(&Part::ImageLinks) {
        let linked = LINKED;
        format!("RUN mv /app/{linked} /linked && ln -s /linked /app/{linked}\n")
    } else {
        String::new()
    }
}

/// Writes what the services are built from.
pub fn plant(parts: &[Part], project: &ComposeProject) -> Result<()> {
    if parts.contains(&Part::Rules) {
        project.write(
            DOCKERFILE_OF_RULES,
            "FROM busybox:1.37\nCOPY src /app/src\nCOPY src /again/src\nCMD [\"sleep\", \"86400\"]\n",
        )?;
    }
    if parts.contains(&Part::Still) {
        let still = project.beside(STILL);
        fs::create_dir_all(still.join("files"))?;
        fs::write(
            still.join("Dockerfile"),
            "FROM busybox:1.37\nCOPY files /app\nCMD [\"sleep\", \"86400\"]\n",
        )?;
        for number in 0..STILL_FILES {
            fs::write(
                still_file(&still, number),
                format!("{number}\n").repeat(100),
            )?;
        }
    }
    Ok(())
}

/// How many files stay what they are.
pub const STILL_FILES: usize = 20;

/// One of them.
pub fn still_file(still: &Path, number: usize) -> PathBuf {
    still.join(format!("files/{number}.txt"))
}

/// Where a directory of the container is a link to another: what is below it is read there.
pub fn redirection(parts: &[Part], root: &Path) -> Option<(PathBuf, PathBuf)> {
    let wanted = parts.contains(&Part::ImageLinks);
    wanted.then(|| (PathBuf::from(LINKED), root.join("linked")))
}

/// What is wrong with the services of the parts, in words.
pub fn wrongs(parts: &[Part], docker: &Docker, project: &str, said: &str) -> Result<Vec<String>> {
    let mut wrongs = Vec::new();
    if parts.contains(&Part::Still) {
        for container in docker.containers(project, "still")? {
            if docker.root_dir(&container)?.join(RAN).exists() {
                wrongs.push(format!("{container:.12}: a command ran without a change"));
            }
        }
        let acted = |line: &&str| {
            let of_it = line.starts_with("still ") || line.starts_with("still-1 ");
            of_it
                && ["copied", "restarted", "rebuilt"]
                    .iter()
                    .any(|word| line.contains(word))
        };
        let acted = said.lines().filter(acted);
        wrongs.extend(acted.map(|line| format!("without a change: {line}")));
    }
    if parts.contains(&Part::Dependents) {
        let of = |service| -> Result<Vec<PathBuf>> {
            let containers = docker.containers(project, service)?;
            let of_one = |container: &String| {
                let pid = docker.ask(&["inspect", "--format", "{{.State.Pid}}", container])?;
                Ok(network_of(&pid)?)
            };
            containers.iter().map(of_one).collect()
        };
        let (web, friend) = (of("web")?, of("friend")?);
        if friend.is_empty() || friend.iter().any(|network| !web.contains(network)) {
            wrongs.push("friend is not in the network of web's container".to_owned());
        }
    }
    Ok(wrongs)
}

fn network_of(pid: &str) -> io::Result<PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/net"))
}
