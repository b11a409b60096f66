//! How each operation is done.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::branches::TRACKED;
use super::survey::Survey;
use super::{FICKLE, Files, LINKED, Operation};
use crate::history::History;
use crate::{names, parts};

impl Files {
    #[expect(
        clippy::too_many_lines,
        reason = "a list of short things reads best in one piece"
    )]
    pub(super) fn perform(
        &mut self,
        operation: Operation,
        survey: &Survey,
        history: &History,
        number: usize,
    ) -> io::Result<()> {
        let note = |what: &str, paths: &[&Path]| history.note(number, what, paths);
        match operation {
            Operation::Create => {
                let path = self.new_file(survey);
                let content = self.content();
                note(&format!("write {} bytes", content.len()), &[&path]);
                write(&self.home.join(path), &content)
            }
            Operation::Rewrite => self.on_file(survey, |files, path| {
                let content = files.content();
                note(&format!("rewrite with {} bytes", content.len()), &[path]);
                write(&files.home.join(path), &content)
            }),
            Operation::Append => self.on_file(survey, |files, path| {
                let content = files.content();
                note(&format!("append {} bytes", content.len()), &[path]);
                let mut file = OpenOptions::new()
                    .append(true)
                    .open(files.home.join(path))?;
                // In two pieces, as a logger or a slow editor does it.
                let (first, second) = content.split_at(content.len() / 2);
                file.write_all(first)?;
                file.write_all(second)
            }),
            Operation::SaveByRename => self.on_file(survey, |files, path| {
                let content = files.content();
                let temporary = files
                    .home
                    .join(path)
                    .with_file_name(".goutputstream-X1Y2Z3");
                note(&format!("save {} bytes by rename", content.len()), &[path]);
                write(&temporary, &content)?;
                fs::rename(temporary, files.home.join(path))
            }),
            Operation::SaveWithBackup => self.on_file(survey, |files, path| {
                let content = files.content();
                let full = files.home.join(path);
                let backup = with_suffix(&full, b"~");
                note(
                    &format!("save {} bytes with a backup", content.len()),
                    &[path],
                );
                fs::rename(&full, &backup)?;
                write(&full, &content)?;
                fs::remove_file(backup)
            }),
            Operation::RenameFile => self.on_file(survey, |files, path| {
                let to = files.new_file(survey);
                note("rename", &[path, &to]);
                fs::rename(files.home.join(path), files.home.join(to))
            }),
            Operation::RenameDirectory => self.on_directory(survey, |files, path| {
                let to = files
                    .some_directory(survey)
                    .join(names::directory(&mut files.rng));
                note("rename the directory", &[path, &to]);
                fs::rename(files.home.join(path), files.home.join(to))
            }),
            Operation::DeleteFile => self.on_file(survey, |files, path| {
                note("delete", &[path]);
                fs::remove_file(files.home.join(path))
            }),
            Operation::DeleteTree => self.on_directory(survey, |files, path| {
                note("delete the tree", &[path]);
                fs::remove_dir_all(files.home.join(path))
            }),
            Operation::MakeDirectory => {
                let path = self
                    .some_directory(survey)
                    .join(names::directory(&mut self.rng));
                note("make the directory", &[&path]);
                fs::create_dir(self.home.join(path))
            }
            Operation::MakeTree => {
                let path = self
                    .some_directory(survey)
                    .join(names::directory(&mut self.rng));
                note("make the tree", &[&path]);
                self.make_tree(&self.home.join(path))
            }
            Operation::ChmodFile => self.on_file(survey, |files, path| {
                let mode = *files
                    .rng
                    .pick(&[0o644, 0o600, 0o755, 0o777, 0o444])
                    .unwrap_or(&0o644);
                note(&format!("chmod {mode:o}"), &[path]);
                fs::set_permissions(files.home.join(path), Permissions::from_mode(mode))
            }),
            Operation::ChmodDirectory => self.on_directory(survey, |files, path| {
                let mode = *files.rng.pick(&[0o755, 0o700, 0o775]).unwrap_or(&0o755);
                note(&format!("chmod {mode:o} the directory"), &[path]);
                fs::set_permissions(files.home.join(path), Permissions::from_mode(mode))
            }),
            Operation::LinkInside => self.on_file(survey, |files, target| {
                let path = files.new_file(survey);
                let target = target.file_name().unwrap_or_default();
                note("link to a neighbour's name", &[&path]);
                symlink(target, files.home.join(path))
            }),
            Operation::LinkDangling => {
                let path = self.new_file(survey);
                note("link to nothing", &[&path]);
                symlink("no/such/file", self.home.join(path))
            }
            Operation::LinkOutside => {
                let path = self.new_file(survey);
                let target = if self.rng.percent(50) {
                    PathBuf::from("/etc/hostname")
                } else {
                    self.outside.clone()
                };
                note("link to the outside", &[&path]);
                symlink(target, self.home.join(path))
            }
            Operation::Retarget => {
                let Some(path) = self.rng.pick(&survey.links).cloned() else {
                    return Ok(());
                };
                let target = names::file(&mut self.rng);
                note("point the link elsewhere", &[&path]);
                fs::remove_file(self.home.join(&path))?;
                symlink(target, self.home.join(path))
            }
            Operation::SwapKind => self.swap_kind(survey, history, number),
            Operation::MoveOut => self.on_directory(survey, |files, path| {
                let to = files.outside.join(format!("moved{}", files.rng.below(4)));
                note("move out of the project", &[path]);
                if to.exists() {
                    fs::remove_dir_all(&to)?;
                }
                fs::rename(files.home.join(path), to)
            }),
            Operation::MoveIn => self.move_in(survey, history, number),
            Operation::Ignored => {
                let path = self.ignored_file(survey);
                note("write the ignored", &[&path]);
                write(&self.home.join(path), b"must never arrive\n")
            }
            Operation::Hide => self.on_file(survey, |files, path| {
                let to = with_suffix(path, b".secret");
                note("rename to an ignored name", &[path, &to]);
                fs::rename(files.home.join(path), files.home.join(to))
            }),
            Operation::Show => {
                let hidden: Vec<_> = survey.files.iter().filter(|path| is_hidden(path)).collect();
                let Some(path) = self.rng.pick(&hidden) else {
                    return Ok(());
                };
                let to = path.with_extension("");
                note("rename to a name that is not ignored", &[path, &to]);
                fs::rename(self.home.join(path), self.home.join(&to))
            }
            Operation::Checkout => {
                let tracked = Path::new(TRACKED);
                match self.branches.switch() {
                    Ok(branch) => note(&format!("git checkout {branch}"), &[tracked]),
                    Err(error) => note(&error.to_string(), &[tracked]),
                }
                Ok(())
            }
            Operation::Burst => {
                let directory = self.some_directory(survey);
                note("write 50 files at once into", &[&directory]);
                for index in 0..50 {
                    let content = self.rng.bytes(200);
                    write(
                        &self.home.join(&directory).join(format!("burst{index}")),
                        &content,
                    )?;
                }
                Ok(())
            }
            Operation::Touch => self.on_file(survey, |files, path| {
                note("touch", &[path]);
                let file = OpenOptions::new()
                    .append(true)
                    .open(files.home.join(path))?;
                file.set_modified(SystemTime::now())
            }),
            Operation::Same => self.on_file(survey, |files, path| {
                note("save unchanged", &[path]);
                let content = fs::read(files.home.join(path))?;
                write(&files.home.join(path), &content)
            }),
            Operation::HardLink => self.on_file(survey, |files, path| {
                let to = files.new_file(survey);
                note("give it a second name", &[path, &to]);
                fs::hard_link(files.home.join(path), files.home.join(to))
            }),
            Operation::Still => self.write_again(history, number),
            Operation::Fickle => {
                let path = Path::new(FICKLE).join(self.rng.below(8).to_string());
                let content = self.content();
                note("write the fickle", &[&path]);
                write(&self.home.join(path), &content)
            }
            Operation::EditIgnore => {
                note("edit the ignore file", &[Path::new(FICKLE)]);
                self.edit_ignore()
            }
        }
    }

    fn on_file(
        &mut self,
        survey: &Survey,
        then: impl FnOnce(&mut Self, &Path) -> io::Result<()>,
    ) -> io::Result<()> {
        match self.rng.pick(&survey.files) {
            Some(path) => then(self, path),
            None => Ok(()),
        }
    }

    fn on_directory(
        &mut self,
        survey: &Survey,
        then: impl FnOnce(&mut Self, &Path) -> io::Result<()>,
    ) -> io::Result<()> {
        let fixed = [LINKED, FICKLE];
        let may_go =
            |path: &&PathBuf| !fixed.iter().any(|fixed| path.as_path() == Path::new(fixed));
        let directories: Vec<&PathBuf> = survey.directories.iter().filter(may_go).collect();
        match self.rng.pick(&directories) {
            Some(path) => then(self, path),
            None => Ok(()),
        }
    }

    /// A file gets the content, the mode or the name that it has.
    fn write_again(&mut self, history: &History, number: usize) -> io::Result<()> {
        let still = self.home.with_file_name(parts::STILL);
        let path = parts::still_file(&still, self.rng.below(parts::STILL_FILES));
        let how = ["write", "rename", "chmod", "touch", "xattr", "truncate"];
        let how = how[self.rng.below(how.len())];
        history.note(number, format!("{how}, and nothing changes"), &[&path]);
        let content = fs::read(&path)?;
        match how {
            "write" => fs::write(&path, content),
            "rename" => {
                let temporary = path.with_extension("txt~");
                fs::write(&temporary, content)?;
                fs::rename(temporary, path)
            }
            "chmod" => fs::set_permissions(&path, fs::metadata(&path)?.permissions()),
            "xattr" => {
                let flags = rustix::fs::XattrFlags::empty();
                // A file system without them has nothing to change.
                let _ = rustix::fs::setxattr(&path, "user.torture", &number.to_le_bytes(), flags);
                Ok(())
            }
            // As an editor does it that empties the file first.
            "truncate" => {
                let mut file = File::create(&path)?;
                file.write_all(&content)
            }
            _ => OpenOptions::new()
                .append(true)
                .open(path)?
                .set_modified(SystemTime::now()),
        }
    }

    /// A file becomes a directory with something in it, or the other way round.
    fn swap_kind(&mut self, survey: &Survey, history: &History, number: usize) -> io::Result<()> {
        let path = self
            .some_directory(survey)
            .join(names::either(&mut self.rng));
        let full = self.home.join(&path);
        if full.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            history.note(number, "a file where the directory was", &[&path]);
            fs::remove_dir_all(&full)?;
            write(&full, b"a file now\n")
        } else {
            history.note(number, "a directory where the file was", &[&path]);
            if full.symlink_metadata().is_ok() {
                fs::remove_file(&full)?;
            }
            fs::create_dir(&full)?;
            write(&full.join("inside"), b"in a directory now\n")
        }
    }

    /// A tree comes in that was made elsewhere, or was moved out before: with ignored files among the others.
    fn move_in(&mut self, survey: &Survey, history: &History, number: usize) -> io::Result<()> {
        let from = self.outside.join(format!("moved{}", self.rng.below(4)));
        let to = self
            .some_directory(survey)
            .join(names::directory(&mut self.rng));
        if !from.exists() {
            self.make_tree(&from)?;
        }
        history.note(number, "move a tree in as", &[&to]);
        fs::rename(from, self.home.join(to))
    }

    fn make_tree(&mut self, at: &Path) -> io::Result<()> {
        fs::create_dir(at)?;
        let mut directory = at.to_path_buf();
        for depth in 0..=self.rng.below(4) {
            for _ in 0..self.rng.below(5) {
                let path = directory.join(names::file(&mut self.rng));
                let content = self.content();
                // The name may be taken already, by a directory even.
                let _ = write(&path, &content);
            }
            write(&directory.join("key.secret"), b"must never arrive\n")?;
            fs::create_dir_all(directory.join("node_modules/left-pad"))?;
            write(
                &directory.join("node_modules/left-pad/index.js"),
                b"must never arrive\n",
            )?;
            directory = directory.join(format!("deep{depth}"));
            fs::create_dir_all(&directory)?;
        }
        Ok(())
    }

    fn ignored_file(&mut self, survey: &Survey) -> PathBuf {
        let directory = self.some_directory(survey);
        let (folder, name) = match self.rng.below(3) {
            0 => (directory, "password.secret"),
            1 => (directory.join("node_modules"), "index.js"),
            _ => (PathBuf::from("src/private"), "key"),
        };
        let _ = fs::create_dir(self.home.join(&folder));
        folder.join(format!("{}{name}", self.rng.below(5)))
    }
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    // Through a link, a file outside the synced folders would be written.
    if path.is_symlink() {
        fs::remove_file(path)?;
    }
    fs::write(path, content)
}

fn with_suffix(path: &Path, suffix: &[u8]) -> PathBuf {
    let mut name = path.as_os_str().to_owned().into_vec();
    name.extend(suffix);
    PathBuf::from(std::ffi::OsString::from_vec(name))
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_bytes().ends_with(b".secret"))
}
