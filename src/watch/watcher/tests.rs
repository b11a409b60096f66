//! Real directories, real events. A test waits for what must come; that something does not come is seen from a later
//! event of the same directory.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::compose::{Block, Build, Project, Service};
use crate::paths::HostPath;
use crate::watch::scope::Scope;
use crate::watch::touch::Stage;

use super::{Count, Notice, WatchEvent, Watcher};

mod limits;
mod roots;
mod storm;

/// How long what must come may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory `context` in a temporary one, watched.
struct Watched {
    dir: TempDir,
    watcher: Watcher,
    notices: Vec<Notice>,
    events: UnboundedReceiver<WatchEvent>,
}

/// A service whose context is `context` of `dir`.
fn scope_of(dir: &Path) -> Arc<Scope> {
    let context = HostPath::new(dir.join("context")).unwrap();
    let service = Service {
        name: "web".to_owned(),
        build: Some(Build {
            context: context.clone(),
            dockerfile: Some(context.join("Dockerfile")),
            ignore_file: context.join(".dockerignore"),
            additional_contexts: Vec::new(),
            service_contexts: std::collections::BTreeMap::new(),
        }),
        block: Some(Block::default()),
        ..Service::default()
    };
    let project = Project {
        name: "p".to_owned(),
        dir: context,
        sources: Vec::new(),
        services: vec![service.clone()],
    };
    Arc::new(Scope::of(&project, &service, |file| Ok(fs::read(file).ok())).unwrap())
}

impl Watched {
    /// Watches after `prepare` has filled the context.
    fn after(prepare: impl FnOnce(&Path)) -> Self {
        Self::with(prepare, |_| Vec::new())
    }

    fn with(prepare: impl FnOnce(&Path), extra_files: impl FnOnce(&Path) -> Vec<HostPath>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let context = dir.path().join("context");
        fs::create_dir(&context).unwrap();
        prepare(&context);
        let (out, events) = unbounded_channel();
        let extra_files = extra_files(dir.path());
        let (watcher, notices) =
            Watcher::start(vec![scope_of(dir.path())], extra_files, out).unwrap();
        Self {
            dir,
            watcher,
            notices,
            events,
        }
    }

    fn path(&self, relative: &str) -> std::path::PathBuf {
        self.dir.path().join("context").join(relative)
    }

    fn write(&self, relative: &str) {
        fs::write(self.path(relative), relative).unwrap();
    }

    fn mkdir(&self, relative: &str) {
        fs::create_dir_all(self.path(relative)).unwrap();
    }

    async fn next(&mut self) -> WatchEvent {
        timeout(PATIENCE, self.events.recv())
            .await
            .expect("no event came")
            .expect("the watcher has ended")
    }

    /// Waits until each of `wanted` was touched, relative to the context, and gives all that was touched.
    async fn touched(&mut self, wanted: &[&str]) -> BTreeSet<String> {
        let mut missing: BTreeSet<&str> = wanted.iter().copied().collect();
        let mut seen = BTreeSet::new();
        while !missing.is_empty() {
            let Ok(event) = timeout(PATIENCE, self.events.recv()).await else {
                panic!("never touched: {missing:?}; touched: {seen:?}");
            };
            let event = event.expect("the watcher has ended");
            if let WatchEvent::Touched(touch) = event {
                let context = self.dir.path().join("context");
                let path = touch.path.as_path();
                let path = path.strip_prefix(&context).unwrap_or(path);
                let path = path.to_string_lossy().into_owned();
                missing.remove(path.as_str());
                seen.insert(path);
            }
        }
        seen
    }

    fn count(&self) -> Count {
        self.watcher.count().unwrap()
    }
}

#[tokio::test]
async fn no_change_no_event() {
    let mut watched = Watched::after(|context| fs::write(context.join("a"), "").unwrap());
    let _ = fs::read(watched.path("a")).unwrap();
    watched.write("last");
    let seen = watched.touched(&["last"]).await;
    assert_eq!(seen, BTreeSet::from(["last".to_owned()]));
}

#[tokio::test]
async fn a_file_written_in_place_is_complete_when_it_is_closed() {
    let mut watched = Watched::after(|context| fs::write(context.join("a"), "").unwrap());
    watched.write("a");
    let mut stages = Vec::new();
    while stages.last() != Some(&Stage::Complete) {
        if let WatchEvent::Touched(touch) = watched.next().await {
            stages.push(touch.stage);
        }
    }
    assert!(stages.contains(&Stage::Writing), "{stages:?}");
}

#[tokio::test]
async fn a_file_written_aside_and_renamed_is_complete_at_once() {
    let mut watched = Watched::after(|context| fs::write(context.join("a"), "").unwrap());
    watched.write(".a.tmp");
    fs::rename(watched.path(".a.tmp"), watched.path("a")).unwrap();
    loop {
        if let WatchEvent::Touched(touch) = watched.next().await
            && touch.path.as_path() == watched.path("a")
        {
            assert_eq!(touch.stage, Stage::Complete);
            break;
        }
    }
}

#[tokio::test]
async fn a_removed_file_is_gone_and_back_when_it_is_added_again() {
    let mut watched = Watched::after(|context| fs::write(context.join("a"), "").unwrap());
    fs::remove_file(watched.path("a")).unwrap();
    watched.touched(&["a"]).await;
    watched.write("a");
    watched.touched(&["a"]).await;
}

#[tokio::test]
async fn a_change_of_mode_is_a_change() {
    use std::os::unix::fs::PermissionsExt;
    let mut watched = Watched::after(|context| fs::write(context.join("a"), "").unwrap());
    fs::set_permissions(watched.path("a"), fs::Permissions::from_mode(0o755)).unwrap();
    watched.touched(&["a"]).await;
}

#[tokio::test]
async fn every_file_of_a_new_directory_is_seen_however_soon_it_is_written() {
    let mut watched = Watched::after(|_| {});
    let mut names = Vec::new();
    for index in 0..300 {
        watched.mkdir(&format!("d{index}/deep"));
        watched.write(&format!("d{index}/f"));
        watched.write(&format!("d{index}/deep/f"));
        names.push(format!("d{index}/f"));
        names.push(format!("d{index}/deep/f"));
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    watched.touched(&names).await;
    watched.write("d7/deep/later");
    watched.touched(&["d7/deep/later"]).await;
    assert_eq!(watched.count().watched, 601);
}

#[tokio::test]
async fn a_moved_in_directory_is_seen_with_all_it_holds_but_for_the_ignored() {
    let mut watched = Watched::after(|context| {
        fs::write(context.join(".dockerignore"), "**/node_modules\n").unwrap();
    });
    let outside = watched.dir.path().join("outside");
    fs::create_dir_all(outside.join("src/deep")).unwrap();
    fs::create_dir_all(outside.join("node_modules/x")).unwrap();
    fs::write(outside.join("src/deep/a"), "").unwrap();
    fs::write(outside.join("node_modules/x/b"), "").unwrap();
    fs::rename(&outside, watched.path("in")).unwrap();
    let seen = watched
        .touched(&["in", "in/src", "in/src/deep", "in/src/deep/a"])
        .await;
    assert!(!seen.iter().any(|path| path.contains("node_modules")));
    watched.write("in/node_modules/x/b");
    watched.write("in/src/deep/b");
    let seen = watched.touched(&["in/src/deep/b"]).await;
    assert!(!seen.iter().any(|path| path.contains("node_modules")));
    assert_eq!(watched.count().watched, 4);
}

#[tokio::test]
async fn ignored_directories_are_never_entered_whether_present_at_start_or_made_later() {
    let mut watched = Watched::after(|context| {
        fs::write(context.join(".dockerignore"), "dist\nnode_modules\n").unwrap();
        fs::create_dir_all(context.join("node_modules/a/b")).unwrap();
        fs::create_dir_all(context.join(".git/objects")).unwrap();
        fs::create_dir_all(context.join("src")).unwrap();
    });
    assert_eq!(watched.count().watched, 2);
    watched.mkdir("dist/a/b");
    watched.write("dist/a/b/c");
    watched.write("node_modules/a/x");
    watched.write(".git/HEAD");
    watched.write("src/.x.swp");
    watched.write("src/last");
    let seen = watched.touched(&["src/last"]).await;
    assert_eq!(seen, BTreeSet::from(["src/last".to_owned()]));
    assert_eq!(watched.count().watched, 2);
}

#[tokio::test]
async fn an_exception_inside_an_ignored_directory_is_watched() {
    let mut watched = Watched::after(|context| {
        fs::write(context.join(".dockerignore"), "vendor\n!vendor/ours\n").unwrap();
        fs::create_dir_all(context.join("vendor/ours")).unwrap();
        fs::create_dir_all(context.join("vendor/theirs/deep")).unwrap();
    });
    watched.write("vendor/theirs/deep/a");
    watched.write("vendor/ours/a");
    let seen = watched.touched(&["vendor/ours/a"]).await;
    assert_eq!(seen, BTreeSet::from(["vendor/ours/a".to_owned()]));
}

#[tokio::test]
async fn the_watch_survives_a_branch_switch_that_removes_and_makes_ten_directories() {
    let mut watched = Watched::after(|_| {});
    for round in 0..10 {
        for index in 0..10 {
            watched.mkdir(&format!("d{index}/x"));
            watched.write(&format!("d{index}/x/f"));
        }
        if round < 9 {
            for index in 0..10 {
                fs::remove_dir_all(watched.path(&format!("d{index}"))).unwrap();
            }
        }
    }
    watched.write("end");
    watched.touched(&["end"]).await;
    for index in 0..10 {
        let name = format!("d{index}/x/after");
        watched.write(&name);
        watched.touched(&[&name]).await;
    }
    assert_eq!(watched.count().watched, 21);
}

#[tokio::test]
async fn a_directory_moved_within_the_context_is_watched_at_its_new_place_alone() {
    let mut watched = Watched::after(|context| {
        fs::create_dir_all(context.join("old/sub")).unwrap();
        fs::write(context.join("old/sub/f"), "").unwrap();
    });
    for _ in 0..20 {
        fs::rename(watched.path("old"), watched.path("new")).unwrap();
        fs::rename(watched.path("new"), watched.path("old")).unwrap();
    }
    fs::rename(watched.path("old"), watched.path("new")).unwrap();
    watched.touched(&["old", "new/sub/f"]).await;
    watched.write("end");
    watched.touched(&["end"]).await;
    watched.write("new/sub/f");
    watched.write("last");
    let seen = watched.touched(&["new/sub/f", "last"]).await;
    assert!(!seen.contains("old/sub/f"), "{seen:?}");
    // The old name is free for another directory.
    watched.mkdir("old/sub");
    watched.write("old/sub/g");
    watched.touched(&["old/sub/g"]).await;
    watched.write("old/sub/h");
    watched.touched(&["old/sub/h"]).await;
    assert_eq!(watched.count().watched, 5);
}

#[tokio::test]
async fn a_removed_directory_drops_its_watches() {
    let mut watched = Watched::after(|context| {
        fs::create_dir_all(context.join("a/b/c")).unwrap();
    });
    assert_eq!(watched.count().watched, 4);
    fs::remove_dir_all(watched.path("a")).unwrap();
    watched.touched(&["a"]).await;
    // A first touch of `a` may tell of what it held: the last one of all is that of its own removal.
    let begun = std::time::Instant::now();
    while watched.count().watched != 1 {
        assert!(begun.elapsed() < PATIENCE, "{:?}", watched.count());
    }
}

#[tokio::test]
async fn the_number_of_watches_is_the_number_of_kept_directories() {
    let watched = Watched::after(|context| {
        fs::write(context.join(".dockerignore"), "**/cache\n").unwrap();
        for index in 0..50 {
            fs::create_dir_all(context.join(format!("src/{index}"))).unwrap();
            fs::create_dir_all(context.join(format!("src/{index}/cache/{index}"))).unwrap();
        }
    });
    let count = watched.count();
    assert_eq!((count.watched, count.polled), (52, 0));
}

#[tokio::test]
async fn links_are_seen_whether_they_lead_somewhere_or_not_and_never_followed() {
    let mut watched = Watched::after(|context| {
        symlink("nowhere", context.join("broken at start")).unwrap();
    });
    let outside = watched.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink("nowhere", watched.path("broken")).unwrap();
    symlink(&outside, watched.path("good")).unwrap();
    watched.touched(&["broken", "good"]).await;
    fs::write(outside.join("secret"), "").unwrap();
    fs::remove_file(watched.path("broken at start")).unwrap();
    let seen = watched.touched(&["broken at start"]).await;
    assert!(!seen.iter().any(|path| path.contains("secret")));
    assert_eq!(watched.count().watched, 1);
}

#[tokio::test]
async fn the_dockerfile_and_the_ignore_file_are_watched_even_when_ignored() {
    let mut watched = Watched::after(|context| {
        fs::write(context.join(".dockerignore"), "*\n").unwrap();
    });
    watched.write("ignored");
    watched.write("Dockerfile");
    watched.write("Dockerfile.dockerignore");
    watched.write(".dockerignore");
    let seen = watched
        .touched(&["Dockerfile", "Dockerfile.dockerignore", ".dockerignore"])
        .await;
    assert!(!seen.contains("ignored"));
}

#[tokio::test]
async fn a_new_configuration_takes_effect_without_losing_what_both_watch() {
    let mut watched = Watched::after(|context| {
        fs::write(context.join(".dockerignore"), "a\n").unwrap();
        fs::create_dir(context.join("a")).unwrap();
        fs::create_dir(context.join("b")).unwrap();
    });
    assert_eq!(watched.count().watched, 2);
    fs::write(watched.path(".dockerignore"), "b\n").unwrap();
    watched.touched(&[".dockerignore"]).await;
    let scope = scope_of(watched.dir.path());
    watched
        .watcher
        .reconfigure(vec![scope], Vec::new())
        .unwrap();
    assert_eq!(watched.count().watched, 2);
    watched.write("b/ignored now");
    watched.write("a/watched now");
    watched.write("both");
    let seen = watched.touched(&["a/watched now", "both"]).await;
    assert!(!seen.contains("b/ignored now"), "{seen:?}");
}

#[tokio::test]
async fn names_of_any_bytes_are_watched() {
    use std::os::unix::ffi::OsStrExt;
    let mut watched = Watched::after(|_| {});
    let odd = std::ffi::OsStr::from_bytes(b"-n \n\xFF");
    let path = watched.path("").join(odd);
    fs::create_dir(&path).unwrap();
    fs::write(path.join(odd), "").unwrap();
    loop {
        if let WatchEvent::Touched(touch) = watched.next().await
            && touch.path.as_path() == path.join(odd)
        {
            break;
        }
    }
}

#[tokio::test]
async fn when_events_are_lost_the_watches_are_made_anew_and_a_comparison_is_asked_for() {
    let mut watched = Watched::after(|context| fs::create_dir(context.join("src")).unwrap());
    // What the listener does on the system's overflow event.
    let lost = super::scanner::Job::Rescan("overflow".to_owned());
    watched.watcher.jobs.send(lost).unwrap();
    while !matches!(watched.next().await, WatchEvent::Rescan { .. }) {}
    watched.write("src/f");
    watched.touched(&["src/f"]).await;
    assert_eq!(watched.count().watched, 2);
}

/// C2, C5: of what was in a directory that is left out itself, nothing else tells when it is moved away.
#[tokio::test]
async fn a_directory_that_is_only_passed_through_is_told_of_when_it_is_moved_away() {
    let mut watched = Watched::after(|context| {
        fs::write(context.join(".dockerignore"), "*\n!app/models/**\n").unwrap();
        fs::create_dir_all(context.join("app/models")).unwrap();
        fs::write(context.join("app/models/user"), "").unwrap();
    });
    fs::rename(watched.path("app/models"), watched.path("app/old")).unwrap();
    watched.touched(&["app/models"]).await;
    watched.mkdir("app/models");
    watched.write("app/models/user");
    watched.touched(&["app/models/user"]).await;
}
