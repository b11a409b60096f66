//! Ends helpers of the same session that were left behind: an engine that was restarted while its containers ran on has forgotten
//! whom they speak to, and they wait for ever.

use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long one that was killed may take to be gone: what it had begun is only then cleared away.
const PATIENCE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(1);

/// Ends all other helpers whose executable was put where `own` was, by the same session.
pub fn end(own: &Path) {
    let Some((home, session)) = own.parent().zip(session(own)) else {
        return;
    };
    let elders: Vec<Pid> = processes()
        .filter(|pid| *pid != rustix::process::getpid())
        .filter(|pid| {
            executable(*pid).is_some_and(|other| {
                other.parent() == Some(home) && self::session(&other) == Some(session)
            })
        })
        .collect();
    for elder in &elders {
        let _ = kill_process(*elder, Signal::KILL);
    }
    let begun = Instant::now();
    // One that nobody reaps has no executable any more.
    while begun.elapsed() < PATIENCE && elders.iter().any(|elder| executable(*elder).is_some()) {
        std::thread::sleep(LOOK);
    }
}

/// `serve-SESSION` of `serve-SESSION-COUNT`, which is how the host calls them.
fn session(executable: &Path) -> Option<&[u8]> {
    let name = executable.file_name()?.as_bytes();
    let end = name.iter().rposition(|byte| *byte == b'-')?;
    let session = &name[..end];
    (session.starts_with(b"serve-") && session.len() > b"serve-".len()).then_some(session)
}

fn processes() -> impl Iterator<Item = Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
}

/// What a process runs; its name is mostly gone by now, and the kernel says so behind it.
fn executable(pid: Pid) -> Option<PathBuf> {
    let path = std::fs::read_link(format!("/proc/{}/exe", pid.as_raw_nonzero())).ok()?;
    let bytes = path.as_os_str().as_bytes();
    let name = bytes.strip_suffix(b" (deleted)").unwrap_or(bytes);
    Some(PathBuf::from(OsStr::from_bytes(name)))
}

#[cfg(test)]
mod tests {
    use super::session;
    use std::path::Path;

    #[test]
    fn a_session_is_known_by_its_executables_names() {
        let of = |name: &str| {
            session(Path::new("/.liveupdate").join(name).as_path()).map(<[u8]>::to_vec)
        };
        assert_eq!(
            of("serve-1a2b-7").as_deref(),
            Some(b"serve-1a2b".as_slice())
        );
        assert_eq!(of("serve-1a2b-8"), of("serve-1a2b-7"));
        assert_ne!(of("serve-1a2b-7"), of("serve-1a2c-7"));
        for other in ["init", "serve", "serve-1", "serve--1"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
