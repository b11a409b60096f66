//! Who descends from whom, as /proc tells it.

use std::collections::HashSet;

/// A process, as far as it matters here.
struct Process {
    pid: i32,
    parent: i32,
    session: i32,
    dead: bool,
}

/// The living descendants of `root`, and whoever is in the session that `root` leads; without `root` itself.
pub fn descendants(root: i32) -> Vec<i32> {
    let mut processes = processes();
    // A child may have a lower number than its parent once numbers have wrapped: so not one pass, but until nothing is added.
    let mut family = HashSet::from([root]);
    loop {
        let before = family.len();
        for process in &processes {
            if process.session == root || family.contains(&process.parent) {
                family.insert(process.pid);
            }
        }
        if family.len() == before {
            break;
        }
    }
    processes.retain(|process| !process.dead && process.pid != root);
    processes
        .iter()
        .map(|process| process.pid)
        .filter(|pid| family.contains(pid))
        .collect()
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
    Some(Process {
        pid,
        parent,
        session,
        dead,
    })
}

/// Whether a process is there and no zombie.
pub fn lives(pid: i32) -> bool {
    process(pid).is_some_and(|process| !process.dead)
}
