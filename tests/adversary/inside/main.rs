//! The adversary: a program of its own, put into a container to make as much trouble as it can. Uses nothing but the standard
//! library, and knows of the plugin only what anybody in a container can find out.
//!
//! `adversary user|root SEED APP INPLACE` makes trouble until it is killed; `adversary tidy APP INPLACE` takes it away again.
//! Under the name of a program such as `rm` it leaves a proof of who ran it; as `serve` it stands in for the helper.

mod impostor;
mod planted;
mod rng;
mod root;
mod spin;
mod system;
mod tidy;
mod traps;
mod user;

use std::path::PathBuf;

/// Where what it leaves behind as proofs lies: a volume that everybody can write to.
const SCRATCH: &str = "/scratch";

fn main() {
    let words: Vec<String> = std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    let name = word(0).rsplit('/').next().unwrap_or("");
    let place = |first: usize| Place {
        app: PathBuf::from(word(first)),
        in_place: PathBuf::from(word(first + 1)),
    };
    let seed = word(2).parse().unwrap_or(1);
    match (name, word(1)) {
        ("adversary", "user") => user::attack(seed, &place(3)),
        ("adversary", "root") => root::attack(seed),
        ("adversary", "tidy") => tidy::tidy(&place(2)),
        (name, "serve") if name.starts_with("serve-") => impostor::serve(),
        (name, _) => planted::run(name, &words),
    }
}

/// The directories that it fights over.
#[derive(Clone)]
pub struct Place {
    /// The target of the sync.
    pub app: PathBuf,
    /// The target of the one that writes in place.
    pub in_place: PathBuf,
}

impl Place {
    /// One of the directories that it may have; `calm` is none of them.
    pub fn directory(&self, rng: &mut rng::Rng) -> PathBuf {
        // Those that are new, now and then.
        if rng.percent(25) {
            let entries = std::fs::read_dir(&self.app).into_iter().flatten();
            let new: Vec<PathBuf> = entries
                .flatten()
                .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"n"))
                .map(|entry| entry.path())
                .collect();
            if !new.is_empty() {
                return new[rng.below(new.len())].clone();
            }
        }
        let below = ["d0", "d1", "d2", "d3", "d0/e", "d1/e"];
        self.app.join(below[rng.below(below.len())])
    }

    /// The path of a file that the host has or may have.
    pub fn file(&self, rng: &mut rng::Rng) -> PathBuf {
        let directory = if rng.percent(25) {
            self.in_place.clone()
        } else {
            self.directory(rng)
        };
        directory.join(format!("f{}", rng.below(4)))
    }
}

/// Sleeps for less than so long.
pub fn pause(rng: &mut rng::Rng, below_ms: usize) {
    let micros = rng.below(below_ms * 1000);
    std::thread::sleep(std::time::Duration::from_micros(micros as u64));
}

/// Says what it did, for whoever looks for the reason of a failure.
pub fn note(what: &str) {
    use std::io::Write as _;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let line = format!("{}.{:03} {what}\n", now.as_secs(), now.subsec_millis());
    // Whoever started it may be gone.
    let _ = std::io::stdout().write_all(line.as_bytes());
}
