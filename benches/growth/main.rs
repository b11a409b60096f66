//! Measures how the cost of a session grows with the services and with the files. Knows the tools as programs only.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a table is its purpose"
)]

mod measure;
#[path = "../shared/mod.rs"]
mod shared;
#[path = "../../tests/tools/mod.rs"]
mod tools;
mod tree;

use std::process::ExitCode;

use clap::Parser;

use measure::Cost;
use shared::Shared;
use tools::Result;
use tools::docker::Docker;
use tools::project::ComposeProject;
use tree::{Size, Tree};

/// Measures how the cost of a session grows: services times files.
///
/// All services watch one context, of which each syncs a folder of its own and all of them one more: a twentieth of the files
/// is synced, however many services there are. Nothing is built, and the containers are in step when the tool starts.
/// `compose` is `docker compose up` alone for the same containers, which is in `ready` as well; `CPU` and `RSS` are the tool's
/// own, without Docker's and Compose's processes. `rescan` is from the end of a loss of events until each container has what
/// was saved meanwhile.
#[derive(Parser)]
#[command(name = "growth", bin_name = "cargo bench --bench growth --")]
struct Options {
    /// Services, one row for each number and tree.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1,5,20,50",
        value_name = "N"
    )]
    services: Vec<usize>,
    /// Files, one tree for each number.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "20000,200000",
        value_name = "N"
    )]
    files: Vec<usize>,
    /// Files of each directory.
    #[arg(long, default_value_t = 10, value_name = "N")]
    per_directory: usize,
    /// Directories that are ignored, beside those of the files.
    #[arg(long, default_value_t = 0, value_name = "N")]
    ignored: usize,
    /// Runs of each command, and starts; the median counts.
    #[arg(long, default_value_t = 3, value_name = "N")]
    runs: usize,
    /// Seconds that anything gets.
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    limit: u64,
    #[command(flatten)]
    shared: Shared,
}

fn main() -> ExitCode {
    shared::main(run)
}

fn run(options: &Options) -> Result<()> {
    let docker = Docker::with_plugin(&options.shared.plugin, Vec::new())?;
    println!(
        "| services x files | compose | ready | CPU | RSS | peak | save, median (worst) | verify | its CPU | rescan | its CPU |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for files in &options.files {
        let name = format!("lubench-{}-growth-{files}", std::process::id());
        let project = ComposeProject::create(&docker, name, "services: {}\n")?;
        eprintln!("{files} files");
        let size = Size {
            files: *files,
            per_directory: options.per_directory,
            ignored: options.ignored,
        };
        let mut tree = Tree::plant(&project, size)?;
        for services in &options.services {
            eprintln!("{services} services on {files} files");
            tree.divide(&project, *services)?;
            let cost = measure::all(&docker, &project, &tree, options)?;
            println!("{}", row(*services, *files, &cost));
        }
    }
    Ok(())
}

fn row(services: usize, files: usize, cost: &Cost) -> String {
    format!(
        "| {services} x {files} | {:.2} s | {:.2} s | {:.2} s | {:.0} MiB | {:.0} MiB | {:.1} ({:.1}) ms | {:.2} s | {:.2} s | {:.2} s | {:.2} s |",
        cost.compose.as_secs_f64(),
        cost.ready.as_secs_f64(),
        cost.ready_cpu,
        cost.resident_mib,
        cost.peak_mib,
        cost.save.as_secs_f64() * 1e3,
        cost.worst_save.as_secs_f64() * 1e3,
        cost.verify.as_secs_f64(),
        cost.verify_cpu,
        cost.rescan.as_secs_f64(),
        cost.rescan_cpu,
    )
}
