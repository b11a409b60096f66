//! Measures `docker liveupdate verify` on a container that is in step. Knows the tool as a program only.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a table is its purpose"
)]

#[path = "../shared/mod.rs"]
mod shared;
#[path = "../../tests/tools/mod.rs"]
mod tools;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

use shared::Shared;
use tools::Result;
use tools::docker::Docker;
use tools::median::median;
use tools::project::ComposeProject;

/// Measures `verify`: the whole command, what the files cost in it, and what the engine needs to hand out the same files.
///
/// `the files` is what the command needs beyond the same with a single file: without Docker's and Compose's own start.
/// `the engine` is `docker cp` of the directory to nowhere, beyond the same of a single file.
#[derive(Parser)]
#[command(name = "verify", bin_name = "cargo bench --bench verify --")]
struct Options {
    /// Files in the synced directory.
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    files: usize,
    /// Bytes of each file.
    #[arg(long, default_value_t = 10_000, value_name = "BYTES")]
    size: usize,
    /// Runs of each command; the median counts.
    #[arg(long, default_value_t = 7, value_name = "N")]
    runs: usize,
    #[command(flatten)]
    shared: Shared,
}

fn main() -> ExitCode {
    shared::main(run)
}

fn run(options: &Options) -> Result<()> {
    println!(
        "| {} files of {} bytes | verify | the files | the engine |",
        options.files, options.size
    );
    println!("|---|--:|--:|--:|");
    for helper in ["auto", "off"] {
        let environment = vec![("LIVEUPDATE_HELPER".to_owned(), helper.to_owned())];
        let docker = Docker::with_plugin(&options.shared.plugin, environment)?;
        let one = measure(&docker, 1, options)?;
        let all = measure(&docker, options.files, options)?;
        println!(
            "| helper {} | {} ms | {} ms | {} ms |",
            if helper == "off" { "off" } else { "on" },
            all.verify.as_millis(),
            all.verify.saturating_sub(one.verify).as_millis(),
            all.engine.saturating_sub(one.engine).as_millis()
        );
    }
    Ok(())
}

/// Medians for one tree.
struct Cost {
    verify: Duration,
    engine: Duration,
}

fn measure(docker: &Docker, files: usize, options: &Options) -> Result<Cost> {
    eprintln!("{files} files");
    let project = ComposeProject::create(
        docker,
        format!("lubench-{}-verify-{files}", std::process::id()),
        "services:\n  web:\n    build: .\n    init: true\n    x-live-update: [{sync: './src:/app'}]\n",
    )?;
    project.write(
        "Dockerfile",
        "FROM busybox:1.37\nCOPY src /app\nCMD [\"sleep\", \"86400\"]\n",
    )?;
    std::fs::create_dir(project.home().join("src"))?;
    for number in 0..files {
        // No two alike: equal content would be read from the cache.
        let line = format!("{number}\n");
        let text = line.repeat(options.size.div_ceil(line.len()));
        project.write(
            format!("src/{number}"),
            text.get(..options.size).unwrap_or(&text),
        )?;
    }
    project.compose(&["build", "--quiet"])?;
    project.compose(&["up", "--detach", "--no-build"])?;
    let container = format!("{}-web-1:/app", project.name);
    let file = project.file.to_string_lossy().into_owned();
    let verify = ["liveupdate", "-f", &file, "-p", &project.name, "verify"];
    let time = |arguments: &[&str]| {
        let run = || {
            let begun = Instant::now();
            docker.run(arguments)?;
            Ok((begun.elapsed(), ()))
        };
        median(options.runs, run).map(|(time, ())| time)
    };
    Ok(Cost {
        verify: time(&verify)?,
        engine: time(&["cp", &container, "-"])?,
    })
}
