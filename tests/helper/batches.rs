//! Atomic updates: all or nothing, never half a file, owners, modes and links as they should be.

use crate::needs::{is_root, needs};
use crate::place::{
    Bring as _, CHMOD, DIRECTORY, Place, bytes, code, perhaps, put, remove, symlink_to, until,
};
use crate::program::write_program;
use docker_liveupdate::helper::{Code, Delivery};
use docker_liveupdate::paths::ContainerPath;
use docker_liveupdate::transfer::{Delta, Outgoing};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[tokio::test]
async fn a_batch_puts_files_links_and_directories_with_the_hosts_modes_and_times() {
    needs!(is_root(), "root, as the helper in a container is");
    let place = Place::new();
    let (mut link, _helper) = place.serve().await;
    let (one, big) = (
        place.host("one", "1"),
        place.host("big", vec![b'x'; 300_000]),
    );
    let mut script = place.file(&one, "bin/run.sh");
    script.mode = 0o4750;
    let mut locked = place.item("bin", DIRECTORY);
    locked.mode = 0o700;
    link.bring(&put([
        script,
        place.file(&big, "deep/er/big"),
        place.item("empty", DIRECTORY),
        locked,
        place.item("link", symlink_to("../nowhere")),
        place.file(&place.host("none", ""), "none"),
    ]))
    .await
    .unwrap();
    let tree = place.tree().replace(&"x".repeat(300_000), "300,000 x");
    insta::assert_snapshot!(tree, @r"
    bin/ 700
    bin/run.sh 4750 1
    deep/ 755
    deep/er/ 755
    deep/er/big 644 300,000 x
    empty/ 755
    link -> ../nowhere
    none 644 
    ");
    for name in ["bin/run.sh", "deep/er/big", "link", "none"] {
        let metadata = fs::symlink_metadata(place.path("app").join(name)).unwrap();
        assert_eq!(
            (metadata.mtime(), metadata.mtime_nsec()),
            (1_700_000_000, 123_456_789),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_reader_sees_no_missing_and_no_short_file_over_10_000_overwrites() {
    const LENGTH: usize = 20_000;
    let place = Place::new();
    let target = place.container("page", vec![b'a'; LENGTH]);
    let (mut link, _helper) = place.serve().await;
    let sources = ["a", "b"].map(|letter| place.host(letter, letter.repeat(LENGTH)));
    let over = Arc::new(AtomicBool::new(false));
    let reads = Arc::new(AtomicUsize::new(0));
    let reader = std::thread::spawn({
        let (over, reads) = (over.clone(), reads.clone());
        move || {
            let mut wrong = 0;
            while !over.load(Ordering::Relaxed) {
                let whole = fs::read(&target).is_ok_and(|content| {
                    content.len() == LENGTH && content.iter().all(|byte| *byte == content[0])
                });
                wrong += usize::from(!whole);
                reads.fetch_add(1, Ordering::Relaxed);
            }
            wrong
        }
    });
    let batches = sources.map(|source| put([place.file(&source, "page")]));
    for round in 0..10_000 {
        link.bring(&batches[round % 2]).await.unwrap();
    }
    until("the reader has read often", || {
        reads.load(Ordering::Relaxed) > 100
    })
    .await;
    over.store(true, Ordering::Relaxed);
    assert_eq!(reader.join().unwrap(), 0);
}

/// A big file comes to the helper's directory another way.
#[tokio::test]
async fn content_that_was_sent_ahead_is_moved_into_place_and_nothing_of_it_is_left() {
    let place = Place::new();
    let (mut link, _helper) = place.serve().await;
    let source = place.host("source", "of old");
    let process = link.process();
    let ahead = |name: &str, content: &str| {
        let name = format!("content-{process}-{name}");
        fs::create_dir_all(place.path("home")).unwrap();
        fs::write(place.path("home").join(&name), content).unwrap();
        (
            name.clone(),
            fs::metadata(place.path("home").join(name)).unwrap().ino(),
        )
    };
    let item = |target: &str| Outgoing {
        mode: 0o640,
        ..place.file(&source, target)
    };
    let sent = |names: &[(&str, &str)]| Delivery {
        ahead: names
            .iter()
            .map(|(target, name)| (place.target(target), (*name).to_owned()))
            .collect(),
        ..Delivery::default()
    };
    let poured = place.container("poured", "old and longer");
    let kept = fs::metadata(&poured).unwrap().ino();
    let ((big, moved), (over, _)) = (ahead("big", "big"), ahead("over", "over"));
    let in_place = Outgoing {
        in_place: true,
        ..item("poured")
    };
    let how = sent(&[("new/big", &big), ("poured", &over)]);
    link.apply(&put([item("new/big"), in_place]), &how)
        .await
        .unwrap();
    insta::assert_snapshot!(place.tree(), @r"
    new/ 755
    new/big 640 big
    poured 640 over
    ");
    let metadata = fs::metadata(place.path("app/new/big")).unwrap();
    assert_eq!((metadata.ino(), metadata.mtime()), (moved, 1_700_000_000));
    assert_eq!(fs::metadata(&poured).unwrap().ino(), kept);
    // Once used, or sent for a batch that came to nothing, it is not there.
    let (other, _) = ahead("other", "other");
    let how = sent(&[("a", &big), ("b", &other)]);
    let batch = put([item("a"), item("b")]);
    let error = link.apply(&batch, &how).await.unwrap_err();
    assert_eq!(code(&error), Some(Code::NotThere), "{error}");
    for foreign in ["content-1-x", "../host/source", "init", ""] {
        let how = sent(&[("a", foreign)]);
        let error = link.apply(&put([item("a")]), &how).await.unwrap_err();
        assert_eq!(code(&error), Some(Code::NotThere), "{error}");
    }
    let (_unused, _) = ahead("unused", "unused");
    link.bye().await.unwrap();
    assert!(!place.path("home").exists());
    assert!(!place.path("app/a").exists() && !place.path("app/b").exists());
}

/// What `setcap cap_net_bind_service=ep` writes.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn attribute(path: &std::path::Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 1024];
    let length = rustix::fs::lgetxattr(path, name, value.as_mut_slice()).ok()?;
    value.truncate(length);
    Some(value)
}

fn set_attribute(path: &std::path::Path, name: &str, value: &[u8]) -> bool {
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::lsetxattr(path, name, value, flags).is_ok()
}

#[tokio::test]
async fn a_replaced_file_keeps_its_extended_attributes_and_its_capability_where_root_alone_decides()
{
    needs!(is_root(), "root, as the helper in a container is");
    let place = Place::new();
    let (plain, poured) = (
        place.container("plain", "old"),
        place.container("poured", "old"),
    );
    let theirs = place.container("theirs/plain", "old");
    chown(place.path("app/theirs"), Some(1234), Some(1234)).unwrap();
    let large = [b'x'; 1000];
    let mut there = true;
    for path in [&plain, &poured, &theirs] {
        there &= set_attribute(path, "user.origin", b"image")
            && set_attribute(path, "user.large", &large)
            && set_attribute(path, "security.capability", &CAPABILITY);
    }
    needs!(
        there,
        "a file system with extended attributes for its temporary files"
    );
    let (mut link, _helper) = place.serve().await;
    let source = place.host("new", "new");
    let mut locked = place.file(&source, "plain");
    locked.mode = 0o555;
    let over = place.poured(&source, "poured");
    let batch = put([locked, over, place.file(&source, "theirs/plain")]);
    link.bring(&batch).await.unwrap();
    for (path, capability) in [(&plain, true), (&poured, true), (&theirs, false)] {
        assert_eq!(fs::read_to_string(path).unwrap(), "new");
        let of = |name| attribute(path, name);
        assert_eq!(
            of("user.origin").as_deref(),
            Some(b"image".as_slice()),
            "{path:?}"
        );
        assert_eq!(
            of("user.large").as_deref(),
            Some(large.as_slice()),
            "{path:?}"
        );
        let kept = of("security.capability");
        assert_eq!(
            kept.as_deref(),
            capability.then_some(&CAPABILITY[..]),
            "{path:?}"
        );
    }
}

#[tokio::test]
async fn a_replaced_file_keeps_its_owner_and_a_new_one_gets_its_directorys() {
    needs!(is_root(), "root, as the helper in a container is");
    let place = Place::new();
    let replaced = place.container("replaced", "old");
    let directory = place.path("app");
    let (theirs, directorys) = ((1234, 2345), (3456, 4567));
    chown(&replaced, Some(theirs.0), Some(theirs.1)).unwrap();
    chown(&directory, Some(directorys.0), Some(directorys.1)).unwrap();
    let (mut link, _helper) = place.serve().await;
    let source = place.host("new", "new");
    let mut setuid = place.file(&source, "replaced");
    setuid.mode = 0o4755;
    link.bring(&put([
        setuid,
        place.file(&source, "new"),
        place.file(&source, "fresh/deep/new"),
        place.item("link", symlink_to("new")),
    ]))
    .await
    .unwrap();
    let owner = |name: &str| {
        let metadata = fs::symlink_metadata(directory.join(name)).unwrap();
        (metadata.uid(), metadata.gid())
    };
    assert_eq!(owner("replaced"), theirs);
    assert_eq!(fs::metadata(&replaced).unwrap().mode() & 0o7777, 0o4755);
    for name in ["new", "fresh", "fresh/deep", "fresh/deep/new", "link"] {
        assert_eq!(owner(name), directorys, "{name}");
    }
}

#[tokio::test]
async fn an_existing_directory_keeps_owner_and_mode() {
    let place = Place::new();
    fs::create_dir(place.path("app/d")).unwrap();
    fs::set_permissions(place.path("app/d"), fs::Permissions::from_mode(0o2711)).unwrap();
    let (mut link, _helper) = place.serve().await;
    let source = place.host("f", "f");
    link.bring(&put([
        place.item("d", DIRECTORY),
        place.file(&source, "d/sub/f"),
    ]))
    .await
    .unwrap();
    // What is made in a directory with the set-group-ID bit inherits it, as from any program.
    insta::assert_snapshot!(place.tree(), @r"
    d/ 2711
    d/sub/ 2755
    d/sub/f 644 f
    ");
}

#[tokio::test]
async fn a_directorys_changed_mode_is_set_and_what_else_the_container_gave_it_stays() {
    let place = Place::new();
    for name in ["d", "other"] {
        fs::create_dir(place.path("app").join(name)).unwrap();
    }
    fs::set_permissions(place.path("app/d"), fs::Permissions::from_mode(0o2755)).unwrap();
    symlink("other", place.path("app/link")).unwrap();
    let (mut link, _helper) = place.serve().await;
    let changed = |name: &str| {
        let mut item = place.item(name, CHMOD);
        item.mode = 0o700;
        item
    };
    let source = place.host("f", "f");
    link.bring(&put([
        changed("d"),
        place.file(&source, "d/f"),
        changed("link"),
        changed("new"),
    ]))
    .await
    .unwrap();
    // A link is no directory, wherever it leads.
    insta::assert_snapshot!(place.tree(), @r"
    d/ 2700
    d/f 644 f
    link -> other
    new/ 700
    other/ 755
    ");
}

#[tokio::test]
async fn in_place_keeps_the_inode_and_shortens_the_file() {
    let place = Place::new();
    let target = place.container("conf", "a long old text");
    let hard_link = place.path("hard");
    fs::hard_link(&target, &hard_link).unwrap();
    let inode = fs::metadata(&target).unwrap().ino();
    let (mut link, _helper) = place.serve().await;
    let source = place.host("conf", "new");
    let in_place = |name: &str| place.poured(&source, name);
    let mut item = in_place("conf");
    item.mode = 0o600;
    link.bring(&put([item, in_place("other")])).await.unwrap();
    let metadata = fs::metadata(&target).unwrap();
    assert_eq!((metadata.ino(), metadata.mtime()), (inode, 1_700_000_000));
    assert_eq!(fs::read_to_string(&hard_link).unwrap(), "new");
    assert_eq!(place.tree(), "conf 600 new\nother 644 new");
}

#[tokio::test]
async fn a_removed_directory_keeps_what_only_the_container_has() {
    let place = Place::new();
    for name in ["d/ours", "d/sub/ours", "d/cache/theirs", "e/ours"] {
        place.container(name, "");
    }
    let (mut link, _helper) = place.serve().await;
    let gone = [
        "d",
        "d/ours",
        "d/sub",
        "d/sub/ours",
        "e",
        "e/ours",
        "never/was",
    ];
    let batch = remove(gone.map(|name| place.target(name)));
    link.bring(&batch).await.unwrap();
    assert_eq!(place.tree(), "d/ 755\nd/cache/ 755\nd/cache/theirs 644 ");
}

#[tokio::test]
async fn a_path_may_change_its_kind() {
    let place = Place::new();
    let source = place.host("new", "new");
    place.container("file_to_dir", "");
    place.container("dir_to_file/ours", "");
    place.container("dir_to_link/ours", "");
    symlink("nowhere", place.path("app/link_to_dir")).unwrap();
    symlink("nowhere", place.path("app/link_to_file")).unwrap();
    let (mut link, _helper) = place.serve().await;
    let remove = [
        "file_to_dir",
        "dir_to_file",
        "dir_to_file/ours",
        "dir_to_link/ours",
        "link_to_dir",
    ];
    let batch = Delta {
        remove: remove.iter().map(|name| place.target(name)).collect(),
        remove_dirs: Vec::new(),
        put: vec![
            place.item("file_to_dir", DIRECTORY),
            place.file(&source, "file_to_dir/f"),
            place.file(&source, "dir_to_file"),
            place.item("dir_to_link", symlink_to("file_to_dir")),
            place.item("link_to_dir", DIRECTORY),
            place.file(&source, "link_to_dir/f"),
            place.file(&source, "link_to_file"),
        ],
    };
    link.bring(&batch).await.unwrap();
    insta::assert_snapshot!(place.tree(), @r"
    dir_to_file 644 new
    dir_to_link -> file_to_dir
    file_to_dir/ 755
    file_to_dir/f 644 new
    link_to_dir/ 755
    link_to_dir/f 644 new
    link_to_file 644 new
    ");
}

#[tokio::test]
async fn a_file_replaces_a_tree_only_where_all_of_it_is_removed() {
    let place = Place::new();
    place.container("d/ours", "");
    place.container("d/sub/theirs", "");
    let before = place.tree();
    let (mut link, _helper) = place.serve().await;
    let source = place.host("new", "new");
    let mut batch = put([place.file(&source, "other"), place.file(&source, "d")]);
    batch.remove.push(place.target("d/ours"));
    let error = link.bring(&batch).await.unwrap_err();
    assert_eq!(code(&error), Some(Code::NotEmpty));
    assert!(error.to_string().contains("d/sub`"), "{error}");
    assert_eq!(place.tree(), before);
    batch
        .remove
        .extend([place.target("d/sub/theirs"), place.target("d/sub")]);
    link.bring(&batch).await.unwrap();
    assert_eq!(place.tree(), "d 644 new\nother 644 new");
}

#[tokio::test]
async fn links_on_the_way_are_followed_and_a_link_at_the_end_is_replaced() {
    let place = Place::new();
    place.container("real/f", "old");
    place.container("outside", "outside");
    symlink("real", place.path("app/way")).unwrap();
    symlink("../outside", place.path("app/real/end")).unwrap();
    let (mut link, _helper) = place.serve().await;
    let source = place.host("new", "new");
    link.bring(&put([
        place.item("way", DIRECTORY),
        place.file(&source, "way/f"),
        place.file(&source, "way/end"),
    ]))
    .await
    .unwrap();
    insta::assert_snapshot!(place.tree(), @r"
    outside 644 outside
    real/ 755
    real/end 644 new
    real/f 644 new
    way -> real
    ");
}

/// C5: what is gone by its name is gone, also where a directory comes in its place.
#[tokio::test]
async fn a_directory_that_comes_after_a_link_was_removed_replaces_the_link() {
    let place = Place::new();
    place.container("real/f", "kept");
    place.container("real/sub/g", "kept");
    symlink("real", place.path("app/way")).unwrap();
    let (mut link, _helper) = place.serve().await;
    let source = place.host("new", "new");
    let mut batch = put([
        place.item("way", DIRECTORY),
        place.file(&source, "way/f"),
        place.item("way/sub", DIRECTORY),
        place.file(&source, "way/sub/g"),
    ]);
    batch.remove.push(place.target("way"));
    link.bring(&batch).await.unwrap();
    insta::assert_snapshot!(place.tree(), @r"
    real/ 755
    real/f 644 kept
    real/sub/ 755
    real/sub/g 644 kept
    way/ 755
    way/f 644 new
    way/sub/ 755
    way/sub/g 644 new
    ");
}

#[tokio::test]
async fn removing_below_a_path_that_became_a_link_does_not_follow_the_link() {
    let place = Place::new();
    place.container("real/f", "kept");
    symlink("real", place.path("app/link")).unwrap();
    let (mut link, _helper) = place.serve().await;
    let mut batch = put([place.item("link", symlink_to("real"))]);
    batch.remove.push(place.target("link/f"));
    link.bring(&batch).await.unwrap();
    assert_eq!(place.tree(), "link -> real\nreal/ 755\nreal/f 644 kept");
}

#[tokio::test]
async fn a_running_binary_can_be_replaced() {
    let place = Place::new();
    let sleep = place.path("app/sleep");
    write_program(&sleep, fs::read("/bin/sleep").unwrap());
    let mut running = tokio::process::Command::new(&sleep)
        .arg("60")
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (mut link, _helper) = place.serve().await;
    link.bring(&put([place.file(&place.host("new", "new"), "sleep")]))
        .await
        .unwrap();
    assert_eq!(fs::read_to_string(&sleep).unwrap(), "new");
    assert!(running.try_wait().unwrap().is_none());
    running.kill().await.unwrap();
}

#[tokio::test]
async fn names_are_bytes() {
    let place = Place::new();
    let (mut link, _helper) = place.serve().await;
    let source = place.host("new", "new");
    let odd: [&[u8]; 4] = [b"sp ace\nline", b"-rf", b"\xff\xfe", &[b'n'; 255]];
    let to = |name: &[u8]| {
        ContainerPath::new([bytes(&place.path("app")), b"/".to_vec(), name.to_vec()].concat())
            .unwrap()
    };
    let items = odd.map(|name| Outgoing {
        to: to(name),
        ..place.file(&source, "")
    });
    link.bring(&put(items)).await.unwrap();
    assert_eq!(fs::read_dir(place.path("app")).unwrap().count(), 4);
    link.bring(&remove(odd.map(to))).await.unwrap();
    assert_eq!(fs::read_dir(place.path("app")).unwrap().count(), 0);
    let error = link
        .bring(&put([place.file(&source, &"n".repeat(256))]))
        .await
        .unwrap_err();
    assert!(error.to_string().ends_with("file name too long"), "{error}");
}

/// What is the same is left as it is, inode and times; what is not, by a byte, a length or a mode, is put as ever.
#[tokio::test]
async fn a_file_that_is_there_already_is_left_as_it_is_and_told() {
    let place = Place::new();
    let (mut link, _helper) = place.serve().await;
    let long = vec![b'x'; 200_000];
    let mut other = long.clone();
    other[199_999] = b'y';
    let mut items = Vec::new();
    let mut inodes = Vec::new();
    for (name, there, here) in [
        ("same", b"one".as_slice(), b"one".as_slice()),
        ("empty", b"", b""),
        ("long", &long, &long),
        ("end", &other, &long),
        ("byte", b"one", b"two"),
        ("length", b"one", b"ones"),
        ("mode", b"one", b"one"),
    ] {
        let target = place.container(name, there);
        fs::set_permissions(&target, fs::Permissions::from_mode(0o644)).unwrap();
        let mut item = place.file(&place.host(name, here), name);
        item.there = perhaps();
        if name == "mode" {
            item.mode = 0o755;
        }
        items.push(item);
        inodes.push((name, fs::metadata(&target).unwrap().ino(), target));
    }
    let mut new = place.file(&place.host("new", "one"), "new");
    new.there = perhaps();
    items.push(new);
    let applied = link.bring(&put(items)).await.unwrap();
    let mut same = applied.same.clone();
    same.sort();
    let expected = ["empty", "long", "same"].map(|name| place.target(name));
    assert_eq!(same, expected);
    for (name, inode, target) in inodes {
        let is_same = ["same", "empty", "long"].contains(&name);
        assert_eq!(
            fs::metadata(&target).unwrap().ino() == inode,
            is_same,
            "{name}"
        );
    }
    assert_eq!(fs::read(place.path("app/end")).unwrap(), long);
    assert_eq!(fs::read(place.path("app/new")).unwrap(), b"one");
    let staged = fs::read_dir(place.path("app")).unwrap().flatten();
    let staged = staged.filter(|entry| {
        entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(b".liveupdate")
    });
    assert_eq!(staged.count(), 0);
}
