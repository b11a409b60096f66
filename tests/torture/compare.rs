//! Two trees side by side: content, kinds, modes, links. Knows neither tools nor history.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::ignored::{is_ignored, is_ignored_anywhere};

/// The names of files that only containers have begin so.
pub const CONTAINERS_OWN: &str = "only-in-the-container-";

/// Our helper's temporary names begin so.
const TEMPORARY: &[u8] = b".liveupdate-";

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    File { mode: u32, size: u64, hash: u64 },
    Directory { mode: u32 },
    Link { target: PathBuf },
    Special,
}

/// A synced tree: paths as they are below the project, the synced folder first.
pub struct Tree(BTreeMap<PathBuf, Entry>);

/// In what way a path differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// An ignored file is in the container.
    IgnoredCopied,
    /// A temporary name of the tool's own, though everything has come to rest.
    LeftBehind,
    /// A file that only the container had is gone.
    ContainersOwnLost,
    /// On the host only.
    Missing,
    /// An empty directory, or one with ignored files alone, on the host only.
    DirectoryMissing,
    /// In the container only.
    Extra,
    /// Another content.
    Content,
    /// A file, a directory or a link where the host has another.
    Kind,
    /// Another mode.
    Mode,
    /// A link to elsewhere.
    Link,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::IgnoredCopied => "ignored but copied",
            Self::LeftBehind => "the tool's temporary file, left behind",
            Self::ContainersOwnLost => "the container's own, lost",
            Self::Missing => "missing in the container",
            Self::DirectoryMissing => "directory missing in the container",
            Self::Extra => "gone on the host, still in the container",
            Self::Content => "other content",
            Self::Kind => "another kind of file",
            Self::Mode => "other mode",
            Self::Link => "link to elsewhere",
        })
    }
}

/// One path that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The path below the project.
    pub path: PathBuf,
    /// How it differs.
    pub way: Way,
    /// Host and container, for people.
    pub detail: String,
}

impl Tree {
    /// Reads `folders` below `root`; everything, the ignored as well.
    pub fn read(root: &Path, folders: &[&str]) -> io::Result<Self> {
        Self::read_through(root, folders, None)
    }

    /// The same, where one directory may be a link: its content is read elsewhere then.
    pub fn read_through(
        root: &Path,
        folders: &[&str],
        link: Option<(PathBuf, PathBuf)>,
    ) -> io::Result<Self> {
        let mut tree = Self(BTreeMap::new());
        if let Some((path, there)) = link.filter(|(path, _)| root.join(path).is_symlink()) {
            let mode = std::fs::symlink_metadata(&there)?.mode() & 0o7777;
            tree.walk_at(&there, &path)?;
            tree.0.insert(path, Entry::Directory { mode });
        }
        for folder in folders {
            match std::fs::symlink_metadata(root.join(folder)) {
                Ok(found) if found.is_dir() => tree.walk(root, Path::new(folder))?,
                // Its content is what will be missed.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(tree)
    }

    fn walk(&mut self, root: &Path, below: &Path) -> io::Result<()> {
        self.walk_at(&root.join(below), below)
    }

    /// The directory `at`, as what is called `below`.
    fn walk_at(&mut self, at: &Path, below: &Path) -> io::Result<()> {
        for entry in std::fs::read_dir(at)? {
            let name = entry?.file_name();
            let (path, full) = (below.join(&name), at.join(name));
            if self.0.contains_key(&path) {
                continue;
            }
            let found = std::fs::symlink_metadata(&full)?;
            let mode = found.mode() & 0o7777;
            let entry = if found.is_symlink() {
                let target = std::fs::read_link(&full)?;
                Entry::Link { target }
            } else if found.is_dir() {
                self.walk_at(&full, &path)?;
                Entry::Directory { mode }
            } else if found.is_file() {
                let content = std::fs::read(&full)?;
                Entry::File {
                    mode,
                    size: content.len() as u64,
                    hash: xxh3_64(&content),
                }
            } else {
                Entry::Special
            };
            self.0.insert(path, entry);
        }
        Ok(())
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The ignored ones among its paths, at any time. What is on its way below a temporary name is judged by what holds
    /// wherever it ends: only below a name with a line break is a file like a secret none (see [`is_ignored`]).
    pub fn ignored(&self) -> impl Iterator<Item = &PathBuf> {
        self.0.keys().filter(|path| {
            if is_temporary(path) {
                is_ignored_anywhere(path)
            } else {
                is_ignored(path)
            }
        })
    }

    fn has_below(&self, directory: &Path, wanted: impl Fn(&Path, &Entry) -> bool) -> bool {
        self.0
            .range(directory.to_path_buf()..)
            .take_while(|(path, _)| path.starts_with(directory))
            .any(|(path, entry)| wanted(path, entry))
    }
}

/// Whether one of its names is temporary, and ours.
fn is_temporary(path: &Path) -> bool {
    path.components()
        .any(|part| part.as_os_str().as_encoded_bytes().starts_with(TEMPORARY))
}

fn is_containers_own(path: &Path) -> bool {
    path.file_name().is_some_and(|name| {
        name.as_encoded_bytes()
            .starts_with(CONTAINERS_OWN.as_bytes())
    })
}

/// All differences of a container's tree from the host's, in the order of paths. `own` are the paths of files that only
/// this container has, and must keep.
pub fn differences(host: &Tree, container: &Tree, own: &[PathBuf]) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut push = |path: &Path, way, detail: String| {
        found.push(Difference {
            path: path.into(),
            way,
            detail,
        });
    };
    for path in container.ignored() {
        push(path, Way::IgnoredCopied, String::new());
    }
    // The trees are compared once all is at rest: then no temporary name may be there, whatever it holds.
    for path in container.0.keys().filter(|path| is_temporary(path)) {
        push(path, Way::LeftBehind, String::new());
    }
    for path in own {
        if !container.0.contains_key(path) {
            push(path, Way::ContainersOwnLost, String::new());
        }
    }
    for (path, wanted) in &host.0 {
        if is_ignored(path) {
            continue;
        }
        let Some(there) = container.0.get(path) else {
            let holds_something = host.has_below(path, |below, entry| {
                !is_ignored(below) && !matches!(entry, Entry::Directory { .. })
            });
            let way = match wanted {
                Entry::Directory { .. } if !holds_something => Way::DirectoryMissing,
                _ => Way::Missing,
            };
            push(path, way, format!("{wanted:?}"));
            continue;
        };
        if let Some(way) = way_of(wanted, there) {
            push(path, way, format!("host {wanted:?}, container {there:?}"));
        }
    }
    for (path, there) in &container.0 {
        let kept_for_own = is_containers_own(path)
            || matches!(there, Entry::Directory { .. })
                && container.has_below(path, |below, _| is_containers_own(below));
        let is_judged = is_ignored(path) || is_temporary(path);
        if !host.0.contains_key(path) && !is_judged && !kept_for_own {
            push(path, Way::Extra, format!("{there:?}"));
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn way_of(wanted: &Entry, there: &Entry) -> Option<Way> {
    match (wanted, there) {
        _ if wanted == there => None,
        (Entry::Link { .. }, Entry::Link { .. }) => Some(Way::Link),
        (Entry::Directory { .. }, Entry::Directory { .. }) => Some(Way::Mode),
        (
            Entry::File { size, hash, .. },
            Entry::File {
                size: other_size,
                hash: other_hash,
                ..
            },
        ) if (size, hash) == (other_size, other_hash) => Some(Way::Mode),
        (Entry::File { .. }, Entry::File { .. }) => Some(Way::Content),
        _ => Some(Way::Kind),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// What [`differences`] says of two trees that are the same but for what `change` does to the container's.
    fn after(change: impl Fn(&Path)) -> Vec<(Way, String)> {
        let folder = tempfile::tempdir().unwrap();
        let [host, container] = ["host", "container"].map(|name| folder.path().join(name));
        for root in [&host, &container] {
            fs::create_dir_all(root.join("src/empty")).unwrap();
            fs::create_dir_all(root.join("src/full")).unwrap();
            fs::write(root.join("src/full/file"), "one").unwrap();
            symlink("file", root.join("src/full/link")).unwrap();
        }
        fs::write(host.join("src/key.secret"), "hush").unwrap();
        fs::write(container.join("src/full/only-in-the-container-1"), "kept").unwrap();
        change(&container);
        let trees = [&host, &container].map(|root| Tree::read(root, &["src"]).unwrap());
        differences(
            &trees[0],
            &trees[1],
            &["src/full/only-in-the-container-1".into()],
        )
        .into_iter()
        .map(|difference| (difference.way, difference.path.display().to_string()))
        .collect()
    }

    #[test]
    fn equal_trees_do_not_differ_though_the_host_has_ignored_files_and_the_container_its_own() {
        assert_eq!(after(|_| {}), []);
    }

    #[test]
    fn every_way_to_differ_is_seen() {
        let seen = |way, path: &str| vec![(way, path.to_owned())];
        assert_eq!(
            after(|root| fs::write(root.join("src/full/file"), "two").unwrap()),
            seen(Way::Content, "src/full/file")
        );
        assert_eq!(
            after(|root| {
                let mode = fs::Permissions::from_mode(0o600);
                fs::set_permissions(root.join("src/full/file"), mode).unwrap();
            }),
            seen(Way::Mode, "src/full/file")
        );
        assert_eq!(
            after(|root| fs::remove_file(root.join("src/full/file")).unwrap()),
            seen(Way::Missing, "src/full/file")
        );
        assert_eq!(
            after(|root| fs::remove_dir(root.join("src/empty")).unwrap()),
            seen(Way::DirectoryMissing, "src/empty")
        );
        assert_eq!(
            after(|root| fs::write(root.join("src/empty/more"), "").unwrap()),
            seen(Way::Extra, "src/empty/more")
        );
        assert_eq!(
            after(|root| {
                fs::remove_file(root.join("src/full/link")).unwrap();
                symlink("elsewhere", root.join("src/full/link")).unwrap();
            }),
            seen(Way::Link, "src/full/link")
        );
        assert_eq!(
            after(|root| {
                fs::remove_dir(root.join("src/empty")).unwrap();
                fs::write(root.join("src/empty"), "").unwrap();
            }),
            seen(Way::Kind, "src/empty")
        );
        assert_eq!(
            after(|root| fs::write(root.join("src/key.secret"), "hush").unwrap()),
            seen(Way::IgnoredCopied, "src/key.secret")
        );
        assert_eq!(
            after(|root| fs::write(root.join("src/.liveupdate-8-1~"), "half").unwrap()),
            seen(Way::LeftBehind, "src/.liveupdate-8-1~")
        );
        assert_eq!(
            after(|root| fs::remove_file(root.join("src/full/only-in-the-container-1")).unwrap()),
            seen(Way::ContainersOwnLost, "src/full/only-in-the-container-1")
        );
    }

    #[test]
    fn a_temporary_directory_hides_no_ignored_file_and_may_not_stay() {
        let found = after(|root| {
            fs::create_dir_all(root.join("src/.liveupdate-8-2~/node_modules/p")).unwrap();
            fs::write(root.join("src/.liveupdate-8-2~/key.secret"), "").unwrap();
        });
        let ways = |wanted| {
            let paths = found.iter().filter(move |(way, _)| *way == wanted);
            paths.map(|(_, path)| path.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(
            ways(Way::IgnoredCopied),
            [
                "src/.liveupdate-8-2~/node_modules",
                "src/.liveupdate-8-2~/node_modules/p"
            ]
        );
        assert_eq!(ways(Way::LeftBehind).len(), 4, "{found:?}");
    }
}
