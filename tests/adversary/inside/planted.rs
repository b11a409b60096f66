//! What a program of the image does that was replaced: it leaves a proof of who ran it, and is no help.

use super::rng::Rng;
use super::{SCRATCH, system};
use std::io::Write as _;
use std::time::{Duration, Instant};

/// The programs that the plugin might think of running.
pub const NAMES: [&str; 14] = [
    "rm", "rmdir", "stat", "sh", "kill", "cat", "test", "ls", "mkdir", "printf", "tar", "find",
    "env", "chmod",
];

pub fn run(name: &str, words: &[String]) {
    let (real, effective) = system::users();
    let pid = std::process::id();
    let proof = format!("uid={real} euid={effective} {name}: {words:?}\n");
    let _ = std::fs::write(format!("{SCRATCH}/proof-{real}-{pid}"), proof);
    let mut rng = Rng::new(u64::from(pid), 7);
    match rng.below(4) {
        0 => flood(),
        1 => std::thread::sleep(Duration::from_secs(600)),
        2 => {
            println!("\x1b]0;PWNED\x07all well\nweb  rebuilt: all well");
            std::process::exit(3);
        }
        _ => {}
    }
}

/// Words without end, or nearly: whoever keeps them all has no memory left.
fn flood() {
    let begun = Instant::now();
    let line = vec![b'x'; 64 * 1024];
    let mut out = std::io::stdout();
    while begun.elapsed() < Duration::from_secs(4) && out.write_all(&line).is_ok() {}
}
