//! What a process and those below it use, from `/proc`. Knows no tool.

use std::collections::HashMap;
use std::fs;

/// The unit of times in `/proc/PID/stat`: `USER_HZ`, 100 on every Linux that runs Docker.
const TICKS_PER_SECOND: f64 = 100.0;

/// All processes below `ancestor`, without itself.
pub fn descendants(ancestor: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for pid in all() {
        if let Some(parent) = stat_field(pid, 3) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut open = vec![ancestor];
    while let Some(pid) = open.pop() {
        let below = children.remove(&pid).unwrap_or_default();
        open.extend(&below);
        found.extend(below);
    }
    found
}

/// All processes.
pub fn all() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// The path of the program, as the process itself would see it.
pub fn executable(pid: u32) -> Option<String> {
    let path = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    Some(path.to_string_lossy().into_owned())
}

/// Resident memory of these processes, in MiB.
pub fn resident_mib(pids: &[u32]) -> f64 {
    memory_mib(pids, "VmRSS:")
}

/// The most that each of them ever had, in MiB.
pub fn peak_mib(pids: &[u32]) -> f64 {
    memory_mib(pids, "VmHWM:")
}

fn memory_mib(pids: &[u32], key: &str) -> f64 {
    let kib: u32 = pids
        .iter()
        .filter_map(|pid| {
            status_line(*pid, key)?
                .split(' ')
                .next()?
                .parse::<u32>()
                .ok()
        })
        .sum();
    f64::from(kib) / 1024.0
}

/// Processor time of these processes so far, in seconds.
pub fn cpu_seconds(pids: &[u32]) -> f64 {
    let ticks: u32 = pids
        .iter()
        .filter_map(|pid| Some(stat_field(*pid, 13)? + stat_field(*pid, 14)?))
        .sum();
    f64::from(ticks) / TICKS_PER_SECOND
}

/// Processor time of all children that have ended, and of theirs, in seconds.
pub fn ended_cpu_seconds() -> f64 {
    let own = std::process::id();
    let ticks = stat_field(own, 15).zip(stat_field(own, 16));
    ticks.map_or(0.0, |(user, system)| {
        f64::from(user + system) / TICKS_PER_SECOND
    })
}

/// Inotify watches held by these processes.
pub fn inotify_watches(pids: &[u32]) -> usize {
    pids.iter()
        .flat_map(|pid| {
            fs::read_dir(format!("/proc/{pid}/fdinfo"))
                .into_iter()
                .flatten()
        })
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path()).ok())
        .map(|text| {
            text.lines()
                .filter(|line| line.starts_with("inotify "))
                .count()
        })
        .sum()
}

/// The command name, as the kernel keeps it.
pub fn name(pid: u32) -> Option<String> {
    Some(
        fs::read_to_string(format!("/proc/{pid}/comm"))
            .ok()?
            .trim()
            .into(),
    )
}

/// Field `index` of `/proc/PID/stat`, counted from 0; the command name may hold blanks and parentheses.
fn stat_field(pid: u32, index: usize) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.split(' ').nth(index - 2)?.parse().ok()
}

fn status_line(pid: u32, key: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.trim().into())
}
