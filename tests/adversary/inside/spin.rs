//! Goes for the temporary names: what it finds under one, or what will be there in a moment, it takes away, and puts
//! something else there.

use super::rng::Rng;
use super::{Place, note, pause, system, traps};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// By their names, which can be guessed: the helper's process, and a number. No look is as fast as that.
pub fn guess(place: &Place, rng: &mut Rng) {
    loop {
        let helpers = system::helpers();
        let Some(pid) = helpers.last() else {
            pause(rng, 50);
            continue;
        };
        let directory = match rng.below(3) {
            0 => place.directory(rng),
            _ => place.app.clone(),
        };
        let names: Vec<PathBuf> = (0..3)
            .map(|number| directory.join(format!(".liveupdate-{pid}-{number}~")))
            .collect();
        let junk = directory.join(format!("junk-{}", rng.below(1000)));
        let to = traps::target(rng);
        let as_link = rng.percent(70);
        let until = Instant::now() + Duration::from_millis(10 + rng.below(60) as u64);
        'spinning: while Instant::now() < until {
            for name in &names {
                if fs::rename(name, &junk).is_ok() {
                    if as_link {
                        let _ = symlink(to, name);
                    } else {
                        traps::set(rng, place, name);
                    }
                    note(&format!("was first at {}, {to}", name.display()));
                    // What is there now is its own.
                    break 'spinning;
                }
            }
        }
        pause(rng, 30);
    }
}

/// By looking at all directories.
pub fn look(place: &Place, rng: &mut Rng) {
    loop {
        for _ in 0..20 {
            let directory = match rng.below(5) {
                0 => place.app.clone(),
                1 => place.in_place.clone(),
                2 => place.app.join("roots"),
                _ => place.directory(rng),
            };
            for name in temporary(&directory) {
                take(place, rng, &name);
            }
        }
        pause(rng, 20);
    }
}

fn temporary(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let paths = entries.flatten().map(|entry| entry.path());
    paths
        .filter(|path| {
            let name = path.file_name().unwrap_or_default();
            name.as_encoded_bytes().starts_with(b".liveupdate-")
        })
        .collect()
}

fn take(place: &Place, rng: &mut Rng, name: &Path) {
    let what = match rng.below(4) {
        0 => {
            traps::remove(name);
            "removed".into()
        }
        1 => {
            let file = place.file(rng);
            let _ = fs::rename(name, &file);
            format!("renamed to {}", file.display())
        }
        2 => {
            // Below a new directory: its content is made there without a name of its own.
            let _ = fs::rename(name.join("f0"), name.join("gone"));
            let _ = symlink("/host/secret", name.join("f0"));
            "link within".into()
        }
        _ => {
            let away = name.with_file_name(format!("junk-{}", rng.below(1000)));
            let _ = fs::rename(name, away);
            traps::set(rng, place, name)
        }
    };
    note(&format!("temporary {}: {what}", name.display()));
}

/// Names that a helper will want, made before it.
pub fn in_advance(place: &Place, rng: &mut Rng) {
    let newest = system::processes().iter().map(|(pid, _)| *pid).max();
    let helper = system::helpers().last().copied();
    for _ in 0..8 {
        let pid = match (rng.below(2), helper) {
            (0, Some(pid)) => pid,
            _ => newest.unwrap_or(1) + i32::try_from(rng.below(40)).unwrap_or(0),
        };
        let name = format!(".liveupdate-{pid}-{}~", rng.below(4));
        let directory = if rng.percent(40) {
            place.app.clone()
        } else {
            place.directory(rng)
        };
        traps::set(rng, place, &directory.join(name));
    }
}
