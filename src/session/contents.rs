//! The files that ask for something by their content alone, such as a Dockerfile: what was in them when they were looked at
//! last, so that a change without a difference asks for nothing. Bounded; of what is beyond nothing is known.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read as _};

use xxhash_rust::xxh3::Xxh3;

use crate::paths::HostPath;
use crate::source::Source;
use crate::watch::look;

/// So many files are known,
const MOST_FILES: usize = 4096;
/// of this length at most, in bytes,
const LONGEST: u64 = 8 << 20;
/// and so many bytes are read of them at the start.
const MOST_BYTES: u64 = 64 << 20;

/// What is known of the files' content.
#[derive(Debug, Default)]
pub(super) struct Contents {
    known: HashMap<HostPath, Content>,
}

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    File {
        mode: u32,
        len: u64,
        hash: u128,
    },
    /// Not a file that can be read.
    Nothing,
}

impl Contents {
    /// Learns what is in `files`, as far as that is not too much.
    pub fn of(files: impl IntoIterator<Item = HostPath>) -> Self {
        let mut contents = Self::default();
        let mut bytes = 0;
        for path in files {
            if contents.known.len() == MOST_FILES {
                break;
            }
            if contents.known.contains_key(&path) {
                continue;
            }
            let Some(content) = read(&path, LONGEST.min(MOST_BYTES - bytes)) else {
                continue;
            };
            if let Content::File { len, .. } = content {
                bytes += len;
            }
            contents.known.insert(path, content);
        }
        contents
    }

    /// Looks at `path`, and says whether it holds something else than the last time. What nothing is known of is taken for another.
    pub fn differs(&mut self, path: &HostPath) -> bool {
        let Some(now) = read(path, LONGEST) else {
            self.known.remove(path);
            return true;
        };
        if let Some(known) = self.known.get_mut(path) {
            return std::mem::replace(known, now) != now;
        }
        if self.known.len() < MOST_FILES {
            self.known.insert(path.clone(), now);
        }
        true
    }

    /// Looks at all that is known, and answers what holds something else than the last time.
    pub fn all_that_differ(&mut self) -> Vec<HostPath> {
        let all: Vec<HostPath> = self.known.keys().cloned().collect();
        all.into_iter().filter(|path| self.differs(path)).collect()
    }

    /// Those of `paths` that hold what they held the last time.
    pub fn same(&mut self, paths: Vec<HostPath>) -> BTreeSet<HostPath> {
        paths
            .into_iter()
            .filter(|path| !self.differs(path))
            .collect()
    }

    /// It went away: whatever comes there is another.
    pub fn forget(&mut self, path: &HostPath) {
        self.known.remove(path);
    }
}

/// `None`: it is too long to be known.
fn read(path: &HostPath, most: u64) -> Option<Content> {
    let Ok((file, found)) = Source::from(path.clone()).open() else {
        return Some(Content::Nothing);
    };
    if found.len() > most {
        return None;
    }
    match hash(file.take(most + 1)) {
        Ok((len, hash)) => (len <= most).then_some(Content::File {
            mode: look::mode(&found),
            len,
            hash,
        }),
        Err(_) => Some(Content::Nothing),
    }
}

fn hash(mut file: impl io::Read) -> io::Result<(u64, u128)> {
    let mut hasher = Xxh3::new();
    let mut buffer = [0; 16 << 10];
    let mut len = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((len, hasher.digest128())),
            Ok(read) => {
                len += read as u64;
                hasher.update(&buffer[..read]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_was_written_again_with_the_same_content_is_the_same_and_what_nobody_knows_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| HostPath::new(dir.path().join(name)).unwrap();
        for name in ["known", "unknown"] {
            fs::write(path(name), "one").unwrap();
        }
        let mut contents = Contents::of([path("known"), path("known"), path("absent")]);
        for name in ["known", "unknown"] {
            fs::write(path(name), "one").unwrap();
        }
        let mut differ = |name: &str| contents.differs(&path(name));
        assert!(!differ("known") && !differ("absent"));
        // From then on it is known.
        assert!(differ("unknown") && !differ("unknown"));
        fs::write(path("known"), "two").unwrap();
        fs::write(path("absent"), "").unwrap();
        assert!(differ("known") && differ("absent") && !differ("known"));
        fs::remove_file(path("known")).unwrap();
        assert_eq!(contents.all_that_differ(), [path("known")]);
        contents.forget(&path("known"));
        assert!(contents.differs(&path("known")));
    }

    #[cfg(unix)]
    #[test]
    fn a_files_mode_belongs_to_what_it_is() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = HostPath::new(dir.path().join("f")).unwrap();
        fs::write(&path, "one").unwrap();
        let mut contents = Contents::of([path.clone()]);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(contents.differs(&path) && !contents.differs(&path));
    }
}
