//! Where the programs are that we start by name: in the folders of `PATH`, never in the current one. Starts nothing.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

/// The file of the program `name`. An absolute path is the user's own word; of anything else the last name alone counts,
/// and is looked for in `PATH`: the current folder may be a stranger's repository, with a `docker` or `git` of its own.
pub fn find(name: &OsStr) -> io::Result<PathBuf> {
    let path = Path::new(name);
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    path.file_name()
        .and_then(|name| find_in(&folders, name))
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it is in no folder of `PATH`"))
}

fn find_in(folders: &OsStr, name: &OsStr) -> Option<PathBuf> {
    let mut name = name.to_owned();
    let suffix = std::env::consts::EXE_SUFFIX;
    if !name.to_string_lossy().ends_with(suffix) {
        name.push(suffix);
    }
    std::env::split_paths(folders)
        // An empty entry is the current folder, a relative one lies below it.
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(&name))
        .find(|file| can_be_run(file))
}

#[cfg(unix)]
fn can_be_run(file: &Path) -> bool {
    use rustix::fs::{Access, access};
    file.is_file() && access(file, Access::EXEC_OK).is_ok()
}

#[cfg(not(unix))]
fn can_be_run(file: &Path) -> bool {
    file.is_file()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_program_is_found_in_absolute_folders_alone_and_only_where_it_can_be_run() {
        let folder = tempfile::tempdir().unwrap();
        for (place, mode) in [("a", 0o644), ("b", 0o755), ("c", 0o755)] {
            let file = folder.path().join(place).join("git");
            fs::create_dir(file.parent().unwrap()).unwrap();
            fs::write(&file, "").unwrap();
            fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::create_dir_all(folder.path().join("d/git")).unwrap();
        let at = |place: &str| folder.path().join(place);
        let path = |places: &[PathBuf]| std::env::join_paths(places).unwrap();
        let found = |places: &[PathBuf]| find_in(&path(places), OsStr::new("git"));
        assert_eq!(
            found(&[at("none"), at("d"), at("a"), at("b"), at("c")]),
            Some(at("b/git"))
        );
        assert_eq!(found(&[at("a")]), None);
        // This test's current folder has a `src`, so the relative entry exists.
        for odd in ["", ".", "src", "./src", "../"] {
            assert_eq!(found(&[odd.into()]), None, "{odd:?}");
            assert_eq!(found(&[odd.into(), at("c")]), Some(at("c/git")), "{odd:?}");
        }
        assert_eq!(find_in(OsStr::new(""), OsStr::new("git")), None);
    }

    #[test]
    fn an_absolute_path_is_taken_as_it_is_and_of_a_relative_one_the_name_alone() {
        let name = |name: &str| find(OsStr::new(name)).map_err(|error| error.kind());
        assert_eq!(name("/no/such/docker"), Ok("/no/such/docker".into()));
        let sh = name("sh").unwrap();
        assert!(sh.is_absolute());
        assert_eq!(name("./sh"), Ok(sh.clone()));
        assert_eq!(name("some/where/sh"), Ok(sh));
        for none in ["", ".", "..", "/..", "no-such-program"] {
            let found = name(none);
            assert!(
                none == "/.." || found == Err(io::ErrorKind::NotFound),
                "{none:?}"
            );
        }
    }
}
