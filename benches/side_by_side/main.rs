//! Measures `docker liveupdate` and `docker compose watch` in one run: from the save on the host to the effect in the
//! container, as the host sees it. Prints the README's table. Knows the tools as programs only.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a table is its purpose"
)]

mod bench;
mod case;
mod effect;
mod idle;
mod project;
#[path = "../shared/mod.rs"]
mod shared;
mod table;
#[path = "../../tests/tools/mod.rs"]
mod tools;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use case::Case;
use shared::Shared;
use table::{Row, Table};
use tools::docker::Docker;
use tools::{Result, Tool};

/// Measures docker liveupdate side by side with docker compose watch, on the same tree, image and engine.
///
/// The time is that from the end of the last write on the host until the effect can be seen in the container's merged
/// directory, so the engine must be local and use overlay2, and this needs root. Rounds are interleaved: each tool
/// watches a copy of the tree of its own, and they take turns. The first round warms up and is not counted.
#[derive(Parser)]
#[command(
    name = "side_by_side",
    bin_name = "cargo bench --bench side_by_side --"
)]
struct Options {
    /// Counted rounds of each case; those with many files get a third.
    #[arg(long, default_value_t = 15, value_name = "N")]
    runs: usize,
    /// Only this case (can be given more than once).
    #[arg(long, value_name = "CASE")]
    only: Vec<Case>,
    /// The other tool.
    #[arg(long, default_value = "compose-watch")]
    against: Against,
    /// An older build of the plugin, in place of the other tool: the ratio is to that.
    #[arg(long, value_name = "FILE")]
    before: Option<PathBuf>,
    /// Which of our two paths: with our helper in the container, or the plain Engine API.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "helper,plain",
        value_name = "PATH"
    )]
    ours: Vec<Ours>,
    /// Print the table and the facts alone, as they stand in the README.
    #[arg(long)]
    markdown: bool,
    /// Seconds over which idle processor time is taken.
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    idle: u64,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Clone, Copy, ValueEnum)]
enum Ours {
    Helper,
    Plain,
    None,
}

#[derive(Clone, Copy, ValueEnum)]
enum Against {
    ComposeWatch,
    None,
}

impl Options {
    fn tools(&self) -> Vec<Tool> {
        if self.before.is_some() {
            let pairs = self.ours.iter().flat_map(|path| match path {
                Ours::Helper => vec![Tool::LiveUpdate, Tool::Before],
                Ours::Plain => vec![Tool::LiveUpdateWithoutHelper, Tool::BeforeWithoutHelper],
                Ours::None => Vec::new(),
            });
            return pairs.collect();
        }
        let ours = self.ours.iter().filter_map(|path| match path {
            Ours::Helper => Some(Tool::LiveUpdate),
            Ours::Plain => Some(Tool::LiveUpdateWithoutHelper),
            Ours::None => None,
        });
        let theirs = match self.against {
            Against::ComposeWatch => Some(Tool::ComposeWatch),
            Against::None => None,
        };
        ours.chain(theirs).collect()
    }

    fn cases(&self) -> Vec<Case> {
        if self.only.is_empty() {
            Case::value_variants().to_vec()
        } else {
            self.only.clone()
        }
    }
}

fn main() -> ExitCode {
    shared::main(run)
}

fn run(options: &Options) -> Result<()> {
    let docker = Docker::with_plugin(&options.shared.plugin, Vec::new())?;
    let facts = facts(&docker)?;
    let before = options.before.as_deref();
    let before = before
        .map(|plugin| Docker::with_plugin(plugin, Vec::new()))
        .transpose()?;
    let dockers = |tool: Tool| match &before {
        Some(before) if tool.is_before() => before,
        _ => &docker,
    };
    let tools = options.tools();
    let mut table = Table::new(&tools);
    for case in options.cases() {
        eprintln!("{}", case.title());
        let measured = bench::measure(dockers, case, &tools, options)?;
        if !options.markdown {
            for one in &measured {
                one.details().lines().for_each(|line| println!("  {line}"));
            }
        }
        table.push(Row::of(case, &measured));
    }
    println!("\n{table}\n{facts}");
    Ok(())
}

/// The machine and the versions, in one line.
fn facts(docker: &Docker) -> Result<String> {
    let engine = docker.ask(&["version", "--format", "{{.Server.Version}}"]);
    let engine = engine.map_err(|error| format!("no engine answers: {error}"))?;
    let storage = docker.ask(&["info", "--format", "{{.Driver}}"])?;
    let compose = docker.ask(&["compose", "version", "--short"])?;
    let cores = std::thread::available_parallelism()?;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?").to_owned();
    Ok(format!(
        "Engine {engine} ({storage}), Compose {compose}, {cores} cores, load {load} at the start."
    ))
}
