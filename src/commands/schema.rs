//! `schema`: the JSON Schema of the block, for editors. Reads no project.

use crate::cli::ExitCode;
use crate::compose;

use super::output::say;

/// Prints the schema.
pub fn run() -> ExitCode {
    say(&format!("{:#}", compose::schema()));
    ExitCode::Ok
}
