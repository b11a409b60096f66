//! Why a request was refused, in the protocol's terms and in words.

use crate::protocol::{Code, Reply};
use rustix::io::Errno;

/// A refusal, on its way to the host.
#[derive(Debug)]
pub struct Failure {
    pub code: Code,
    pub errno: u32,
    pub partly: bool,
    pub path: Vec<u8>,
    pub text: String,
}

impl Failure {
    /// The kernel said no.
    pub fn system(errno: Errno, path: &[u8]) -> Self {
        let code = if errno == Errno::BUSY {
            Code::MountPoint
        } else {
            Code::System
        };
        Self {
            errno: number(errno),
            ..Self::new(code, path, words(errno))
        }
    }

    /// We said no.
    pub fn new(code: Code, path: &[u8], text: impl Into<String>) -> Self {
        Self {
            code,
            errno: 0,
            partly: false,
            path: path.to_vec(),
            text: text.into(),
        }
    }

    pub fn reply(&self) -> Reply<'_> {
        Reply::Failed {
            code: self.code,
            errno: self.errno,
            partly: self.partly,
            path: &self.path,
            text: self.text.as_bytes(),
        }
    }
}

/// An error's number, for the wire.
pub fn number(errno: Errno) -> u32 {
    errno.raw_os_error().unsigned_abs()
}

/// The kernel's reason as the C library words it, without the number.
pub fn words(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}

/// The errno of an error of the standard library.
pub fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
