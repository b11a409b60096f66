//! Builds the executable that `docker liveupdate` puts into containers, and has it embedded in the plugin.
//!
//! It is a package of its own (`helper`): static, small, for Linux, and for the containers' architectures instead of
//! the host's. Without further word the host's own architecture is built, as containers on this machine have that one. A
//! release asks for more: `LIVEUPDATE_HELPER_TARGETS="amd64 arm64" cargo build --release` (after the `rustup target add` lines
//! that a warning names). A helper that is missing is no error: containers of that architecture are updated through the
//! Engine API then.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// Which helpers to build; the names are the engine's.
const WANTED: &str = "LIVEUPDATE_HELPER_TARGETS";
const PACKAGE: &str = "helper";
const PROTOCOL: &str = "src/protocol";

/// A Linux architecture, in the words of the engine and of Rust.
struct Architecture {
    engine: &'static str,
    rust: &'static str,
}

const ARCHITECTURES: [Architecture; 2] = [
    Architecture {
        engine: "amd64",
        rust: "x86_64",
    },
    Architecture {
        engine: "arm64",
        rust: "aarch64",
    },
];

fn main() -> io::Result<()> {
    for path in ["build.rs", PACKAGE, PROTOCOL] {
        println!("cargo:rerun-if-changed={path}");
    }
    println!("cargo:rerun-if-env-changed={WANTED}");

    let out = PathBuf::from(variable("OUT_DIR"));
    let mut arms = String::new();
    let wanted = wanted();
    if variable("PROFILE") == "release" {
        for left_out in ARCHITECTURES
            .iter()
            .filter(|known| !wanted.iter().any(|wanted| wanted.engine == known.engine))
        {
            println!(
                "cargo:warning={}; {WANTED}=\"amd64 arm64\" brings both",
                missing(left_out)
            );
        }
    }
    for architecture in wanted {
        match build(architecture, &out) {
            Ok(executable) => {
                let packed = out.join(format!("helper-{}.deflate", architecture.engine));
                fs::write(&packed, pack(&fs::read(executable)?))?;
                let _ = writeln!(
                    arms,
                    "        {:?} => Some(include_bytes!({:?})),",
                    architecture.engine,
                    packed.to_string_lossy()
                );
            }
            Err(reason) => {
                for line in reason.lines() {
                    println!("cargo:warning={line}");
                }
            }
        }
    }
    let source = format!(
        "fn embedded(architecture: &str) -> Option<&'static [u8]> {{\n    match architecture {{\n{arms}        _ => None,\n    }}\n}}\n"
    );
    fs::write(out.join("embedded.rs"), source)
}

/// The architectures asked for, or else that of the machine the plugin is for.
fn wanted() -> Vec<&'static Architecture> {
    let asked = env::var(WANTED).unwrap_or_default();
    let target = variable("CARGO_CFG_TARGET_ARCH");
    let names: Vec<&str> = asked
        .split([' ', ','])
        .filter(|name| !name.is_empty())
        .collect();
    for name in &names {
        if !ARCHITECTURES.iter().any(|known| known.engine == *name) {
            println!("cargo:warning={WANTED}: `{name}` is none of amd64, arm64");
        }
    }
    ARCHITECTURES
        .iter()
        .filter(|known| {
            if names.is_empty() {
                known.rust == target
            } else {
                names.contains(&known.engine)
            }
        })
        .collect()
}

/// As `src/helper/mod.rs` unpacks it.
fn pack(executable: &[u8]) -> Vec<u8> {
    const BEST_FOR_ITS_TIME: u8 = 6;
    miniz_oxide::deflate::compress_to_vec(executable, BEST_FOR_ITS_TIME)
}

fn missing(architecture: &Architecture) -> String {
    format!(
        "no helper for {} containers: they are updated through the Engine API, more slowly",
        architecture.engine
    )
}

/// Builds one helper. Fails with what to tell the user.
fn build(architecture: &Architecture, out: &Path) -> Result<PathBuf, String> {
    let Architecture { rust, .. } = architecture;
    let missing = missing(architecture);
    // musl makes the smaller executable, needs no C library of the build machine, and links with Rust's own linker.
    let musl = format!("{rust}-unknown-linux-musl");
    let gnu = format!("{rust}-unknown-linux-gnu");
    let host = variable("HOST");
    let target = if is_installed(&musl) {
        &musl
    } else if host == gnu {
        &gnu
    } else {
        return Err(format!("{missing}\nto have it: rustup target add {musl}"));
    };

    let mut flags = vec!["-Ctarget-feature=+crt-static", "-Crelocation-model=static"];
    if *target == musl && host != musl {
        flags.extend(["-Clinker=rust-lld", "-Clink-self-contained=yes"]);
    }
    let room = out.join("helper");
    let mut cargo = Command::new(variable("CARGO"));
    // What the outer build was told is not for the inner one; where its crates come from is.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_the_outer_builds) {
            cargo.env_remove(name);
        }
    }
    cargo
        .args([
            "build",
            "--release",
            "--quiet",
            "--locked",
            "--target",
            target,
        ])
        .arg("--manifest-path")
        .arg(
            Path::new(&variable("CARGO_MANIFEST_DIR"))
                .join(PACKAGE)
                .join("Cargo.toml"),
        )
        .arg("--target-dir")
        .arg(&room)
        // A folder of its own: the outer build holds the lock on the other one while it waits for us.
        .env("CARGO_BUILD_BUILD_DIR", &room)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    let output = cargo
        .output()
        .map_err(|error| format!("{missing}\ncargo did not start: {error}"))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "{missing}\nbuilding it for {target} failed:\n{reason}"
        ));
    }
    Ok(room.join(target).join("release").join("liveupdate-helper"))
}

fn is_the_outer_builds(name: &str) -> bool {
    let kept = name.starts_with("CARGO_TARGET_") && name.ends_with("_LINKER");
    let prefixes = [
        "CARGO_BUILD_",
        "CARGO_CFG_",
        "CARGO_ENCODED_",
        "CARGO_FEATURE_",
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
        "CARGO_PROFILE_",
        "CARGO_TARGET_",
        "CLIPPY_",
        "DEP_",
    ];
    let names = [
        "CARGO_INCREMENTAL",
        "RUSTFLAGS",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "TARGET",
    ];
    !kept && (names.contains(&name) || prefixes.iter().any(|prefix| name.starts_with(prefix)))
}

/// Whether Rust's standard library is there for `target`.
fn is_installed(target: &str) -> bool {
    Command::new(variable("RUSTC"))
        .args(["--print", "target-libdir", "--target", target])
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .is_some_and(|directory| Path::new(directory.trim()).is_dir())
}

/// A variable that cargo sets for every build script.
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
