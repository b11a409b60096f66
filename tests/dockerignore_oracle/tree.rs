//! The tree that every ignore file is tried on.

use std::{collections::BTreeSet, fs, path::Path};

/// Files; their directories come with them. Names that patterns can trip over are among them.
pub const FILES: &[&str] = &[
    ".dockerignore",
    ".git/config",
    ".hidden",
    "#a",
    "!a",
    "1ata",
    "README.md",
    "[a]",
    "^ab",
    "a b/f",
    "a*",
    "a-b",
    "a.o",
    "a/ab",
    "a/b.o",
    "a/b/c/f",
    "a/b/f",
    "a/x.log",
    "a\\b",
    "a]",
    "a^b",
    "a{2}b",
    "aa]",
    "aab",
    "ab/a/f",
    "ab/f",
    "abb",
    "b.o.x",
    "b/a.o",
    "b/a/f",
    "b/ab",
    "data",
    "deep/1/2/3/4/f",
    "docs/a.md",
    "docs/api/b.md",
    "f",
    "n\nl/f",
    "node_modules/m/README.md",
    "node_modules/m/f",
    "src/lib.c",
    "src/lib/a.c",
    "src/lib/b.c",
    "src/main.c",
    "x.a",
    "x.b",
    "x.log",
    "x.{a,b}",
    "y|z",
    "zy/f",
    "{a,b}",
    "é",
    "éa/é",
    "\u{feff}b",
    "srcmain",
];

const EMPTY_DIRECTORIES: &[&str] = &["empty", "a/empty"];

const LINKS: &[(&str, &str)] = &[("link", "f"), ("ablink", "a/b"), ("b/broken", "nowhere")];

pub struct Entry {
    pub path: String,
    kind: Kind,
}

#[derive(PartialEq, Eq)]
enum Kind {
    Directory,
    Other,
}

impl Entry {
    pub fn directory(&self) -> &str {
        self.path
            .rsplit_once('/')
            .map_or("", |(directory, _)| directory)
    }

    pub fn is_directory(&self) -> bool {
        self.kind == Kind::Directory
    }
}

/// All of the tree, each once.
pub fn entries() -> Vec<Entry> {
    let others: BTreeSet<&str> = FILES
        .iter()
        .copied()
        .chain(LINKS.iter().map(|&(link, _)| link))
        .collect();
    let directories: BTreeSet<&str> = others
        .iter()
        .chain(EMPTY_DIRECTORIES)
        .flat_map(|path| path.match_indices('/').map(|(end, _)| &path[..end]))
        .chain(EMPTY_DIRECTORIES.iter().copied())
        .collect();
    let entry = |path: &str, kind| Entry {
        path: path.to_owned(),
        kind,
    };
    let directories = directories
        .into_iter()
        .map(|path| entry(path, Kind::Directory));
    directories
        .chain(others.into_iter().map(|path| entry(path, Kind::Other)))
        .collect()
}

/// Writes the tree with this ignore file.
pub fn write(context: &Path, ignore_file: &[u8]) {
    for entry in entries().iter().filter(|entry| entry.is_directory()) {
        fs::create_dir_all(context.join(&entry.path)).unwrap();
    }
    for file in FILES {
        fs::write(context.join(file), "x").unwrap();
    }
    for (link, target) in LINKS {
        std::os::unix::fs::symlink(target, context.join(link)).unwrap();
    }
    fs::write(context.join(".dockerignore"), ignore_file).unwrap();
}
