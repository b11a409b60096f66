//! The user's own folder, for what lives as long as a session: locks, overrides with the secrets that Compose put into them,
//! deletions that are still owed. Nobody else can look into it, write to it, or have us follow a link there. Knows nothing of what a session is.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

const OVERRIDE: &str = ".override.json";
const OWED: &str = ".owed";
const LOCK: &str = ".lock";
/// What a session that was killed leaves behind.
const LEFT: [&str; 2] = [OVERRIDE, OWED];
/// What is written, until it is whole.
const NEW: &str = ".new";

/// The folder, made and looked after.
#[derive(Clone, Debug)]
pub struct OwnFolder {
    path: PathBuf,
}

/// What a session's files are called: one project on one engine, by a name for each.
pub fn name_of(project: &str, engine: &str) -> String {
    let which = xxhash_rust::xxh3::xxh3_64(engine.as_bytes());
    format!("{project}-{which:016x}")
}

impl OwnFolder {
    /// The first one that can be used of those that the environment names.
    pub fn find() -> io::Result<Self> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let mut refused = None;
        for name in ["XDG_RUNTIME_DIR", "LOCALAPPDATA", "HOME", "USERPROFILE"] {
            let Some(around) = set(name) else { continue };
            let mut around = PathBuf::from(around);
            if name == "HOME" || name == "USERPROFILE" {
                around.push(".cache");
            }
            match Self::below(&around) {
                Ok(folder) => return Ok(folder),
                // Under `sudo -E` it may be another user's.
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                "no folder of the user's own is known",
            )
        }))
    }

    /// The one below `around`; both are made when missing.
    pub fn below(around: &Path) -> io::Result<Self> {
        fs::create_dir_all(around)?;
        let path = around.join("docker-liveupdate");
        system::make_private(&path)?;
        Ok(Self { path })
    }

    /// Writes the override of the session `name` in place of what was there.
    pub fn write_override(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        self.write(format!("{name}{OVERRIDE}"), text.as_bytes())
    }

    /// Writes what the session `name` still owes in place of what was there.
    pub fn write_owed(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        self.write(format!("{name}{OWED}"), bytes)
    }

    fn write(&self, file: String, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.path.join(file);
        let (new, mut file) = new_file(&path)?;
        file.write_all(bytes)?;
        fs::rename(new, &path)?;
        Ok(path)
    }

    /// What the session `name` wrote that it still owes; `None` when it wrote nothing, or what is there is not its own or
    /// longer than `most`.
    pub fn owed(&self, name: &str, most: u64) -> Option<Vec<u8>> {
        let file = system::open_existing(&self.path.join(format!("{name}{OWED}"))).ok()?;
        let found = file.metadata().ok()?;
        if !system::is_private(&found) || found.len() > most {
            return None;
        }
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// The session `name` owes nothing any more.
    pub fn remove_owed(&self, name: &str) {
        self.remove(name, OWED);
    }

    /// Removes what a session that has ended, or was killed, left behind.
    pub fn remove_left(&self, name: &str) {
        for kind in LEFT {
            self.remove(name, kind);
        }
    }

    fn remove(&self, name: &str, kind: &str) {
        for end in ["", NEW] {
            // Mostly there is none.
            let _ = fs::remove_file(self.path.join(format!("{name}{kind}{end}")));
        }
    }

    /// The names of the sessions of which there is more than a lock.
    pub fn left(&self) -> Vec<String> {
        let name = |file: &str| {
            let file = file.strip_suffix(NEW).unwrap_or(file);
            let mut kinds = LEFT.iter();
            kinds.find_map(|kind| file.strip_suffix(kind).map(str::to_owned))
        };
        let files = self.files();
        let mut names: Vec<String> = files.iter().filter_map(|file| name(file)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Whether somebody holds the lock of the session `name`; where it cannot be told, yes. An override that an older
    /// version made is called after the project alone: `name` is every session's of that project then.
    pub fn is_locked(&self, name: &str) -> bool {
        let locked = |file: &String| {
            let Ok(file) = system::open_existing(&self.path.join(file)) else {
                return true;
            };
            // Let go of at once: whoever wants it meanwhile tries more than once.
            file.try_lock_shared().is_err()
        };
        let of_it = |file: &&String| {
            let name_of_lock = file.strip_suffix(LOCK);
            name_of_lock.is_some_and(|lock| lock == name || project_of(lock) == Some(name))
        };
        self.files().iter().filter(of_it).any(locked)
    }

    /// The file that is locked for the session `name`.
    pub fn lock_file(&self, name: &str) -> LockFile {
        LockFile {
            path: self.path.join(format!("{name}{LOCK}")),
        }
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let mut files: Vec<String> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        files.sort_unstable();
        files
    }
}

/// A file that was not there before, to be given the name `path`.
fn new_file(path: &Path) -> io::Result<(PathBuf, File)> {
    let mut new = path.as_os_str().to_owned();
    new.push(NEW);
    let new = PathBuf::from(new);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = system::create(&new)?;
    Ok((new, file))
}

/// The project in the name of a session.
fn project_of(name: &str) -> Option<&str> {
    let (project, which) = name.rsplit_once('-')?;
    let is_number = which.len() == 16 && which.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_number.then_some(project)
}

/// A file that one session at a time holds a lock on.
#[derive(Debug)]
pub struct LockFile {
    path: PathBuf,
}

impl LockFile {
    /// Opens what stands there, or makes it. `false`: others could open it too, as older versions left it, so that a lock on
    /// it may be anybody's.
    pub fn open(&self) -> io::Result<(File, bool)> {
        match system::open_or_create(&self.path) {
            Ok(file) => {
                let private = system::is_private(&file.metadata()?);
                Ok((file, private))
            }
            Err(error) if system::is_link(&error) => {
                fs::remove_file(&self.path)?;
                Ok((system::open_or_create(&self.path)?, true))
            }
            Err(error) => Err(error),
        }
    }

    /// Puts a new one in its place, locked.
    pub fn renew(&self) -> io::Result<File> {
        let (new, file) = new_file(&self.path)?;
        file.try_lock()?;
        fs::rename(new, &self.path)?;
        Ok(file)
    }

    /// Whether `file` is what stands there now.
    pub fn is(&self, file: &File) -> bool {
        let both = fs::symlink_metadata(&self.path).and_then(|there| Ok((there, file.metadata()?)));
        both.is_ok_and(|(there, open)| system::are_the_same(&there, &open))
    }
}

#[cfg(unix)]
mod system {
    use std::fs::File;
    use std::io;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

    use rustix::fs::{Mode, OFlags, fchmod, fstat, mkdir, open};
    use rustix::io::Errno;
    use rustix::process::geteuid;

    use super::Metadata;

    /// Makes the folder, or takes one of ours from everybody else.
    pub fn make_private(path: &Path) -> io::Result<()> {
        match mkdir(path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        let refused = |why: &str| {
            let path = path.display();
            let text = format!(
                "`{path}` {why}, so it is not used (XDG_RUNTIME_DIR names the folder around it)"
            );
            io::Error::new(io::ErrorKind::PermissionDenied, text)
        };
        let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = match open(path, how, Mode::empty()) {
            Ok(folder) => folder,
            Err(Errno::LOOP | Errno::MLINK | Errno::NOTDIR) => return Err(refused("is no folder")),
            Err(Errno::ACCESS) => return Err(refused("is not open to you")),
            Err(errno) => return Err(errno.into()),
        };
        let found = fstat(&folder)?;
        if found.st_uid != geteuid().as_raw() {
            return Err(refused("belongs to another user"));
        }
        if Mode::from_raw_mode(found.st_mode) != Mode::RWXU {
            fchmod(&folder, Mode::RWXU)?;
        }
        Ok(())
    }

    /// A file that is not there yet; a link is there.
    pub fn create(path: &Path) -> io::Result<File> {
        opened(path, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)
    }

    pub fn open_or_create(path: &Path) -> io::Result<File> {
        opened(path, OFlags::RDWR | OFlags::CREATE)
    }

    pub fn open_existing(path: &Path) -> io::Result<File> {
        opened(path, OFlags::RDONLY)
    }

    fn opened(path: &Path, how: OFlags) -> io::Result<File> {
        let always = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(File::from(open(
            path,
            how | always,
            Mode::RUSR | Mode::WUSR,
        )?))
    }

    pub fn is_link(error: &io::Error) -> bool {
        let code = error.raw_os_error().map(Errno::from_raw_os_error);
        matches!(code, Some(Errno::LOOP | Errno::MLINK))
    }

    pub fn is_private(found: &Metadata) -> bool {
        const OTHERS: u32 = 0o077;
        let ours = found.uid() == geteuid().as_raw();
        found.is_file() && ours && found.mode() & OTHERS == 0
    }

    pub fn are_the_same(one: &Metadata, other: &Metadata) -> bool {
        (one.dev(), one.ino()) == (other.dev(), other.ino())
    }
}

#[cfg(not(unix))]
mod system {
    use std::fs::File;
    use std::io;
    use std::path::Path;

    use super::Metadata;

    /// The user's profile is closed to others already.
    pub fn make_private(path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }

    pub fn create(path: &Path) -> io::Result<File> {
        File::options().write(true).create_new(true).open(path)
    }

    pub fn open_or_create(path: &Path) -> io::Result<File> {
        File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
    }

    pub fn open_existing(path: &Path) -> io::Result<File> {
        File::open(path)
    }

    pub fn is_link(_: &io::Error) -> bool {
        false
    }

    pub fn is_private(_: &Metadata) -> bool {
        true
    }

    pub fn are_the_same(_: &Metadata, _: &Metadata) -> bool {
        true
    }
}
