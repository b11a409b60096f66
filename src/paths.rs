//! The two kinds of path: on the host and in a container. Checked once on the way in; afterwards the type is the proof.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use crate::harmless;

/// As many directories a path is shown up from where the user stands; from further away it is clearer as a whole.
const MOST_UP: usize = 3;

/// Where the user stands, by the name he has for it and by the real one.
static HERE: OnceLock<[HostPath; 2]> = OnceLock::new();

/// An absolute path on the host, lexically clean: no `.`, no `..`, no doubled separators.
///
/// Symlinks are not resolved: a link is a thing of its own here (`spec.md` C5).
///
/// Sorted by components: a directory stands before what is in it, and that before its longer-named neighbours. As the
/// path is clean, comparing needs only its bytes; the standard library's way, component by component, took most of the
/// time of a batch of a thousand files.
#[derive(Clone, Debug)]
pub struct HostPath(PathBuf);

impl HostPath {
    /// `None` when `path` is relative: a relative path has no meaning once we leave the compose file.
    pub fn new(path: impl AsRef<Path>) -> Option<Self> {
        let path = path.as_ref();
        path.is_absolute().then(|| Self(clean(path)))
    }

    /// The current directory as Compose names it, `None` when it is gone: by the name in `PWD` where that leads there,
    /// so that a directory entered through a link is called the same on both sides.
    pub fn current_dir() -> Option<Self> {
        let real = std::env::current_dir().ok()?;
        let named = std::env::var_os("PWD").map(PathBuf::from).filter(|named| {
            named.is_absolute() && std::fs::canonicalize(named).is_ok_and(|named| named == real)
        });
        Self::new(named.unwrap_or(real))
    }

    /// `path` itself when absolute, else below `self`.
    #[must_use]
    pub fn join(&self, path: impl AsRef<Path>) -> Self {
        Self(clean(&self.0.join(path)))
    }

    /// From now on people are shown all paths as they would type them in this directory. Said once, at the program's start.
    pub fn stand_in(dir: HostPath) {
        let real = std::fs::canonicalize(&dir).ok().and_then(HostPath::new);
        let _ = HERE.set([dir.clone(), real.unwrap_or(dir)]);
    }

    /// The path as one types it in `dir`: `src/a`, `../x`, and whole where that is the shorter way.
    pub fn seen_from(&self, dir: &HostPath) -> Cow<'_, Path> {
        match self.way_from(dir) {
            Some(way) if way.as_os_str().is_empty() => Cow::Borrowed(Path::new(".")),
            // Without the slash after a last `..`.
            Some(way) if self.is_near(&way, dir) => Cow::Owned(way.components().collect()),
            _ => Cow::Borrowed(&self.0),
        }
    }

    fn is_near(&self, way: &Path, dir: &HostPath) -> bool {
        let up = way
            .components()
            .filter(|part| *part == Component::ParentDir)
            .count();
        // Two places that share only the root are not near each other.
        let names = |path: &Path| {
            let names = path
                .components()
                .filter(|part| matches!(part, Component::Normal(_)));
            names.count()
        };
        up == 0
            || up <= MOST_UP && up < names(&dir.0) && way.as_os_str().len() <= self.bytes().len()
    }

    /// The path as text for programs; what is no UTF-8 is replaced. People are shown its Display, which is harmless.
    pub fn verbatim(&self) -> Cow<'_, str> {
        self.0.to_string_lossy()
    }

    /// The path as the standard library sees it.
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// The part of `self` below `root`; empty for `root` itself, `None` outside of it.
    pub fn below<'a>(&'a self, root: &HostPath) -> Option<&'a Path> {
        let rest = self.bytes().strip_prefix(root.bytes())?;
        let on_a_border = rest.first().is_none_or(|byte| is_separator(*byte))
            || root.bytes().last().is_some_and(|byte| is_separator(*byte));
        on_a_border.then(|| self.rest(root, rest))?
    }

    /// What is left of the bytes is a path.
    #[cfg(unix)]
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "elsewhere bytes are no path"
    )]
    fn rest<'a>(&'a self, _: &HostPath, rest: &'a [u8]) -> Option<&'a Path> {
        use std::os::unix::ffi::OsStrExt as _;
        let rest = rest.strip_prefix(b"/").unwrap_or(rest);
        Some(Path::new(OsStr::from_bytes(rest)))
    }

    #[cfg(not(unix))]
    fn rest<'a>(&'a self, root: &HostPath, _: &'a [u8]) -> Option<&'a Path> {
        self.0.strip_prefix(&root.0).ok()
    }

    /// The relative path that leads from the directory `dir` to `self`, with `..` where it has to; `None` where none does.
    pub fn way_from(&self, dir: &HostPath) -> Option<PathBuf> {
        let mut way = PathBuf::new();
        let mut around = dir.clone();
        loop {
            if let Some(below) = self.below(&around) {
                return Some(way.join(below));
            }
            way.push("..");
            around = around.parent()?;
        }
    }

    fn bytes(&self) -> &[u8] {
        self.0.as_os_str().as_encoded_bytes()
    }

    /// The containing directory; `None` for a file system's root.
    pub fn parent(&self) -> Option<Self> {
        self.0.parent().map(|parent| Self(parent.to_path_buf()))
    }

    /// The containing directory and the name in it; a file system's root itself, with no name.
    pub fn parts(&self) -> (&Path, &OsStr) {
        let parts = self.0.parent().zip(self.0.file_name());
        parts.unwrap_or((&self.0, OsStr::new("")))
    }

    /// What `name`, one of those that [`parts`](Self::parts) gives, is in this directory.
    #[must_use]
    pub fn child(&self, name: &OsStr) -> Self {
        if name.is_empty() {
            return self.clone();
        }
        let mut path = PathBuf::with_capacity(self.bytes().len() + 1 + name.len());
        path.push(&self.0);
        path.push(name);
        Self(path)
    }

    /// How the [`child`](Self::child) `name` sorts against `path`, without being made.
    pub fn cmp_child(&self, name: &OsStr, path: &Self) -> Ordering {
        let Some(rest) = path.bytes().strip_prefix(self.bytes()) else {
            return self.cmp(path);
        };
        let ends_with_one = self.bytes().last().is_some_and(|byte| is_separator(*byte));
        let rest = match rest.split_first() {
            _ if ends_with_one => rest,
            Some((byte, rest)) if is_separator(*byte) => rest,
            // What ends a name sorts before every byte of a longer one.
            Some(_) if !name.is_empty() => return Ordering::Less,
            _ => return name.len().cmp(&rest.len()),
        };
        compare(name.as_encoded_bytes(), rest)
    }
}

fn is_separator(byte: u8) -> bool {
    std::path::is_separator(char::from(byte))
}

impl PartialEq for HostPath {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for HostPath {}

impl Hash for HostPath {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes().hash(state);
    }
}

/// In bytes.
const CHUNK: usize = 16;

impl PartialOrd for HostPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for HostPath {
    fn cmp(&self, other: &Self) -> Ordering {
        let (one, two) = (self.bytes(), other.bytes());
        // Most paths that are compared begin alike, which whole chunks tell faster than bytes.
        let chunks = one.chunks_exact(CHUNK).zip(two.chunks_exact(CHUNK));
        let alike = CHUNK * chunks.take_while(|(one, two)| one == two).count();
        compare(&one[alike..], &two[alike..])
    }
}

fn compare(one: &[u8], two: &[u8]) -> Ordering {
    // What ends a name sorts before every byte of a longer one.
    let rank = |byte: &u8| (!is_separator(*byte), *byte);
    match one.iter().zip(two).position(|(one, two)| one != two) {
        Some(at) => rank(&one[at]).cmp(&rank(&two[at])),
        None => one.len().cmp(&two.len()),
    }
}

impl AsRef<Path> for HostPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for HostPath {
    /// As the user would type it where he [stands](HostPath::stand_in).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = match HERE.get() {
            // Compose resolves links where we do not.
            Some([here, real]) if self.below(here).is_none() && self.below(real).is_some() => {
                self.seen_from(real)
            }
            Some([here, _]) => self.seen_from(here),
            None => Cow::Borrowed(self.as_path()),
        };
        f.pad(&harmless::value(&shown.to_string_lossy()))
    }
}

fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// An absolute, clean path in a container: bytes between slashes, as Linux has them.
///
/// Never empty; `/` is the root. Names need not be UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerPath(Vec<u8>);

impl ContainerPath {
    /// `None` when `path` does not begin with a slash (B4: a relative `remote_path` is an error).
    pub fn new(path: impl AsRef<[u8]>) -> Option<Self> {
        let path = path.as_ref();
        if path.first() != Some(&b'/') {
            return None;
        }
        let mut parts: Vec<&[u8]> = Vec::new();
        for part in path.split(|&byte| byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => {
                    parts.pop();
                }
                name => parts.push(name),
            }
        }
        let mut clean = Vec::with_capacity(path.len());
        for part in parts {
            clean.push(b'/');
            clean.extend_from_slice(part);
        }
        if clean.is_empty() {
            clean.push(b'/');
        }
        Some(Self(clean))
    }

    /// The place of a host's relative path below this directory.
    #[must_use]
    pub fn join(&self, relative: &Path) -> Self {
        let mut joined = self.0.clone();
        for component in relative.components() {
            if let Component::Normal(name) = component {
                if joined.last() != Some(&b'/') {
                    joined.push(b'/');
                }
                joined.extend_from_slice(name.as_encoded_bytes());
            }
        }
        Self(joined)
    }

    /// The path as text for programs; what is no UTF-8 is replaced. People are shown its Display, which is harmless.
    pub fn verbatim(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// The path's bytes, as the kernel takes them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The last name; empty for the root.
    pub fn file_name(&self) -> &[u8] {
        self.0
            .rsplit(|&byte| byte == b'/')
            .next()
            .unwrap_or_default()
    }

    /// The containing directory; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.0 == b"/" {
            return None;
        }
        let slash = self.0.iter().rposition(|&byte| byte == b'/')?;
        Some(Self(self.0[..slash.max(1)].to_vec()))
    }

    /// Whether `self` is `root` or lies below it.
    pub fn is_within(&self, root: &ContainerPath) -> bool {
        root.0 == b"/"
            || self
                .0
                .strip_prefix(root.0.as_slice())
                .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }
}

impl fmt::Display for ContainerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&harmless::value(&self.verbatim()))
    }
}

impl fmt::Debug for ContainerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.verbatim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_host_path_is_absolute_and_clean() {
        assert_eq!(HostPath::new("src"), None);
        let path = HostPath::new("/p/./a//b/../c/").unwrap();
        assert_eq!(path.to_string(), "/p/a/c");
        assert_eq!(
            path.below(&HostPath::new("/p").unwrap()),
            Some(Path::new("a/c"))
        );
        assert_eq!(path.below(&HostPath::new("/pp").unwrap()), None);
    }

    #[test]
    fn a_path_is_shown_as_one_types_it_from_where_one_stands() {
        let seen = |path: &str, dir: &str| {
            let path = HostPath::new(path).unwrap();
            let dir = HostPath::new(dir).unwrap();
            path.seen_from(&dir).to_string_lossy().into_owned()
        };
        for (path, dir, shown) in [
            ("/home/me/shop/src/a", "/home/me/shop", "src/a"),
            ("/home/me/shop", "/home/me/shop", "."),
            ("/home/me/shop/src/a", "/home/me", "shop/src/a"),
            ("/home/me/common/x", "/home/me/shop", "../common/x"),
            ("/home/me", "/home/me/shop", ".."),
            ("/home/me/x", "/home/me/a/b/c", "../../../x"),
            ("/home/me/x", "/home/me/a/b/c/d", "/home/me/x"),
            ("/home/mess", "/home/me", "../mess"),
            // Only the root in common, or longer than the whole.
            ("/etc/hosts", "/home/me/shop", "/etc/hosts"),
            ("/srv/x", "/srv/a/b/c", "/srv/x"),
            ("/a", "/", "a"),
        ] {
            assert_eq!(seen(path, dir), shown, "{path} from {dir}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_leads_to_the_path(path in "(/[a-c]{1,2}){1,6}", dir in "(/[a-c]{1,2}){1,6}") {
            let (path, dir) = (HostPath::new(path).unwrap(), HostPath::new(dir).unwrap());
            prop_assert_eq!(dir.join(path.seen_from(&dir)), path);
        }

        #[test]
        fn host_paths_compare_as_their_components_do(
            one in "(/[a!.-]{1,2}){1,4}", two in "(/[a!.-]{1,2}){1,4}"
        ) {
            let (one, two) = (HostPath::new(one).unwrap(), HostPath::new(two).unwrap());
            prop_assert_eq!(one.cmp(&two), one.as_path().cmp(two.as_path()));
            prop_assert_eq!(one == two, one.as_path() == two.as_path());
            prop_assert_eq!(one.below(&two), one.as_path().strip_prefix(two.as_path()).ok());
            let (directory, name) = one.parts();
            let directory = HostPath::new(directory).unwrap();
            prop_assert_eq!(&directory.child(name), &one);
            prop_assert_eq!(directory.cmp_child(name, &two), one.cmp(&two));
        }
    }

    #[test]
    fn a_container_path_is_absolute_and_clean() {
        assert_eq!(ContainerPath::new("app"), None);
        assert!(ContainerPath::new("").is_none());
        let path = ContainerPath::new("/app//x/../y/.").unwrap();
        assert_eq!(path.to_string(), "/app/y");
        assert_eq!(path.file_name(), b"y");
        assert_eq!(path.parent().unwrap().to_string(), "/app");
        assert_eq!(path.parent().unwrap().parent().unwrap().to_string(), "/");
        assert_eq!(ContainerPath::new("/").unwrap().parent(), None);
    }

    #[test]
    fn people_are_shown_a_harmless_name_and_programs_the_name_itself() {
        let name = "/p/a\u{1b}[31m\nb";
        let (host, there) = (
            HostPath::new(name).unwrap(),
            ContainerPath::new(name).unwrap(),
        );
        assert_eq!(host.to_string(), r"/p/a\u{1b}[31m\nb");
        assert_eq!(there.to_string(), host.to_string());
        assert_eq!(
            (host.verbatim(), there.verbatim()),
            (name.into(), name.into())
        );
    }

    #[test]
    fn a_sibling_that_shares_a_prefix_is_not_within() {
        let root = ContainerPath::new("/app").unwrap();
        assert!(ContainerPath::new("/app/x").unwrap().is_within(&root));
        assert!(!ContainerPath::new("/apple").unwrap().is_within(&root));
    }

    proptest! {
        #[test]
        fn joining_never_leaves_the_target(relative in "[a-z./]{0,20}") {
            let root = ContainerPath::new("/app").unwrap();
            prop_assert!(root.join(Path::new(&relative)).is_within(&root));
        }
    }
}
