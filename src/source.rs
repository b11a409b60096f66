//! A host file that is read for a container: below the directory it is synced from, and never through a link, whatever is
//! put in the place of a file or of a directory meanwhile. Knows nothing of containers.

use std::fs::{File, Metadata};
use std::io;

use crate::paths::HostPath;

/// Which file is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    path: HostPath,
    /// How many of the path's last names no link may stand for. What is above them is the user's own way to the directory.
    depth: usize,
    /// It is read to its end, whatever is done to it meanwhile.
    to_the_end: bool,
}

impl Source {
    /// The file at `path`, `depth` names below what is synced; 0 is the synced file itself.
    pub fn below(path: HostPath, depth: usize) -> Self {
        Self {
            path,
            depth: depth.max(1),
            to_the_end: false,
        }
    }

    /// The same, read to its end whatever is done to it meanwhile: a file that is never left alone has to arrive as well.
    #[must_use]
    pub fn to_the_end(self) -> Self {
        Self {
            to_the_end: true,
            ..self
        }
    }

    /// Whether what is read of the file that was `opened` is of no use any more: another one stands in its place, or it was
    /// written over. One that only grew is right as far as it was.
    pub fn has_changed(&self, opened: &Metadata) -> bool {
        if self.to_the_end {
            return false;
        }
        // What is gone, or cannot be seen any more, is no file to be read.
        std::fs::symlink_metadata(self.path.as_path()).map_or(true, |found| {
            !is_same_file(&found, opened)
                || found.len() < opened.len()
                || (found.len() == opened.len() && found.modified().ok() != opened.modified().ok())
        })
    }

    /// Its path.
    pub fn path(&self) -> &HostPath {
        &self.path
    }

    /// Opens it for reading, with what it is right now. Anything but a regular file is an error, as if nothing stood there;
    /// a FIFO in its place is not waited for.
    pub fn open(&self) -> io::Result<(File, Metadata)> {
        let file = self.open_without_links()?;
        let found = file.metadata()?;
        if found.is_file() {
            Ok((file, found))
        } else {
            Err(no_file_any_more())
        }
    }

    #[cfg(unix)]
    fn open_without_links(&self) -> io::Result<File> {
        use rustix::fs::{CWD, Mode, OFlags, openat};
        use rustix::io::Errno;

        let last = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = if self.depth == 1 {
            openat(CWD, self.path.as_path(), last, Mode::empty())
        } else {
            self.directory()
                .and_then(|(directory, name)| openat(directory, name, last, Mode::empty()))
        };
        match opened {
            Ok(file) => Ok(File::from(file)),
            Err(Errno::LOOP | Errno::NOTDIR | Errno::MLINK) => Err(no_file_any_more()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The directory that it lies in, entered name by name.
    #[cfg(unix)]
    fn directory(&self) -> rustix::io::Result<(rustix::fd::OwnedFd, &std::ffi::OsStr)> {
        use rustix::fs::{CWD, Mode, OFlags, openat};

        // Searching is enough; Linux has a word for it.
        #[cfg(target_os = "linux")]
        let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        #[cfg(not(target_os = "linux"))]
        let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;

        let path = self.path.as_path();
        let root = path.ancestors().nth(self.depth).unwrap_or(path);
        let mut names: Vec<&std::ffi::OsStr> = path
            .strip_prefix(root)
            .map(|below| below.iter().collect())
            .unwrap_or_default();
        let last = names.pop().unwrap_or_default();
        let mut directory = openat(CWD, root, how, Mode::empty())?;
        for name in names {
            directory = openat(&directory, name, how | OFlags::NOFOLLOW, Mode::empty())?;
        }
        Ok((directory, last))
    }

    #[cfg(not(unix))]
    fn open_without_links(&self) -> io::Result<File> {
        if std::fs::symlink_metadata(self.path.as_path())?.is_symlink() {
            return Err(no_file_any_more());
        }
        File::open(self.path.as_path())
    }
}

/// A file that is synced by itself.
impl From<HostPath> for Source {
    fn from(path: HostPath) -> Self {
        Self::below(path, 0)
    }
}

#[cfg(unix)]
fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Times and sizes have to do.
#[cfg(not(unix))]
fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    one.is_file() == other.is_file() && one.created().ok() == other.created().ok()
}

fn no_file_any_more() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "is no file any more")
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    use super::*;

    fn read(folder: &std::path::Path, path: &str, depth: usize) -> Result<String, io::ErrorKind> {
        let path = HostPath::new(folder.join(path)).unwrap();
        let (mut file, found) = Source::below(path, depth)
            .open()
            .map_err(|error| error.kind())?;
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(found.len(), text.len() as u64);
        Ok(text)
    }

    #[test]
    fn a_file_is_read_through_no_link_below_what_is_synced() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("real/d/e")).unwrap();
        fs::write(root.join("real/d/e/f"), "inside").unwrap();
        symlink("d", root.join("real/link")).unwrap();
        symlink("f", root.join("real/d/e/to-f")).unwrap();
        symlink("real", root.join("entered")).unwrap();
        let gone = Err(io::ErrorKind::NotFound);
        assert_eq!(read(root, "real/d/e/f", 3), Ok("inside".into()));
        assert_eq!(read(root, "real/link/e/f", 3), gone);
        assert_eq!(read(root, "real/d/e/to-f", 3), gone);
        assert_eq!(read(root, "real/d/e/to-f", 0), gone);
        assert_eq!(read(root, "real/d/e", 2), gone);
        // The way to what is synced is the user's own.
        assert_eq!(read(root, "entered/d/e/f", 3), Ok("inside".into()));
        assert_eq!(read(root, "real/link/e/f", 1), Ok("inside".into()));
    }

    #[test]
    fn a_fifo_in_the_files_place_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert_eq!(read(folder.path(), "f", 0), Err(io::ErrorKind::NotFound));
    }
}
