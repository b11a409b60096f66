//! What all benchmarks share: the end of their command lines, and how they end themselves.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser};

use crate::tools::{Result, interrupt};

/// The options that every benchmark has.
#[derive(Args)]
pub struct Shared {
    /// The plugin to measure.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_docker-liveupdate"), value_name = "FILE")]
    pub plugin: PathBuf,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Reads the command line and runs the benchmark, which Ctrl-C ends in order.
pub fn main<Options: Parser>(run: impl FnOnce(&Options) -> Result<()>) -> ExitCode {
    let options = Options::parse();
    match interrupt::listen().and_then(|()| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
