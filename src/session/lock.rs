//! One `up` per project and engine: a second one is told about the first, instead of both bringing the same files. Whoever
//! is alone tidies up after those that were killed.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::time::Duration;

use crate::own_folder::{LockFile, OwnFolder, name_of};

/// A session that starts looks for a moment whether others live: their locks are tried again before they count.
const TRIES: u32 = 5;
const BETWEEN: Duration = Duration::from_millis(20);

/// Held for as long as the session runs; the system lets go of it even when the process is killed.
#[derive(Debug)]
pub struct SessionLock {
    folder: OwnFolder,
    name: String,
    _file: File,
}

/// Why there is no such lock.
#[derive(Debug)]
pub enum NotAlone {
    /// Another session runs; its process ID, where it could be read.
    Another(Option<u32>),
    /// The lock file cannot be used; the system's own words.
    Unknown(io::Error),
}

impl SessionLock {
    /// Takes the lock of `project` on the engine that `engine` names.
    pub fn of(project: &str, engine: &str) -> Result<Self, NotAlone> {
        let folder = OwnFolder::find().map_err(NotAlone::Unknown)?;
        Self::in_folder(folder, name_of(project, engine))
    }

    fn in_folder(folder: OwnFolder, name: String) -> Result<Self, NotAlone> {
        let mut file = locked(&folder.lock_file(&name))?;
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "{}", std::process::id()))
            .and_then(|()| file.flush());
        written.map_err(NotAlone::Unknown)?;
        for left in folder.left() {
            if left == name || !folder.is_locked(&left) {
                folder.remove_left(&left);
            }
        }
        Ok(Self {
            folder,
            name,
            _file: file,
        })
    }
}

impl SessionLock {
    /// Where the session writes, and what its files are called.
    pub fn files(&self) -> (OwnFolder, String) {
        (self.folder.clone(), self.name.clone())
    }
}

impl Drop for SessionLock {
    fn drop(&mut self) {
        // However the session ended: there are the secrets in it that Compose put in.
        self.folder.remove_left(&self.name);
    }
}

fn locked(at: &LockFile) -> Result<File, NotAlone> {
    let mut holder = None;
    for _ in 0..TRIES {
        let (mut file, private) = at.open().map_err(NotAlone::Unknown)?;
        match file.try_lock() {
            // Somebody may have put another one in its place before it was ours.
            Ok(()) if !at.is(&file) => {}
            Ok(()) if private => return Ok(file),
            Ok(()) => return at.renew().map_err(NotAlone::Unknown),
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Whoever holds it wrote its number there; a number is all that is missing without it.
                let _ = file.read_to_string(&mut text);
                holder = text.trim().parse().ok();
                if !private && !holder.is_some_and(is_ours) {
                    return at.renew().map_err(NotAlone::Unknown);
                }
            }
            Err(TryLockError::Error(error)) => return Err(NotAlone::Unknown(error)),
        }
        std::thread::sleep(BETWEEN);
    }
    Err(NotAlone::Another(holder))
}

/// Whether there is such a process, and we may end it.
#[cfg(unix)]
fn is_ours(process: u32) -> bool {
    let process = i32::try_from(process).ok();
    let process = process.and_then(rustix::process::Pid::from_raw);
    process.is_some_and(|process| rustix::process::test_kill_process(process).is_ok())
}

#[cfg(not(unix))]
fn is_ours(_: u32) -> bool {
    true
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::{Path, PathBuf};

    use super::*;

    /// A folder that holds the user's own one.
    struct Around(tempfile::TempDir);

    impl Around {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join("docker-liveupdate").join(name)
        }

        fn folder(&self) -> OwnFolder {
            OwnFolder::below(self.0.path()).unwrap()
        }

        fn session(&self, project: &str) -> Result<SessionLock, NotAlone> {
            SessionLock::in_folder(self.folder(), name_of(project, "here"))
        }

        fn files(&self) -> Vec<String> {
            let files = fs::read_dir(self.path("")).unwrap();
            let mut files: Vec<String> = files
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort_unstable();
            files
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    fn lock(project: &str) -> String {
        format!("{}.lock", name_of(project, "here"))
    }

    #[test]
    fn what_a_session_writes_is_for_its_user_alone_and_gone_at_its_end() {
        let around = Around::new();
        let session = around.session("shop").unwrap();
        let name = name_of("shop", "here");
        let written = around.folder().write_override(&name, "secret").unwrap();
        assert_eq!(fs::read_to_string(&written).unwrap(), "secret");
        let owed = around.folder().write_owed(&name, b"id /p/a\0").unwrap();
        assert_eq!(mode(&owed), 0o600);
        assert_eq!(mode(&around.path("")), 0o700);
        assert_eq!(mode(&written), 0o600);
        assert_eq!(mode(&around.path(&lock("shop"))), 0o600);
        drop(session);
        assert_eq!(around.files(), [lock("shop")]);
    }

    #[test]
    fn a_second_session_is_told_the_first_and_another_project_is_left_alone() {
        let around = Around::new();
        let first = around.session("shop").unwrap();
        let own = std::process::id();
        let second = around.session("shop").unwrap_err();
        assert!(matches!(second, NotAlone::Another(Some(process)) if process == own));
        around.session("other").unwrap();
        drop(first);
        around.session("shop").unwrap();
    }

    #[test]
    fn a_killed_session_s_override_is_removed_by_the_next_of_any_project_a_living_one_s_is_kept() {
        let around = Around::new();
        let folder = around.folder();
        let _living = around.session("living").unwrap();
        for project in ["living", "killed", "starting"] {
            folder
                .write_override(&name_of(project, "here"), "secret")
                .unwrap();
        }
        // As older versions called them, and one that was killed while it wrote.
        for name in ["living", "killed", "nobody"] {
            fs::write(around.path(&format!("{name}.override.json")), "secret").unwrap();
        }
        fs::write(around.path("half.override.json.new"), "secret").unwrap();
        folder.write_owed(&name_of("killed", "here"), b"").unwrap();
        folder.write_owed(&name_of("living", "here"), b"").unwrap();
        fs::write(around.path(&lock("killed")), "1").unwrap();
        fs::write(around.path("something else.json"), "").unwrap();
        let _starting = around.session("starting").unwrap();
        assert_eq!(
            around.files(),
            [
                lock("killed"),
                lock("living"),
                format!("{}.override.json", name_of("living", "here")),
                format!("{}.owed", name_of("living", "here")),
                "living.override.json".into(),
                "something else.json".into(),
                lock("starting"),
            ]
        );
    }

    #[test]
    fn a_folder_that_others_could_enter_is_closed_and_a_lock_that_others_could_hold_is_replaced() {
        let around = Around::new();
        fs::create_dir(around.path("")).unwrap();
        fs::set_permissions(around.path(""), Permissions::from_mode(0o755)).unwrap();
        let path = around.path(&lock("shop"));
        for holder in ["", "not a number", "4194304000"] {
            fs::write(&path, holder).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
            // Another user, who opened it while the folder was open.
            let other = File::open(&path).unwrap();
            other.try_lock().unwrap();
            let session = around.session("shop").unwrap();
            assert_eq!((mode(&around.path("")), mode(&path)), (0o700, 0o600));
            around.session("shop").unwrap_err();
            drop(session);
            around.session("shop").unwrap();
        }
        // Nobody holds it: it is replaced all the same, for somebody may have it open.
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let other = File::open(&path).unwrap();
        let session = around.session("shop").unwrap();
        drop(session);
        other.try_lock().unwrap();
        around.session("shop").unwrap();
    }

    #[test]
    fn a_running_session_of_an_older_version_is_respected() {
        let around = Around::new();
        drop(around.folder());
        let path = around.path(&lock("shop"));
        fs::write(&path, std::process::id().to_string()).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let older = File::open(&path).unwrap();
        older.try_lock().unwrap();
        let second = around.session("shop").unwrap_err();
        assert!(matches!(second, NotAlone::Another(Some(_))), "{second:?}");
    }

    #[test]
    fn no_link_is_followed() {
        let around = Around::new();
        let folder = around.folder();
        let outside = around.0.path().join("outside");
        fs::write(&outside, "mine").unwrap();
        let name = name_of("shop", "here");
        let path = around.path(&format!("{name}.override.json"));
        symlink(&outside, &path).unwrap();
        symlink(&outside, around.path(&format!("{name}.override.json.new"))).unwrap();
        symlink(&outside, around.path(&lock("shop"))).unwrap();
        folder.write_override(&name, "secret").unwrap();
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
        let _session = around.session("shop").unwrap();
        let lock = around.path(&lock("shop"));
        assert!(fs::symlink_metadata(lock).unwrap().is_file());
        assert_eq!(fs::read_to_string(&outside).unwrap(), "mine");
    }

    #[test]
    fn a_link_or_a_file_in_the_folder_s_place_is_refused() {
        let around = Around::new();
        let there = around.0.path().join("there");
        fs::create_dir(&there).unwrap();
        fs::set_permissions(&there, Permissions::from_mode(0o755)).unwrap();
        let place = around.0.path().join("docker-liveupdate");
        symlink(&there, &place).unwrap();
        let refused = || OwnFolder::below(around.0.path()).unwrap_err().to_string();
        let expected = format!(
            "`{}` is no folder, so it is not used (XDG_RUNTIME_DIR names the folder around it)",
            place.display()
        );
        assert_eq!(refused(), expected);
        assert_eq!(mode(&there), 0o755);
        fs::remove_file(&place).unwrap();
        fs::write(&place, "").unwrap();
        assert_eq!(refused(), expected);
    }

    #[test]
    fn a_fifo_in_the_lock_s_place_is_not_waited_for() {
        let around = Around::new();
        drop(around.folder());
        let path = around.path(&lock("shop"));
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, mode, 0).unwrap();
        let _session = around.session("shop").unwrap();
        assert!(fs::symlink_metadata(path).unwrap().is_file());
    }
}
