//! What a tool uses while nothing happens.

use std::fmt;
use std::thread::sleep;
use std::time::Duration;

use super::project::Project;
use super::tools::{Result, interrupt, process};

/// Memory and processor time at rest.
pub struct Idle {
    /// Resident memory of all processes below the docker command, in MiB.
    pub resident_mib: f64,
    /// Processor time used, in percent of one core.
    pub cpu_percent: f64,
    /// Which processes those are.
    processes: Vec<String>,
    /// Resident memory of what the tool keeps running in the container, in MiB.
    inside_mib: f64,
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "{:.1} MiB in {} (without the docker command, their parent), {:.2} MiB in the container, {:.2} % of a core",
            self.resident_mib,
            self.processes.join(" + "),
            self.inside_mib,
            self.cpu_percent
        )
    }
}

/// Watches the watcher for `time`.
pub fn measure(project: &Project, time: Duration) -> Result<Idle> {
    // What the last update left to do is done by then.
    sleep(Duration::from_secs(2));
    let pids = project.running.processes();
    let before = process::cpu_seconds(&pids);
    for _ in 0..time.as_secs() {
        interrupt::check()?;
        sleep(Duration::from_secs(1));
    }
    let used = process::cpu_seconds(&pids) - before;
    let inside: Vec<_> = processes_in(&project.container)
        .into_iter()
        .filter(|pid| process::executable(*pid).is_some_and(|path| path.contains("liveupdate")))
        .collect();
    Ok(Idle {
        resident_mib: process::resident_mib(&pids),
        cpu_percent: used / time.as_secs_f64() * 100.0,
        processes: pids.iter().filter_map(|pid| process::name(*pid)).collect(),
        inside_mib: process::resident_mib(&inside),
    })
}

/// All processes of the container, those of an exec as well: their control group carries its ID.
fn processes_in(container: &str) -> Vec<u32> {
    process::all()
        .into_iter()
        .filter(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/cgroup"))
                .is_ok_and(|groups| groups.contains(container))
        })
        .collect()
}
