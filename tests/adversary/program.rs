//! The adversary as a program: compiled when it is not there yet, static, so that it runs in any image.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use docker_liveupdate::protocol::{Code, Kind, Reply, Stream, VERSION};
use xxhash_rust::xxh3::xxh3_64;

use crate::tools::Result;

/// Its source. All of it, so that a change to it brings another program.
const SOURCE: [&str; 10] = [
    include_str!("inside/impostor.rs"),
    include_str!("inside/main.rs"),
    include_str!("inside/planted.rs"),
    include_str!("inside/rng.rs"),
    include_str!("inside/root.rs"),
    include_str!("inside/spin.rs"),
    include_str!("inside/system.rs"),
    include_str!("inside/tidy.rs"),
    include_str!("inside/traps.rs"),
    include_str!("inside/user.rs"),
];

/// The compiled program. Tests that run side by side make it once.
pub fn compiled() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let frames = frames()?;
    let all: String = SOURCE.concat() + &format!("{frames:?}");
    let program = folder.join(format!("adversary-{:016x}", xxh3_64(all.as_bytes())));
    let lock = File::create(folder.join("adversary.lock"))?;
    lock.lock()?;
    if !program.exists() {
        let beside = program.with_extension("new");
        // As `build.rs` links the helper where there is no other C library.
        let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
            .args([
                "--edition",
                "2024",
                "-O",
                "-Cpanic=abort",
                "-Cstrip=symbols",
            ])
            .args(["-Ctarget-feature=+crt-static", "-Crelocation-model=static"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/adversary/inside/main.rs"))
            .arg("-o")
            .arg(&beside)
            .envs(frames)
            .output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        fs::rename(beside, &program)?;
    }
    Ok(program)
}

/// What it says where it stands in for the helper. It cannot ask the library for these itself.
fn frames() -> Result<Vec<(&'static str, String)>> {
    let (path, text) = (b"/app/d0/f0".as_slice(), "\x1b[31mx\nweb  all well");
    let long = vec![b'x'; 60_000];
    let frames = [
        (
            "ADVERSARY_HELLO",
            Reply::Hello {
                version: VERSION,
                pid: 1,
                clock_ms: 0,
            },
        ),
        (
            "ADVERSARY_ENTRY",
            Reply::Entry {
                path,
                kind: Kind::Symlink,
                mode: 0o777,
                hash: u128::MAX,
                target: &long,
            },
        ),
        ("ADVERSARY_WORKING", Reply::Working),
        ("ADVERSARY_DONE", Reply::Done),
        ("ADVERSARY_APPLIED", Reply::Applied { held: true }),
        (
            "ADVERSARY_FAILED",
            Reply::Failed {
                code: Code::System,
                errno: 28,
                partly: true,
                path,
                text: text.as_bytes(),
            },
        ),
        (
            "ADVERSARY_CLOSED",
            Reply::Closed {
                path,
                text: text.as_bytes(),
            },
        ),
        (
            "ADVERSARY_OUTPUT",
            Reply::Output {
                stream: Stream::Out,
                bytes: &long,
            },
        ),
    ];
    let mut hexadecimal = Vec::new();
    for (name, reply) in frames {
        let mut frame = Vec::new();
        reply
            .encode(&mut frame)
            .map_err(|_| format!("{name} is no frame"))?;
        let mut text = String::new();
        for byte in frame {
            write!(text, "{byte:02x}")?;
        }
        hexadecimal.push((name, text));
    }
    Ok(hexadecimal)
}
