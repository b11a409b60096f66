//! What stands at a path, on the host or in a container, in a form that can be compared.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Nodes by their path below the root, which itself is the empty path.
pub type Tree = BTreeMap<PathBuf, Node>;

/// A file, folder or link.
#[derive(Clone, PartialEq, Eq)]
pub enum Node {
    /// A folder and its permissions.
    Folder { mode: u32 },
    /// A file. Without its time: the builder's cache gives an unchanged file the time of an earlier build.
    File { mode: u32, content: Vec<u8> },
    /// A symbolic link and where it leads.
    Link { to: PathBuf },
    /// Anything else.
    Special,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder { mode } => write!(f, "folder {mode:o}"),
            Self::File { mode, content } => {
                let start = &content[..content.len().min(40)];
                let text = String::from_utf8_lossy(start);
                write!(f, "file {mode:o} {} bytes {text:?}", content.len())
            }
            Self::Link { to } => write!(f, "link to {}", to.display()),
            Self::Special => f.write_str("special"),
        }
    }
}

/// The host's tree.
#[track_caller]
pub fn of_host(root: &Path) -> Tree {
    let mut tree = Tree::new();
    gather(root, Path::new(""), &mut tree);
    tree
}

fn gather(root: &Path, below: &Path, tree: &mut Tree) {
    // `join("")` would add a slash, and that follows a link.
    let path = if below.as_os_str().is_empty() {
        root.to_owned()
    } else {
        root.join(below)
    };
    let metadata = fs::symlink_metadata(&path).unwrap();
    let mode = metadata.mode() & 0o7777;
    let node = if metadata.is_dir() {
        for entry in fs::read_dir(&path).unwrap() {
            gather(root, &below.join(entry.unwrap().file_name()), tree);
        }
        Node::Folder { mode }
    } else if metadata.is_symlink() {
        Node::Link {
            to: fs::read_link(&path).unwrap(),
        }
    } else if metadata.is_file() {
        Node::File {
            mode,
            content: fs::read(&path).unwrap(),
        }
    } else {
        Node::Special
    };
    tree.insert(below.to_owned(), node);
}

/// A container's tree, as `docker cp CONTAINER:PATH -` hands it out; it breaks off when something vanishes meanwhile.
pub fn of_archive(bytes: &[u8]) -> io::Result<Tree> {
    let mut archive = tar::Archive::new(bytes);
    let mut tree = Tree::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path_bytes().into_owned();
        // The first name is that of the root.
        let mut parts = name.splitn(2, |byte| *byte == b'/');
        let below = parts.nth(1).unwrap_or_default();
        let below = below.strip_suffix(b"/").unwrap_or(below);
        let header = entry.header();
        let mode = header.mode()? & 0o7777;
        let node = match header.entry_type() {
            kind if kind.is_dir() => Node::Folder { mode },
            kind if kind.is_symlink() => Node::Link {
                to: PathBuf::from(std::ffi::OsString::from_vec(
                    entry.link_name_bytes().unwrap_or_default().into_owned(),
                )),
            },
            kind if kind.is_file() => {
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                Node::File { mode, content }
            }
            _ => Node::Special,
        };
        tree.insert(PathBuf::from(OsStr::from_bytes(below)), node);
    }
    Ok(tree)
}

/// The text of a tree that is one file.
pub fn text(mut tree: Tree) -> Option<String> {
    match tree.remove(Path::new(""))? {
        Node::File { content, .. } => Some(String::from_utf8_lossy(&content).into_owned()),
        _ => None,
    }
}
