//! What the torture project's ignore file leaves out, told by hand: a second opinion must not come from the code under test.

use std::ffi::OsStr;
use std::path::Path;

/// The ignore file.
pub const DOCKERIGNORE: &str = "**/node_modules\n**/*.secret\nsrc/private\n";

/// The same for the peer, whose rules want it said again.
pub const PATTERNS: &str = "['**/node_modules', '**/*.secret', 'src/private']";

/// Whether a path below the project is left out.
pub fn is_ignored(path: &Path) -> bool {
    path.starts_with("src/private") || is_ignored_anywhere(path) || path.ancestors().any(is_secret)
}

/// Whether a path is left out for what its own part of the names says, whatever stands above it.
pub fn is_ignored_anywhere(path: &Path) -> bool {
    path.components()
        .any(|part| part.as_os_str() == "node_modules")
}

/// The builder's `**/` before a pattern does not cross a line break, so it takes such a file into the image.
fn is_secret(path: &Path) -> bool {
    let bytes = |part: &OsStr| part.as_encoded_bytes().to_vec();
    path.file_name()
        .is_some_and(|name| bytes(name).ends_with(b".secret"))
        && path
            .parent()
            .is_none_or(|above| !bytes(above.as_os_str()).contains(&b'\n'))
}

#[test]
fn the_second_opinion_on_ignored_files_is_right_about_the_torture_project() {
    for path in [
        "src/private",
        "src/private/a",
        "static/d/x.secret",
        "src/node_modules/p/i.js",
    ] {
        assert!(is_ignored(Path::new(path)), "{path}");
    }
    for path in [
        "src/a",
        "static/private/a",
        "src/secret",
        "src/x.secrets",
        "src/node_modules2",
    ] {
        assert!(!is_ignored(Path::new(path)), "{path}");
    }
}
