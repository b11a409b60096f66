//! Mounts and read-only roots: handled, or refused by name (E6; engine traps 5 and 7).

use docker_liveupdate::engine::Engine;

use crate::fixture::{Project, WAITS, at, file, many, put, remove};

#[tokio::test]
async fn a_volume_is_written_like_any_directory() {
    let project = Project::connect().await;
    let web = project
        .run(&["-v", "/data", "-v", "/data/inner"], WAITS)
        .await;
    project
        .engine
        .apply(
            &web,
            &put([
                file("/data/a", "x"),
                file("/data/inner/sub/b", "y"),
                file("/c", "z"),
            ]),
        )
        .await
        .unwrap();
    assert_eq!(
        project.sh(&web, "cat /data/a /data/inner/sub/b /c").await,
        "xyz"
    );
    project
        .engine
        .apply(
            &web,
            &remove(["/data/a", "/data/inner/sub/b"], ["/data/inner/sub"]),
        )
        .await
        .unwrap();
    assert_eq!(
        project.sh(&web, "ls -A /data /data/inner").await,
        "/data:\ninner\n\n/data/inner:"
    );
}

#[tokio::test]
async fn under_a_read_only_root_a_writable_volume_takes_copies() {
    let project = Project::connect().await;
    let web = project
        .run(&["--read-only", "-v", "/srv/data"], WAITS)
        .await;
    project.sh(&web, "chown 7:7 /srv/data").await;
    project
        .engine
        .apply(
            &web,
            &put([file("/srv/data/a", "x"), file("/srv/data/sub/b", "y")]),
        )
        .await
        .unwrap();
    let seen = project
        .sh(&web, "cd /srv/data; cat a sub/b; stat -c ' %u' a sub sub/b")
        .await;
    assert_eq!(seen, "xy 7\n 7\n 7");
    let error = project
        .engine
        .apply(&web, &put([file("/etc/a", "x")]))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`/etc/a`") && error.contains("read-only") && error.contains("hint: "),
        "{error}"
    );
    let error = project
        .engine
        .apply(&web, &remove(["/etc/passwd"], []))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("`/etc/passwd`"), "{error}");
}

#[tokio::test]
async fn a_tmpfs_or_a_mounted_file_is_refused_by_name() {
    let project = Project::connect().await;
    let folder = tempfile::tempdir().unwrap();
    let host = folder.path().join("conf");
    std::fs::write(&host, "host's").unwrap();
    let bind = format!("{}:/etc/conf", host.display());
    let frozen = format!("{}:/frozen:ro", folder.path().display());
    let web = project
        .run(&["--tmpfs", "/run/t", "-v", &bind, "-v", &frozen], WAITS)
        .await;
    for (path, word) in [
        ("/run/t/a", "`/run/t` is a tmpfs"),
        ("/etc/conf", "mounted from"),
        ("/frozen/a", "mounted read-only"),
    ] {
        let error = project
            .engine
            .apply(&web, &put([file(path, "x")]))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(word) && error.contains(path), "{error}");
    }
    assert_eq!(std::fs::read_to_string(host).unwrap(), "host's");
    // What cannot be copied can still be deleted.
    project.sh(&web, "touch /run/t/a").await;
    project
        .engine
        .apply(&web, &remove(["/run/t/a"], []))
        .await
        .unwrap();
    assert_eq!(project.sh(&web, "ls -A /run/t").await, "");
}

#[tokio::test]
async fn comparisons_see_volumes_and_binds_as_the_container_does() {
    let project = Project::connect().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("b"), "bound").unwrap();
    let bind = format!("{}:/app/bind", folder.path().display());
    let web = project
        .run(
            &["-v", "/app/vol", "-v", &bind, "--tmpfs", "/app/mem"],
            WAITS,
        )
        .await;
    project
        .sh(
            &web,
            "echo v > /app/vol/v; echo m > /app/mem/m; echo a > /app/a",
        )
        .await;
    let seen = project
        .engine
        .fingerprints(
            &web,
            &many([
                "/app",
                "/app/a",
                "/app/bind",
                "/app/bind/b",
                "/app/mem",
                "/app/mem/m",
                "/app/vol",
                "/app/vol/v",
                "/none",
            ]),
            &[at("/app"), at("/none")],
        )
        .await
        .unwrap();
    let paths: Vec<String> = seen.keys().map(ToString::to_string).collect();
    // The tmpfs is the one thing that the engine cannot look into.
    assert_eq!(
        paths,
        [
            "/app",
            "/app/a",
            "/app/bind",
            "/app/bind/b",
            "/app/mem",
            "/app/vol",
            "/app/vol/v"
        ]
    );
}
