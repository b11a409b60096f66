//! Editors' ways of saving (`spec.md` C3, C5).

use std::fs;
use std::io::Write;

use crate::project::Project;

/// C5: "What is true on disk when the batch closes decides": write beside, rename over it.
#[test]
fn an_atomic_save_is_one_change_of_the_file_and_the_temporary_one_is_never_copied() {
    let project = Project::web("- sync: ./src:/app");
    let mut up = project.up();
    for round in 0..5 {
        project.write("src/.a.txt.tmp123", format!("save {round}"));
        project.rename("src/.a.txt.tmp123", "src/a.txt");
        up.until_file("web", "/app/a.txt", &format!("save {round}"));
    }
    up.live_updated("web");
    project.write("src/marker", "later");
    up.until_in_step("src", "web", "/app");
    assert_eq!(up.rebuilds("web"), 0);
}

/// C5: the old file is moved to a backup, then a new one is written (vim's `backupcopy=no`).
#[test]
fn a_save_that_moves_the_old_file_away_first_is_no_deletion() {
    let project = Project::web("- sync: ./src:/app");
    let up = project.up();
    for round in 0..5 {
        project.rename("src/a.txt", "src/a.txt~");
        project.write("src/a.txt", format!("save {round}"));
        project.remove("src/a.txt~");
        up.until_file("web", "/app/a.txt", &format!("save {round}"));
    }
    up.until_in_step("src", "web", "/app");
}

/// E4: a log that is written to all the time holds back nothing, and its end arrives.
#[test]
fn a_chatty_file_does_not_hold_back_others() {
    let project = Project::web("- sync: ./src:/app");
    let up = project.up();
    let path = project.path("src/chatty");
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let chatter = std::thread::spawn(move || {
        let mut file = fs::File::create(path).unwrap();
        let pace = std::time::Duration::from_millis(5);
        while stopped.recv_timeout(pace) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            writeln!(file, "line").unwrap();
        }
        writeln!(file, "the end").unwrap();
    });
    project.write("src/a.txt", "two");
    up.until_file("web", "/app/a.txt", "two");
    drop(stop);
    chatter.join().unwrap();
    up.until_in_step("src", "web", "/app");
}

/// A big file is sent ahead and put in place by the helper: "stays atomic", and nothing of it is left anywhere.
#[test]
fn a_big_file_is_whole_at_every_look_and_nothing_of_it_is_left() {
    let project = Project::web("- sync: ./src:/app");
    let sizes = [12_u32 << 20, 9 << 20];
    let big = |size: u32| vec![b'x'; size as usize];
    project.write("src/big", big(sizes[0]));
    let mut up = project.up();
    up.eventually("the helper is there, and rests", || {
        project.tree("web", "/.liveupdate").is_none()
    });
    let script = "until [ -e /over ]; do stat -c %s /app/big || echo none; done | sort -u";
    let seen = std::thread::scope(|scope| {
        let reader = scope.spawn(|| project.sh("web", script));
        for round in 1..6 {
            project.write("src/next", big(sizes[round % 2]));
            project.rename("src/next", "src/big");
            let outcome = up.live_updated("web");
            assert_eq!(outcome["via"], "helper", "{outcome}");
        }
        up.until_in_step("src", "web", "/app");
        project.sh("web", "touch /over");
        reader.join().unwrap()
    });
    let whole = sizes.map(|size| size.to_string());
    let is_whole = |size: &str| whole.iter().any(|whole| whole == size);
    assert!(seen.lines().all(is_whole), "{seen}");
    up.eventually("nothing is left", || {
        project.tree("web", "/.liveupdate").is_none()
    });
    assert_eq!(project.sh("web", "ls -A /app | sort"), "a.txt\nbig");
    assert_eq!(up.rebuilds("web"), 0);
}
