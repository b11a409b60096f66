//! The program: reads the command line, prints what it says by itself, runs the rest.

use std::io::{self, Write};
use std::process::ExitCode as ProcessExit;

use docker_liveupdate::cli::{self, Env, ExitCode, Parsed};
use docker_liveupdate::commands;
use docker_liveupdate::paths::HostPath;

fn main() -> ProcessExit {
    let env = Env::of_process();
    let invocation = match cli::parse(std::env::args_os(), &env) {
        Parsed::Metadata(text) | Parsed::Help(text) | Parsed::Complete(text) => {
            print(io::stdout(), &text);
            return ExitCode::Ok.into();
        }
        Parsed::UsageError(text) => {
            print(io::stderr(), &text);
            return ExitCode::Usage.into();
        }
        Parsed::Run(invocation) => invocation,
    };
    invocation.color.write_global();
    if let Some(dir) = env.current_dir {
        HostPath::stand_in(dir);
    }
    // Two threads: an upload must not hold up the file events, and a development machine has better uses for more.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            print(
                io::stderr(),
                &format!("error: no threads to run on: {error}\n"),
            );
            return ExitCode::Docker.into();
        }
    };
    let code = runtime.block_on(commands::run(*invocation));
    // What still reads or waits somewhere must not keep the user waiting, and what still works must not miss its timers: the
    // end of the process is the end of all that.
    std::mem::forget(runtime);
    code.into()
}

fn print(mut to: impl Write, text: &str) {
    // Nobody reads any more (`docker liveupdate --help | head -1`): nothing to do about it.
    let _ = to.write_all(text.as_bytes());
}
