//! Files that a project names and that we read whole: regular ones, of a size that such a file can have. Nothing else is
//! waited for or read without end. Knows nothing of what they say.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::Path;

/// What is read at most, in bytes. Compose files, Dockerfiles, ignore and env files are written by people: the largest have
/// some hundred KiB. What is larger is something else, and would only fill the memory.
pub const LARGEST: u64 = 16 << 20;

/// Why something that stands where a file should is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Odd {
    /// A directory.
    #[error("is a directory, not a file")]
    Directory,
    /// A FIFO: whoever opens it waits for somebody to write.
    #[error("is a FIFO, not a file")]
    Fifo,
    /// A socket.
    #[error("is a socket, not a file")]
    Socket,
    /// A device, or whatever else the system has.
    #[error("is a device, not a file")]
    Device,
    /// More than [`LARGEST`].
    #[error("has more than {} MiB", LARGEST >> 20)]
    TooLarge,
}

impl Odd {
    /// What [`read`] says with `error`, if it is that.
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }

    /// What to do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::TooLarge => "is it the file that was meant? a smaller one has to stand there",
            _ => "put a file in its place, or name another one",
        }
    }
}

/// What there is of a file that need not be there.
pub type IfAny = Result<Option<Vec<u8>>, Odd>;

impl From<Odd> for io::Error {
    fn from(odd: Odd) -> Self {
        Self::new(io::ErrorKind::InvalidInput, odd)
    }
}

/// The whole content of the file at `path`, links followed; an [`Odd`] error for what is none.
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let path = path.as_ref();
    // Before it is opened: to open some devices is to do something.
    check(&std::fs::metadata(path)?)?;
    let file = open(path)?;
    // By now something else may stand there.
    check(&file.metadata()?)?;
    let mut content = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut content)?;
    if content.len() as u64 > LARGEST {
        return Err(Odd::TooLarge.into());
    }
    Ok(content)
}

/// The same of a file that need not be there, or not for us; what is [`Odd`] is an error all the same.
pub fn read_if_any(path: impl AsRef<Path>) -> IfAny {
    match read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) => Odd::of(&error).map_or(Ok(None), Err),
    }
}

fn check(found: &Metadata) -> Result<(), Odd> {
    if found.is_dir() {
        return Err(Odd::Directory);
    }
    if !found.is_file() {
        return Err(special(found));
    }
    if found.len() > LARGEST {
        return Err(Odd::TooLarge);
    }
    Ok(())
}

#[cfg(unix)]
fn special(found: &Metadata) -> Odd {
    use std::os::unix::fs::FileTypeExt as _;
    let kind = found.file_type();
    if kind.is_fifo() {
        Odd::Fifo
    } else if kind.is_socket() {
        Odd::Socket
    } else {
        Odd::Device
    }
}

#[cfg(not(unix))]
fn special(_: &Metadata) -> Odd {
    Odd::Device
}

/// Opened without waiting, should a FIFO have taken its place.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let how = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, how, Mode::empty())?))
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_a_regular_file_of_reasonable_size_is_read_and_links_to_one() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "text").unwrap();
        symlink("file", at("link")).unwrap();
        symlink("/dev/zero", at("device")).unwrap();
        fs::create_dir(at("directory")).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), fifo, mode, 0).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        let large = File::create(at("large")).unwrap();
        large.set_len(LARGEST + 1).unwrap();
        File::create(at("limit")).unwrap().set_len(LARGEST).unwrap();
        assert_eq!(read_if_any(at("file")), Ok(Some(b"text".to_vec())));
        assert_eq!(read_if_any(at("link")), Ok(Some(b"text".to_vec())));
        let limit = read(at("limit")).unwrap();
        assert_eq!(limit.len() as u64, LARGEST);
        assert_eq!(read_if_any(at("none")), Ok(None));
        for (name, odd) in [
            ("directory", Odd::Directory),
            ("fifo", Odd::Fifo),
            ("socket", Odd::Socket),
            ("device", Odd::Device),
            ("large", Odd::TooLarge),
        ] {
            assert_eq!(read_if_any(at(name)), Err(odd));
        }
        assert_eq!(Odd::TooLarge.to_string(), "has more than 16 MiB");
    }
}
