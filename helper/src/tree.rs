//! Who descends from whom, as /proc tells it.

use std::collections::HashSet;

/// A process, as far as it matters here.
struct Process {
    pid: i32,
    parent: i32,
    session: i32,
    dead: bool,
    /// In ticks since the machine's start.
    started: u64,
}

/// The living descendants of `root`, and whoever is in the session that `root` leads; without `root` itself.
pub fn descendants(root: i32) -> Vec<i32> {
    family(&[root], |_| false)
}

/// The living descendants of `roots`, and those of our own children that started no earlier than `since`: a daemon that cut
/// every tie to what started it ends up as our child.
pub fn descendants_since(roots: &[i32], since: u64) -> Vec<i32> {
    let own = std::process::id().cast_signed();
    family(roots, |process| {
        process.parent == own && process.started >= since
    })
}

/// When a process started, to compare with others.
pub fn start(pid: i32) -> Option<u64> {
    process(pid).map(|process| process.started)
}

/// Whether a process is there and no zombie.
pub fn lives(pid: i32) -> bool {
    process(pid).is_some_and(|process| !process.dead)
}

fn family(roots: &[i32], belongs: impl Fn(&Process) -> bool) -> Vec<i32> {
    if !proc_is_ours() {
        return Vec::new();
    }
    let processes = processes();
    // A child may have a lower number than its parent once numbers have wrapped: so not one pass, but until nothing is added.
    let mut family: HashSet<i32> = roots.iter().copied().collect();
    loop {
        let before = family.len();
        for process in &processes {
            let is_relative = family.contains(&process.parent) || roots.contains(&process.session);
            if is_relative || belongs(process) {
                family.insert(process.pid);
            }
        }
        if family.len() == before {
            break;
        }
    }
    let living = processes
        .iter()
        .filter(|process| !process.dead)
        .map(|process| process.pid);
    living
        .filter(|pid| family.contains(pid) && !roots.contains(pid))
        .collect()
}

/// Whether /proc counts processes as we do: in a process namespace with another's /proc the numbers would be strangers'.
fn proc_is_ours() -> bool {
    std::fs::read_link("/proc/self")
        .is_ok_and(|own| own.to_str() == Some(std::process::id().to_string().as_str()))
}

fn processes() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(process)
        .collect()
}

fn process(pid: i32) -> Option<Process> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold any byte: what follows the last one is regular.
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(&stat[end + 1..]).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let dead = matches!(fields.next()?, "Z" | "X");
    let parent = fields.next()?.parse().ok()?;
    let _group = fields.next()?;
    let session = fields.next()?.parse().ok()?;
    // The 22nd field of the line; we are behind the 6th.
    let started = fields.nth(15)?.parse().ok()?;
    Some(Process {
        pid,
        parent,
        session,
        dead,
        started,
    })
}
