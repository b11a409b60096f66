//! Names that editors give to short-lived files: probes, swap, lock and backup files. Pure; `docs/traps.md` has the list.

use std::path::Path;

use super::scope::has_part;

/// The pattern by which `relative` is an editor's temporary file or lies in an editor's own directory; `None` when it is neither.
pub(super) fn temporary(relative: &Path) -> Option<&'static str> {
    let name = relative.file_name()?.as_encoded_bytes();
    directory(relative).or_else(|| {
        NAMES
            .iter()
            .find(|(_, matches)| matches(name))
            .map(|(pattern, _)| *pattern)
    })
}

/// Whether the file's name is one that usually exists only for moments. If it stays, it is a file like any other.
pub(super) fn momentary(path: &Path) -> bool {
    let name = path.file_name().map(std::ffi::OsStr::as_encoded_bytes);
    // Vim's probe for write permission; the Go tools' probe for the umask.
    name.is_some_and(|name| name == b"4913" || name.ends_with(b"-go-tmp-umask"))
}

/// The pattern by which `relative` is an editor's own directory or lies below one.
pub(super) fn directory(relative: &Path) -> Option<&'static str> {
    has_part(relative, b".idea").then_some(".idea/**")
}

type Matches = fn(&[u8]) -> bool;

/// Each pattern with the editors that use it. They apply to a file's own name, never to a directory above it: a directory
/// `old~` is the user's data.
const NAMES: &[(&str, Matches)] = &[
    // Vim's swap files.
    (".*.sw?", |name| {
        name.len() >= 6 && name[0] == b'.' && name[..name.len() - 1].ends_with(b".sw")
    }),
    // Emacs: lock, auto-save.
    (".#*", |name| name.starts_with(b".#")),
    ("#*#", |name| {
        name.len() >= 2 && name.starts_with(b"#") && name.ends_with(b"#")
    }),
    // Backups of Vim, Emacs, gedit and others.
    ("*~", |name| name.ends_with(b"~")),
    // JetBrains' safe write.
    ("*___jb_tmp___", |name| name.ends_with(b"___jb_tmp___")),
    ("*___jb_old___", |name| name.ends_with(b"___jb_old___")),
    // GLib: gedit and GNOME's other editors.
    (".goutputstream-*", |name| {
        name.starts_with(b".goutputstream-")
    }),
    (".*.kate-swp", |name| {
        name.starts_with(b".") && name.ends_with(b".kate-swp")
    }),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editors_temporary_files_are_known_by_their_names() {
        for (path, pattern) in [
            (".#main.py", ".#*"),
            ("a/#main.py#", "#*#"),
            ("main.py~", "*~"),
            (".main.py.swp", ".*.sw?"),
            ("src/.x.swx", ".*.sw?"),
            ("main.py___jb_tmp___", "*___jb_tmp___"),
            ("main.py___jb_old___", "*___jb_old___"),
            (".goutputstream-A1B2C3", ".goutputstream-*"),
            (".main.py.kate-swp", ".*.kate-swp"),
            ("web/.idea/workspace.xml", ".idea/**"),
            (".idea", ".idea/**"),
        ] {
            assert_eq!(temporary(Path::new(path)), Some(pattern), "{path}");
        }
    }

    #[test]
    fn probes_are_known_by_their_names_and_are_files_when_they_stay() {
        for path in ["/p/src/4913", "/p/x-go-tmp-umask"] {
            assert!(momentary(Path::new(path)), "{path}");
            assert_eq!(temporary(Path::new(path)), None, "{path}");
        }
        for path in ["/p/4913/data", "/p/49130", "/"] {
            assert!(!momentary(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn ordinary_files_are_not_taken_for_temporary_ones() {
        for path in [
            "",
            "main.py",
            "49130",
            "4913/data.json",
            "#",
            "#notes",
            "a.swp",
            ".swp",
            ".sw",
            "old~/main.py",
            ".idea.md",
            "idea/x",
        ] {
            assert_eq!(temporary(Path::new(path)), None, "{path}");
        }
    }
}
