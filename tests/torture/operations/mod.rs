//! What people, editors and git do to files, at random. Knows no containers.

mod branches;
mod perform;
mod survey;

use std::io;
use std::path::{Path, PathBuf};

use super::history::History;
use super::ignored;
use super::names;
use super::parts::Part;
use super::rng::Rng;
use super::settings::Settings;
use branches::Branches;
use survey::Survey;

/// The folders that are synced, below the project.
pub const SYNCED: [&str; 2] = ["src", "static"];

/// A directory that the image may have as a link: it stays, what is in it changes.
pub const LINKED: &str = "src/linked";

/// Files that come and go with a line of the ignore file.
const FICKLE: &str = "static/fickle";

/// Beyond so many entries more is deleted than made.
const CROWDED: usize = 900;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Create,
    Rewrite,
    Append,
    SaveByRename,
    SaveWithBackup,
    RenameFile,
    RenameDirectory,
    DeleteFile,
    DeleteTree,
    MakeDirectory,
    MakeTree,
    ChmodFile,
    ChmodDirectory,
    LinkInside,
    LinkDangling,
    LinkOutside,
    Retarget,
    SwapKind,
    MoveOut,
    MoveIn,
    Ignored,
    Hide,
    Show,
    Checkout,
    Burst,
    Touch,
    Same,
    HardLink,
    Still,
    Fickle,
    EditIgnore,
}

const ORDINARY: &[(Operation, usize)] = &[
    (Operation::Create, 14),
    (Operation::Rewrite, 14),
    (Operation::Append, 5),
    (Operation::SaveByRename, 8),
    (Operation::SaveWithBackup, 4),
    (Operation::RenameFile, 7),
    (Operation::RenameDirectory, 3),
    (Operation::DeleteFile, 6),
    (Operation::DeleteTree, 2),
    (Operation::MakeDirectory, 5),
    (Operation::MakeTree, 3),
    (Operation::ChmodFile, 4),
    (Operation::ChmodDirectory, 1),
    (Operation::LinkInside, 2),
    (Operation::LinkDangling, 2),
    (Operation::LinkOutside, 2),
    (Operation::Retarget, 2),
    (Operation::SwapKind, 2),
    (Operation::MoveOut, 2),
    (Operation::MoveIn, 2),
    (Operation::Ignored, 5),
    (Operation::Hide, 2),
    (Operation::Show, 2),
    (Operation::Checkout, 2),
    (Operation::Burst, 1),
    (Operation::Touch, 2),
    (Operation::Same, 2),
    (Operation::HardLink, 4),
    (Operation::Still, 4),
    (Operation::Fickle, 3),
    (Operation::EditIgnore, 1),
];

const WHEN_CROWDED: &[(Operation, usize)] = &[
    (Operation::DeleteTree, 3),
    (Operation::DeleteFile, 6),
    (Operation::MoveOut, 2),
    (Operation::Rewrite, 2),
];

/// The files under torture, and the hand on them.
pub struct Files {
    home: PathBuf,
    /// Beside the project: where trees are moved to and come back from, and where links point.
    outside: PathBuf,
    rng: Rng,
    branches: Branches,
    /// What else there is.
    parts: Vec<Part>,
    /// The ignore file leaves the fickle ones out.
    hides_fickle: bool,
    /// Whether only names in UTF-8 are left after each operation: the builder refuses all others.
    buildable: bool,
}

impl Files {
    /// The first tree, with all that a first build should find.
    pub fn plant(home: &Path, outside: &Path, rng: Rng, settings: &Settings) -> io::Result<Self> {
        std::fs::create_dir_all(outside)?;
        for folder in SYNCED {
            std::fs::create_dir_all(home.join(folder))?;
        }
        std::fs::create_dir_all(home.join(LINKED))?;
        std::fs::create_dir_all(home.join(FICKLE))?;
        let mut files = Self {
            branches: Branches::plant(home)?,
            home: home.into(),
            outside: outside.into(),
            rng,
            parts: settings.parts.clone(),
            hides_fickle: false,
            buildable: settings.buildable,
        };
        let history = History::new();
        for _ in 0..60 {
            for operation in [
                Operation::Create,
                Operation::MakeDirectory,
                Operation::Ignored,
            ] {
                let survey = Survey::of(&files.home, &SYNCED)?;
                // A name that is taken by a directory is no reason to stop.
                let _ = files.perform(operation, &survey, &history, 0);
            }
        }
        files.make_buildable()?;
        Ok(files)
    }

    /// The builder refuses a context with names that are not UTF-8; they come when the image is there.
    fn make_buildable(&self) -> io::Result<()> {
        let survey = Survey::of(&self.home, &SYNCED)?;
        let odd = |path: &&PathBuf| path.to_str().is_none();
        for path in survey.files.iter().filter(odd) {
            std::fs::remove_file(self.home.join(path))?;
        }
        for path in &survey.links {
            let link = self.home.join(path);
            if odd(&path) || odd(&&std::fs::read_link(&link)?) {
                std::fs::remove_file(link)?;
            }
        }
        // Those below others come first.
        for path in survey.directories.iter().filter(odd) {
            std::fs::remove_dir_all(self.home.join(path))?;
        }
        Ok(())
    }

    /// Does one thing, whatever it is, and notes it as operation `number`.
    pub fn operate(&mut self, number: usize, history: &History) -> io::Result<()> {
        let survey = Survey::of(&self.home, &SYNCED)?;
        let weights = if survey.len() > CROWDED {
            WHEN_CROWDED
        } else {
            ORDINARY
        };
        let Some(operation) = self.rng.weighted(weights).filter(|it| self.belongs(*it)) else {
            return Ok(());
        };
        if let Err(error) = self.perform(operation, &survey, history, number) {
            // What cannot be done (a file where a directory is wanted) is part of the day.
            history.amend(number, &format!("(failed: {error})"));
        }
        if self.buildable {
            self.make_buildable()?;
        }
        Ok(())
    }

    /// Whether the operation belongs to the parts that were asked for.
    fn belongs(&self, operation: Operation) -> bool {
        let has = |part| self.parts.contains(&part);
        match operation {
            Operation::HardLink => has(Part::HardLinks),
            Operation::Still => has(Part::Still),
            Operation::Fickle => has(Part::Ignore),
            Operation::EditIgnore => has(Part::Ignore) && self.buildable,
            _ => true,
        }
    }

    /// The ignore file is what it was at first.
    pub fn calm(&mut self) -> io::Result<()> {
        if self.hides_fickle {
            self.edit_ignore()?;
        }
        Ok(())
    }

    fn edit_ignore(&mut self) -> io::Result<()> {
        self.hides_fickle = !self.hides_fickle;
        let more = if self.hides_fickle {
            format!("{FICKLE}\n")
        } else {
            String::new()
        };
        let text = format!("{}{more}", ignored::DOCKERIGNORE);
        std::fs::write(self.home.join(".dockerignore"), text)
    }

    /// A folder to put something into: mostly a deep one.
    fn some_directory(&mut self, survey: &Survey) -> PathBuf {
        let top = PathBuf::from(SYNCED[self.rng.below(SYNCED.len())]);
        if self.rng.percent(25) {
            return top;
        }
        self.rng.pick(&survey.directories).cloned().unwrap_or(top)
    }

    fn new_file(&mut self, survey: &Survey) -> PathBuf {
        let directory = self.some_directory(survey);
        directory.join(names::file(&mut self.rng))
    }

    fn content(&mut self) -> Vec<u8> {
        let size = match self.rng.below(20) {
            0 => 0,
            1 => 300_000,
            2 => 40_000,
            _ => self.rng.below(4_000),
        };
        self.rng.bytes(size)
    }
}
