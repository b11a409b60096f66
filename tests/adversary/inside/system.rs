//! What the standard library has no words for.

use std::ffi::{CString, c_char, c_int, c_uint};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

pub const KILL: c_int = 9;
pub const CONT: c_int = 18;
pub const STOP: c_int = 19;

unsafe extern "C" {
    #[link_name = "mkfifo"]
    fn c_mkfifo(path: *const c_char, mode: c_uint) -> c_int;
    #[link_name = "kill"]
    fn c_kill(pid: c_int, signal: c_int) -> c_int;
    #[link_name = "geteuid"]
    fn c_geteuid() -> c_uint;
    #[link_name = "getuid"]
    fn c_getuid() -> c_uint;
}

pub fn mkfifo(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else {
        return false;
    };
    // SAFETY: a string that ends with zero and lives as long as the call.
    unsafe { c_mkfifo(path.as_ptr(), 0o666) == 0 }
}

pub fn kill(pid: i32, signal: c_int) -> bool {
    // SAFETY: takes two numbers.
    unsafe { c_kill(pid, signal) == 0 }
}

pub fn kill_all(pids: &[i32], signal: c_int) {
    for pid in pids {
        kill(*pid, signal);
    }
}

/// The real and the effective user.
pub fn users() -> (u32, u32) {
    // SAFETY: they cannot fail.
    unsafe { (c_getuid(), c_geteuid()) }
}

/// All processes that can be seen, with their command lines.
pub fn processes() -> Vec<(i32, String)> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            Some((pid, String::from_utf8_lossy(&line).replace('\0', " ")))
        })
        .collect()
}

/// The helpers that run here, real or not.
pub fn helpers() -> Vec<i32> {
    processes()
        .into_iter()
        .filter(|(_, line)| line.contains("/.liveupdate/serve-"))
        .map(|(pid, _)| pid)
        .collect()
}
