//! The owner of the sync's target, who has no rights beyond that and would like to have some.

use super::rng::Rng;
use super::{Place, impostor, note, pause, planted, spin, system, traps};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

/// Never ends by itself.
pub fn attack(seed: u64, place: &Place) {
    let _ = fs::write(place.app.join("d0/twin"), "mine");
    std::thread::scope(|scope| {
        scope.spawn(|| spin::guess(place, &mut Rng::new(seed, 1)));
        scope.spawn(|| spin::look(place, &mut Rng::new(seed, 2)));
        scope.spawn(|| hijack(place, &mut Rng::new(seed, 3)));
        let rng = &mut Rng::new(seed, 4);
        loop {
            make_a_move(rng, place);
            pause(rng, 40);
        }
    });
}

/// Volumes that the helper might be put into.
fn hijack(place: &Place, rng: &mut Rng) {
    loop {
        for above in place.app.ancestors() {
            impostor::replace(rng, &above.join(".liveupdate"));
        }
        impostor::replace(rng, Path::new("/scratch/.liveupdate"));
        pause(rng, 3);
    }
}

fn make_a_move(rng: &mut Rng, place: &Place) {
    let said = match rng.below(100) {
        0..20 => directory_becomes_link(rng, place),
        20..34 => file_becomes_trap(rng, place),
        34..40 => directories_change_places(rng, place),
        40..48 => mounts_move(rng, place),
        48..52 => {
            spin::in_advance(place, rng);
            "temporary names in advance".into()
        }
        52..60 => modes(rng, place),
        60..66 => plant(rng, place),
        66..69 => full_directory(rng, place),
        69..72 => deep(rng, place),
        72..76 => odd_names(rng, place),
        76..80 => log_lines(rng),
        80..84 => stand_still(rng),
        84..90 => roots_things(rng, place),
        _ => make_good(rng, place),
    };
    note(&said);
}

fn directory_becomes_link(rng: &mut Rng, place: &Place) -> String {
    let directory = place.directory(rng);
    let to = traps::target(rng);
    let away = place.app.join(format!("away-{}", rng.below(20)));
    if rng.percent(50) {
        // Not where the kernel cannot rename what comes from the image.
        let _ = fs::rename(&directory, &away);
    }
    traps::remove(&directory);
    let _ = symlink(to, &directory);
    if rng.percent(60) {
        pause(rng, 30);
        traps::remove(&directory);
        if fs::rename(&away, &directory).is_err() {
            let _ = fs::create_dir(&directory);
        }
    }
    format!("{} -> {to}", directory.display())
}

fn file_becomes_trap(rng: &mut Rng, place: &Place) -> String {
    let file = place.file(rng);
    traps::remove(&file);
    let what = traps::set(rng, place, &file);
    if rng.percent(40) {
        pause(rng, 20);
        traps::remove(&file);
    }
    format!("{}: {what}", file.display())
}

fn directories_change_places(rng: &mut Rng, place: &Place) -> String {
    let (one, other) = (place.directory(rng), place.directory(rng));
    exchange(&one, &other);
    format!("{} <-> {}", one.display(), other.display())
}

fn exchange(one: &Path, other: &Path) {
    let meanwhile = one.with_file_name("meanwhile");
    let _ = fs::rename(one, &meanwhile);
    let _ = fs::rename(other, one);
    let _ = fs::rename(meanwhile, other);
}

/// A directory takes the mounts in it along: what is at a mount's place may be another mount.
fn mounts_move(rng: &mut Rng, place: &Place) -> String {
    let (volumes, binds) = (place.app.join("x"), place.app.join("y"));
    let other = place.directory(rng);
    match rng.below(6) {
        0 => {
            exchange(&binds, &other);
            pause(rng, 60);
            exchange(&binds, &other);
        }
        1 => {
            let _ = fs::rename(&volumes, place.app.join("z"));
            let _ = symlink(["/data", "/host", "y"][rng.below(3)], &volumes);
            pause(rng, 60);
            let _ = fs::remove_file(&volumes);
            let _ = fs::rename(place.app.join("z"), &volumes);
        }
        2 => {
            exchange(&volumes, &other);
            pause(rng, 100);
            exchange(&volumes, &other);
        }
        _ => {
            exchange(&volumes, &binds);
            pause(rng, 100);
            exchange(&volumes, &binds);
        }
    }
    "mounts move".into()
}

fn modes(rng: &mut Rng, place: &Place) -> String {
    let directory = if rng.percent(15) {
        place.app.clone()
    } else {
        place.directory(rng)
    };
    let modes = [0o000, 0o555, 0o777, 0o1777, 0o2777, 0o700];
    let mode = modes[rng.below(modes.len())];
    // A link of one's own would be followed, which is one's own loss.
    let _ = fs::set_permissions(&directory, fs::Permissions::from_mode(mode));
    pause(rng, 30);
    if rng.percent(70) {
        let _ = fs::set_permissions(&directory, fs::Permissions::from_mode(0o755));
    }
    format!("{}: mode {mode:o}", directory.display())
}

fn plant(rng: &mut Rng, place: &Place) -> String {
    let name = planted::NAMES[rng.below(planted::NAMES.len())];
    let to = place.app.join("bin").join(name);
    let beside = to.with_extension("new");
    let _ = fs::create_dir(place.app.join("bin"));
    let copied = fs::copy("/adversary/adversary", &beside).and_then(|_| fs::rename(&beside, &to));
    format!("planted {name}: {copied:?}")
}

fn full_directory(rng: &mut Rng, place: &Place) -> String {
    let file = place.file(rng);
    traps::remove(&file);
    let _ = fs::create_dir(&file);
    let _ = fs::write(file.join("full"), "mine");
    pause(rng, 30);
    if rng.percent(80) {
        traps::remove(&file);
    }
    format!("{}: full directory", file.display())
}

fn deep(rng: &mut Rng, place: &Place) -> String {
    let mut path = place.directory(rng);
    for _ in 0..38 {
        path.push("x".repeat(90));
    }
    let made = fs::create_dir_all(&path);
    format!("deep: {}", made.is_ok())
}

fn odd_names(rng: &mut Rng, place: &Place) -> String {
    let names = [
        "k\x1b]52;c;cHduZWQ=\x07\nweb  rebuilt: all well",
        "\r\nerror: all is lost\nhint: run something",
        "\x1b[2J\x1b]0;PWNED\x07",
        "-rf",
        "--help",
        "a b\tc",
    ];
    let name = names[rng.below(names.len())];
    // In the place of a file, so that a refusal speaks of it.
    let directory = if rng.percent(20) {
        let file = place.file(rng);
        traps::remove(&file);
        let _ = fs::create_dir(&file);
        file
    } else {
        place.directory(rng)
    };
    let _ = fs::write(directory.join(name), "mine");
    pause(rng, 20);
    if directory.file_name().is_some_and(|name| name.len() == 2) && rng.percent(70) {
        let _ = fs::remove_file(directory.join(name));
    }
    "odd names".into()
}

fn log_lines(rng: &mut Rng) -> String {
    use std::io::Write as _;
    let Ok(mut log) = fs::File::options().write(true).open("/proc/1/fd/1") else {
        return "no log".into();
    };
    let line = format!(
        "\x1b]0;PWNED\x07{}\n",
        "x".repeat([80, 3000, 60_000][rng.below(3)])
    );
    let mut left: usize = 1 << (16 + rng.below(6));
    while left > 0 && log.write_all(line.as_bytes()).is_ok() {
        left = left.saturating_sub(line.len());
    }
    "log lines".into()
}

/// Stops what runs under its own number and is not its own.
fn stand_still(rng: &mut Rng) -> String {
    let others: Vec<i32> = system::processes()
        .into_iter()
        .filter(|(pid, line)| *pid != 1 && !line.contains("adversary") && !line.contains("sleep"))
        .map(|(pid, _)| pid)
        .filter(|pid| system::kill(*pid, system::STOP))
        .collect();
    pause(rng, 200);
    system::kill_all(&others, system::CONT);
    format!("stood still: {others:?}")
}

/// What is root's within one's own directory can be renamed, though not changed.
fn roots_things(rng: &mut Rng, place: &Place) -> String {
    let names = ["conf", "roots"];
    let name = names[rng.below(names.len())];
    let it = place.app.join(name);
    let away = place.app.join(format!("{name}-away"));
    let moved = fs::rename(&it, &away);
    if moved.is_ok() {
        let _ = symlink(traps::target(rng), &it);
        pause(rng, 60);
        let _ = fs::remove_file(&it);
        let _ = fs::rename(&away, &it);
    }
    format!("root's {name}: {moved:?}")
}

/// Takes a trap away, so that something can arrive again.
fn make_good(rng: &mut Rng, place: &Place) -> String {
    let path: PathBuf = if rng.percent(50) {
        place.file(rng)
    } else {
        place.directory(rng)
    };
    let is_directory = !path
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"f"));
    let is_plain = fs::symlink_metadata(&path)
        .is_ok_and(|found| found.is_dir() == is_directory && !found.is_symlink());
    if !is_plain {
        traps::remove(&path);
    }
    if is_directory {
        let _ = fs::create_dir(&path);
        let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o755));
    }
    format!("{} is as it was", path.display())
}
