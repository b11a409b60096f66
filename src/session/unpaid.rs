//! Deletions that containers are still owed, told to `verify`: another process, which sees only what the host has. Written beside
//! the session's lock while they stay owed, and never on an update's way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::engine::ContainerId;
use crate::own_folder::{OwnFolder, name_of};
use crate::paths::HostPath;

/// So many of one container are told: more of them say no more than that it is out of step.
pub const MOST: usize = 10_000;
/// What is paid within this time was under way, and is not written at all.
const UNDER_WAY: Duration = Duration::from_millis(50);
/// A file that is longer than this is none of ours.
const LONGEST: u64 = 64 * 1024 * 1024;

/// Paths that are gone on the host, and that a container may still have.
pub type Owed = BTreeMap<ContainerId, Vec<HostPath>>;

/// Where the workers tell what they owe; with nobody behind it, it goes nowhere.
#[derive(Clone, Debug, Default)]
pub struct Unpaid(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// By service.
    owed: Mutex<BTreeMap<String, Owed>>,
    changed: Notify,
}

impl Unpaid {
    /// What this service's containers are owed now.
    pub fn tell(&self, service: &str, owed: Owed) {
        let mut all = self.0.owed.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.get(service);
        if before.map_or(owed.is_empty(), |before| *before == owed) {
            return;
        }
        if owed.is_empty() {
            all.remove(service);
        } else {
            all.insert(service.to_owned(), owed);
        }
        self.0.changed.notify_one();
    }

    /// Keeps the session's file as it was told, until it is dropped. Whoever holds the lock removes the file at the end.
    pub async fn write(self, folder: OwnFolder, name: String) {
        let mut written = Vec::new();
        loop {
            self.0.changed.notified().await;
            tokio::time::sleep(UNDER_WAY).await;
            let owed = encode(&self.0.owed.lock().unwrap_or_else(PoisonError::into_inner));
            if owed == written {
                continue;
            }
            if owed.is_empty() {
                folder.remove_owed(&name);
            } else if folder.write_owed(&name, &owed).is_err() {
                // A full disk is told by what else it stops; `verify` then knows as little as without a session.
                continue;
            }
            written = owed;
        }
    }
}

/// What a service's worker tells: the first of each container's.
pub fn first_of<'a>(paths: impl Iterator<Item = &'a HostPath>) -> Vec<HostPath> {
    paths.take(MOST).cloned().collect()
}

/// What the session of `project` on the engine at `place` still owes; nothing when none runs.
pub fn of_the_session(project: &str, place: &str) -> Owed {
    let name = name_of(project, place);
    let Ok(folder) = OwnFolder::find() else {
        return Owed::new();
    };
    let Some(written) = folder.owed(&name, LONGEST) else {
        return Owed::new();
    };
    // One that was killed owes nothing any more: what it left behind is as old as it is.
    if folder.is_locked(&name) {
        decode(&written)
    } else {
        Owed::new()
    }
}

/// `ID path\0` for each: names need not be text.
fn encode(owed: &BTreeMap<String, Owed>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (id, paths) in owed.values().flatten() {
        for path in paths {
            bytes.extend_from_slice(id.0.as_bytes());
            bytes.push(b' ');
            bytes.extend_from_slice(&system::bytes(path));
            bytes.push(0);
        }
    }
    bytes
}

fn decode(bytes: &[u8]) -> Owed {
    let mut owed = Owed::new();
    for entry in bytes.split(|byte| *byte == 0) {
        let Some(space) = entry.iter().position(|byte| *byte == b' ') else {
            continue;
        };
        let (id, path) = (&entry[..space], &entry[space + 1..]);
        if let (Ok(id), Some(path)) = (str::from_utf8(id), system::path(path)) {
            let paths = owed.entry(ContainerId(id.to_owned())).or_default();
            paths.push(path);
        }
    }
    owed
}

#[cfg(unix)]
mod system {
    use std::borrow::Cow;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use crate::paths::HostPath;

    pub fn bytes(path: &HostPath) -> Cow<'_, [u8]> {
        Cow::Borrowed(path.as_path().as_os_str().as_bytes())
    }

    pub fn path(bytes: &[u8]) -> Option<HostPath> {
        HostPath::new(OsStr::from_bytes(bytes))
    }
}

#[cfg(not(unix))]
mod system {
    use std::borrow::Cow;

    use crate::paths::HostPath;

    pub fn bytes(path: &HostPath) -> Cow<'_, [u8]> {
        match path.verbatim() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        }
    }

    pub fn path(bytes: &[u8]) -> Option<HostPath> {
        HostPath::new(str::from_utf8(bytes).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owed(paths: &[&str]) -> Owed {
        let paths = paths.iter().filter_map(HostPath::new).collect();
        Owed::from([(ContainerId("0123abcd".into()), paths)])
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let owed = owed(&["/p/a file", "/p/ü\n"]);
        let all = BTreeMap::from([("web".to_owned(), owed.clone())]);
        assert_eq!(decode(&encode(&all)), owed);
        assert_eq!(decode(b"nonsense\0\0 \0id relative\0"), Owed::new());
    }

    #[tokio::test(start_paused = true)]
    async fn what_stays_owed_is_written_and_gone_when_it_is_paid() {
        let around = tempfile::tempdir().unwrap();
        let folder = OwnFolder::below(around.path()).unwrap();
        let unpaid = Unpaid::default();
        let writer = tokio::spawn(unpaid.clone().write(folder.clone(), "shop".into()));
        let read = || folder.owed("shop", LONGEST).map(|bytes| decode(&bytes));
        let wait = || tokio::time::sleep(UNDER_WAY * 3);
        unpaid.tell("web", owed(&["/p/a"]));
        unpaid.tell("web", Owed::new());
        wait().await;
        assert_eq!(read(), None, "paid while it was under way");
        unpaid.tell("web", owed(&["/p/a", "/p/b"]));
        wait().await;
        assert_eq!(read(), Some(owed(&["/p/a", "/p/b"])));
        unpaid.tell("web", owed(&["/p/b"]));
        unpaid.tell("db", Owed::new());
        wait().await;
        assert_eq!(read(), Some(owed(&["/p/b"])));
        unpaid.tell("web", Owed::new());
        wait().await;
        assert_eq!(read(), None);
        writer.abort();
    }
}
