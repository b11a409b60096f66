//! Deletes (C5, E4; engine traps 8 and 9).

use docker_liveupdate::engine::{Body, Delta, Engine, EngineError};

use crate::fixture::{IMAGE, Project, WAITS, at, docker, file, outgoing, remove};

#[tokio::test]
async fn files_and_links_go_and_what_only_the_container_has_stays() {
    let project = Project::connect().await;
    let web = project.run(&["--user", "1000"], WAITS).await;
    project.sh(&web, "mkdir -p /app/full/own /app/empty /app/a_dir; cd /app; touch full/ours full/own/theirs empty/ours a_dir/theirs; ln -s full link; chmod 700 /app").await;
    let delta = remove(
        [
            "/app/full/ours",
            "/app/empty/ours",
            "/app/link",
            "/app/never",
            "/app/a_dir",
        ],
        ["/app/full/own", "/app/full", "/app/empty", "/app/nowhere"],
    );
    project.engine.apply(&web, &delta).await.unwrap();
    assert_eq!(
        project.sh(&web, "cd /app; find . | sort").await,
        ".\n./a_dir\n./a_dir/theirs\n./full\n./full/own\n./full/own/theirs"
    );
    // Once more: every verb is safe to repeat.
    project.engine.apply(&web, &delta).await.unwrap();
}

/// E4: what the host had there last need not be what the container has: it may have come and gone while the engine was away.
#[tokio::test]
async fn a_file_goes_by_a_directorys_name_and_an_empty_directory_by_a_files() {
    let project = Project::connect().await;
    let web = project.run(&[], WAITS).await;
    project.sh(&web, "mkdir -p /app/deep/in /app/was/in /app/full; cd /app; touch deep/in/swap was/in/f full/theirs; ln -s deep link").await;
    let delta = remove(
        ["/app/was", "/app/was/in/f", "/app/full"],
        [
            "/app/was/in",
            "/app/link",
            "/app/deep/in/swap",
            "/app/deep/in",
            "/app/deep",
        ],
    );
    project.engine.apply(&web, &delta).await.unwrap();
    let left = project.sh(&web, "cd /app; find . | sort").await;
    assert_eq!(left, ".\n./full\n./full/theirs");
}

/// C5: the directory was moved, and a link to it took its place.
#[tokio::test]
async fn a_delete_below_a_link_that_took_a_directorys_place_does_not_follow_it() {
    let project = Project::connect().await;
    let web = project.run(&[], WAITS).await;
    project
        .sh(&web, "mkdir -p /app/d/sub; touch /app/d/x /app/d/sub/y")
        .await;
    let mut delta = remove(["/app/d/x", "/app/d/sub/y"], ["/app/d/sub", "/app/d"]);
    delta.put = vec![
        outgoing("/app/d", Body::Link(b"e".to_vec())),
        outgoing("/app/e", Body::Directory { set_mode: false }),
        outgoing("/app/e/sub", Body::Directory { set_mode: false }),
        file("/app/e/x", "x"),
        file("/app/e/sub/y", "y"),
    ];
    project.engine.apply(&web, &delta).await.unwrap();
    assert_eq!(
        project.sh(&web, "cd /app; find . | sort; readlink d").await,
        ".\n./d\n./e\n./e/sub\n./e/sub/y\n./e/x\ne"
    );
}

#[tokio::test]
async fn any_name_can_be_deleted_and_none_is_taken_for_a_command() {
    let project = Project::connect().await;
    let web = project.run(&[], WAITS).await;
    let names: [&[u8]; 7] = [
        b"/app/-rf",
        b"/app/a b",
        b"/app/$(touch x)",
        b"/app/\xff\xfe",
        b"/app/e\n",
        b"/app/\xff\n",
        b"/app/`;'\"\\0101",
    ];
    let copies = crate::fixture::put(names.iter().map(|name| file(name, "x")));
    project.engine.apply(&web, &copies).await.unwrap();
    let delta = Delta {
        remove: names.iter().map(at).collect(),
        ..Delta::default()
    };
    project.engine.apply(&web, &delta).await.unwrap();
    assert_eq!(project.sh(&web, "ls -A /app").await, "");
}

#[tokio::test]
async fn thousands_are_deleted_in_one_go() {
    let project = Project::connect().await;
    let web = project.run(&[], WAITS).await;
    project.sh(&web, "mkdir -p /app; cd /app; seq -f '%05g-a-name-of-some-length-to-fill-the-arguments-with-bytes' 0 9999 | xargs touch; touch keep").await;
    let delta = Delta {
        remove: (0..10_000)
            .map(|n| {
                at(format!(
                    "/app/{n:05}-a-name-of-some-length-to-fill-the-arguments-with-bytes"
                ))
            })
            .collect(),
        ..Delta::default()
    };
    project.engine.apply(&web, &delta).await.unwrap();
    assert_eq!(project.sh(&web, "ls /app").await, "keep");
}

#[tokio::test]
async fn a_container_that_does_not_run_keeps_the_delete_owed_and_takes_the_copies() {
    let project = Project::connect().await;
    let web = project.create(&[], WAITS).await;
    let mut delta = remove(["/etc/passwd"], []);
    delta.put.push(file("/app/a", "x"));
    let error = project.engine.apply(&web, &delta).await.unwrap_err();
    assert!(matches!(error, EngineError::NotRunning(_)), "{error}");
    project.engine.start(&web).await.unwrap();
    project.engine.apply(&web, &delta).await.unwrap();
    assert_eq!(
        project
            .sh(&web, "cat /app/a; ls /etc/passwd 2>/dev/null || true")
            .await,
        "x"
    );
}

/// A container that is killed while directories are deleted in it still has them.
#[tokio::test]
async fn a_delete_that_is_killed_is_not_taken_for_done() {
    let project = Project::connect().await;
    let web = project.run(&[], WAITS).await;
    project
        .sh(&web, "mkdir -p /app/d; rm /bin/rmdir; printf '#!/bin/sh\\nkill -9 $$\\n' > /bin/rmdir; chmod +x /bin/rmdir")
        .await;
    let delta = remove([], ["/app/d"]);
    let error = project.engine.apply(&web, &delta).await.unwrap_err();
    assert!(matches!(error, EngineError::NotRunning(_)), "{error}");
}

#[tokio::test]
async fn an_image_without_rm_is_told_with_a_hint() {
    let project = Project::connect().await;
    let web = project.run(&[], WAITS).await;
    project.sh(&web, "rm /bin/rm").await;
    let error = project
        .engine
        .apply(&web, &remove(["/etc/passwd"], []))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no `rm`") && error.contains("hint: "),
        "{error} ({IMAGE})"
    );
    docker(&["rm", "-f", &web.id.0]);
}
