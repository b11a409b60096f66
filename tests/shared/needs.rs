//! What a test needs of its machine that not every machine has. Knows no test.
#![allow(dead_code, reason = "each program of tests uses its part")]

/// Ends the test as skipped, unless `there` holds. `tests/run` knows skipped tests, and `what` they need, by this line.
macro_rules! needs {
    ($there:expr, $what:expr) => {
        if !$there {
            println!("SKIPPED: {}", $what);
            return;
        }
    };
}
pub(crate) use needs;

/// Whether the tests run as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether there is a program of this name.
pub fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
