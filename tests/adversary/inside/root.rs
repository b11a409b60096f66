//! Root in the container, who has all rights there, against the helper and whoever speaks to it on the host.

use super::rng::Rng;
use super::{impostor, note, pause, planted, system, tidy};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

const HOME: &str = "/.liveupdate";

/// Never ends by itself.
pub fn attack(seed: u64) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let rng = &mut Rng::new(seed, 11);
            loop {
                impostor::replace(rng, Path::new(HOME));
                pause(rng, 2);
            }
        });
        let rng = &mut Rng::new(seed, 12);
        loop {
            make_a_move(rng);
            pause(rng, 150);
        }
    });
}

fn make_a_move(rng: &mut Rng) {
    let helpers = system::helpers();
    let said = match rng.below(12) {
        0..3 => {
            system::kill_all(&helpers, system::STOP);
            // Now and then for longer than anybody waits.
            let below = if rng.percent(5) { 30_000 } else { 600 };
            pause(rng, below);
            system::kill_all(&helpers, system::CONT);
            format!("stopped {helpers:?} for a while")
        }
        3..6 => {
            system::kill_all(&helpers, system::KILL);
            format!("killed {helpers:?}")
        }
        6 => {
            let _ = fs::remove_dir_all(HOME);
            "removed the helper's directory".into()
        }
        7 => {
            for pid in &helpers {
                let journal = Path::new(HOME).join(format!("journal-{pid}"));
                let _ = fs::remove_file(&journal);
                system::mkfifo(&journal);
            }
            for next in 0..20 {
                let pid = helpers.last().copied().unwrap_or(1) + next;
                system::mkfifo(&Path::new(HOME).join(format!("journal-{pid}")));
            }
            "journals are pipes".into()
        }
        8 => {
            let away = Path::new("/.liveupdate-away");
            let _ = fs::rename(HOME, away);
            let _ = match rng.below(3) {
                0 => symlink("/host", HOME),
                1 => fs::write(HOME, "a file"),
                _ => symlink("/nowhere", HOME),
            };
            pause(rng, 300);
            let _ = fs::remove_file(HOME);
            let _ = fs::rename(away, HOME);
            "the helper's directory is something else".into()
        }
        _ => {
            let name = planted::NAMES[rng.below(planted::NAMES.len())];
            let to = Path::new("/bin").join(name);
            let beside = to.with_extension("new");
            let _ = fs::copy("/adversary/adversary", &beside);
            let _ = fs::rename(&beside, &to);
            pause(rng, 400);
            tidy::give_back(name);
            format!("another {name} for a while")
        }
    };
    note(&said);
}
