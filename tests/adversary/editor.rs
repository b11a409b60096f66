//! Somebody who works on the host's files and knows nothing of what goes on in the container.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::rng::Rng;

/// The files that he works on, and when he did last.
pub struct Editor {
    home: PathBuf,
    rng: Rng,
    has_srv: bool,
    /// Each text is another one.
    count: usize,
    /// The last time that something was written to each.
    pub written: BTreeMap<PathBuf, SystemTime>,
}

impl Editor {
    /// What is below no folder that is synced would be a reason to rebuild.
    pub fn new(home: PathBuf, folders: &[&str], seed: u64) -> Self {
        Self {
            has_srv: folders.contains(&"srv"),
            home,
            rng: Rng::new(seed, 1),
            count: 0,
            written: BTreeMap::new(),
        }
    }

    /// How many edits there were.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Some edits, one on the heels of the other, and a breath.
    pub fn round(&mut self) -> io::Result<()> {
        for _ in 0..=self.rng.below(3) {
            match self.edit() {
                // One edit may take away what another one goes to.
                Err(error) if !is_in_the_way(&error) => return Err(error),
                _ => {}
            }
        }
        // Mostly so short that it is one burst with the next, now and then long enough for that to end.
        let below = if self.rng.percent(30) { 700 } else { 60 };
        std::thread::sleep(Duration::from_millis(self.rng.below(below) as u64));
        Ok(())
    }

    fn edit(&mut self) -> io::Result<()> {
        let number = self.rng.below(4);
        let file = format!("f{number}");
        let fought_over = [
            "src/d0", "src/d1", "src/d2", "src/d3", "src/d0/e", "src/d1/e",
        ];
        let directory = fought_over[self.rng.below(fought_over.len())];
        let here = self.home.join(directory);
        match self.rng.below(100) {
            0..28 => self.write(&here.join(file), 200),
            28..38 => self.write(&self.home.join("src/calm").join(file), 200),
            38..50 => {
                let new = self.home.join(format!("src/n{}", self.count));
                for number in 0..=number {
                    self.write(&new.join(format!("f{number}")), 100)?;
                }
                self.write(&new.join("e/f0"), 100)
            }
            50..55 => self.remove(&here.join(file)),
            55..60 => self.write(&self.home.join("single").join(file), 2_000_000),
            60..68 => self.write(&self.home.join("single").join(file), 200),
            68..74 => {
                let modes = [0o600, 0o755, 0o640, 0o4755];
                let mode = modes[self.rng.below(modes.len())];
                let path = here.join(file);
                self.write(&path, 50)?;
                fs::set_permissions(path, fs::Permissions::from_mode(mode))
            }
            74..78 => {
                self.count += 1;
                self.link(&here.join("f3"), &format!("f{}", self.count % 3))
            }
            78..81 => {
                let to = here.join(format!("f{}", self.rng.below(4)));
                fs::rename(here.join(file), &to)?;
                self.written.remove(&here.join(format!("f{number}")));
                self.write(&to, 80)
            }
            81..84 => {
                let away = self.home.join(fought_over[self.rng.below(4)]);
                self.written.retain(|path, _| !path.starts_with(&away));
                fs::remove_dir_all(&away)?;
                self.write(&away.join("f0"), 60)
            }
            84..89 => self.write(&self.home.join("src/x/vol").join(file), 100),
            // What is mounted there is the host's own; nothing is sent, whoever moves it.
            89..91 => self.write(&self.home.join("src/y/vol").join(file), 100),
            91..94 => self.write(&self.home.join("conf").join(file), 100),
            94..97 if self.has_srv => self.write(&self.home.join("srv").join(file), 100),
            _ => self.write(&self.home.join("src/roots").join(file), 100),
        }
    }

    /// As editors do: over the old file, or beside it and renamed.
    fn write(&mut self, path: &Path, length: usize) -> io::Result<()> {
        // It may be seen, and spoken of, before this comes back.
        let begun = SystemTime::now();
        self.count += 1;
        let folder = path.parent().unwrap_or(path);
        fs::create_dir_all(folder)?;
        let mut text = format!("edit {} of {}\n", self.count, path.display());
        text.push_str(&"x".repeat(length.saturating_sub(text.len())));
        let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
        if is_link || self.rng.percent(50) {
            let beside = folder.join(".f.swp");
            fs::write(&beside, text)?;
            fs::rename(beside, path)?;
        } else {
            fs::write(path, text)?;
        }
        self.written.insert(path.to_owned(), begun);
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.count += 1;
        self.written.remove(path);
        fs::remove_file(path)
    }

    fn link(&mut self, path: &Path, target: &str) -> io::Result<()> {
        let begun = SystemTime::now();
        let _ = fs::remove_file(path);
        symlink(target, path)?;
        self.written.insert(path.to_owned(), begun);
        Ok(())
    }

    /// Once more something else in every file that there is.
    pub fn rewrite_all(&mut self, folders: &[&str]) -> io::Result<()> {
        for path in self.files(folders) {
            let is_link = fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink());
            if is_link {
                // The same again would be no change.
                self.count += 1;
                self.link(&path, &format!("edit-{}", self.count))?;
            } else {
                self.write(&path, 120)?;
            }
        }
        Ok(())
    }

    /// All files and links below these folders.
    pub fn files(&self, folders: &[&str]) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut ahead: Vec<PathBuf> = folders.iter().map(|it| self.home.join(it)).collect();
        while let Some(directory) = ahead.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => ahead.push(entry.path()),
                    _ => found.push(entry.path()),
                }
            }
        }
        found.sort();
        found
    }
}

fn is_in_the_way(error: &io::Error) -> bool {
    use io::ErrorKind::{AlreadyExists, IsADirectory, NotADirectory, NotFound};
    matches!(
        error.kind(),
        NotFound | AlreadyExists | IsADirectory | NotADirectory
    )
}
