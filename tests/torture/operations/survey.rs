//! What is there now, in an order that a seed can rely on.

use std::io;
use std::path::{Path, PathBuf};

/// The entries below the synced folders, as paths below the project.
#[derive(Default)]
pub struct Survey {
    /// Regular files.
    pub files: Vec<PathBuf>,
    /// Directories, without the synced folders themselves.
    pub directories: Vec<PathBuf>,
    /// Symbolic links.
    pub links: Vec<PathBuf>,
}

impl Survey {
    /// Looks at `folders` below `home`.
    pub fn of(home: &Path, folders: &[&str]) -> io::Result<Self> {
        let mut survey = Self::default();
        for folder in folders {
            survey.walk(home, Path::new(folder))?;
        }
        Ok(survey)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.files.len() + self.directories.len() + self.links.len()
    }

    fn walk(&mut self, home: &Path, below: &Path) -> io::Result<()> {
        let mut entries = std::fs::read_dir(home.join(below))?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let path = below.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_symlink() {
                self.links.push(path);
            } else if kind.is_dir() {
                self.walk(home, &path)?;
                self.directories.push(path);
            } else {
                self.files.push(path);
            }
        }
        Ok(())
    }
}
