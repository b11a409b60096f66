//! Names that break careless programs. Names of files, of directories, and of what may be either never mix, so that a
//! file which only a container has cannot lose its directory to a file of the host's.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use super::rng::Rng;

const FILES: &[&[u8]] = &[
    b"main.rs",
    b"Main.rs",
    b"with space.txt",
    b" blank first",
    b"blank last ",
    b"new\nline",
    b"-dash",
    b"--help",
    b".hidden",
    b"\xc3\xbcnic\xc3\xb6de",
    b"u\xcc\x88nicode",
    b"not-utf8-\xff\xfe",
    b"$HOME",
    b"`tick`",
    b"*star?",
    b"[class]",
    b"{a,b}",
    b"back\\slash",
    b"quote'\"",
    b"tab\there",
    b"!bang",
    b"#hash",
    b"app.js",
    b"data.bin",
    b"notes.md",
    b".wh.whiteout",
];

const DIRECTORIES: &[&[u8]] = &[
    b"lib",
    b"deep",
    b"dir with space",
    b"-dir",
    b".dot",
    b"dir\nline",
    b"dir-\xfe",
    b"Lib",
    b"*dir",
];

const EITHER: &[&[u8]] = &[b"swap", b"swap two", b"-swap"];

/// A name for a file or a link.
pub fn file(rng: &mut Rng) -> OsString {
    if rng.percent(8) {
        return either(rng);
    }
    let mut name = rng.pick(FILES).map_or_else(Vec::new, |name| name.to_vec());
    if rng.percent(50) {
        name.extend(rng.below(40).to_string().bytes());
    }
    OsString::from_vec(name)
}

/// A name for a directory.
pub fn directory(rng: &mut Rng) -> OsString {
    let mut name = rng
        .pick(DIRECTORIES)
        .map_or_else(Vec::new, |name| name.to_vec());
    if rng.percent(50) {
        name.extend(rng.below(6).to_string().bytes());
    }
    OsString::from_vec(name)
}

/// A name that is a file now and a directory later.
pub fn either(rng: &mut Rng) -> OsString {
    let name = rng.pick(EITHER).map_or_else(Vec::new, |name| name.to_vec());
    OsString::from_vec(name)
}

/// Whether `name` is one from [`directory`], which no file ever takes.
pub fn is_directorys(name: &[u8]) -> bool {
    DIRECTORIES.iter().any(|known| {
        name.strip_prefix(*known)
            .is_some_and(|rest| rest.len() <= 1 && rest.iter().all(u8::is_ascii_digit))
    })
}
