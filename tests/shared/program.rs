//! Programs that tests write and start.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes an executable that can be started at once. Another process does it: what this one has open for writing, a
/// child that another test starts at that moment has open too until it runs its own program, and nothing that is open
/// for writing can be executed (ETXTBSY).
#[track_caller]
pub fn write_program(path: &Path, content: impl AsRef<[u8]>) {
    let mut shell = Command::new("sh")
        .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = shell.stdin.take().unwrap();
    pipe.write_all(content.as_ref()).unwrap();
    drop(pipe);
    assert!(shell.wait().unwrap().success(), "{}", path.display());
}
