//! The executable that lives in the container: `serve` speaks to the host, `init -- ARGV..` keeps the container's process.
//! Knows nothing of Docker, Compose or the host's disk.

#[path = "../../src/protocol/mod.rs"]
#[expect(
    dead_code,
    unused_imports,
    reason = "each side encodes what the other decodes"
)]
mod protocol;

mod batch;
mod control;
mod elders;
mod failure;
mod fate;
mod hashes;
mod init;
mod memory;
mod path;
mod rights;
mod run;
mod serve;
mod signals;
mod sweep;
mod tree;
mod user;
mod way;
mod wire;

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let words: Vec<&[u8]> = arguments
        .iter()
        .map(|word| std::os::unix::ffi::OsStrExt::as_bytes(word.as_os_str()))
        .collect();
    match words.as_slice() {
        [_, b"serve"] => {
            memory::give_back();
            serve::serve()
        }
        [_, b"init", b"--", _, ..] => init::init(&arguments[3..]),
        _ => {
            eprintln!("usage: liveupdate-helper serve | init -- PROGRAM [ARGUMENT..]");
            ExitCode::from(125)
        }
    }
}
