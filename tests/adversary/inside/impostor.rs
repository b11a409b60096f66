//! Stands in for the helper, after the file that was to be started was replaced: everything that is no answer.

use super::rng::Rng;
use super::{SCRATCH, note, system};
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

/// It leaves when nobody has ended it for so long.
const LIFE: Duration = Duration::from_secs(120);

/// Frames that the test has put into the program, in hexadecimal.
const HELLO: &str = env!("ADVERSARY_HELLO");
const ENTRY: &str = env!("ADVERSARY_ENTRY");
const WORKING: &str = env!("ADVERSARY_WORKING");
const DONE: &str = env!("ADVERSARY_DONE");
const APPLIED: &str = env!("ADVERSARY_APPLIED");
const FAILED: &str = env!("ADVERSARY_FAILED");
const CLOSED: &str = env!("ADVERSARY_CLOSED");
const OUTPUT: &str = env!("ADVERSARY_OUTPUT");

pub fn serve() {
    let (real, _) = system::users();
    let _ = std::fs::write(
        format!("{SCRATCH}/proof-{real}-{}", std::process::id()),
        format!("uid={real} stands in for the helper\n"),
    );
    let mut rng = Rng::new(u64::from(std::process::id()), 8);
    match rng.below(10) {
        0 => {
            let mut byte = || u8::try_from(rng.below(256)).unwrap_or(0);
            let noise: Vec<u8> = (0..4096).map(|_| byte()).collect();
            say(&noise);
            std::thread::sleep(LIFE);
        }
        1 => {
            say(&[1, 2, 3, 4]);
            std::thread::sleep(LIFE);
        }
        2 => {}
        3 => {
            say(&bytes(HELLO));
            std::thread::sleep(LIFE);
        }
        4 => endless(ENTRY, Duration::ZERO),
        5 => endless(WORKING, Duration::from_millis(1)),
        6 => endless(CLOSED, Duration::ZERO),
        7 => endless(OUTPUT, Duration::ZERO),
        8 => answer(FAILED),
        _ => answer(if rng.percent(50) { APPLIED } else { DONE }),
    }
}

/// The same over and over again.
fn endless(frame: &str, pause: Duration) {
    let begun = Instant::now();
    say(&bytes(HELLO));
    let frames = bytes(frame).repeat(if pause.is_zero() { 200 } else { 1 });
    while begun.elapsed() < LIFE && say(&frames) {
        std::thread::sleep(pause);
    }
}

/// The same answer whenever something is asked.
fn answer(frame: &str) {
    let frame = bytes(frame);
    let mut buffer = vec![0; 64 * 1024];
    say(&bytes(HELLO));
    while matches!(std::io::stdin().read(&mut buffer), Ok(1..)) && say(&frame) {}
}

fn say(bytes: &[u8]) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).is_ok()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap_or(0))
        .collect()
}

/// Puts itself into the place of every helper's file as soon as that has its full length.
pub fn replace(rng: &mut Rng, home: &std::path::Path) {
    let Ok(entries) = std::fs::read_dir(home) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with("serve-")) else {
            continue;
        };
        // A helper's length; a file that is still being written has less. Its own file's, so that it is not replaced twice.
        let length = entry.metadata().map_or(0, |found| found.len());
        if length < 200_000 || length == own_length() || rng.percent(50) {
            continue;
        }
        let beside = home.join(format!(".{name}"));
        // In a directory of somebody else's, a directory of one's own takes its place first.
        let copied = std::fs::copy("/adversary/adversary", &beside).or_else(|_| {
            let away = home.with_extension("away");
            std::fs::rename(home, &away)?;
            std::fs::create_dir(home)?;
            std::fs::copy("/adversary/adversary", &beside)
        });
        if copied.is_ok() && std::fs::rename(&beside, home.join(name)).is_ok() {
            note(&format!("stands in for {}", home.join(name).display()));
        }
    }
}

fn own_length() -> u64 {
    std::fs::metadata("/adversary/adversary").map_or(0, |found| found.len())
}
