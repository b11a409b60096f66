//! A project of many files and a compose file that divides them among services.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::tools::project::ComposeProject;
use crate::tools::{Result, interrupt};

/// The synced files lie in so many parts, which the services share out.
const PARTS: usize = 100;
/// One file in so many is synced.
const SYNCED: usize = 20;
/// Directories in one directory.
const WIDTH: usize = 100;

/// What is planted.
#[derive(Clone, Copy)]
pub struct Size {
    pub files: usize,
    pub per_directory: usize,
    /// Directories that are ignored.
    pub ignored: usize,
}

/// The planted tree.
pub struct Tree {
    home: PathBuf,
    /// Where each part is.
    parts: Vec<PathBuf>,
    /// How many services share them.
    pub services: usize,
}

impl Tree {
    /// Plants the files of `project`.
    pub fn plant(project: &ComposeProject, size: Size) -> Result<Self> {
        let home = project.home();
        project.write(".dockerignore", "ignored\n*.log\n")?;
        project.write("Dockerfile", "FROM busybox:1.37\n")?;
        plant_files(&home.join("common"), 10, 10)?;
        let synced = size.files / SYNCED;
        let mut parts = Vec::new();
        for part in 0..PARTS {
            let path = home.join(format!("parts/{part}"));
            plant_files(&path, synced / PARTS, size.per_directory)?;
            parts.push(path);
        }
        plant_files(&home.join("src"), size.files - synced, size.per_directory)?;
        for number in 0..size.ignored {
            let place = format!("ignored/{}/{}", number / WIDTH, number % WIDTH);
            fs::create_dir_all(home.join(place))?;
        }
        Ok(Self {
            home,
            parts,
            services: 0,
        })
    }

    /// Gives each of `services` its folder, and a compose file to all.
    pub fn divide(&mut self, project: &ComposeProject, services: usize) -> Result<()> {
        project.compose(&["down", "--timeout", "0", "--remove-orphans"])?;
        for (number, part) in self.parts.iter_mut().enumerate() {
            let folder = self.home.join(format!("services/{}", number % services));
            fs::create_dir_all(&folder)?;
            let to = folder.join(format!("part{number}"));
            fs::rename(&*part, &to)?;
            *part = to;
        }
        let mut compose = "services:\n".to_owned();
        for service in 0..services {
            // The image is there, so nothing is built of the context: it says what is watched.
            write!(
                compose,
                "  s{service}:\n    image: busybox:1.37\n    build: .\n    command: sleep 86400\n    init: true\n    \
                 x-live-update:\n      unmatched: ignore\n      steps:\n        - sync: ./services/{service}:/app\n        \
                 - sync: ./common:/common\n"
            )?;
        }
        project.write("compose.yaml", compose)?;
        self.services = services;
        Ok(())
    }

    /// A file of one service, and its place in the container.
    pub fn own_file(&self, service: usize) -> (PathBuf, PathBuf) {
        let below = format!("part{service}/0/0.txt");
        let folder = self.home.join(format!("services/{service}"));
        (folder.join(&below), Path::new("app").join(below))
    }

    /// A file that nobody hears of, in a directory that is watched.
    pub fn unheard(&self, number: usize) -> PathBuf {
        self.home.join(format!("{number}.log"))
    }
}

/// `files` short files below `place`, no two alike.
fn plant_files(place: &Path, files: usize, per_directory: usize) -> Result<()> {
    fs::create_dir_all(place)?;
    for number in 0..files {
        let (directory, name) = (number / per_directory, number % per_directory);
        let directory = if files <= WIDTH * per_directory {
            place.join(directory.to_string())
        } else {
            place.join(format!("{}/{}", directory / WIDTH, directory % WIDTH))
        };
        if name == 0 {
            interrupt::check()?;
            fs::create_dir_all(&directory)?;
        }
        let file = directory.join(format!("{name}.txt"));
        fs::write(&file, format!("{}\n", file.display()))?;
    }
    Ok(())
}
