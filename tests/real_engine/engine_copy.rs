//! Copies: owners, modes, kinds, names, sizes (C5, C6; engine traps 2, 3, 4, 6).

use std::io::Write;
use std::os::unix::ffi::OsStrExt;

use docker_liveupdate::engine::{Body, Engine, Fingerprint, Outgoing};
use docker_liveupdate::paths::HostPath;

use crate::fixture::{Project, WAITS, at, docker, file, many, outgoing, put, wanted};

const OWNERS: &str = "mkdir -p /app/own && chown 1000:1001 /app && chown 7:8 /app/own && chmod 2750 /app/own \
    && echo old > /app/mine && chown 1234:1235 /app/mine && echo old > /app/own/theirs && chown 5:6 /app/own/theirs";

#[tokio::test]
async fn a_replaced_file_keeps_its_owner_and_a_new_one_gets_its_directorys() {
    let project = Project::connect().await;
    let web = project.run(&["--user", "1000"], WAITS).await;
    project.sh(&web, OWNERS).await;
    let delta = put([
        file("/app/mine", "new"),
        file("/app/fresh", "new"),
        file("/app/own/theirs", "new"),
        file("/app/own/deep/er/fresh", "new"),
    ]);
    project.engine.apply(&web, &delta).await.unwrap();
    let owners = project.sh(&web, "cd /app; stat -c '%n %u:%g' mine fresh own own/theirs own/deep own/deep/er own/deep/er/fresh").await;
    assert_eq!(
        owners,
        "mine 1234:1235\nfresh 1000:1001\nown 7:8\nown/theirs 5:6\nown/deep 7:8\nown/deep/er 7:8\nown/deep/er/fresh 7:8"
    );
    assert_eq!(
        project.sh(&web, "cd /app; cat mine own/theirs").await,
        "newnew"
    );
}

/// E4: "files that only the container has are kept".
#[tokio::test]
async fn a_directory_with_something_of_the_containers_own_is_not_replaced_by_a_file_or_a_link() {
    let project = Project::connect().await;
    let web = project.run(&["-v", "/app/mounted/volume"], WAITS).await;
    let own = "mkdir -p /app/d/sub /app/mounted && cd /app/d && echo 1 > ours && echo 1 > sub/ours && echo 1 > sub/cache";
    project.sh(&web, own).await;
    let link = |path: &str| {
        let mut link = file(path, "");
        link.body = Body::Link(b"elsewhere".to_vec());
        link
    };
    let removes = ["/app/d/ours", "/app/d/sub/ours"];
    for (outgoing, kept) in [
        (file("/app/d", "x"), "/app/d/sub/cache"),
        (link("/app/d"), "/app/d/sub/cache"),
        (file("/app/mounted", "x"), "/app/mounted/volume"),
    ] {
        let mut delta = put([outgoing]);
        delta.remove = removes.map(at).to_vec();
        delta.remove_dirs = ["/app/d/sub", "/app/d", "/app/mounted"].map(at).to_vec();
        let error = project.engine.apply(&web, &delta).await.unwrap_err();
        let holds = format!("is a directory that holds `{kept}`");
        assert!(error.to_string().contains(&holds), "{error}");
    }
    assert_eq!(
        project
            .sh(&web, "cd /app/d; cat ours sub/ours sub/cache")
            .await,
        "1\n1\n1"
    );
    project.sh(&web, "rm /app/d/sub/cache").await;
    let mut delta = put([file("/app/d", "x")]);
    delta.remove = removes.map(at).to_vec();
    delta.remove_dirs = ["/app/d/sub", "/app/d"].map(at).to_vec();
    project.engine.apply(&web, &delta).await.unwrap();
    assert_eq!(project.sh(&web, "cat /app/d").await, "x");
}

#[tokio::test]
async fn owners_are_kept_in_large_updates_with_and_without_stat_in_the_image() {
    for prepare in ["true", "rm /bin/stat"] {
        large_update(prepare).await;
    }
}

async fn large_update(prepare: &str) {
    let project = Project::connect().await;
    let web = project.run(&[], WAITS).await;
    project.sh(&web, &format!("{OWNERS}; {prepare}; mkdir /data /srv; ln -s /data /srv/link; chown 9:9 /data; echo old > /data/f3; chown 3:3 /data/f3")).await;
    let names = |folder: &str| {
        (0..20)
            .map(move |n| format!("{folder}/f{n}"))
            .collect::<Vec<_>>()
    };
    let all = [
        names("/app"),
        names("/app/own"),
        names("/srv/link"),
        names("/app/new/er"),
    ]
    .concat();
    let delta = put(all
        .iter()
        .map(|name| file(name, "x"))
        .chain([file("/app/mine", "x"), file("/app/own/theirs", "x")]));
    project.engine.apply(&web, &delta).await.unwrap();
    let owners = project.sh(&web, "find /app /data -type f | xargs busybox stat -c '%u:%g' | sort | uniq -c | awk '{print $1, $2}'").await;
    assert_eq!(
        owners,
        "40 1000:1001\n1 1234:1235\n1 3:3\n1 5:6\n20 7:8\n19 9:9"
    );
    assert_eq!(project.sh(&web, "readlink /srv/link").await, "/data");
}

#[tokio::test]
async fn an_existing_directory_keeps_its_owner_and_mode() {
    let project = Project::connect().await;
    let web = project.run(&[], WAITS).await;
    project.sh(&web, OWNERS).await;
    let delta = put([
        outgoing("/app", Body::Directory { set_mode: false }),
        outgoing("/app/own", Body::Directory { set_mode: false }),
        outgoing("/app/own/made", Body::Directory { set_mode: false }),
        file("/app/own/made/f", "x"),
    ]);
    project.engine.apply(&web, &delta).await.unwrap();
    let modes = project
        .sh(
            &web,
            "cd /app; stat -c '%n %a %u:%g' own own/made own/made/f",
        )
        .await;
    assert_eq!(modes, "own 2750 7:8\nown/made 640 7:8\nown/made/f 640 7:8");
}

#[tokio::test]
async fn a_directorys_changed_mode_is_set_and_its_owner_stays() {
    let project = Project::connect().await;
    let web = project.run(&[], WAITS).await;
    project.sh(&web, OWNERS).await;
    project.sh(&web, "ln -s own /app/link").await;
    let changed = |to: &str, mode| Outgoing {
        mode,
        ..outgoing(to, Body::Directory { set_mode: true })
    };
    let delta = put([
        changed("/app/own", 0o711),
        changed("/app/link", 0o777),
        file("/app/own/f", "x"),
    ]);
    project.engine.apply(&web, &delta).await.unwrap();
    let modes = project
        .sh(&web, "cd /app; stat -c '%a %u:%g' own; test -L link")
        .await;
    assert_eq!(modes, "711 7:8");
}

#[tokio::test]
async fn a_target_behind_a_link_is_written_through_it() {
    let project = Project::connect().await;
    let web = project.run(&[], WAITS).await;
    project.sh(&web, "mkdir -p /releases/1/src /app; chown 5:5 /releases/1/src; ln -s /releases/1 /app/current; ln -s ../releases/1/src /app/src").await;
    let delta = put([
        outgoing("/app/current", Body::Directory { set_mode: false }),
        outgoing("/app/src", Body::Directory { set_mode: false }),
        file("/app/current/a", "a"),
        file("/app/src/b", "b"),
        file("/app/src/sub/c", "c"),
    ]);
    project.engine.apply(&web, &delta).await.unwrap();
    let seen = project.sh(&web, "cat /releases/1/a /releases/1/src/b /releases/1/src/sub/c; stat -c ' %F' /app/current /app/src; stat -c %u /releases/1/src/sub/c").await;
    assert_eq!(seen, "abc symbolic link\n symbolic link\n5");
    let prints = project
        .engine
        .fingerprints(
            &web,
            &many(["/app/src", "/app/src/b", "/app/src/sub", "/app/src/sub/c"]),
            &[at("/app/src")],
        )
        .await
        .unwrap();
    let paths: Vec<String> = prints.keys().map(ToString::to_string).collect();
    assert_eq!(
        paths,
        ["/app/src", "/app/src/b", "/app/src/sub", "/app/src/sub/c"]
    );
    // Read through as it is written through, and a link all the same.
    let target = b"../releases/1/src".to_vec();
    assert_eq!(prints[&at("/app/src")], Fingerprint::Link { target });
}

/// E6: also where the link is none of the paths that are asked for, as when the host's directory is gone.
#[tokio::test]
async fn what_lies_behind_a_link_is_found_by_paths_below_it_alone() {
    let project = Project::connect().await;
    let web = project.run(&[], WAITS).await;
    let make = "mkdir -p /app /far/deep; cd /app; ln -s /far linked; ln -s deep /far/on; ln -s linked/gone lost; \
                echo a > linked/a; echo b > linked/on/b";
    project.sh(&web, make).await;
    for stopped in [false, true] {
        if stopped {
            docker(&["stop", "-t", "0", &web.id.0]);
        }
        let paths = ["/app/linked/a", "/app/linked/on/b", "/app/lost/c"];
        let (asked, roots) = (many(paths), [at("/app")]);
        let prints = project.engine.fingerprints(&web, &asked, &roots).await;
        let found: Vec<String> = prints.unwrap().keys().map(ToString::to_string).collect();
        assert_eq!(
            found,
            ["/app/linked/a", "/app/linked/on/b"],
            "stopped: {stopped}"
        );
    }
}

/// C5: with few paths and with many, running or not.
#[tokio::test]
async fn a_directory_that_comes_after_a_link_was_removed_replaces_the_link() {
    for (files, stopped) in [(1, false), (1, true), (40, false)] {
        let project = Project::connect().await;
        let web = project.run(&[], WAITS).await;
        project.sh(&web, "mkdir -p /app/e/sub; cd /app; for n in $(seq 0 50); do echo kept > e/sub/$n; done; ln -s e d").await;
        if stopped {
            docker(&["stop", "-t", "0", &web.id.0]);
        }
        let mut delta = put([
            outgoing("/app/d", Body::Directory { set_mode: false }),
            outgoing("/app/d/sub", Body::Directory { set_mode: false }),
        ]);
        for n in 0..files {
            delta.put.push(file(format!("/app/d/sub/{n}"), "new\n"));
        }
        delta.remove.push(at("/app/d"));
        project.engine.apply(&web, &delta).await.unwrap();
        if stopped {
            project.engine.start(&web).await.unwrap();
        }
        let seen = project
            .sh(
                &web,
                "cd /app; cat d/sub/* | sort | uniq -c; cat e/sub/* | sort | uniq -c; test ! -L d",
            )
            .await;
        let seen: Vec<&str> = seen.split_whitespace().collect();
        assert_eq!(seen, [&files.to_string(), "new", "51", "kept"]);
    }
}

#[tokio::test]
async fn a_file_takes_a_directorys_place_and_the_reverse_even_in_a_stopped_container() {
    let project = Project::connect().await;
    let web = project.run(&[], WAITS).await;
    project.sh(&web, "mkdir -p /app/was_dir/sub /app/link_to /app/was_dir2; echo x > /app/was_dir/sub/f; echo x > /app/was_file; echo x > /app/was_file2").await;
    docker(&["stop", "-t", "0", &web.id.0]);
    let mut delta = put([
        file("/app/was_dir", "file now"),
        outgoing("/app/was_dir2", Body::Link(b"was_dir".to_vec())),
        outgoing("/app/was_file", Body::Directory { set_mode: false }),
        file("/app/was_file/f", "in it"),
        file("/app/was_file2/g", "implied"),
    ]);
    // What was in it goes with it; the rest would have to wait until the container runs.
    delta.remove.push(at("/app/was_dir/sub/f"));
    delta.remove_dirs.push(at("/app/was_dir/sub"));
    project.engine.apply(&web, &delta).await.unwrap();
    project.engine.start(&web).await.unwrap();
    let seen = project
        .sh(
            &web,
            "cd /app; cat was_dir; echo; readlink was_dir2; cat was_file/f; echo; cat was_file2/g",
        )
        .await;
    assert_eq!(seen, "file now\nwas_dir\nin it\nimplied");
}

#[tokio::test]
async fn any_name_arrives_as_it_is() {
    let project = Project::connect().await;
    let web = project.run(&[], WAITS).await;
    let long = format!("/app/{}/{}", "d".repeat(120), "f".repeat(200));
    let names: [&[u8]; 7] = [
        b"/app/with space",
        b"/app/-rf",
        b"/app/new\nline",
        b"/app/\xff\xfe",
        "/app/ünï".as_bytes(),
        b"/app/50%+&?#",
        long.as_bytes(),
    ];
    let mut outgoing_all: Vec<_> = names.iter().map(|name| file(name, "x")).collect();
    outgoing_all.push(outgoing(
        "/app/link",
        Body::Link(b"\xff to nowhere\n".to_vec()),
    ));
    project
        .engine
        .apply(&web, &put(outgoing_all.clone()))
        .await
        .unwrap();
    // A second time: every name is found again when owners are looked up one by one.
    project.sh(&web, "chown -R 3:3 /app").await;
    for one in outgoing_all {
        project.engine.apply(&web, &put([one])).await.unwrap();
    }
    assert_eq!(
        project
            .sh(
                &web,
                "find /app -user 3 ! -type d -print0 | tr -cd '\\0' | wc -c"
            )
            .await,
        "8"
    );
    let prints = project
        .engine
        .fingerprints(
            &web,
            &wanted(names.iter().copied().chain([b"/app/link".as_slice()])),
            &[at("/app")],
        )
        .await
        .unwrap();
    for name in names {
        assert!(
            matches!(
                prints.get(&at(name)),
                Some(Fingerprint::File { mode: 0o640, .. })
            ),
            "{name:?}"
        );
    }
    assert_eq!(
        prints[&at("/app/link")],
        Fingerprint::Link {
            target: b"\xff to nowhere\n".to_vec()
        }
    );
}

#[tokio::test]
async fn times_are_kept_to_the_nanosecond() {
    let project = Project::connect().await;
    let web = project.run(&[], WAITS).await;
    project
        .engine
        .apply(&web, &put([file("/app/a", "x")]))
        .await
        .unwrap();
    let time = project.sh(&web, "stat -c %y /app/a").await;
    assert_eq!(time, "2023-11-14 22:13:20.250000000 +0000");
}

fn on_disk(folder: &tempfile::TempDir, name: &str) -> (HostPath, std::fs::File) {
    let path = folder
        .path()
        .join(std::ffi::OsStr::from_bytes(name.as_bytes()));
    let file = std::fs::File::create(&path).unwrap();
    (HostPath::new(path).unwrap(), file)
}

#[tokio::test]
async fn a_large_file_is_streamed_with_the_size_it_has_when_opened() {
    let project = Project::connect().await;
    let web = project.run(&[], WAITS).await;
    let folder = tempfile::tempdir().unwrap();
    let (from, mut host) = on_disk(&folder, "big");
    host.write_all(&vec![b'x'; 40_000_000]).unwrap();
    let body = Body::File {
        from: from.into(),
        len: 17,
    };
    let applied = project
        .engine
        .apply(
            &web,
            &put([outgoing("/app/big", body), file("/app/after", "y")]),
        )
        .await
        .unwrap();
    assert!(applied.unread.is_empty());
    assert_eq!(
        project.sh(&web, "wc -c < /app/big; cat /app/after").await,
        "40000000\ny"
    );
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_never_arrives_torn_in_silence() {
    let project = Project::connect().await;
    let web = project.run(&[], WAITS).await;
    let folder = tempfile::tempdir().unwrap();
    let (from, _) = on_disk(&folder, "busy");
    let path = from.as_path().to_owned();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = stop.clone();
    // Every content is one letter throughout, at one of two lengths.
    let writer = std::thread::spawn(move || {
        let mut letter = 0u8;
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            letter = (letter + 1) % 26;
            let length = if letter.is_multiple_of(2) {
                9_000_000
            } else {
                1_000_000
            };
            std::fs::File::options()
                .write(true)
                .truncate(true)
                .open(&path)
                .unwrap()
                .write_all(&vec![b'a' + letter; length])
                .unwrap();
        }
    });
    for _ in 0..10 {
        let body = Body::File {
            from: from.clone().into(),
            len: 0,
        };
        project
            .engine
            .apply(
                &web,
                &put([outgoing("/app/busy", body), file("/app/after", "whole")]),
            )
            .await
            .unwrap();
        assert_eq!(
            project.sh(&web, "cat /app/after; rm /app/after").await,
            "whole"
        );
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.join().unwrap();
    let body = Body::File {
        from: from.clone().into(),
        len: 0,
    };
    let applied = project
        .engine
        .apply(&web, &put([outgoing("/app/busy", body)]))
        .await
        .unwrap();
    assert!(applied.unread.is_empty());
    let host = std::fs::read(from.as_path()).unwrap();
    let prints = project
        .engine
        .fingerprints(&web, &wanted(["/app/busy"]), &[at("/app/busy")])
        .await
        .unwrap();
    let hash = xxhash_rust::xxh3::xxh3_128(&host);
    assert_eq!(
        prints[&at("/app/busy")],
        Fingerprint::File { mode: 0o640, hash }
    );
}

#[tokio::test]
async fn a_vanished_file_is_named_and_the_others_arrive() {
    let project = Project::connect().await;
    let web = project.run(&[], WAITS).await;
    let gone = HostPath::new("/no/such/file").unwrap();
    let body = Body::File {
        from: gone.into(),
        len: 3,
    };
    let applied = project
        .engine
        .apply(
            &web,
            &put([outgoing("/app/gone", body), file("/app/a", "x")]),
        )
        .await
        .unwrap();
    assert_eq!(applied.unread, [at("/app/gone")]);
    assert_eq!(project.sh(&web, "ls /app").await, "a");
}

#[tokio::test]
async fn a_stopped_created_or_paused_container_takes_copies() {
    let project = Project::connect().await;
    let web = project.create(&[], WAITS).await;
    project
        .engine
        .apply(&web, &put([file("/app/created", "x")]))
        .await
        .unwrap();
    project.engine.start(&web).await.unwrap();
    docker(&["pause", &web.id.0]);
    project
        .engine
        .apply(&web, &put([file("/app/paused", "x")]))
        .await
        .unwrap();
    docker(&["unpause", &web.id.0]);
    docker(&["kill", &web.id.0]);
    project
        .engine
        .apply(&web, &put([file("/app/stopped", "x")]))
        .await
        .unwrap();
    project.engine.start(&web).await.unwrap();
    assert_eq!(
        project.sh(&web, "ls /app").await,
        "created\npaused\nstopped"
    );
}

#[tokio::test]
async fn a_full_disk_is_said_with_what_to_do() {
    let project = Project::connect().await;
    let web = project.run_with_small_disk("/small").await;
    let error = project
        .engine
        .apply(&web, &put([file("/small/big", vec![1; 3_000_000])]))
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("no space left on device") && text.contains("hint: "),
        "{text}"
    );
}
