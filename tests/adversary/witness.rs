//! Sees to it that what is not the adversary's stays as it is: content, kinds, modes, owners, times. And looks for proofs that
//! something of the adversary's ran as root.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use crate::container::Container;
use crate::house::House;

/// Directories of the container that are not root's, or no files of the image's.
const NOT_OF_THE_IMAGE: [&str; 13] = [
    "app",
    "inplace",
    "data",
    "data2",
    "shared",
    "scratch",
    "srv",
    "host",
    "proc",
    "sys",
    "dev",
    ".liveupdate",
    "tmp",
];
/// Files that the engine makes for each container.
const OF_THE_ENGINE: [&str; 6] = [
    "sbin/docker-init",
    "etc/hosts",
    "etc/hostname",
    "etc/resolv.conf",
    "etc/mtab",
    ".dockerenv",
];

/// What there is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    mode: u32,
    owner: (u32, u32),
    modified: (i64, i64),
    size: u64,
    /// Of a file's content, or a link's target.
    hash: u64,
}

/// Everything that nobody may touch.
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<PathBuf, Seen>);

impl Snapshot {
    /// The host's folders, and the volume of root's.
    pub fn outside(house: &House, container: &Container) -> Self {
        let mut seen = BTreeMap::new();
        let [outside, inner] = house.of_the_host();
        for (root, label) in [
            (outside, "/host"),
            (inner, "the host's folder in the target"),
            (container.root.join("data"), "/data"),
        ] {
            // Where the root is read-only, the helper has its directory in a volume of root's.
            let is_left_out = |path: &Path| path.ends_with(".liveupdate");
            walk(&root, Path::new(label), &is_left_out, &mut seen);
            if label == "/data" {
                seen.remove(Path::new(label));
            }
        }
        Self(seen)
    }

    /// What is root's in the image.
    pub fn image(container: &Container) -> Self {
        let mut seen = BTreeMap::new();
        let is_left_out = |path: &Path| {
            // The engine changes its root there for a moment, whenever it copies.
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            if name.starts_with(b".pivot_root") {
                return true;
            }
            let path = path.strip_prefix("/").unwrap_or(path);
            NOT_OF_THE_IMAGE
                .iter()
                .chain(&OF_THE_ENGINE)
                .any(|left_out| path == Path::new(left_out))
        };
        walk(&container.root, Path::new("/"), &is_left_out, &mut seen);
        // Things are made in these: the helper's directory, the engine's files.
        for directory in ["/", "/etc", "/sbin"] {
            seen.remove(Path::new(directory));
        }
        Self(seen)
    }

    /// What is other than it was, and how.
    pub fn differences(&self, before: &Self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (path, was) in &before.0 {
            let path_of = path.display().to_string();
            match self.0.get(path) {
                None => found.push((path_of, "is gone".to_owned())),
                Some(is) if is != was => found.push((path_of, format!("was {was:x?}, is {is:x?}"))),
                Some(_) => {}
            }
        }
        let new = self
            .0
            .iter()
            .filter(|(path, _)| !before.0.contains_key(*path));
        found
            .extend(new.map(|(path, is)| (path.display().to_string(), format!("is new: {is:x?}"))));
        found
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

fn walk(
    root: &Path,
    name: &Path,
    is_left_out: &dyn Fn(&Path) -> bool,
    seen: &mut BTreeMap<PathBuf, Seen>,
) {
    if is_left_out(name) {
        return;
    }
    let Ok(found) = fs::symlink_metadata(root) else {
        return;
    };
    // Who writes to a program of the image leaves another time there, which says enough.
    let is_small = found.len() < 64 * 1024;
    let content = if found.is_file() && is_small {
        fs::read(root).unwrap_or_default()
    } else if found.is_symlink() {
        let target = fs::read_link(root).unwrap_or_default();
        target.as_os_str().as_encoded_bytes().to_vec()
    } else {
        Vec::new()
    };
    seen.insert(
        name.to_owned(),
        Seen {
            mode: found.mode(),
            owner: (found.uid(), found.gid()),
            modified: (found.mtime(), found.mtime_nsec()),
            size: found.len(),
            hash: xxh3_64(&content),
        },
    );
    // The root of a container is given by a link of the kernel's.
    if found.is_dir() || name == Path::new("/") {
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            let below = entry.file_name();
            walk(&root.join(&below), &name.join(&below), is_left_out, seen);
        }
    }
}

/// Proofs of the adversary's programs having run as root, in words.
pub fn proofs(container: &Container) -> Vec<(String, String)> {
    let entries = fs::read_dir(container.root.join("scratch"));
    let mut found = Vec::new();
    for entry in entries.into_iter().flatten().flatten() {
        let is_roots = entry.metadata().is_ok_and(|it| it.uid() == 0);
        if is_roots && entry.file_name().as_encoded_bytes().starts_with(b"proof-") {
            let text = fs::read(entry.path()).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            found.push(("run as root:".to_owned(), text.trim().to_owned()));
        }
    }
    found
}

/// Programs in the adversary's reach that would run as root.
pub fn programs_of_roots(house: &House, container: &Container) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for directory in [house.app, house.in_place, "/shared", "/scratch"] {
        let root = container.root.join(directory.trim_start_matches('/'));
        look_for_programs(&root, &mut found);
    }
    found
}

fn look_for_programs(at: &Path, found: &mut Vec<(String, String)>) {
    const SET_ID: u32 = 0o6000;
    for entry in fs::read_dir(at).into_iter().flatten().flatten() {
        let Ok(it) = entry.metadata() else { continue };
        if it.is_file() && it.uid() == 0 && it.mode() & SET_ID != 0 {
            let path = entry.path();
            found.push(("set-id of root:".to_owned(), path.display().to_string()));
        }
        // What is mounted there belongs to somebody else.
        if it.is_dir() && entry.file_name() != "vol" {
            look_for_programs(&entry.path(), found);
        }
    }
}
