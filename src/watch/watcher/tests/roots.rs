//! Roots and single files that move, vanish and come back.

use super::*;

#[tokio::test]
async fn the_watch_survives_a_root_that_is_moved_away_and_back() {
    let mut watched = Watched::after(|context| fs::create_dir(context.join("src")).unwrap());
    let context = watched.dir.path().join("context");
    let away = watched.dir.path().join("away");
    for round in 0..3 {
        fs::rename(&context, &away).unwrap();
        watched.touched(&[""]).await;
        fs::rename(&away, &context).unwrap();
        watched.touched(&["src"]).await;
        let name = format!("src/{round}");
        watched.write(&name);
        watched.touched(&[&name]).await;
    }
}

#[tokio::test]
async fn the_watch_survives_a_root_that_is_removed_and_made_again() {
    let mut watched = Watched::after(|context| fs::create_dir(context.join("src")).unwrap());
    for round in 0..3 {
        fs::remove_dir_all(watched.path("")).unwrap();
        watched.mkdir("src");
        let name = format!("src/{round}");
        watched.write(&name);
        watched.touched(&[&name]).await;
    }
}

#[tokio::test]
async fn the_watch_survives_a_directory_above_the_root_being_moved_and_linked() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("one/project/context/src")).unwrap();
    symlink("one", dir.path().join("current")).unwrap();
    let (out, events) = unbounded_channel();
    let project = dir.path().join("current/project");
    let started = Watcher::start(vec![scope_of(&project)], Vec::new(), out).unwrap();
    let mut watched = Watched {
        dir,
        watcher: started.0,
        notices: started.1,
        events,
    };
    let base = watched.dir.path().to_owned();
    let in_context = |name: &str| project.join("context").join(name).display().to_string();
    fs::write(base.join("one/project/context/src/a"), "").unwrap();
    watched.touched(&[&in_context("src/a")]).await;
    fs::rename(base.join("one"), base.join("two")).unwrap();
    fs::create_dir_all(base.join("three/project/context/src")).unwrap();
    fs::remove_file(base.join("current")).unwrap();
    symlink("three", base.join("current")).unwrap();
    watched.touched(&[&in_context("src")]).await;
    fs::write(base.join("three/project/context/src/b"), "").unwrap();
    watched.touched(&[&in_context("src/b")]).await;
}

/// The system tells of a directory under one name only.
#[tokio::test]
async fn a_directory_with_two_watched_names_is_told_of_under_both() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("context/shared/deep")).unwrap();
    fs::create_dir(dir.path().join("web")).unwrap();
    symlink("../context/shared", dir.path().join("web/context")).unwrap();
    let (out, events) = unbounded_channel();
    let web = dir.path().join("web");
    let scopes = vec![scope_of(dir.path()), scope_of(&web)];
    let started = Watcher::start(scopes, Vec::new(), out).unwrap();
    let mut watched = Watched {
        dir,
        watcher: started.0,
        notices: started.1,
        events,
    };
    let in_web = |name: &str| web.join("context").join(name).display().to_string();
    for name in ["f", "deep/f"] {
        let first = format!("shared/{name}");
        watched.write(&first);
        watched.touched(&[&first, &in_web(name)]).await;
    }
    let said = |notice: &Notice| matches!(notice, Notice::TwoNames { .. });
    assert_eq!(watched.notices.iter().filter(|it| said(it)).count(), 1);
}

#[tokio::test]
async fn a_root_that_does_not_exist_yet_is_waited_for_without_events_for_its_siblings() {
    let mut watched = Watched::after(|context| fs::remove_dir(context).unwrap());
    let root = HostPath::new(watched.path("")).unwrap();
    assert!(watched.notices.contains(&Notice::MissingRoot(root)));
    fs::create_dir(watched.dir.path().join("sibling")).unwrap();
    fs::write(watched.dir.path().join("sibling/x"), "").unwrap();
    fs::write(watched.dir.path().join("file"), "").unwrap();
    watched.mkdir("src");
    watched.write("src/a");
    let seen = watched.touched(&["src/a"]).await;
    let expected = ["", "src", "src/a"].map(ToOwned::to_owned);
    assert_eq!(seen, BTreeSet::from(expected));
}

#[tokio::test]
async fn a_single_file_outside_of_any_root_is_watched_through_atomic_saves() {
    let mut watched = Watched::with(
        |_| {},
        |dir| {
            let path = |name| HostPath::new(dir.join(name)).unwrap();
            vec![path("compose.yaml"), path("later/.env")]
        },
    );
    let base = watched.dir.path().to_owned();
    let name = |name: &str| base.join(name).display().to_string();
    fs::write(base.join("other"), "").unwrap();
    for _ in 0..3 {
        fs::write(base.join("compose.tmp"), "").unwrap();
        fs::rename(base.join("compose.tmp"), base.join("compose.yaml")).unwrap();
        let seen = watched.touched(&[&name("compose.yaml")]).await;
        assert_eq!(seen, BTreeSet::from([name("compose.yaml")]));
    }
    fs::create_dir(base.join("later")).unwrap();
    fs::write(base.join("later/other"), "").unwrap();
    fs::write(base.join("later/.env"), "").unwrap();
    watched.touched(&[&name("later/.env")]).await;
}
