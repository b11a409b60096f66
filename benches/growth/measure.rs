//! One number of services on one tree: started, saved, verified, robbed of its events.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Options;
use crate::tools::docker::Docker;
use crate::tools::median::median;
use crate::tools::project::ComposeProject;
use crate::tools::running::Running;
use crate::tools::{Result, Tool, interrupt, process};
use crate::tree::Tree;

/// What it cost.
#[derive(Default)]
pub struct Cost {
    pub compose: Duration,
    pub ready: Duration,
    pub ready_cpu: f64,
    pub resident_mib: f64,
    pub peak_mib: f64,
    pub save: Duration,
    pub worst_save: Duration,
    pub verify: Duration,
    pub verify_cpu: f64,
    pub rescan: Duration,
    pub rescan_cpu: f64,
}

/// The tool's command name, of which the kernel keeps the beginning.
const TOOL: &str = "docker-liveupdate";
/// So many saves are measured.
const SAVES: usize = 20;

/// Measures everything, and stops what it has started.
pub fn all(
    docker: &Docker,
    project: &ComposeProject,
    tree: &Tree,
    options: &Options,
) -> Result<Cost> {
    let limit = Duration::from_secs(options.limit);
    let mut cost = Cost::default();
    let up = ["up", "--detach", "--no-build"];
    project.compose(&up)?;
    let mut first = start(docker, project)?;
    // What the containers do not have yet is brought, unmeasured.
    first.ready(limit)?;
    (cost.compose, ()) = median(options.runs, || {
        let begun = Instant::now();
        project.compose(&up)?;
        Ok((begun.elapsed(), ()))
    })?;
    let mut running = Some(first);
    (cost.ready, cost.ready_cpu) = median(options.runs, || {
        // The one before ends first.
        running = None;
        let running = running.insert(start(docker, project)?);
        let ready = running.ready(limit)?;
        Ok((ready, process::cpu_seconds(&tool(running))))
    })?;
    let running = running.ok_or("no runs were asked for")?;
    let places = places(docker, project, tree)?;
    measure_saves(&places, limit, &mut cost)?;
    cost.resident_mib = process::resident_mib(&tool(&running));
    cost.peak_mib = process::peak_mib(&tool(&running));
    measure_rescan(&running, tree, &places, limit, &mut cost)?;
    measure_verify(docker, project, options.runs, &mut cost)?;
    Ok(cost)
}

fn start(docker: &Docker, project: &ComposeProject) -> Result<Running> {
    let output = project.beside("output");
    Running::start(
        Tool::LiveUpdate,
        docker,
        &project.file,
        &project.name,
        &output,
    )
}

/// The tool's own process, without Compose's.
fn tool(running: &Running) -> Vec<u32> {
    let mut processes = running.processes();
    // All that it starts is Docker's or Compose's.
    processes.retain(|pid| process::name(*pid).is_some_and(|name| TOOL.starts_with(&name)));
    processes
}

/// One file of each service, and where its container has it.
fn places(
    docker: &Docker,
    project: &ComposeProject,
    tree: &Tree,
) -> Result<Vec<(PathBuf, PathBuf)>> {
    let mut places = Vec::new();
    for service in 0..tree.services {
        let (file, below) = tree.own_file(service);
        let containers = docker.containers(&project.name, &format!("s{service}"))?;
        let container = containers.first().ok_or("a container does not run")?;
        places.push((file, docker.root_dir(container)?.join(below)));
    }
    Ok(places)
}

fn measure_saves(places: &[(PathBuf, PathBuf)], limit: Duration, cost: &mut Cost) -> Result<()> {
    let mut saves = Vec::new();
    for number in 0..SAVES {
        sleep(Duration::from_millis(30));
        let (file, place) = &places[number % places.len()];
        let begun = Instant::now();
        fs::write(file, format!("save {number}\n"))?;
        await_file(file, place, begun, limit)?;
        saves.push(begun.elapsed());
    }
    saves.sort();
    cost.save = saves[SAVES / 2];
    cost.worst_save = saves[SAVES - 1];
    Ok(())
}

/// Until `place` holds what `file` does.
fn await_file(file: &Path, place: &Path, since: Instant, limit: Duration) -> Result<()> {
    let wanted = fs::read(file)?;
    while fs::read(place).ok().as_ref() != Some(&wanted) {
        interrupt::check()?;
        if since.elapsed() > limit {
            return Err(format!("`{}` did not come into its container", file.display()).into());
        }
        sleep(Duration::from_micros(200));
    }
    Ok(())
}

/// The tool sleeps while more happens than the system's queue of events holds.
fn measure_rescan(
    running: &Running,
    tree: &Tree,
    places: &[(PathBuf, PathBuf)],
    limit: Duration,
    cost: &mut Cost,
) -> Result<()> {
    let queue = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events")?;
    let queue: usize = queue.trim().parse()?;
    let processes = tool(running);
    let before = process::cpu_seconds(&processes);
    signal(&processes, Signal::STOP)?;
    for number in 0..queue + 16 {
        // One after the other: two alike in a row are one.
        fs::write(tree.unheard(number % 2), "")?;
    }
    for (file, _) in places {
        fs::write(file, "saved while nobody heard\n")?;
    }
    signal(&processes, Signal::CONT)?;
    let begun = Instant::now();
    for (file, place) in places {
        await_file(file, place, begun, limit)?;
    }
    cost.rescan = begun.elapsed();
    cost.rescan_cpu = process::cpu_seconds(&processes) - before;
    if !running.output().contains("events were lost") {
        return Err(running.complaint("lost no events"));
    }
    Ok(())
}

fn signal(processes: &[u32], signal: Signal) -> Result<()> {
    for pid in processes {
        let pid = i32::try_from(*pid).ok().and_then(Pid::from_raw);
        kill_process(pid.ok_or("a process without a number")?, signal)?;
    }
    Ok(())
}

fn measure_verify(
    docker: &Docker,
    project: &ComposeProject,
    runs: usize,
    cost: &mut Cost,
) -> Result<()> {
    let file = project.file.to_string_lossy();
    (cost.verify, cost.verify_cpu) = median(runs, || {
        let (begun, before) = (Instant::now(), process::ended_cpu_seconds());
        docker.run(&["liveupdate", "-f", &file, "-p", &project.name, "verify"])?;
        let cpu = process::ended_cpu_seconds() - before;
        Ok((begun.elapsed(), cpu))
    })?;
    Ok(())
}
