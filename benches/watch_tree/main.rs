//! Measures what it costs to watch a large tree of which the ignore rules keep little. Knows the tools as programs only.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a table is its purpose"
)]

#[path = "../shared/mod.rs"]
mod shared;
#[path = "../../tests/tools/mod.rs"]
mod tools;

use std::fs;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use shared::Shared;
use tools::docker::Docker;
use tools::project::ComposeProject;
use tools::running::Running;
use tools::{Result, Tool, interrupt, process};

/// Measures the watch of a large tree: time until ready, inotify watches, memory, idle processor time.
///
/// `ready` is from the start of the docker command, so it has Docker's and Compose's own start in it; `the tree's part`
/// is what a tree of one directory does not cost.
#[derive(Parser)]
#[command(name = "watch_tree", bin_name = "cargo bench --bench watch_tree --")]
struct Options {
    /// Directories in all.
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    directories: usize,
    /// Those that the ignore rules keep.
    #[arg(long, default_value_t = 2_000, value_name = "N")]
    kept: usize,
    /// Starts of each tool.
    #[arg(long, default_value_t = 5, value_name = "N")]
    runs: usize,
    /// Which tools.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "liveupdate,compose-watch",
        value_name = "TOOL"
    )]
    tools: Vec<Which>,
    /// Seconds over which idle processor time is taken.
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    idle: u64,
    /// Seconds that a tool gets until it is ready.
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    limit: u64,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    Liveupdate,
    ComposeWatch,
}

impl Which {
    fn tool(self) -> Tool {
        match self {
            Self::Liveupdate => Tool::LiveUpdate,
            Self::ComposeWatch => Tool::ComposeWatch,
        }
    }
}

/// A tree: directories in all, and those kept.
#[derive(Clone, Copy)]
struct Size {
    directories: usize,
    kept: usize,
}

/// What one tool needed for one tree.
struct Cost {
    ready: Duration,
    watches: usize,
    resident_mib: f64,
    cpu_percent: f64,
}

fn main() -> ExitCode {
    shared::main(run)
}

fn run(options: &Options) -> Result<()> {
    let docker = Docker::with_plugin(&options.shared.plugin, Vec::new())?;
    let large = Size {
        directories: options.directories,
        kept: options.kept,
    };
    let small = Size {
        directories: 1,
        kept: 1,
    };
    println!(
        "| {} directories, {} kept | ready | the tree's part | watches | resident | idle |",
        large.directories, large.kept
    );
    println!("|---|--:|--:|--:|--:|--:|");
    for tool in options.tools.iter().map(|which| which.tool()) {
        let row = measure(&docker, tool, small, options)
            .and_then(|base| Ok((base, measure(&docker, tool, large, options)?)));
        match row {
            Ok((base, cost)) => println!(
                "| {} | {} ms | {} ms | {} | {:.1} MiB | {:.2} % |",
                tool.name(),
                cost.ready.as_millis(),
                cost.ready.saturating_sub(base.ready).as_millis(),
                cost.watches,
                cost.resident_mib,
                cost.cpu_percent
            ),
            Err(error) => {
                interrupt::check()?;
                eprintln!("{error}");
                println!("| {} | – | – | – | – | – |", tool.name());
            }
        }
    }
    Ok(())
}

fn measure(docker: &Docker, tool: Tool, size: Size, options: &Options) -> Result<Cost> {
    eprintln!("{}: {} directories", tool.name(), size.directories);
    let block = if tool.is_ours() {
        "x-live-update: [{sync: './src:/app/src'}]"
    } else {
        "develop: {watch: [{action: sync, path: ./src, target: /app/src}]}"
    };
    let project = ComposeProject::create(
        docker,
        format!("lubench-{}-tree-{}", std::process::id(), tool.slug()),
        &format!("services:\n  web:\n    build: .\n    init: true\n    {block}\n"),
    )?;
    project.write(
        "Dockerfile",
        "FROM busybox:1.37\nCMD [\"sleep\", \"86400\"]\n",
    )?;
    project.write(".dockerignore", "**/node_modules\n")?;
    plant(&project, size)?;
    project.compose(&["build", "--quiet"])?;
    project.compose(&["up", "--detach", "--no-build"])?;
    let output = project.beside("output");
    let mut times = Vec::new();
    let mut last = None;
    for _ in 0..options.runs {
        // The one before ends first.
        drop(last.take());
        let mut running = Running::start(tool, docker, &project.file, &project.name, &output)?;
        times.push(running.ready(Duration::from_secs(options.limit))?);
        last = Some(running);
    }
    times.sort();
    let ready = *times.get(times.len() / 2).ok_or("no runs were asked for")?;
    let running = last.ok_or("no runs were asked for")?;
    sleep(Duration::from_secs(2));
    let pids = running.processes();
    let before = process::cpu_seconds(&pids);
    for _ in 0..options.idle {
        interrupt::check()?;
        sleep(Duration::from_secs(1));
    }
    let seconds = Duration::from_secs(options.idle.max(1)).as_secs_f64();
    Ok(Cost {
        ready,
        watches: process::inotify_watches(&pids),
        resident_mib: process::resident_mib(&pids),
        cpu_percent: (process::cpu_seconds(&pids) - before) / seconds * 100.0,
    })
}

/// `src` with the kept directories, and below some of them `node_modules` with the rest.
fn plant(project: &ComposeProject, size: Size) -> Result<()> {
    let source = project.home().join("src");
    fs::create_dir(&source)?;
    fs::write(source.join("app.txt"), "app\n")?;
    // `src` itself is one of the kept.
    for index in 1..size.kept {
        fs::create_dir_all(source.join(format!("{}/{}", index / 50, index % 50)))?;
    }
    let mut planted = size.kept;
    let mut package = 0;
    while planted < size.directories {
        interrupt::check()?;
        let home = source.join(format!(
            "{}/node_modules/p{package}",
            package % size.kept.div_ceil(50)
        ));
        for index in 0..100.min(size.directories - planted) {
            fs::create_dir_all(home.join(format!("d{index}")))?;
            planted += 1;
        }
        package += 1;
    }
    Ok(())
}
